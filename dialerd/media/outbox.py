"""What a worker has to tell of its calls, until it is certain that it was heard.

A label that a callee chose must survive the daemon's death. So reports and ends stay here until the daemon has
acknowledged them and lived on for a while, and go to a file when the worker itself must end first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from dialerd.media.fitting import fitted
from dialerd.media.wire import (
    Ended,
    Garbled,
    Judged,
    MessageLeft,
    Recorded,
    Reported,
    StoodIn,
    TransferAsked,
    Unrecorded,
    encode,
    read_for_daemon,
)

KEPT = 10.0
"""Seconds that an acknowledged message is kept: its daemon may die before it has stored it."""

_log = structlog.get_logger("dialerd.media")


Kept = StoodIn | Judged | MessageLeft | Reported | TransferAsked | Recorded | Unrecorded | Ended
"""What is kept until it was heard."""


@dataclass(slots=True)
class _Letter:
    message: Kept
    acknowledged_at: float | None = None


class Outbox:
    """Messages in order. A call's newer report or wish takes the place of its older one."""

    def __init__(self) -> None:
        self._letters: dict[int, _Letter] = {}
        self._next = 1

    def put(self, message: Kept) -> Kept:
        """Keep a message; returns it with its number, and cut where no line could hold it."""
        if isinstance(message, Reported | Ended):
            message = fitted(message)
        stale = [
            number
            for number, letter in self._letters.items()
            if letter.message.call == message.call and _is_stale(letter.message, message)
        ]
        for number in stale:
            del self._letters[number]
        numbered = replace(message, number=self._next)
        self._letters[self._next] = _Letter(numbered)
        self._next += 1
        return numbered

    def acknowledge(self, number: int, now: float) -> None:
        """The daemon has message `number`; it is dropped once that has been so for long enough (`forget`)."""
        letter = self._letters.get(number)
        if letter is not None and letter.acknowledged_at is None:
            letter.acknowledged_at = now

    def forget(self, now: float) -> list[Kept]:
        """Drop what was acknowledged `KEPT` seconds ago; returns it."""
        old = [
            number
            for number, letter in self._letters.items()
            if letter.acknowledged_at is not None and letter.acknowledged_at + KEPT <= now
        ]
        return [self._letters.pop(number).message for number in old]

    def __iter__(self) -> Iterator[Kept]:
        """Everything that a daemon which has just connected must be told."""
        return iter([letter.message for letter in self._letters.values()])

    @property
    def calls(self) -> frozenset[str]:
        """The calls whose end it may still have to tell; a recording may be told of long after that."""
        told = (letter.message for letter in self._letters.values())
        return frozenset(message.call for message in told if not isinstance(message, Recorded | Unrecorded))

    # --- the file ------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write down what no daemon has acknowledged; nothing: no file."""
        left = [letter.message for letter in self._letters.values() if letter.acknowledged_at is None]
        if not left:
            return
        draft = path.with_suffix(".tmp")
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(b"".join(encode(message) for message in left))
            draft.replace(path)
        except OSError as error:
            _log.error("media.outcomes_lost", calls=[message.call for message in left], detail=str(error))

    def load(self, path: Path) -> None:
        """Take up what the worker before has written down, and delete its file."""
        try:
            lines = path.read_bytes().splitlines()
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error("media.outcomes_unreadable", path=str(path), detail=str(error))
            return
        for line in lines:
            try:
                message = read_for_daemon(line)
            except Garbled as error:
                _log.error("media.outcomes_unreadable", path=str(path), detail=str(error))
                continue
            if isinstance(message, Kept):
                self.put(message)


def _is_stale(kept: Kept, fresh: Kept) -> bool:
    if isinstance(kept, TransferAsked):
        return isinstance(fresh, TransferAsked | Ended)
    if isinstance(kept, Judged | Recorded):
        return isinstance(fresh, type(kept))
    return isinstance(kept, Reported) and isinstance(fresh, Reported | Ended)
