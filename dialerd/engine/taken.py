"""A turn that was decided and is not adopted yet: all that is needed to carry it out, or to take it back.

It outlives its commit only if nobody can tell what became of that: then it is in doubt, and nothing else is decided
until the store can tell. A turn that was thrown away though it is stored would be done twice, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dialerd.core.commands import Answer, Command, Done, Panic
from dialerd.core.journal import Entry, RequestDone
from dialerd.core.messages import Event
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.engine.barrier import Wait


@dataclass(eq=False, slots=True)
class Asked:
    """A command, and where its caller waits."""

    command: Command
    answer: asyncio.Future[tuple[Answer, Wait | None]]
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

    @property
    def entries(self) -> list[Entry]:
        """What makes it durable: the turn's journal, and which requests were carried out."""
        told = [
            replace(item.done, made=answer.call or item.done.made)
            for item, answer in zip(self.asked, self.answers, strict=True)
            if item.done is not None and isinstance(answer, Done)
        ]
        return [*self.turn.entries, *told] if told else self.turn.entries

    @property
    def panics(self) -> bool:
        """Whether somebody wants all calls hung up."""
        return any(isinstance(item.command, Panic) for item in self.asked)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A turn whose commit got no answer. Its changes stay pending in the world."""

    transaction: int
    taken: Taken
