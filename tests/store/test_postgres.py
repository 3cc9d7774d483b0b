"""PostgreSQL on its bad days, as the engine gets to see them: named, within seconds, and over by themselves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from dialerd.core.clock import Instant
from dialerd.core.errors import InDoubtError, InvariantError, PortError
from dialerd.core.journal import CallReported, CampaignSaved, CountersMoved, NumberFreed
from dialerd.core.model import AgentReport
from dialerd.ports import ApiKey
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access, masked
from tests.contracts.stores import CMP, START, admitted, attempt, campaign, opening, person
from tests.postgres import Server, execute

from .lossy import Loss, LossyLink, lossy

PHONE = "+919876500001"
KEY = ApiKey("key_1", "key", "write", b"1" * 32, Instant(START))
AGAIN = 0.05
LIMIT = 30
"""Seconds within which every fault must be over; a guard, not a measurement."""


@pytest.fixture
async def url(postgres: Server) -> AsyncIterator[str]:
    address = postgres.database()
    yield address
    postgres.give_back(address)


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    async with opened(url) as made:
        yield made


@asynccontextmanager
async def opened(url: str, instance: str = "d1") -> AsyncIterator[PostgresStore]:
    made = PostgresStore(Access(url), instance)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def called(store: PostgresStore) -> int:
    found = await store.campaign(CMP)
    assert found is not None
    return found[1].get("called", 0)


COUNT = [CountersMoved(CMP, {"called": 1})]


async def until_written(store: PostgresStore) -> None:
    """Commit as the engine would: again and again until it succeeds. Only what may pass is passed over."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                await store.probe()
            except PortError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(AGAIN)
            else:
                return


async def end_connections(url: str) -> None:
    """As an operator does, or a firewall."""
    await execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()",
    )


# --- a COMMIT without an answer ------------------------------------------------------------------


@asynccontextmanager
async def linked(postgres: Server, url: str) -> AsyncIterator[tuple[PostgresStore, LossyLink]]:
    async with (
        lossy(postgres.port) as link,
        opened(url.replace(str(postgres.port), str(link.port))) as store,
    ):
        await admitted(store, [person(1)])
        yield store, link


async def test_a_commit_whose_answer_is_lost_is_found_stored(postgres: Server, url: str) -> None:
    async with linked(postgres, url) as (store, link):
        link.next_commit = Loss.ANSWER
        await store.commit(COUNT)
        assert link.next_commit is None
        assert await called(store) == 1
        await store.commit(COUNT)
        assert await called(store) == 2


async def test_a_commit_that_never_arrives_is_found_not_stored(postgres: Server, url: str) -> None:
    async with linked(postgres, url) as (store, link):
        link.next_commit = Loss.REQUEST
        with pytest.raises(PortError, match="failed") as caught:
            await store.commit(COUNT)
        assert caught.value.retryable
        assert not isinstance(caught.value, InDoubtError)
        assert await called(store) == 0
        await store.commit(COUNT)
        assert await called(store) == 1


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("others_first", [False, True])
async def test_what_became_of_a_commit_is_told_when_the_server_is_back(
    postgres: Server, url: str, loss: Loss, others_first: bool
) -> None:
    async with linked(postgres, url) as (store, link):
        link.next_commit, link.stays_down = loss, True
        with pytest.raises(InDoubtError, match="will be known when the server answers again") as caught:
            await store.commit(COUNT)
        with pytest.raises(PortError) as still:
            await store.settle(caught.value.transaction)
        assert still.value.retryable
        link.up = True
        if others_first:
            await store.add_key(KEY)
        assert await store.settle(caught.value.transaction) is (loss is Loss.ANSWER)
        assert await called(store) == (loss is Loss.ANSWER)
        await store.commit(COUNT)


async def test_a_key_in_doubt_does_not_hide_what_became_of_a_turn(postgres: Server, url: str) -> None:
    async with linked(postgres, url) as (store, link):
        link.next_commit, link.stays_down = Loss.ANSWER, True
        with pytest.raises(InDoubtError) as caught:
            await store.commit(COUNT)
        link.up, link.next_commit = True, Loss.REQUEST
        with pytest.raises(PortError):
            await store.add_key(KEY)
        link.up = True
        assert await store.settle(caught.value.transaction)
        assert await store.keys() == []


