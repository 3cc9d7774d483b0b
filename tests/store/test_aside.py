"""Files read in another process: the same text as in this one, in bounded memory, and nobody waits for a dead one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dialerd.core.errors import PortError
from dialerd.core.identity import CampaignId
from dialerd.core.journal import ImportSealed
from dialerd.core.results import Columns
from dialerd.intake.process import Helper
from dialerd.ports import Store
from dialerd.store.aside import ExportsAside, StoreAddress
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access
from dialerd.store.sqlite import SqliteStore
from tests.contracts.stores import CMP, admitted, person
from tests.postgres import Server

MANY = 100_000


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    made = Helper(deadline=60.0)
    try:
        yield made
    finally:
        await made.close()


def resident() -> int:
    """Bytes of memory that the process which is asked holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def read(exports: Any, columns: Columns) -> tuple[int, int]:
    """Bytes and rows of a file of results."""
    size = rows = 0
    behind: tuple[int, ...] | None = ()
    while behind is not None:
        part = await exports.results(CMP, columns, behind)
        size, rows, behind = size + len(part.text), rows + part.text.count(b"\r\n"), part.behind
    return size, rows


async def same_text(store: Store, aside: ExportsAside) -> None:
    await admitted(store, [person(number, variables={"due": "=१०", "n": number}) for number in range(700)])
    columns = await aside.result_columns(CMP)
    assert columns == await store.result_columns(CMP) == Columns(("due", "n"))
    first = await aside.results(CMP, columns, ())
    assert first == await store.results(CMP, columns, ())
    assert first.behind is not None
    assert await aside.results(CMP, columns, first.behind) == await store.results(CMP, columns, first.behind)
    assert await aside.reject_columns(CMP) == Columns()
    assert await aside.rejects(CMP, Columns(), ()) == await store.rejects(CMP, Columns(), ())
    with pytest.raises(PortError, match="deleted"):
        await aside.results(CampaignId("cmp_none"), columns, ())


async def test_another_process_reads_the_same_from_sqlite(
    store: SqliteStore, path: Path, helper: Helper
) -> None:
    await same_text(store, ExportsAside(helper.call, StoreAddress(f"sqlite:///{path}", "d1")))


async def test_another_process_reads_the_same_from_postgresql(postgres: Server, helper: Helper) -> None:
    url = postgres.database()
    store = PostgresStore(Access(url), "d1")
    await store.open()
    try:
        await same_text(store, ExportsAside(helper.call, StoreAddress(url, "d1")))
    finally:
        await store.close()
        postgres.give_back(url)


async def test_a_store_that_is_not_there_is_named(tmp_path: Path, helper: Helper) -> None:
    aside = ExportsAside(helper.call, StoreAddress(f"sqlite:///{tmp_path}/no/x.db", "d1"))
    with pytest.raises(PortError, match=r"x\.db"):
        await aside.result_columns(CMP)


async def test_a_long_file_takes_no_more_memory_than_a_short_one(
    store: SqliteStore, path: Path, helper: Helper
) -> None:
    aside = ExportsAside(helper.call, StoreAddress(f"sqlite:///{path}", "d1"))
    people = [person(number, variables={"text": "x" * 200}) for number in range(MANY)]
    await admitted(store, people[: MANY // 20])
    del people[: MANY // 20]
    columns = await aside.result_columns(CMP)
    assert (await read(aside, columns))[1] == MANY // 20
    before = resident(), await helper.call(resident)
    more = await store.begin_import(CMP)
    for first in range(0, len(people), 500):
        await store.add_contacts(more, CMP, people[first : first + 500])
    await store.commit([ImportSealed(CMP, more)])
    del people
    assert await aside.result_columns(CMP) == columns
    held = resident(), await helper.call(resident)
    size, rows = await read(aside, columns)
    assert (rows, size > 20_000_000) == (MANY, True)
    after = resident(), await helper.call(resident)
    assert after[1] - before[1] < 8_000_000, "the other process, which has also looked for all columns"
    assert after[0] - held[0] < 8_000_000, "this one"
