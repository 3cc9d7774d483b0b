"""Call records as cdr_sqlite3_custom leaves them, and every way in which they cannot be read."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from dialerd.asterisk.cdr import CallRecords
from dialerd.core.clock import Instant, Millis
from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.core.messages import CallRecord

SCHEMA = Path(__file__).parents[2] / "asterisk" / "dialerd-cdr.sql"
A, B, C = (ChannelId(f"lab-cal_0000000000a{n}-1") for n in (1, 2, 3))
COLUMNS = 'uniqueid, start, answer, "end", duration, billsec, disposition, cause'

Row = tuple[object, ...]

BUSY: Row = (A, 1795487266.863884, 0.0, 1795487266.866726, 0, 0, "BUSY", "17 SIP 486 Busy Here")
UNKNOWN: Row = (B, 1795487267.465231, 0.0, 1795487267.467638, 0, 0, "NO ANSWER", "1 SIP 404 Not Found")
ANSWERED: Row = (C, 1795487344.957944, 1795487345.460282, 1795487352.263862, 7, 6, "ANSWERED", "0 SIP 200 OK")


def database(folder: Path, *rows: Row, schema: str | None = None) -> Path:
    path = folder / "dialerd-cdr.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(schema or SCHEMA.read_text())
        made.executemany(f"INSERT INTO cdr ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?)", rows)
        made.commit()
    return path


async def test_rows_as_recorded(tmp_path: Path) -> None:
    path = database(tmp_path, BUSY, UNKNOWN, ANSWERED)
    records = await CallRecords(path).read(frozenset({A, C}))
    assert sorted(records, key=lambda record: record.channel) == [
        CallRecord(A, False, "BUSY", Instant(1795487266867), Millis(0), 17, 486),
        CallRecord(C, True, "ANSWERED", Instant(1795487352264), Millis(6804), None),
    ]


async def test_several_rows_of_one_call_are_one_record(tmp_path: Path) -> None:
    later: Row = (C, 1795487353.0, 1795487353.0, 1795487355.5, 2, 2, "ANSWERED", "16 SIP 200 OK")
    early: Row = (C, 1795487340.0, 0.0, 1795487341.0, 0, 0, "NO ANSWER", "")
    path = database(tmp_path, later, ANSWERED, early)
    (record,) = await CallRecords(path).read(frozenset({C}))
    assert record == CallRecord(C, True, "ANSWERED", Instant(1795487355500), Millis(6804 + 2500), 16)


LEG, DESK = "WebSocket/lab-media/0x7fa7bc012ea0", "Local/desk@lab-people-00000000;1"


@pytest.mark.parametrize(
    ("channel", "linked", "partners", "was_together"),
    [
        (A, A, ("", LEG, DESK), True),
        (A, A, ("", LEG), False),
        (A, A, (LEG, "PJSIP/desk-00000003", LEG), True),
        (f"{A}-h1", A, ("",), True),
        (f"{A}-h1", f"{A}-h1", ("",), False),
        (f"{A}-h2", A, ("PJSIP/desk-00000003",), True),
        (f"{A}-h1", f"{A}-h1", ("PJSIP/somebody-00000001",), False),
    ],
)
async def test_who_was_together_is_told_by_both_their_records(
    tmp_path: Path, channel: str, linked: str, partners: tuple[str, ...], was_together: bool
) -> None:
    path = database(tmp_path)
    rows = [
        (channel, linked, partner, at, at, at + 1.0, "ANSWERED")
        for at, partner in enumerate(partners, start=1_795_487_344)
    ]
    with closing(sqlite3.connect(path)) as made:
        made.executemany(
            'INSERT INTO cdr (uniqueid, linkedid, dstchannel, start, answer, "end", disposition)'
            " VALUES (?,?,?,?,?,?,?)",
            rows,
        )
        made.commit()
    (record,) = await CallRecords(path).read(frozenset({ChannelId(channel)}))
    assert record.was_together is was_together


async def test_a_table_that_asterisk_made_itself(tmp_path: Path) -> None:
    columns = (
        "uniqueid,linkedid,start,answer,end,duration,billsec,disposition,src,dst,dstchannel,cause".replace(
            "end", '"end"'
        )
    )
    path = database(
        tmp_path,
        tuple(str(value) for value in ANSWERED),
        schema=f"CREATE TABLE cdr (AcctId INTEGER PRIMARY KEY, {columns})",
    )
    (record,) = await CallRecords(path).read(frozenset({C}))
    assert (record.talk, record.ended_at) == (6804, 1795487352264)


async def test_more_ids_than_fit_in_one_query(tmp_path: Path) -> None:
    channels = [f"lab-cal_{n:012x}-1" for n in range(650)]
    path = database(tmp_path, *((channel, *BUSY[1:]) for channel in channels))
    assert len(await CallRecords(path).read(frozenset(map(ChannelId, channels)))) == 650
    assert await CallRecords(path).read(frozenset()) == ()


@pytest.mark.parametrize("odd", ["", "x", None, "nan", "inf", -1])
async def test_odd_values_do_no_harm(tmp_path: Path, odd: object) -> None:
    path = database(tmp_path, (A, odd, odd, odd, 0, odd, "ANSWERED", odd))
    (record,) = await CallRecords(path).read(frozenset({A}))
    assert record.answered
    assert record.talk >= 0


async def unreadable(records: CallRecords) -> str:
    with pytest.raises(PortError) as caught:
        await records.read(frozenset({A}))
    assert caught.value.retryable
    return str(caught.value)


async def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    told = await unreadable(CallRecords(path))
    assert str(path) in told
    assert "asterisk.cdr_path" in told
    assert not path.exists()


async def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("no database, but long enough to look at" * 40)
    assert str(path) in await unreadable(CallRecords(path))


async def test_another_layout(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE cdr (clid)")
        made.commit()
    assert "dialerd-cdr-sqlite3.conf" in await unreadable(CallRecords(path))


async def test_a_locked_file(tmp_path: Path) -> None:
    path = database(tmp_path, BUSY)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "locked" in await unreadable(CallRecords(path, deadline=0.05))


async def test_a_slow_look_up_ends(tmp_path: Path) -> None:
    rows = 20_000
    path = database(
        tmp_path,
        schema='CREATE TABLE cdr (uniqueid, linkedid, start, answer, "end", duration, billsec, disposition,'
        " dstchannel, cause)",
    )
    with closing(sqlite3.connect(path)) as made:
        made.executemany("INSERT INTO cdr (uniqueid) VALUES (?)", ((str(n),) for n in range(rows)))
        made.commit()
    assert "index" in await unreadable(CallRecords(path, deadline=0.0))
    assert threading.active_count() < 10
