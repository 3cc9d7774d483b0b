"""What happens, for all pages of one login: one stream of the API's events, and the daemon's status beside it.

The stream is open while a page is. One that breaks is taken up behind the last event; a daemon that is away is looked
for until it is back, and then every page reads again what it shows. Status has no event for everything it tells, so
it is read at intervals, once for all pages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from dialerd.console.api import Api
from dialerd.console.happening import MISSED, Happening
from dialerd.console.problem import Away, Refused

KEPT = 300
"""Events that the page of events can show."""
STATUS_EVERY = 5.0
AGAIN = 1.0
"""Seconds before a daemon that is away is looked for again."""

Listener = Callable[[Happening | None], None]
"""Told each event; None: anything may have changed."""


class Feed:
    """The events of one login."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._listeners: set[Listener] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._after: str | None = None
        self.recent: deque[Happening] = deque(maxlen=KEPT)
        self.away: str | None = None
        """Why the daemon cannot be asked, if it cannot."""
        self.refused: Refused | None = None
        """Its last refusal of this key."""
        self.status: dict[str, Any] | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` what happens until the function that is returned is called."""
        self._listeners.add(listener)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._stream()), asyncio.create_task(self._watch_status())]

        def leave() -> None:
            self._listeners.discard(listener)
            if not self._listeners:
                self.close()

        return leave

    def close(self) -> None:
        """End the stream."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def refresh_status(self) -> None:
        """Read the status now."""
        try:
            self.status = await self._api.get("/v1/status")
        except Away as away:
            self._is_away(str(away))
        except Refused as refused:
            self._is_refused(refused)
        else:
            self._is_there()

    async def _watch_status(self) -> None:
        while True:
            await self.refresh_status()
            self._tell(Happening(None, "console.status", "", {}))
            await asyncio.sleep(AGAIN if self.away else STATUS_EVERY)

    async def _stream(self) -> None:
        while True:
            try:
                async for happening in self._api.events(self._after):
                    self._hear(happening)
            except Away as away:
                self._is_away(str(away))
            except Refused as refused:
                self._is_refused(refused)
            await asyncio.sleep(AGAIN)

    def _hear(self, happening: Happening | None) -> None:
        if happening is None:
            self._is_there()
            return
        if happening.kind == MISSED:
            self._after = None
            self._tell(None)
            return
        self._after = happening.id or self._after
        if happening.id is not None:
            self.recent.append(happening)
        self._tell(happening)

    def _is_there(self) -> None:
        back = self.away is not None or self.refused is not None
        self.away = self.refused = None
        if back:
            self._tell(None)

    def _is_away(self, why: str) -> None:
        if self.away is None:
            self.away = why
            self._tell(Happening(None, "console.away", "", {}))

    def _is_refused(self, refused: Refused) -> None:
        """The daemon is there, but says no: to the key, or since its store is out."""
        self.away = None
        self.refused = refused
        self._tell(Happening(None, "console.refused", "", {}))

    def _tell(self, happening: Happening | None) -> None:
        for listener in list(self._listeners):
            listener(happening)
