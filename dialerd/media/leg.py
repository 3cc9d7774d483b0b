"""The audio side of a call, as its session sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialerd.media.asterisk_ws import LegListener
from dialerd.media.formats import Format
from dialerd.media.playout import Outlet


class Leg(Outlet, Protocol):
    """The audio side of a call (`dialerd.media.asterisk_ws.MediaLeg`)."""

    @property
    def form(self) -> Format:
        """The format of its audio."""
        ...

    async def open(self) -> None:
        """Connect with the call. Raises `CalleeGone` or `PortError`."""
        ...

    def deafen(self) -> None:
        """The callee's audio is not wanted any more."""
        ...

    async def close(self) -> None:
        """Take all down. Never raises."""
        ...

    async def vacate(self) -> None:
        """Take all down, and return once it is gone, so that the call can have another leg. Raises `PortError`."""
        ...


LegFactory = Callable[[LegListener, bool], Leg]
"""Makes a call's leg, given who listens to it and whether the callee's audio is wanted."""
