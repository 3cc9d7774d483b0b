"""PostgreSQL's writer: who goes first, and what happens to work that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError
from dialerd.core.journal import NumberFreed
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access
from dialerd.store.transactions import Change, Fetch, Transaction
from tests.contracts.stores import CMP, person
from tests.postgres import Server

PHONE = "+919876500001"
GATE = "SELECT pg_advisory_xact_lock(7)"


@pytest.fixture
async def url(postgres: Server) -> AsyncIterator[str]:
    address = postgres.database()
    yield address
    postgres.give_back(address)


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(Access(url), "d1")
    await made.open()
    yield made
    await made.close()


class Gate:
    """Holds up a transaction that passes it, until it is opened."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def shut(self) -> None:
        await self._connection.execute("SELECT pg_advisory_lock(7)")

    async def open(self) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock(7)")

    async def somebody_waits(self) -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted"
        while not await self._connection.fetchval(waiting):
            await asyncio.sleep(0.01)


@pytest.fixture
async def gate(url: str) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(url)
    made = Gate(connection)
    await made.shut()
    yield made
    await connection.close()


def passing() -> Transaction[None]:
    yield Fetch(GATE, ())


def numbers() -> Transaction[Any]:
    return (yield Fetch("SELECT phone, last_ended_at FROM numbers", ()))


async def test_a_turn_goes_before_the_rows_of_an_import(store: PostgresStore, gate: Gate) -> None:
    order = list[str]()
    import_id = await store.begin_import(CMP)
    async with asyncio.TaskGroup() as group:
        group.create_task(store._writer.execute(passing()))
        await gate.somebody_waits()
        rows = group.create_task(store.add_contacts(import_id, CMP, [person(1)]))
        rows.add_done_callback(lambda _: order.append("rows"))
        await asyncio.sleep(0)
        turn = group.create_task(store.commit([NumberFreed(PHONE, 1)]))
        turn.add_done_callback(lambda _: order.append("turn"))
        await asyncio.sleep(0)
        await gate.open()
    assert order == ["turn", "rows"]


async def test_bulk_work_gives_way_between_its_steps(store: PostgresStore, gate: Gate) -> None:
    bulk = asyncio.create_task(store._writer.execute_behind([passing(), numbers()]))
    await gate.somebody_waits()
    turn = asyncio.create_task(store.commit([NumberFreed(PHONE, 1)]))
    await asyncio.sleep(0)
    await gate.open()
    _, found = await bulk
    await turn
    assert [tuple(row) for row in found] == [(PHONE, 1)]


async def test_a_failing_turn_in_between_leaves_bulk_work_alone(store: PostgresStore, gate: Gate) -> None:
    def broken() -> Transaction[None]:
        yield Change("INSERT INTO numbers VALUES ($1, $2)", [(PHONE, 1)])
        raise InvariantError("wrong")

    bulk = asyncio.create_task(store._writer.execute_behind([passing(), numbers()]))
    await gate.somebody_waits()
    turn = asyncio.create_task(store._writer.execute(broken()))
    await asyncio.sleep(0)
    await gate.open()
    with pytest.raises(InvariantError, match="wrong"):
        await turn
    assert list((await bulk)[1]) == []


async def test_work_that_nobody_waits_for_is_done(store: PostgresStore, gate: Gate) -> None:
    held = asyncio.create_task(store._writer.execute(passing()))
    await gate.somebody_waits()
    turns = [asyncio.create_task(store.commit([NumberFreed(PHONE, at)])) for at in (7, 8)]
    await asyncio.sleep(0)
    for task in (held, *turns):
        task.cancel()
    await asyncio.gather(held, *turns, return_exceptions=True)
    await gate.open()
    await store.probe()
    assert (await store.open_state(Instant(0))).rested == {PHONE: 8}
