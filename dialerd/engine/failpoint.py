"""Death at a named instant, so that a test can see what a restart makes of it.

Off unless the environment says `DIALERD_FAILPOINT=POINT:N`: then the daemon sends itself SIGKILL as it passes POINT
for the N-th time. The points are the two sides of every boundary that an attempt crosses:

    before-commit    a turn opens a try: nothing of it is written yet
    after-commit     it is written, its originate has not been handed to Asterisk
    after-send       Asterisk has the originate and has replied; the engine has not taken the reply yet
    before-answer    a turn takes an answer that has come: it is not written yet
    after-answer     it is written, the call has no agent yet
    before-outcome   a turn closes a call that has ended: its outcome is not written yet
    after-outcome    it is written, and neither memory nor anybody else knows

It decides when to die and nothing else. Without the variable the engine has no failpoint at all.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import structlog

from dialerd.core.errors import PortError
from dialerd.core.journal import CallAnswered, CallClosed, Entry, TryOpened
from dialerd.core.messages import Event, OriginateAccepted

VARIABLE = "DIALERD_FAILPOINT"

_log = structlog.get_logger("dialerd.engine")


class Point(StrEnum):
    """Where a daemon can be made to die."""

    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    AFTER_SEND = "after-send"
    BEFORE_ANSWER = "before-answer"
    AFTER_ANSWER = "after-answer"
    BEFORE_OUTCOME = "before-outcome"
    AFTER_OUTCOME = "after-outcome"


_BEFORE = {
    Point.BEFORE_COMMIT: TryOpened,
    Point.BEFORE_ANSWER: CallAnswered,
    Point.BEFORE_OUTCOME: CallClosed,
}
_AFTER = {
    Point.AFTER_COMMIT: TryOpened,
    Point.AFTER_ANSWER: CallAnswered,
    Point.AFTER_OUTCOME: CallClosed,
}


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Failpoint:
    """Dies at the `passage`-th passage of `point`."""

    def __init__(self, point: Point, passage: int, die: Callable[[], None] = _kill) -> None:
        self._point = point
        self._left = passage
        self._die = die

    def heard(self, event: Event) -> None:
        """An event has come and nobody has taken it yet."""
        if self._point is Point.AFTER_SEND and isinstance(event, OriginateAccepted):
            self._pass()

    def committing(self, entries: Sequence[Entry]) -> None:
        """A turn is about to be written."""
        self._look(_BEFORE.get(self._point), entries)

    def committed(self, entries: Sequence[Entry]) -> None:
        """A turn is durable and nothing of it has been done."""
        self._look(_AFTER.get(self._point), entries)

    def _look(self, kind: type[object] | None, entries: Sequence[Entry]) -> None:
        if kind is not None and any(isinstance(entry, kind) for entry in entries):
            self._pass()

    def _pass(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._die()


def from_environment(environment: Mapping[str, str]) -> Failpoint | None:
    """The failpoint that `environment` asks for; None: none. Raises `PortError` for one that does not exist."""
    asked = environment.get(VARIABLE)
    if asked is None:
        return None
    name, _, passage = asked.partition(":")
    if name not in list(Point) or not (passage.isdecimal() and int(passage)):
        raise PortError(
            f"{VARIABLE} is for tests and must be POINT:N, with N from 1 and POINT one of {', '.join(Point)}; "
            "unset it",
            retryable=False,
        )
    _log.warning("failpoint.armed", point=name, passage=int(passage))
    return Failpoint(Point(name), int(passage))
