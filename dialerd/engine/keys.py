"""API keys as the daemon keeps them: their digests, never the keys."""

from __future__ import annotations

import secrets
from typing import Any

from dialerd.core.errors import not_found
from dialerd.engine.views import key_view, page_view
from dialerd.ports import ApiKey, Clock, Page, Store

SCOPES = ("read", "write", "admin")

_CACHE = 1_000
"""Keys remembered between requests; this daemon is the only one that writes them."""


class Keys:
    """The API keys of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[bytes, ApiKey] = {}
        self._revocations = 0

    async def add(self, name: str, scope: str, digest: bytes) -> dict[str, Any]:
        """Store the digest of a new key."""
        key = ApiKey(f"key_{secrets.token_hex(6)}", name, scope, digest, self._clock.now().wall)
        await self._store.add_key(key)
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

    async def any(self) -> bool:
        """Whether any key could be used."""
        return any(key.revoked_at is None for key in await self._store.keys())

    async def page(self, page: Page) -> dict[str, Any]:
        """A page of keys, newest first, revoked ones included."""
        keys = await self._store.keys()
        shown = [key_view(key) for key in keys[page.offset : page.offset + page.limit]]
        return page_view(shown, len(keys), page)

    async def revoke(self, ident: str) -> None:
        """Revoke a key: the next request with it is refused. Raises `RequestError` 404."""
        revoked = await self._store.revoke_key(ident, self._clock.now().wall)
        # Counted after the store's answer: a look-up that began before it must not be remembered.
        self._revocations += 1
        self._known.clear()
        if not revoked:
            raise not_found("key", ident)
