"""A turn that was decided and is not adopted yet: all that is needed to carry it out, or to take it back.

It outlives its commit only if nobody can tell what became of that: then it is in doubt, and nothing else is decided
until the store can tell. A turn that was thrown away though it is stored would be done twice, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dialerd.core.commands import Answer, Command, Panic
from dialerd.core.messages import Event
from dialerd.core.turn import Turn
from dialerd.engine.barrier import Wait


@dataclass(eq=False, slots=True)
class Asked:
    """A command, and where its caller waits."""

    command: Command
    answer: asyncio.Future[tuple[Answer, Wait | None]]


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
    def panics(self) -> bool:
        """Whether somebody wants all calls hung up."""
        return any(isinstance(item.command, Panic) for item in self.asked)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A turn whose commit got no answer. Its changes stay pending in the world."""

    transaction: int
    taken: Taken
