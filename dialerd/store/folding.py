"""When moved counters are folded into `counters`, and how: bit by bit, below dialing, and safe at every instant.

The sum of both tables never changes: each bit adds to `counters` and appends the opposite, in one transaction, and the
rows that were folded go with those opposites at the end. So readers need not know of it, a fold that was broken off
leaves nothing to mend, and the next one takes up all that is there. It holds nothing in memory that the store does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import structlog
from sqlalchemy import Dialect

from dialerd.core.errors import InvariantError, PortError
from dialerd.store import moves
from dialerd.store.asking import Lane, Rows
from dialerd.store.sql import to_json
from dialerd.store.transactions import STEP, Transaction, execute, fetch

T = TypeVar("T")

ENOUGH = {"sqlite": 500, "postgresql": 2_000}
"""Rows that are worth a fold. More would spare more writing, but are read with every question for counters, and SQLite
takes five times as long to read one."""

_log = structlog.get_logger("dialerd.store")


class Executor(Protocol):
    """Executes transactions, one after another, in the order in which they were handed over."""

    async def execute_behind(self, steps: Sequence[Transaction[T]]) -> list[T]:
        """Execute `steps` below dialing, together unless that has to wait. Raises `PortError`, `InvariantError`."""
        ...


class Folding:
    """Folds in a task of its own whenever enough rows have come together."""

    def __init__(self, dialect: Dialect, lane: Lane, executor: Executor) -> None:
        """`lane`: reads what is to be folded, which the writer need not wait for."""
        self._to = dialect
        self._lane = lane
        self._executor = executor
        self._rows = 0
        self._opened = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Look what the last daemon has left. Raises `PortError`."""
        ((rows, _),) = await self._lane.fetch(moves.appended(self._to), {})
        self._rows, self._opened = 0, True
        self.appended(rows)

    async def close(self) -> None:
        """Break off; from here nothing is folded."""
        self._opened = False
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def settled(self) -> None:
        """Return when no fold is under way."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    def appended(self, rows: int) -> None:
        """So many rows have come."""
        self._rows += rows
        if self._opened and self._task is None and self._rows >= ENOUGH[self._to.name]:
            self._task = asyncio.create_task(self._fold_aside(), name="store-fold")

    async def _fold_aside(self) -> None:
        # Where it fails it is tried again when as many rows have come once more.
        self._rows = 0
        try:
            await self.fold()
        except (PortError, InvariantError) as error:
            _log.warning("store.fold_put_off", detail=str(error))
        finally:
            self._task = None

    async def fold(self) -> None:
        """Fold all rows that are there now. One at a time. Raises `PortError`, `InvariantError`."""
        # Asked of the writer, so that whatever a fold before this one has begun is over.
        (last,) = await self._executor.execute_behind([_last(self._to)])
        if last is None:
            return
        found = await self._lane.fetch(moves.sums(self._to), {"last": last})
        taken_back: list[int] = []
        bits = [_bit(self._to, some, taken_back) for some in _bits(found)]
        await self._executor.execute_behind([*bits, _clear(self._to, last, taken_back)])


def _bits(found: Rows) -> Iterator[Rows]:
    """Campaigns with about `STEP` counters together."""
    some: list[Sequence[object]] = []
    keys = 0
    for row in found:
        some.append(row)
        keys += row[3]
        if keys >= STEP:
            yield some
            some, keys = [], 0
    if some:
        yield some


def _last(dialect: Dialect) -> Transaction[int | None]:
    ((_, last),) = yield fetch(moves.appended(dialect), {})
    return None if last is None else int(last)


def _bit(dialect: Dialect, some: Rows, taken_back: list[int]) -> Transaction[None]:
    """Fold some campaigns."""
    there = moves.joined([(campaign, added) for campaign, added, _, _ in some])
    back = moves.joined([(campaign, opposite) for campaign, _, opposite, _ in some])
    yield from execute(moves.add(dialect), {"moves": there})
    ((ident,),) = yield fetch(moves.take_back(dialect), {"moves": back})
    taken_back.append(ident)


def _clear(dialect: Dialect, last: int, taken_back: Sequence[int]) -> Transaction[None]:
    """All campaigns are folded: the rows, and what was taken back of them, come to nothing."""
    yield from execute(moves.clear(dialect), {"last": last, "taken_back": to_json(list(taken_back))})
