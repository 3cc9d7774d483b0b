"""An engine beside the embedded one, to the media worker that brings it calls.

Each kind implements `RemoteEngine`; whoever composes a worker names the kinds. How an engine is spoken with is the
kind's own business, who may be given a call is `dialerd.media.rack`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialerd.core.effects import AttachAgent
from dialerd.media.conversation import Conversation
from dialerd.media.engine_settings import EngineSettings


class Seat(Protocol):
    """A call's place at an engine, from when it is asked to take the call."""

    def taken(self) -> None:
        """The engine has taken the call."""
        ...

    def failed(self, detail: str) -> None:
        """It has not, or has broken it off: `detail` says how, and what to do."""
        ...

    def leave(self) -> None:
        """The call is over, or was not taken: the place is free. Again is no error."""
        ...


class RemoteEngine(Protocol):
    """An engine as the settings have it."""

    async def check(self) -> None:
        """Return if it can be reached. Raises `PortError` with what to do."""
        ...

    def converse(self, order: AttachAgent, seat: Seat) -> Conversation:
        """The conversation of a call; it leaves the seat when it is closed. Raises `PortError`.

        It is a `RemoteConversation` if it has to be reached, a `DirectConversation` if it has a leg of its own.
        """
        ...


Kind = Callable[[EngineSettings], RemoteEngine]
"""Makes an engine of one kind."""