async def test_what_became_of_one_transaction_is_not_taken_for_another(postgres: Server, url: str) -> None:
    async with linked(postgres, url) as (store, link):
        link.next_commit, link.stays_down = Loss.ANSWER, True
        with pytest.raises(InDoubtError) as caught:
            await store.commit(COUNT)
        link.up, link.refusals = True, 1
        with pytest.raises(PortError) as refused:
            await store.add_key(KEY)
        assert not isinstance(refused.value, InDoubtError)
        assert await store.settle(caught.value.transaction)
        link.refusals = 1
        with pytest.raises(PortError):
            await store.keys()
        assert await store.keys() == []


async def test_turns_that_are_cut_anywhere_are_counted_once(postgres: Server, url: str) -> None:
    async with linked(postgres, url) as (store, link):
        counted = 0
        for yields in range(40):
            turn = asyncio.create_task(store.commit(COUNT))
            for _ in range(yields):
                await asyncio.sleep(0)
            link.reset()
            try:
                await turn
            except InDoubtError as error:
                await until_written(store)
                counted += await store.settle(error.transaction)
            except PortError as error:
                if not error.retryable:
                    raise
            else:
                counted += 1
        await until_written(store)
        assert await called(store) == counted


# --- one daemon a database -----------------------------------------------------------------------


async def test_connections_that_are_ended_come_back_by_themselves(url: str, store: PostgresStore) -> None:
    await admitted(store, [person(1)])
    await end_connections(url)
    await until_written(store)
    await store.commit(COUNT)
    assert await called(store) == 1
    assert (await store.open_state(Instant(0))).calls == ()


@pytest.mark.parametrize("stays", [True, False])
async def test_a_daemon_whose_store_was_taken_over_writes_no_more(
    url: str, store: PostgresStore, stays: bool
) -> None:
    await admitted(store, [person(1)])
    other = PostgresStore(Access(url), "d2")
    await end_connections(url)
    await other.open()
    await other.commit(COUNT)
    if not stays:
        await other.close()
    for _ in range(2):
        with pytest.raises(
            PortError, match=r"instance 'd2' \(pid \d+, since 20\S+Z\).*start this daemon again"
        ) as caught:
            await store.commit(COUNT)
        assert not caught.value.retryable
    await other.close()
    async with opened(url) as again:
        assert await called(again) == 1


async def test_a_failover_that_lost_what_was_confirmed_is_noticed(url: str, store: PostgresStore) -> None:
    await admitted(store, [person(1)])
    ((earlier,),) = await execute(url, "SELECT value FROM state WHERE key = 'writer'")
    await store.commit(COUNT)
    await execute(url, f"UPDATE state SET value = '{earlier}' WHERE key = 'writer'")
    with pytest.raises(PortError, match=r"has gone back from transaction \d+ to \d+") as caught:
        await store.commit(COUNT)
    assert not caught.value.retryable


