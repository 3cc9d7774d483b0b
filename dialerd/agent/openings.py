"""What callees will hear first, spoken while their phones ring, so that an answer finds it in memory.

Best effort, one at a time and few in waiting: the sentences of calls that are held go before, and nobody waits for
any of it. What rings in vain has cost one rendering at most, and is forgotten. How long a phone may ring is not decided
here: whoever expects a call takes or forgoes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from dialerd.agent.voices import Voice
from dialerd.core.errors import PortError

MOST = 16
"""Openings that may wait: each takes some 10 ms, and a phone rings for seconds."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A sentence with a contact's values, and who speaks it."""

    text: str
    voice: Voice


class Speaker(Protocol):
    """Who renders, and keeps what was rendered in memory (`dialerd.agent.speech.Speech`)."""

    async def clip(self, text: str, voice: Voice, *, personal: bool) -> bytes:
        """The text as audio. Raises `PortError`."""
        ...

    def forget(self, text: str, voice: Voice) -> None:
        """Do not keep it."""
        ...


class Openings:
    """Openings by call."""

    def __init__(self, speech: Speaker, most: int = MOST) -> None:
        self._speech = speech
        self._most = most
        self._waiting: OrderedDict[str, Opening] = OrderedDict()
        self._known: dict[str, Opening] = {}
        """Of calls that ring, rendered or being rendered."""
        self._rendering: asyncio.Task[None] | None = None
        self._current: Opening | None = None
        """What is being rendered."""
        self._vain = False
        """The call that it is for needs it no more."""

    def expect(self, call: str, opening: Opening) -> None:
        """The call's phone rings. Behind too many others it is left to the answer."""
        if call in self._known or call in self._waiting or len(self._waiting) >= self._most:
            return
        self._waiting[call] = opening
        if self._rendering is None:
            self._rendering = asyncio.get_running_loop().create_task(self._render())

    def take(self, call: str) -> None:
        """The call was answered: what is said from here on is its own."""
        self._waiting.pop(call, None)
        self._known.pop(call, None)

    def forgo(self, call: str) -> None:
        """The phone rang in vain; unknown: nothing."""
        self._waiting.pop(call, None)
        opening = self._known.pop(call, None)
        if opening is None:
            return
        if opening is self._current:
            self._vain = True
        else:
            self._forget(opening)

    def close(self) -> None:
        """Render nothing more."""
        self._waiting.clear()
        self._known.clear()
        if self._rendering is not None:
            self._rendering.cancel()

    async def _render(self) -> None:
        try:
            while self._waiting:
                call, opening = self._waiting.popitem(last=False)
                self._known[call] = opening
                self._current, self._vain = opening, False
                # A fault is met again, and told, where the call is answered.
                with contextlib.suppress(PortError):
                    await self._speech.clip(opening.text, opening.voice, personal=True)
                self._current = None
                if self._vain:
                    self._forget(opening)
        finally:
            self._rendering = None

    def _forget(self, opening: Opening) -> None:
        """It was spoken in vain, unless another call that rings begins alike."""
        if not any(other == opening for other in self._known.values()):
            self._speech.forget(opening.text, opening.voice)
