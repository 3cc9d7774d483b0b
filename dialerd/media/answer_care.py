"""Who has answered one call: it is listened for, Asterisk is asked too, and what follows is done to the call.

What is heard and what follows from it `dialerd.media.answer_watch` decides; how a call is silenced or left a message is
the call's own business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from dialerd.core.clock import Millis
from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.media.answer_watch import Act, AnswerWatch, GoOn, HangUp, Hush, Judged, Speak

LOOK = 0.5
"""Seconds between two looks at a line on which nothing comes."""

Opinion = Callable[[], Awaitable[tuple[AnsweredBy, str] | None]]
"""Asks Asterisk who has answered, and why it thinks so; None: it does not know."""


class AnsweredCall(Protocol):
    """The call, for what is done to it. Called from the loop: must not wait, must not raise."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can be done to it any more."""
        ...

    def judge(self, answer: AnsweredBy, why: str) -> None:
        """It was heard who is there; a later verdict replaces it."""
        ...

    def hush(self) -> None:
        """The agent falls silent."""
        ...

    def go_on(self) -> None:
        """A person is there after all."""
        ...

    def leave_message(self) -> None:
        """The machine records now."""
        ...

    def leave(self, *, message_left: bool) -> None:
        """Nothing more is said to the machine."""
        ...


class AnswerCare:
    """One call's. `at` is how many milliseconds ago it was answered."""

    def __init__(
        self, on_machine: OnMachine, call: AnsweredCall, at: Callable[[], Millis], amd: Opinion | None
    ) -> None:
        self._watch = AnswerWatch(on_machine)
        self._call = call
        self._at = at
        self._amd = amd
        self._looking: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def listens(self) -> bool:
        """Whether the callee's audio is wanted still."""
        return self._watch.listens

    def hear(self, frame: bytes) -> None:
        """20 ms of the callee's audio, as mu-law."""
        self._heed(self._watch.hear(frame, self._at()))

    def key_pressed(self) -> None:
        """The callee pressed a key."""
        self._heed(self._watch.pressed(self._at()))

    def understood(self) -> None:
        """The callee has said something that was listened for."""
        self._heed(self._watch.understood(self._at()))

    def message_played(self) -> None:
        """The machine has the whole message."""
        self._heed(self._watch.spoken())

    def ask_asterisk(self) -> None:
        """Have Asterisk listen too, where that is wanted."""
        if self._amd is not None and self._watch.listens:
            self._asking = asyncio.get_running_loop().create_task(self._take_opinion(self._amd()))

    async def close(self) -> None:
        """Listen no more."""
        if self._looking is not None:
            self._looking.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _take_opinion(self, asked: Awaitable[tuple[AnsweredBy, str] | None]) -> None:
        verdict = await asked
        if verdict is not None:
            self._heed(self._watch.judged(*verdict, self._at()))

    def _heed(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            if not self._call.is_over:
                self._act(act)
        if self._watch.waits and self._looking is None and not self._call.is_over:
            self._looking = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _look(self) -> None:
        """Time alone may have something done, also where no audio comes."""
        self._looking = None
        self._heed(self._watch.tick(self._at()))

    def _act(self, act: Act) -> None:
        match act:
            case Judged(answer, why):
                self._call.judge(answer, why)
            case Hush():
                self._call.hush()
            case Speak():
                self._call.leave_message()
            case GoOn():
                self._call.go_on()
            case HangUp(message_left):
                self._call.leave(message_left=message_left)
