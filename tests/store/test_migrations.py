"""The schema: what the migrations make is what the code believes; a newer database is refused by name."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactState
from dialerd.core.errors import PortError
from dialerd.core.identity import E164, ContactId, ScriptId
from dialerd.core.journal import CountersMoved
from dialerd.core.model import AgentReport, Campaign, CampaignStatus
from dialerd.store.migrate import migrate_sqlite
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_migrate import migrate_postgres
from dialerd.store.sqlite import SqliteStore
from dialerd.store.tables import metadata
from tests.contracts.stores import CMP, admitted, person
from tests.postgres import Server, execute


def schema(path: Path) -> dict[str, str]:
    """Every object's own SQL, spaces aside."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def test_the_migrations_make_what_the_tables_say(path: Path, tmp_path: Path) -> None:
    migrate_sqlite(path)
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(path) == schema(fresh)


def test_alembic_finds_nothing_left_to_do(path: Path) -> None:
    migrate_sqlite(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing(path: Path) -> None:
    migrate_sqlite(path)
    before = schema(path)
    migrate_sqlite(path)
    assert schema(path) == before


# --- PostgreSQL ----------------------------------------------------------------------------------

ASKED = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
)


async def postgres_schema(url: str) -> list[str]:
    """Every column, index and constraint, but those of the migrations' own table."""
    found = [tuple(row) for query in ASKED for row in await execute(url, query)]
    return sorted(row for row in map(repr, found) if "alembic_version" not in row)


async def made_by_tables(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


async def test_the_migrations_make_on_postgresql_what_the_tables_say(postgres: Server) -> None:
    migrated, made = postgres.empty(), postgres.empty()
    await migrate_postgres(Access(migrated))
    await made_by_tables(made)
    assert await postgres_schema(migrated) == await postgres_schema(made)
    assert len(await postgres_schema(migrated)) > 100
    await migrate_postgres(Access(migrated))
    assert await postgres_schema(migrated) == await postgres_schema(made)


async def test_keys_are_ordered_by_their_bytes_on_postgresql(postgres: Server) -> None:
    url = postgres.database()
    rows = await execute(
        url,
        "SELECT table_name || '.' || column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND collation_name = 'C' AND table_name IN ('calls', 'contacts')",
    )
    assert {row[0] for row in rows} == {
        "calls.id",
        "calls.campaign_id",
        "calls.phone",
        "contacts.campaign_id",
        "contacts.phone",
    }


async def test_a_postgresql_migration_that_fails_leaves_nothing(postgres: Server) -> None:
    url = postgres.empty()
    await execute(url, "CREATE TABLE scripts (id TEXT)")
    with pytest.raises(PortError, match=r'relation "scripts" already exists.*restore them from a backup'):
        await migrate_postgres(Access(url))
    assert len(await execute(url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'")) == 1


async def test_a_postgresql_database_from_the_future_is_refused_by_name(postgres: Server) -> None:
    url = postgres.database()
    await execute(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(PortError, match=r"has schema 9999, .* newer version") as caught:
        await PostgresStore(Access(url), "d1").open()
    assert not caught.value.retryable


async def test_an_empty_postgresql_database_is_made_a_store(postgres: Server) -> None:
    store = PostgresStore(Access(postgres.empty()), "d1")
    await store.open()
    assert (await store.open_state(Instant(0))).campaigns == ()
    await store.close()


# --- from one version to the next ----------------------------------------------------------------

FIRST = """
INSERT INTO campaigns (id, name, script_id, script_version, language, status, created_at, max_attempts,
    retry_interval, ring_timeout, weight, trunks, keep_open, closing)
VALUES ('cmp_000000000001', 'old', 's', 1, 'en-IN', 'running', 1, 3, 60000, 30000, 1, '[]', 0, 0);
INSERT INTO counters VALUES ('cmp_000000000001', 'total', 1), ('cmp_000000000001', 'called', 1);
INSERT INTO imports VALUES (1, 'cmp_000000000001', 'sealed', 1);
INSERT INTO contacts (id, campaign_id, import_id, phone, state, waiting, not_before, attempts, turns, refunds,
    positive, name) VALUES (1, 'cmp_000000000001', 1, '+919876500001', 'dialing', 0, 0, 1, 1, 0, 0, 'Asha');
INSERT INTO calls (id, campaign_id, contact_id, phone, language, script_id, script_version, attempt, status,
    positive, counted, started_at, duration_ms)
VALUES ('cal_000000000001', 'cmp_000000000001', 1, '+919876500001', 'en-IN', 's', 1, 1, 'in_progress', 0, 1, 5, 0);
INSERT INTO tries (call_id, number, channel, trunk, caller_id, state, boot, opened_at)
VALUES ('cal_000000000001', 1, 'd1-cal_000000000001-1', 'lab', '+15550100100', 'open', 'b', 5);
"""


async def test_what_the_first_version_stored_is_taken_up(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "dialerd.store:migrations")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST)
    store = SqliteStore(path, "d1")
    await store.open()
    state = await store.open_state(Instant(0))
    await store.close()
    (campaign,), (call,) = state.campaigns, state.calls
    plain = Campaign(
        campaign.id, "old", ScriptId("s"), 1, "en-IN", CampaignStatus.RUNNING, Instant(1), max_attempts=3
    )
    assert campaign == replace(plain, retry_interval=Millis(60_000))
    assert call.contact == Contact(
        ContactId(1),
        campaign.id,
        E164("+919876500001"),
        "Asha",
        state=ContactState.DIALING,
        attempts=1,
        turns=1,
    )
    assert (call.callback, call.hangup, call.report, call.variables) == (False, None, AgentReport(), {})
    assert (state.halt, state.trunks) == (None, ())
    assert state.counters == {campaign.id: {"total": 1, "called": 1}}


async def test_counters_of_a_postgresql_store_of_the_version_before_go_on(postgres: Server) -> None:
    store = PostgresStore(Access(postgres.empty()), "d1")
    await store.open()
    await admitted(store, [person(1)])
    await store.close()
    before = (
        "DROP TABLE counter_moves",
        "UPDATE alembic_version SET version_num = '0010'",
        f"INSERT INTO counters VALUES ('{CMP}', 'total', 1), ('{CMP}', 'called', 1)",
    )
    await execute(store._access.url, *before)
    await store.open()
    await store.commit([CountersMoved(CMP, {"called": 1})])
    assert (await store.open_state(Instant(0))).counters == {CMP: {"total": 1, "called": 2}}
    await store.close()


async def test_a_database_from_the_future_is_refused_by_name(path: Path) -> None:
    migrate_sqlite(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    store = SqliteStore(path, "d1")
    with pytest.raises(PortError, match=f"{path} has schema 9999, .* newer version") as caught:
        await store.open()
    assert not caught.value.retryable


def test_a_migration_that_fails_leaves_nothing(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE scripts (id TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(PortError, match="scripts already exists"):
        migrate_sqlite(path)
    assert set(schema(path)) == {"scripts"}


async def test_files_are_for_the_daemons_user_alone(path: Path, store: SqliteStore) -> None:
    await store.open_state(0)  # type: ignore[arg-type]
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [
        "dialerd.db",
        "dialerd.db-shm",
        "dialerd.db-wal",
        "dialerd.db.lock",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_a_closed_store_is_one_file_and_its_lock(path: Path) -> None:
    store = SqliteStore(f"sqlite:///{path}", "d1")
    await store.open()
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["dialerd.db", "dialerd.db.lock"]
