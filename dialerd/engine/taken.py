"""A turn that was decided and is not adopted yet: all that is needed to carry it out, or to take it back.

It outlives its commit only if nobody can tell what became of that: then it is in doubt, and nothing else is decided
until the store can tell. A turn that was thrown away though it is stored would be done twice, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dialerd.core.commands import Answer, Command, Done, Panic
from dialerd.core.journal import Author, Deed, Entry, RequestDone
from dialerd.core.messages import Event
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.engine import deeds
from dialerd.engine.barrier import Wait


@dataclass(eq=False, slots=True)
class Asked:
    """A command, and where its caller waits."""

    command: Command
    answer: asyncio.Future[tuple[Answer, Wait | None]]
    by: Author
    done: RequestDone | None = None
    """To be written with the command, so that the same request is not carried out once more."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What went into a turn and what came out of it."""

    events: Sequence[Event]
    asked: Sequence[Asked]
    turn: Turn
    answers: Sequence[Answer]
    """To each of `asked`."""
    planned: bool
    owed: Sequence[tuple[Command, Answer, Author]] = ()
    """What came before all that, since it had been carried out without the store."""

    @property
    def entries(self) -> list[Entry]:
        """What makes it durable: the turn's journal, which requests were carried out, and who changed what."""
        told = [
            replace(item.done, made=answer.call or item.done.made)
            for item, answer in zip(self.asked, self.answers, strict=True)
            if item.done is not None and isinstance(answer, Done)
        ]
        changed = self._deeds()
        return [*self.turn.entries, *told, *changed] if told or changed else self.turn.entries

    def _deeds(self) -> list[Deed]:
        asked = (
            (item.command, answer, item.by) for item, answer in zip(self.asked, self.answers, strict=True)
        )
        # What was owed may have been stored before, or be asked for once more: then it is told of there.
        owed = (
            one
            for one in self.owed
            if isinstance(one[1], Done) and one[1].changed and one[2] != self.panicker
        )
        now = self.turn.now.wall
        return [deed for one in (*owed, *asked) for deed in deeds.of_command(*one, now)]

    @property
    def panicker(self) -> Author | None:
        """Who wants all calls hung up."""
        return next((item.by for item in self.asked if isinstance(item.command, Panic)), None)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A turn whose commit got no answer. Its changes stay pending in the world."""

    transaction: int
    taken: Taken
