"""How PostgreSQL answers the questions that must stay fast: from an index, without sorting, at any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from dialerd.core.clock import Instant
from dialerd.store import queries
from dialerd.store.postgres import IN_ORDER
from dialerd.store.sql import POSTGRESQL, Sql, to_json
from dialerd.store.turns import Planner
from tests.contracts.stores import CMP
from tests.postgres import Server

MANY = """
INSERT INTO contacts (campaign_id, import_id, phone, state, waiting, not_before, attempts, turns, refunds, positive)
SELECT 'cmp_' || n % 20, n % 20 + 1, '+91' || (9000000000 + n), 'pending', n / 20 % 4, n, 0, 0, 0, false
FROM generate_series(1, 20000) n
"""
IMPORTS = """
INSERT INTO imports (campaign_id, state, contacts)
SELECT 'cmp_' || n, 'sealed', 1000 FROM generate_series(0, 19) n
"""


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[asyncpg.Connection]:
    url = postgres.database()
    connection = await asyncpg.connect(url)
    for statement in (MANY, IMPORTS):
        await connection.execute(statement)
    yield connection
    await connection.close()
    postgres.give_back(url)


async def plan(database: asyncpg.Connection, sql: str, *values: Any) -> str:
    return "\n".join(row[0] for row in await database.fetch(f"EXPLAIN {sql}", *values))


async def query_plan(database: asyncpg.Connection, sql: Sql, **values: Any) -> str:
    return await plan(database, sql.text, *sql.bind(values))


@pytest.mark.parametrize("known", [False, True], ids=["just filled", "analyzed"])
async def test_ready_contacts_come_from_their_index_in_order(
    database: asyncpg.Connection, known: bool
) -> None:
    for name, value in IN_ORDER.items():
        await database.execute(f"SET {name} = {value}")
    if known:
        await database.execute("ANALYZE")
    values: dict[str, Any] = {"campaign": "cmp_1", "now": Instant(10_000), "held": to_json([1, 2, 3])}
    values |= {"since": "cal_~", **queries.ready_limits((50, 50, 50))}
    steps = await query_plan(database, queries.ready(POSTGRESQL), **values)
    for index in ("contacts_fresh", "contacts_retries", "contacts_callbacks"):
        assert steps.count(f"Index Scan using {index}") == 2
    assert "Sort" not in steps
    assert "Seq Scan on contacts" not in steps


async def test_one_contact_is_found_by_its_number(database: asyncpg.Connection) -> None:
    steps = await query_plan(database, queries.contact(POSTGRESQL), campaign=CMP, phone="+919876500001")
    assert "Index Scan using contacts_by_phone" in steps


async def test_contacts_under_a_pattern_are_found_through_their_numbers(database: asyncpg.Connection) -> None:
    await database.execute("ANALYZE")
    values = {"campaign": "", "since": "", "first": "+9190000001", "last": "+9190000001999999", "limit": 500}
    steps = await query_plan(database, queries.waiting_under(POSTGRESQL), **values)
    assert "contacts_by_phone" in steps


async def test_every_update_of_a_turn_goes_straight_to_its_row(database: asyncpg.Connection) -> None:
    await database.execute("SET enable_seqscan = off")
    for write in Planner(POSTGRESQL).writes:
        if write.name in ("waiting shift", "ends shift") or not write.sql.startswith("UPDATE"):
            # A step of the clock: rare enough to look through all campaigns and numbers.
            continue
        await database.execute(f"PREPARE one AS {write.sql}")
        count = write.sql.count("$")
        steps = "\n".join(
            row[0] for row in await database.fetch(f"EXPLAIN EXECUTE one({', '.join(['NULL'] * count)})")
        )
        await database.execute("DEALLOCATE one")
        assert "Seq Scan" not in steps, (write.name, steps)
