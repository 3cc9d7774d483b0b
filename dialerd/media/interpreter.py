"""Between a call's leg and those who are on the call: each is given audio in its own format.

Whoever listens beside the conversation (recorder, watches) takes mu-law, the conversation what it says it takes.
Nothing is decided here.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import cache
from typing import Protocol

from dialerd.media.conversation import Conversation, Voiced
from dialerd.media.formats import ULAW, Format
from dialerd.media.playout import Cue, Outlet
from dialerd.media.ringing import RINGING
from dialerd.media.transcoding import conversion


class Interpreter:
    """One call's, over a leg of the format `leg`."""

    def __init__(self, leg: Format) -> None:
        self.leg = leg
        self._agent = ULAW
        self._plain = conversion(leg, ULAW)
        self._heard = self._plain

    def begin(self, conversation: Conversation) -> None:
        """Whose audio it is from now on."""
        self._agent = conversation.form if isinstance(conversation, Voiced) else ULAW
        self._heard = conversion(self.leg, self._agent)

    def plain(self, audio: bytes) -> bytes:
        """The callee's audio as mu-law."""
        return self._plain(audio)

    def heard(self, audio: bytes, plain: bytes) -> bytes:
        """The same as the conversation takes it; `plain` is it as mu-law."""
        return plain if self._agent == ULAW else self._heard(audio)

    def said(self, audio: AsyncGenerator[bytes | Cue]) -> AsyncGenerator[bytes | Cue]:
        """What the conversation says, as the leg takes it."""
        return audio if self._agent == self.leg else self._said(audio)

    async def _said(self, audio: AsyncGenerator[bytes | Cue]) -> AsyncGenerator[bytes | Cue]:
        convert = conversion(self._agent, self.leg)
        async with contextlib.aclosing(audio):
            async for piece in audio:
                yield piece if isinstance(piece, Cue) else convert(piece)

    def ringing(self) -> bytes:
        """What the callee hears while a person is being called."""
        return _ringing(self.leg)


@cache
def _ringing(form: Format) -> bytes:
    return conversion(ULAW, form)(RINGING)


class Overhearer(Protocol):
    """Who is told of the agent's audio beside the call."""

    def hear_agent(self, audio: bytes) -> None:
        """It is being sent, as mu-law."""
        ...

    def cut_agent(self) -> None:
        """What was sent and is not played yet is dropped."""
        ...


class OverheardOutlet:
    """An outlet of the format `form` whose audio others hear, too."""

    def __init__(self, outlet: Outlet, form: Format, *overhearers: Overhearer) -> None:
        self._outlet = outlet
        self._plain = conversion(form, ULAW)
        self._overhearers = overhearers

    @property
    def is_clear(self) -> bool:
        """See `Outlet`."""
        return self._outlet.is_clear

    async def wait_clear(self) -> None:
        """See `Outlet`."""
        await self._outlet.wait_clear()

    def send(self, audio: bytes) -> None:
        """See `Outlet`."""
        plain = self._plain(audio)
        for overhearer in self._overhearers:
            overhearer.hear_agent(plain)
        self._outlet.send(audio)

    def mark(self, number: int) -> None:
        """See `Outlet`."""
        self._outlet.mark(number)

    def flush(self) -> None:
        """See `Outlet`."""
        for overhearer in self._overhearers:
            overhearer.cut_agent()
        self._outlet.flush()
