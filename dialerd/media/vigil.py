"""While no daemon is there: whether the callees of a media worker's calls still are.

It is the daemon that hears of a hang-up. Without one the agent would talk to nobody, and what is recorded would be
silence, until the next daemon has found out. It ends nothing in Asterisk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.media.ari import MediaAri

LOOK = 0.5
"""Seconds between two looks."""


class Vigil:
    """`begin` when the daemon has gone, `end` when there is one.

    `calls` tells the channel of each call, and what to do when its callee has left.
    """

    def __init__(self, ari: MediaAri, calls: Callable[[], Mapping[ChannelId, Callable[[], None]]]) -> None:
        self._ari = ari
        self._calls = calls
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look again and again."""
        self.end()
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def end(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for channel, left in self._calls().items():
                try:
                    is_live = await self._ari.is_live(channel)
                except PortError:
                    # An Asterisk that is gone takes the calls' audio along, and that is noticed.
                    continue
                if not is_live:
                    left()