HOLDER = """
import asyncio, sys
from dialerd.core.journal import NumberFreed
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access

async def main():
    store = PostgresStore(Access(sys.argv[1]), "holder")
    await store.open()
    await store.commit([NumberFreed("+919876500001", 7)])
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_lock_names_its_holder_and_dies_with_it(url: str) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    store = PostgresStore(Access(url), "d1")
    with pytest.raises(PortError) as caught:
        await store.open()
    assert re.search(rf"instance 'holder' \(pid {holder.pid}, since 20\S+Z\)", str(caught.value))
    os.kill(holder.pid, signal.SIGKILL)
    await holder.communicate()
    async with opened(url) as store:
        assert (await store.open_state(Instant(0))).rested == {PHONE: 7}


# --- a server that is away, stalled or read-only -------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT])
async def test_a_server_that_is_stopped_is_named_and_dialing_goes_on_with_it(
    postgres: Server, url: str, store: PostgresStore, how: signal.Signals
) -> None:
    await admitted(store, [person(1)])
    postgres.stop(how)
    try:
        for _ in range(2):
            with pytest.raises(
                PortError, match=r"failed: .*; check that the server runs|it is starting, stopping"
            ) as caught:
                await store.commit(COUNT)
            assert caught.value.retryable
        with pytest.raises(PortError, match="failed"):
            await store.ready(CMP, START, frozenset(), (1, 1, 1))
    finally:
        postgres.start()
    await until_written(store)
    before = await called(store)
    await store.commit(COUNT)
    assert await called(store) == before + 1


async def test_a_server_that_stalls_hangs_nobody_and_loses_nothing(
    postgres: Server, url: str, store: PostgresStore
) -> None:
    await admitted(store, [person(1)])
    postgres.pause()
    doubtful: int | None = None
    try:
        async with asyncio.timeout(LIMIT):
            with pytest.raises(PortError, match="no answer in time") as caught:
                await store.commit(COUNT)
            if isinstance(caught.value, InDoubtError):
                doubtful = caught.value.transaction
            with pytest.raises(PortError, match="no answer in time"):
                await store.commit(COUNT)
            with pytest.raises(PortError, match="no answer in time"):
                await store.ready(CMP, START, frozenset(), (1, 1, 1))
    finally:
        postgres.resume()
    await until_written(store)
    stored = doubtful is not None and await store.settle(doubtful)
    assert await called(store) == stored


async def test_a_read_only_database_can_be_read_and_recovers(url: str, store: PostgresStore) -> None:
    await admitted(store, [person(1)])
    name = url.rpartition("/")[2]
    await execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await end_connections(url)
    with pytest.raises(PortError):
        await store.commit(COUNT)
    with pytest.raises(
        PortError, match=r"\(25006\); it is read-only: point store.url at the primary"
    ) as caught:
        await store.commit(COUNT)
    assert caught.value.retryable
    assert await called(store) == 0
    await execute(url, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET ALL")
    await end_connections(url)
    await until_written(store)


async def test_a_standby_is_not_good_enough_until_it_is_the_primary(
    postgres: Server, url: str, store: PostgresStore
) -> None:
    await admitted(store, [person(1)])
    postgres.demote()
    try:
        with pytest.raises(PortError):
            await store.commit(COUNT)
        with pytest.raises(PortError, match="the server is a standby; it is read-only") as caught:
            await store.commit(COUNT)
        assert caught.value.retryable
        with pytest.raises(PortError):
            await store.campaign(CMP)
    finally:
        postgres.promote()
    await until_written(store)
    assert await called(store) == 0


# --- what the server refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "remedy", "retryable"),
    [
        ("53100", "free some disk space", True),
        ("40P01", "another program writes", True),
        ("40001", "another program writes", True),
        ("55P03", "holds a lock", True),
        ("57014", "too slow", True),
        ("58030", "check the server's disk", True),
        ("XX000", "see the server's log", True),
        ("XX001", "must be restored from a backup", False),
    ],
)
async def test_each_fault_names_the_database_and_what_to_do(
    url: str, store: PostgresStore, code: str, remedy: str, retryable: bool
) -> None:
    await execute(
        url,
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'out of order' USING ERRCODE = '{code}', DETAIL = 'Key (phone)=({PHONE})'; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON numbers FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    try:
        with pytest.raises(
            PortError, match=rf"{url}.*out of order \({code}\)|damaged: out of order"
        ) as caught:
            await store.commit([NumberFreed(PHONE, 1)])
        assert remedy in str(caught.value)
        assert PHONE not in str(caught.value)
        assert caught.value.retryable is retryable
    finally:
        await execute(url, "DROP FUNCTION fail CASCADE")
    await store.commit([NumberFreed(PHONE, 1)])


async def test_a_lock_of_another_program_is_waited_for_shortly(url: str, store: PostgresStore) -> None:
    other = await asyncpg.connect(url)
    try:
        await other.execute("BEGIN; LOCK TABLE numbers")
        with pytest.raises(PortError, match=r"55P03.*end that") as caught:
            await store.commit([NumberFreed(PHONE, 1)])
        assert caught.value.retryable
        await other.execute("ROLLBACK")
    finally:
        await other.close()
    await store.commit([NumberFreed(PHONE, 1)])


async def test_what_json_or_a_column_cannot_hold_is_our_own_fault_and_is_not_quoted(
    store: PostgresStore,
) -> None:
    await admitted(store, [person(1)])
    call = attempt(None)
    await store.commit(opening(call))
    odd = replace(call, report=AgentReport(captured={"when": object()}))
    for wrong in (
        CallReported(odd),
        CountersMoved(CMP, {"called": 2**63}),
        CampaignSaved(campaign(name=None)),
        CampaignSaved(campaign(name=7_777_777)),
    ):
        with pytest.raises(InvariantError) as caught:
            await store.commit([NumberFreed(PHONE, 1), wrong])
        assert "7777777" not in str(caught.value)
    assert (await store.open_state(Instant(0))).rested == {}
    await store.commit([NumberFreed(PHONE, 1)])


async def test_too_few_connections_are_a_fault_that_passes(postgres: Server, url: str) -> None:
    name = url.rpartition("/")[2]
    await execute(
        url,
        "DROP ROLE IF EXISTS few",
        "CREATE ROLE few LOGIN CONNECTION LIMIT 1",
        f"ALTER DATABASE {name} OWNER TO few",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO few",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO few",
    )
    store = PostgresStore(Access(postgres.url(name, "few")), "d1")
    try:
        with pytest.raises(PortError, match=r"53300.*max_connections") as caught:
            await store.open()
        assert caught.value.retryable
        await execute(url, "ALTER ROLE few CONNECTION LIMIT 4")
        await store.open()
        await store.commit([NumberFreed(PHONE, 1)])
        await store.close()
    finally:
        await execute(url, f"ALTER DATABASE {name} OWNER TO dialerd", "DROP OWNED BY few", "DROP ROLE few")


# --- an address that does not lead to a store ----------------------------------------------------


async def refusal(access: Access) -> PortError:
    store = PostgresStore(access, "d1")
    with pytest.raises(PortError) as caught:
        await store.open()
    with pytest.raises(PortError, match="closed"):
        await store.probe()
    return caught.value


async def test_a_wrong_password_is_told_and_never_shown(postgres: Server, url: str) -> None:
    name = url.rpartition("/")[2]
    await execute(
        url, "DROP ROLE IF EXISTS locked", "CREATE ROLE locked LOGIN SUPERUSER PASSWORD 'open sesame'"
    )
    address = postgres.url(name, "locked")
    refused = await refusal(Access(address.replace("locked@", "locked:hunter2@")))
    assert "(28P01); check user and password" in str(refused)
    assert "hunter2" not in str(refused) + repr(refused)
    async with opened(address.replace("locked@", "locked:open%20sesame@")):
        pass
    store = PostgresStore(Access(address, "open sesame"), "d1")
    await store.open()
    await store.close()
    assert "open sesame" not in repr(Access(address, "open sesame"))


async def test_a_database_that_is_not_there_is_named(postgres: Server) -> None:
    refused = await refusal(Access(postgres.url("nowhere")))
    assert re.search(r"/nowhere failed: .*3D000.*create the database", str(refused))


async def test_an_encoding_that_cannot_hold_every_name_is_refused(postgres: Server, url: str) -> None:
    await execute(
        url,
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    )
    refused = await refusal(Access(postgres.url("latin")))
    assert "its encoding is LATIN1" in str(refused)
    assert not refused.retryable


async def test_rights_that_are_missing_are_named(postgres: Server) -> None:
    address = postgres.empty()
    await execute(address, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    refused = await refusal(Access(postgres.url(address.rpartition("/")[2], "guest")))
    assert "(42501); grant dialerd's role what is missing" in str(refused)


async def test_a_server_that_is_not_there_is_named(postgres: Server) -> None:
    refused = await refusal(Access("postgresql://somebody:secret@127.0.0.1:1/dialerd"))
    assert "postgresql://somebody@127.0.0.1:1/dialerd failed" in str(refused)
    assert "check that the server runs" in str(refused)


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@h:x/d", "postgresql://u:secret@h/d?sslmode=sometimes"]
)
async def test_an_address_that_is_not_understood_is_refused_without_its_password(url: str) -> None:
    refused = await refusal(Access(url))
    assert "is not understood: write postgresql://USER@HOST:PORT/DATABASE" in str(refused)
    assert "secret" not in str(refused)
    assert not refused.retryable


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:1/d?sslmode=require&password=x", "postgresql://u@h:1/d"),
        ("postgresql://h1:1,h2:2/d", "postgresql://h1:1,h2:2/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d at /run/postgresql"),
        ("postgresql://u:p@ss@h/d", "postgresql://u@h/d"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown
