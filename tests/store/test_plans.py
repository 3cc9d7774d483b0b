"""How SQLite answers the questions that must stay fast: from an index, without sorting."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg

from dialerd.core.clock import Instant
from dialerd.core.identity import CampaignId
from dialerd.core.report import By
from dialerd.core.wallclock import offsets
from dialerd.ports import ReportFilter
from dialerd.store import disposal, erasure, exports, outbox, queries, reports
from dialerd.store.migrate import migrate_sqlite
from dialerd.store.sql import SQLITE, Sql
from dialerd.store.tables import WAITING
from dialerd.store.turns import Planner

CLOCK = offsets("Europe/Berlin", Instant(1_760_000_000_000), Instant(1_790_000_000_000))


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    migrate_sqlite(path)
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, sql: str, parameters: int) -> list[str]:
    rows = database.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * parameters)
    return [row[3] for row in rows]


def query_plan(database: sqlite3.Connection, sql: Sql) -> list[str]:
    return plan(database, sql.text, len(sql.names))


def write_plan(database: sqlite3.Connection, name: str) -> list[str]:
    (write,) = [write for write in Planner(SQLITE).writes if write.name == name]
    return plan(database, write.sql, write.sql.count("?"))


def test_ready_contacts_come_from_their_index_in_order(database: sqlite3.Connection) -> None:
    steps = query_plan(database, queries.ready(SQLITE))
    found = [step.partition("not_before")[0] for step in steps if "contacts" in step]
    assert found == [
        f"SEARCH contacts USING INDEX {name} (campaign_id=? AND "
        for name in WAITING.values()
        for _ in range(2)
    ]
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_waiting_contacts_are_closed_through_their_index(database: sqlite3.Connection) -> None:
    for kind, name in WAITING.items():
        steps = write_plan(database, f"waiting close {kind.name}")
        assert steps == [f"SEARCH contacts USING INDEX {name} (campaign_id=?)"]


def test_waiting_contacts_are_shifted_through_their_index(database: sqlite3.Connection) -> None:
    steps = write_plan(database, "waiting shift")
    assert "SEARCH contacts USING INDEX contacts_retries (campaign_id=? AND not_before>?)" in steps
    assert not [step for step in steps if step.startswith("SCAN contacts")]


def test_contacts_under_a_pattern_are_found_through_their_numbers(database: sqlite3.Connection) -> None:
    steps = query_plan(database, queries.waiting_under(SQLITE))
    assert steps == [
        "SEARCH campaigns USING INDEX sqlite_autoindex_campaigns_1 (id>?)",
        "SEARCH contacts USING INDEX sqlite_autoindex_contacts_1 (campaign_id=? AND phone>? AND phone<?)",
        "SEARCH imports USING INTEGER PRIMARY KEY (rowid=?)",
    ]


def test_waiting_contacts_by_number_and_past_calls_come_in_order(database: sqlite3.Connection) -> None:
    asked = (
        queries.waiting(SQLITE),
        queries.past_calls(SQLITE, of_campaign=True),
        queries.past_calls(SQLITE, of_campaign=False),
    )
    plans = [query_plan(database, sql) for sql in asked]
    assert "(campaign_id=? AND phone>?)" in plans[0][0]
    assert any("calls_by_campaign (campaign_id=? AND id<?)" in step for step in plans[1])
    assert any("(id<?)" in step for step in plans[2])
    assert not any(
        step.startswith("SCAN contacts") or step == "SCAN calls" for steps in plans for step in steps
    )


def test_files_are_read_in_order_and_no_campaign_is_sorted_for_a_part_of_one(
    database: sqlite3.Connection,
) -> None:
    asked = {
        exports._contacts: "contacts USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        exports._variables: "(campaign_id=? AND phone>?)",
        exports._calls: "SEARCH calls USING INDEX calls_by_phone (phone=?)",
        exports._captured: "calls_by_campaign (campaign_id=? AND id>?)",
        exports._rejects: "SEARCH rejects USING PRIMARY KEY (import_id=?)",
    }
    for ask, expected in asked.items():
        steps = query_plan(database, ask(SQLITE))
        assert expected in steps[0]
        assert not [step for step in steps if "TEMP B-TREE" in step]


def test_one_contact_is_found_by_its_number(database: sqlite3.Connection) -> None:
    steps = query_plan(database, queries.contact(SQLITE))
    assert steps[0] == "SEARCH contacts USING INDEX sqlite_autoindex_contacts_1 (campaign_id=? AND phone=?)"


@pytest.mark.parametrize(
    "ask", [queries.dnc_page, queries.dnc_count, queries.dnc_patterns, queries.dnc_entry]
)
def test_the_do_not_call_list_is_read_in_order(
    database: sqlite3.Connection, ask: Callable[[Dialect], Sql]
) -> None:
    (step,) = query_plan(database, ask(SQLITE))
    assert "USING" in step


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ((), "SCAN calls USING INDEX sqlite_autoindex_calls_1"),
        (("campaign",), "SEARCH calls USING INDEX calls_by_campaign (campaign_id=?)"),
        (("campaign", "disposition"), "SEARCH calls USING INDEX calls_by_campaign (campaign_id=?)"),
        (("phone",), "SEARCH calls USING INDEX calls_by_phone (phone=?)"),
    ],
)
def test_a_page_of_calls_is_read_from_its_end(
    database: sqlite3.Connection, conditions: tuple[str, ...], index: str
) -> None:
    steps = query_plan(database, queries.call_page(SQLITE, frozenset(conditions)))
    inner = steps[: next(place for place, step in enumerate(steps) if step.startswith("SEARCH tries"))]
    assert index in inner
    assert not [step for step in inner if "TEMP B-TREE" in step]


@pytest.mark.parametrize("conditions", [("campaign",), ("phone",), ("started_from",), ()])
def test_calls_are_counted_without_reading_them(
    database: sqlite3.Connection, conditions: tuple[str, ...]
) -> None:
    steps = query_plan(database, queries.call_count(SQLITE, frozenset(conditions)))
    counted, hidden = [step for step in steps if " calls " in step]
    assert "USING COVERING INDEX" in counted
    assert "SCAN" not in hidden, "those of campaigns that are being deleted are found by these"


def test_open_calls_are_found_without_looking_at_closed_ones(database: sqlite3.Connection) -> None:
    steps = query_plan(database, queries.open_calls(SQLITE))
    assert "USING INDEX calls_open" in steps[0]


@pytest.mark.parametrize("by", By)
def test_a_report_reads_the_calls_of_its_span_once(database: sqlite3.Connection, by: By) -> None:
    where = ReportFilter(by, Instant(0), Instant(0), clock=CLOCK)
    of_all = query_plan(database, reports.statement(SQLITE, where))
    assert "SEARCH calls USING INDEX calls_by_start (started_at>? AND started_at<?)" in of_all
    where = replace(where, campaign=CampaignId("cmp_1"))
    of_one = query_plan(database, reports.statement(SQLITE, where))
    assert "SEARCH calls USING INDEX calls_by_campaign (campaign_id=?)" in of_one
    for steps in (of_all, of_one):
        assert len([step for step in steps if step.startswith(("SEARCH calls", "SCAN calls"))]) == 1
        assert not [step for step in steps if step.startswith(("SCAN tries", "SCAN later"))]


def test_every_update_of_a_turn_goes_straight_to_its_row(database: sqlite3.Connection) -> None:
    for write in Planner(SQLITE).writes:
        if write.name in ("waiting shift", "ends shift"):
            # A step of the clock: rare enough to look through all campaigns and numbers.
            continue
        for step in plan(database, write.sql, write.sql.count("?")):
            # What it is given, and no table.
            given = step.startswith(("SCAN CONSTANT ROW", "SCAN given", "SCAN moved VIRTUAL TABLE"))
            assert given or not step.startswith("SCAN"), (write.name, step)


def test_every_statement_can_be_written_for_postgresql() -> None:
    dialect = asyncpg()
    assert Planner(dialect).plan([]) == []
    for ask in (
        queries.ready,
        queries.open_calls,
        queries.held_campaigns,
        queries.decided,
        queries.waiting_under,
        queries.dnc_patterns,
        queries.dnc_page,
        queries.contact,
        queries.audit,
    ):
        assert "$1" in ask(dialect).text or not ask(dialect).names
    for by in By:
        assert "$2" in reports.statement(dialect, ReportFilter(by, Instant(0), Instant(1), None, CLOCK)).text


def test_deliveries_that_wait_come_from_their_index_in_order(database: sqlite3.Connection) -> None:
    steps = query_plan(database, outbox.waiting(SQLITE))
    expected = "USING INDEX deliveries_by_state (state=? AND webhook_id=? AND number>?)"
    assert steps == [f"SEARCH deliveries {expected}"]


def test_deliveries_are_listed_counted_and_dropped_through_an_index(database: sqlite3.Connection) -> None:
    for in_state in (False, True):
        name = "deliveries_by_state (state=? AND " if in_state else "deliveries_by_webhook ("
        steps = query_plan(database, outbox.page(SQLITE, in_state=in_state))
        assert steps == [f"SEARCH deliveries USING INDEX {name}webhook_id=?)"]
    for sql in (
        outbox.drop(SQLITE),
        outbox.oldest_kept(SQLITE),
        outbox.unsettled(SQLITE),
        outbox.revive(SQLITE),
    ):
        steps = [
            step for step in query_plan(database, sql) if "TEMP B-TREE" in step or step.startswith("SCAN")
        ]
        assert steps == [], sql.text


def test_a_person_is_found_through_each_campaigns_numbers(database: sqlite3.Connection) -> None:
    steps = [step for one in erasure.steps(SQLITE) for step in query_plan(database, one)]
    for found in (query_plan(database, queries.history(SQLITE)), steps):
        assert any("(campaign_id=? AND phone=?)" in step for step in found), found
        assert not [
            step for step in found if step.startswith(("SCAN contacts", "SCAN calls", "SCAN rejects"))
        ]


def test_what_is_old_is_found_by_its_age(database: sqlite3.Connection) -> None:
    for sql, index in (
        (disposal.calls_before(SQLITE), "calls_by_start (started_at<?)"),
        (disposal.deeds_before(SQLITE), "audit_by_time (at<?)"),
    ):
        steps = query_plan(database, sql)
        assert any(index in step for step in steps), steps
        assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")]
