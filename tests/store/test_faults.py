"""SQLite's real faults, as the engine gets to see them: what may pass, what will not, and that both end."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.journal import (
    CallReported,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    DncChanged,
    NumberFreed,
)
from dialerd.core.model import AgentReport
from dialerd.store.sqlite import SqliteStore
from tests.contracts.stores import CMP, START, admitted, attempt, campaign, opening, person

PHONE = "+919876500001"


async def limit(store: SqliteStore, text: str) -> None:
    """Limit the writer's connection, as the disk or the system would; a new connection is free of it."""
    await store._writer.run(lambda connection: connection.execute(f"PRAGMA {text}").fetchall())


async def rested(store: SqliteStore) -> dict[str, int]:
    return dict((await store.open_state(Instant(0))).rested)  # type: ignore[arg-type]


async def test_a_full_disk_stops_writing_until_there_is_room(store: SqliteStore) -> None:
    await admitted(store, [person(1)])
    await limit(store, "max_page_count=1")
    wide = replace(attempt(None), gate={"at": "x" * 100_000})
    with pytest.raises(PortError, match=r"SQLITE_FULL.*free some disk space") as caught:
        await store.commit([NumberFreed(PHONE, 1), *opening(wide)])
    assert caught.value.retryable
    assert await rested(store) == {}
    await store.commit([NumberFreed(PHONE, 1), *opening(wide)])
    assert await rested(store) == {PHONE: 1}


async def test_a_lock_of_another_program_is_waited_for_shortly(path: Path, store: SqliteStore) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PortError, match=r"SQLITE_BUSY.*another program") as caught:
            await store.commit([NumberFreed(PHONE, 1)])
        assert caught.value.retryable
        assert await rested_elsewhere(path) == []
        other.execute("ROLLBACK")
    await store.commit([NumberFreed(PHONE, 2)])
    assert await rested(store) == {PHONE: 2}


async def rested_elsewhere(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute("SELECT * FROM numbers").fetchall()


async def test_a_read_only_store_can_be_read_and_recovers(store: SqliteStore) -> None:
    await limit(store, "query_only=ON")
    with pytest.raises(PortError, match=r"SQLITE_READONLY.*writable") as caught:
        await store.commit([NumberFreed(PHONE, 1)])
    assert caught.value.retryable
    assert await store.campaign(CMP) is None
    await store.commit([NumberFreed(PHONE, 1)])


async def test_a_damaged_file_is_refused_for_good(path: Path) -> None:
    store = SqliteStore(path, "d1")
    await store.open()
    await admitted(store, [person(number) for number in range(500)])
    await store.close()
    damage(path)
    with pytest.raises(
        PortError, match=r"damaged: database disk image is malformed.*must be restored from a backup"
    ) as caught:
        await take_up(path)
    assert not caught.value.retryable


def damage(path: Path, holding: bytes = b"") -> None:
    """Write over every page but the first one, or over those that hold some bytes."""
    content = bytearray(path.read_bytes())
    for start in range(4_096, len(content), 4_096):
        if holding in content[start : start + 4_096]:
            content[start : start + 512] = b"\xff" * 512
    path.write_bytes(content)


async def take_up(path: Path) -> None:
    store = SqliteStore(path, "d1")
    try:
        await store.open()
        await store.open_state(Instant(0))
    finally:
        await store.close()


async def test_damage_met_while_dialing_stops_it_for_good_and_stores_nothing(path: Path) -> None:
    store = SqliteStore(path, "d1")
    await store.open()
    people = await admitted(store, [person(number) for number in range(500)])
    await store.close()
    damage(path, holding=b"+9198765")
    await store.open()
    for _ in range(2):
        with pytest.raises(PortError, match="must be restored from a backup") as caught:
            await store.commit([NumberFreed(PHONE, 1), ContactSaved(people[250])])
        assert not caught.value.retryable
        with pytest.raises(PortError, match="must be restored from a backup") as caught:
            await store.ready(CMP, START, frozenset(), (500, 500, 500))
        assert not caught.value.retryable
    assert await rested(store) == {}
    await store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", b"p?nding"),
        ("phone", b"+9198x65"),
        ("variables", b'{"due": "+9198765000'),
        ("name", b"\xff+9198765"),
    ],
)
async def test_a_row_that_was_never_written_so_is_damage_and_is_not_quoted(
    path: Path, store: SqliteStore, column: str, value: bytes
) -> None:
    await admitted(store, [person(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"UPDATE contacts SET {column} = CAST(? AS TEXT)", (value,))
    with pytest.raises(PortError, match="is damaged") as caught:
        await store.ready(CMP, START, frozenset(), (10, 10, 10))
    assert not caught.value.retryable
    assert "9198" not in str(caught.value)


async def test_a_do_not_call_list_that_cannot_be_read_is_no_list(path: Path, store: SqliteStore) -> None:
    await store.commit([DncChanged(1, (DncEntry(PHONE), DncEntry("+44*")))])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE dnc SET pattern = 'nonsense' WHERE pattern = ?", (PHONE,))
    with pytest.raises(PortError, match="must be restored from a backup"):
        await store.dnc()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TABLE dnc")
    with pytest.raises(PortError, match="no such table: dnc"):
        await store.dnc()


def test_what_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    letter = b"This is a letter to my bank.\n" * 100
    path.write_bytes(letter)
    with pytest.raises(
        PortError, match=r"damaged: file is not a database.*must be restored from a backup"
    ) as caught:
        asyncio.run(take_up(path))
    assert not caught.value.retryable
    assert path.read_bytes() == letter


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none" / "dialerd.db", "d1")
    with pytest.raises(PortError, match=r"none/dialerd\.db\.lock: No such file or directory; check that"):
        await store.open()


async def test_what_json_or_a_column_cannot_hold_is_our_own_fault(store: SqliteStore) -> None:
    await admitted(store, [person(1)])
    call = attempt(None)
    await store.commit(opening(call))
    odd = replace(call, report=AgentReport(captured={"when": object()}))
    for wrong in (
        CallReported(odd),
        CountersMoved(CMP, {"called": 2**63}),
        CampaignSaved(campaign(name=None)),
        CampaignSaved(campaign(name=object())),
    ):
        with pytest.raises(InvariantError):
            await store.commit([NumberFreed(PHONE, 1), wrong])
    assert await rested(store) == {}
    await store.commit([NumberFreed(PHONE, 1)])
