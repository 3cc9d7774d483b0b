"""The writer's thread: who goes first, and what happens to work that nobody waits for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from threading import Event

import pytest

from dialerd.core.clock import Instant
from dialerd.core.journal import NumberFreed
from dialerd.store.sqlite import SqliteStore
from tests.contracts.stores import CMP, person

PHONE = "+919876500001"


class Held:
    """Work that keeps the writer busy until it is let go."""

    def __init__(self) -> None:
        self.begun = Event()
        self.gate = Event()

    def __call__(self, connection: sqlite3.Connection) -> int:
        self.begun.set()
        assert self.gate.wait(10)
        return connection.total_changes

    async def wait_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)


def counting(into: list[str], name: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        into.append(f"{name} {connection.execute('SELECT count(*) FROM numbers').fetchone()[0]}")

    return work


async def test_a_turn_goes_before_the_rows_of_an_import(store: SqliteStore) -> None:
    held, order = Held(), list[str]()
    import_id = await store.begin_import(CMP)
    async with asyncio.TaskGroup() as group:
        group.create_task(store._writer.run(held))
        await held.wait_begun()
        rows = group.create_task(store.add_contacts(import_id, CMP, [person(1)]))
        rows.add_done_callback(lambda _: order.append("rows"))
        await asyncio.sleep(0)
        turn = group.create_task(store.commit([NumberFreed(PHONE, 1)]))
        turn.add_done_callback(lambda _: order.append("turn"))
        await asyncio.sleep(0)
        held.gate.set()
    assert order == ["turn", "rows"]


async def test_bulk_work_gives_way_between_its_steps(store: SqliteStore) -> None:
    held, order = Held(), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(store._writer.run_behind(held, counting(order, "numbers after the turn")))
        await held.wait_begun()
        group.create_task(store.commit([NumberFreed(PHONE, 1)]))
        await asyncio.sleep(0)
        held.gate.set()
    assert order == ["numbers after the turn 1"]


async def test_a_failing_turn_in_between_leaves_bulk_work_alone(store: SqliteStore) -> None:
    held, order = Held(), list[str]()

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO numbers VALUES ('+1', 1)")
        raise sqlite3.OperationalError("disk I/O error")

    bulk = asyncio.ensure_future(store._writer.run_behind(held, counting(order, "numbers")))
    await held.wait_begun()
    turn = asyncio.ensure_future(store._writer.run(broken))
    await asyncio.sleep(0)
    held.gate.set()
    with pytest.raises(Exception, match="disk I/O error"):
        await turn
    await bulk
    assert order == ["numbers 0"]


async def test_work_that_nobody_waits_for_is_done(store: SqliteStore) -> None:
    held = Held()
    holding = asyncio.ensure_future(store._writer.run(held))
    await held.wait_begun()
    turn = asyncio.ensure_future(store.commit([NumberFreed(PHONE, 7)]))
    await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    held.gate.set()
    await holding
    assert (await store.open_state(Instant(0))).rested == {PHONE: 7}
