"""Requests that are carried out once: which are under way, which are done, and what was answered to them.

That a request was carried out is written in the transaction that carried it out (`RequestDone`); its answer is kept
after that. What died in between is answered with what was made, as it is by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from dialerd.core.clock import Instant
from dialerd.core.errors import PortError, RequestError
from dialerd.core.journal import REMEMBERED_REQUESTS, RequestDone
from dialerd.ports import AnsweredRequest, Clock, KeptAnswer, Store

FORGET_EVERY = 3_600.0
"""Seconds between two clearings of requests that are not remembered any more."""

_log = structlog.get_logger("dialerd.requests")


class Requests:
    """The requests that named themselves."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._under_way: set[str] = set()

    @contextmanager
    def under_way(self, ident: str) -> Iterator[None]:
        """While a request is carried out. Raises `RequestError` 409 if the same one is under way already."""
        if ident in self._under_way:
            raise RequestError(
                409,
                "request-in-progress",
                "Request in progress",
                "a request with this Idempotency-Key is still being carried out: ask again in a moment",
                extra={"state": "in-progress"},
                retry_after=1,
            )
        self._under_way.add(ident)
        try:
            yield
        finally:
            self._under_way.discard(ident)

    def begin(self, ident: str, asked: str) -> RequestDone:
        """The request as it will be written."""
        return RequestDone(ident, asked, self._clock.now().wall)

    async def find(self, ident: str, asked: str) -> AnsweredRequest | None:
        """The same request, if it was carried out. Raises `RequestError` 409 if another one had this name."""
        found = await self._store.request_done(ident, self._oldest())
        if found is not None and found.done.asked != asked:
            raise RequestError(
                409,
                "idempotency-key-reuse",
                "Idempotency-Key used before",
                "another request with this Idempotency-Key was carried out within the last 24 h: "
                "take a new key for each request",
                extra={"state": "used"},
            )
        return found

    async def keep(self, done: RequestDone, answer: KeptAnswer) -> None:
        """Keep what was answered. If the store does not take it, the request is still known to be done."""
        try:
            await self._store.keep_answer(done, answer)
        except PortError as error:
            _log.warning("requests.answer_not_kept", detail=str(error))

    async def run(self) -> None:
        """Clear what is not remembered any more, now and every hour."""
        while True:
            try:
                await self._store.forget_requests(self._oldest())
            except PortError as error:
                _log.warning("requests.not_cleared", detail=str(error))
            await asyncio.sleep(FORGET_EVERY)

    def _oldest(self) -> Instant:
        return Instant(self._clock.now().wall - REMEMBERED_REQUESTS)
