"""API keys as the daemon keeps them: their digests, never the keys. When each was last used is written now and then."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import structlog

from dialerd.core.clock import Instant
from dialerd.core.errors import PortError, not_found
from dialerd.core.journal import RequestDone
from dialerd.engine.deeds import deed
from dialerd.engine.views import key_view, page_view
from dialerd.ports import ApiKey, Clock, Page, Store

SCOPES = ("read", "write", "admin")

_CACHE = 1_000
"""Keys remembered between requests; this daemon is the only one that writes them."""
USE_WRITTEN_EVERY = 60.0
"""Seconds between two writings of when keys were used: not one a request."""

_log = structlog.get_logger("dialerd.keys")


class Keys:
    """The API keys of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[bytes, ApiKey] = {}
        self._revocations = 0
        self._used: dict[str, Instant] = {}
        """Uses that are not written yet."""
        self._use = asyncio.Event()

    async def add(
        self, name: str, scope: str, digest: bytes, done: RequestDone | None = None
    ) -> dict[str, Any]:
        """Store the digest of a new key."""
        key = ApiKey(f"key_{secrets.token_hex(6)}", name, scope, digest, self._clock.now().wall)
        told = deed(self._clock, "key.created", key.id, name=name, scope=scope)
        await self._store.add_key(key, None if done is None else replace(done, made=key.id), told)
        return key_view(key)

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        known = self._known.get(digest)
        if known is None:
            before = self._revocations
            known = await self._store.key_by_digest(digest)
            if known is not None and before == self._revocations:
                if len(self._known) >= _CACHE:
                    self._known.clear()
                self._known[digest] = known
        return known

    def note_use(self, ident: str) -> None:
        """A key is being used."""
        self._used[ident] = self._clock.now().wall
        self._use.set()

    async def any(self) -> bool:
        """Whether any key could be used."""
        return any(key.revoked_at is None for key in await self._store.keys())

    async def page(self, page: Page) -> dict[str, Any]:
        """A page of keys, newest first, revoked ones included."""
        keys = await self._store.keys()
        shown = [self._view(key) for key in keys[page.offset : page.offset + page.limit]]
        return page_view(shown, len(keys), page)

    async def show(self, ident: str) -> dict[str, Any]:
        """One key. Raises `RequestError` 404."""
        for key in await self._store.keys():
            if key.id == ident:
                return self._view(key)
        raise not_found("key", ident)

    async def revoke(self, ident: str) -> None:
        """Revoke a key: the next request with it is refused. Raises `RequestError` 404."""
        told = deed(self._clock, "key.revoked", ident)
        revoked = await self._store.revoke_key(ident, self._clock.now().wall, told)
        # Counted after the store's answer: a look-up that began before it must not be remembered.
        self._revocations += 1
        self._known.clear()
        if not revoked:
            raise not_found("key", ident)

    async def run(self) -> None:
        """Write down uses of keys, every minute in which there are any, and at the end."""
        try:
            while True:
                await self._use.wait()
                await asyncio.sleep(USE_WRITTEN_EVERY)
                await self.write_use()
        finally:
            await asyncio.shield(self.write_use())

    async def write_use(self) -> None:
        """Write down the uses that are not written yet; what the store does not take waits for the next time."""
        used, self._used = self._used, {}
        self._use.clear()
        if not used:
            return
        try:
            await self._store.note_use(used)
        except PortError as error:
            _log.warning("keys.use_not_written", detail=str(error))
            self._used = used | self._used
            self._use.set()

    def _view(self, key: ApiKey) -> dict[str, Any]:
        return key_view(replace(key, last_used_at=self._used.get(key.id, key.last_used_at)))
