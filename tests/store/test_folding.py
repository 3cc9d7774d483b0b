"""Counters that turns have moved and that are folded later: no instant, crash or fault loses one or counts it twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.identity import CampaignId
from dialerd.core.journal import CampaignDoomed, CountersMoved
from dialerd.core.model import CampaignStatus
from dialerd.store import folding, moves
from dialerd.store.folding import Folding
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access
from dialerd.store.sqlite import SqliteStore
from dialerd.store.transactions import Transaction
from tests.contracts.stores import CMP, START, Place, admitted, another_campaign, campaign, person, place_of
from tests.postgres import Server

from .lossy import Loss, lossy

AnyStore = SqliteStore | PostgresStore

KINDS = ("sqlite", "postgres")
OTHER = another_campaign(2)
FOREVER = Instant(2**62)
LIMIT = 30
"""Seconds within which a fold must be over; a guard, not a measurement."""


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = place_of(request.param, tmp_path, request)
    yield made
    await made.close()


@pytest.fixture
async def store(place: Place) -> AnyStore:
    return await opened(place)


async def opened(place: Place) -> AnyStore:
    store = await place.opened()
    assert isinstance(store, AnyStore)
    return store


async def reopened(place: Place, store: AnyStore) -> AnyStore:
    await store.close()
    return await opened(place)


async def many(store: AnyStore, count: int = 40) -> list[CampaignId]:
    """Campaigns with moved counters: more than go into a row, and more than are folded at once."""
    made = [another_campaign(number) for number in range(1, count + 1)]
    for each in made:
        await admitted(store, [person(1)], each)
    ids = [each.id for each in made]
    for turn in range(3):
        await store.commit([CountersMoved(ident, moved(turn, ident)) for ident in ids])
    return ids


def moved(turn: int, ident: CampaignId) -> dict[str, int]:
    return {"total": 1 + turn, "called": -turn, f"label:{ident[-1]}": turn, "zero": 0}


async def counters(store: AnyStore) -> dict[str, dict[str, int]]:
    """As a daemon takes them up; what one campaign and the list of them tell must be the same."""
    held = {ident: dict(found) for ident, found in (await store.open_state(Instant(0))).counters.items()}
    for ident, found in held.items():
        one = await store.campaign(ident)
        assert one is not None
        assert one[1] == found
    return dict(held)


async def left(store: AnyStore) -> int:
    """Rows that are not folded."""
    ((rows, _),) = await store._report_reader.fetch(moves.appended(store._to), {})
    return int(rows)


class Cut:
    """Executes transactions; of those that were handed over together no more than `steps`, then it fails."""

    def __init__(self, store: AnyStore, steps: int) -> None:
        self._executor = store._executor
        self._steps = steps

    async def execute_behind(self, steps: Sequence[Transaction[Any]]) -> list[Any]:
        done = await self._executor.execute_behind(steps[: self._steps])
        if len(steps) > self._steps:
            raise PortError("it broke off", retryable=True)
        return done


def cut(store: AnyStore, steps: int) -> Folding:
    return Folding(store._to, store._report_reader, Cut(store, steps))


async def test_a_fold_changes_nothing_that_is_told(place: Place, store: AnyStore) -> None:
    await many(store)
    before, rows = await counters(store), await left(store)
    assert before["cmp_00000000000a"] == {"total": 6, "called": -3, "label:a": 3, "zero": 0}
    assert rows == 3 * 2
    await store._folding.fold()
    assert await left(store) == 0
    assert await counters(store) == before
    await store._folding.fold()
    assert await counters(store) == before
    store = await reopened(place, store)
    assert await counters(store) == before


async def test_a_fold_that_breaks_off_anywhere_is_taken_up_again(place: Place, store: AnyStore) -> None:
    await many(store)
    before = await counters(store)
    steps = 0
    while await left(store):
        steps += 1
        try:
            await cut(store, steps).fold()
        except PortError:
            assert await counters(store) == before, f"after {steps} steps"
            store = await reopened(place, store)
            assert await counters(store) == before, f"after {steps} steps and a restart"
    assert steps > 3
    assert await counters(store) == before


async def test_turns_go_on_while_counters_are_folded(store: AnyStore) -> None:
    ids = await many(store)
    expected: Counter[tuple[str, str]] = Counter()
    for ident, found in (await counters(store)).items():
        expected.update({(ident, key): value for key, value in found.items()})
    done = asyncio.Event()

    async def turns() -> None:
        number = 0
        while not done.is_set() or number < 50:
            number += 1
            entries = [CountersMoved(ident, {"called": number, "new": 1}) for ident in ids[number % 7 :: 3]]
            await store.commit(entries)
            for entry in entries:
                expected.update({(entry.campaign, key): value for key, value in entry.deltas.items()})

    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        group.create_task(turns())
        for _ in range(5):
            await store._folding.fold()
        done.set()
    found = await counters(store)
    told = {(ident, key): value for ident, each in found.items() for key, value in each.items()}
    assert told == dict(expected)


async def test_two_folds_that_are_asked_for_together_count_nothing_twice(store: AnyStore) -> None:
    await many(store)
    before = await counters(store)
    asked = asyncio.create_task(store._folding.fold())
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await store._folding.fold()
    assert await counters(store) == before
    assert await left(store) == 0


async def test_enough_rows_are_folded_by_themselves(
    place: Place, store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(store)
    before = await counters(store)
    monkeypatch.setattr(folding, "ENOUGH", dict.fromkeys(folding.ENOUGH, 5))
    await store.commit([CountersMoved(CampaignId("cmp_000000000001"), {"zero": 0})])
    await store._folding.settled()
    assert await left(store) == 0
    await store.commit(
        [CountersMoved(CampaignId(f"cmp_{number:012x}"), {"zero": 0}) for number in range(1, 41)]
    )
    assert await left(store) == 2, "fewer are left alone"
    monkeypatch.setattr(folding, "ENOUGH", dict.fromkeys(folding.ENOUGH, 2))
    store = await reopened(place, store)
    await store._folding.settled()
    assert await left(store) == 0, "what the daemon before has left is folded at the start"
    assert await counters(store) == before


async def test_a_deleted_campaign_leaves_no_moves(store: AnyStore) -> None:
    finished = campaign(status=CampaignStatus.STOPPED)
    await admitted(store, [person(1)], finished)
    await admitted(store, [person(1)], OTHER)
    await store.commit([CountersMoved(CMP, {"total": 1}), CountersMoved(OTHER.id, {"total": 2})])
    await store.commit([CampaignDoomed(CMP, START)])
    while await store.delete_some(CMP, FOREVER):
        pass
    (kept,) = await store._report_reader.fetch(moves.sums(store._to), {"last": 2**62})
    assert kept[0] == OTHER.id
    await store._folding.fold()
    assert await counters(store) == {OTHER.id: {"total": 2}}


async def test_a_campaign_that_is_deleted_during_a_fold_does_not_come_back(store: AnyStore) -> None:
    await admitted(store, [person(1)], campaign(status=CampaignStatus.STOPPED))
    await admitted(store, [person(1)], OTHER)
    await store.commit([CountersMoved(CMP, {"total": 1}), CountersMoved(OTHER.id, {"total": 2})])

    class Between:
        async def execute_behind(self, steps: Sequence[Transaction[Any]]) -> list[Any]:
            if len(steps) > 1:
                await store.commit([CampaignDoomed(CMP, START)])
                while await store.delete_some(CMP, FOREVER):
                    pass
            return await store._executor.execute_behind(steps)

    await Folding(store._to, store._report_reader, Between()).fold()
    assert await store.campaign(CMP) is None
    assert await counters(store) == {OTHER.id: {"total": 2}}
    assert await left(store) == 0


async def test_what_cannot_be_counted_is_refused_whole(store: AnyStore) -> None:
    await admitted(store, [person(1)])
    for wrong in ({"label:a\0b": 1}, {"called": 2**53 + 1}, {"called": -(2**63)}, {"label:\ud800": 1}):
        with pytest.raises(InvariantError):
            await store.commit([CountersMoved(CMP, {"total": 1}), CountersMoved(CMP, wrong)])
    strange = "label:\\u0000 \"}{' 🙂"
    await store.commit([CountersMoved(CMP, {strange: 2})])
    await store._folding.fold()
    await store.commit([CountersMoved(CMP, {strange: 2**53})])
    assert await counters(store) == {CMP: {strange: 2**53 + 2}}


@pytest.mark.parametrize("loss", Loss)
async def test_a_fold_whose_commit_is_lost_counts_nothing_twice(postgres: Server, loss: Loss) -> None:
    url = postgres.database()
    async with lossy(postgres.port) as link:
        place = Linked(postgres, url, link.port)
        store = await opened(place)
        await many(store)
        before = await counters(store)
        taken = asyncio.Event()

        class Losing:
            async def execute_behind(self, steps: Sequence[Transaction[Any]]) -> list[Any]:
                if len(steps) > 1:
                    link.next_commit = loss
                    taken.set()
                return await store._executor.execute_behind(steps)

        losing = Folding(store._to, store._report_reader, Losing()).fold()
        with pytest.raises(PortError) if loss is Loss.REQUEST else nullcontext():
            await losing
        assert taken.is_set()
        assert await counters(store) == before
        await store._folding.fold()
        assert await counters(store) == before
        assert await left(store) == 0
        await place.close()
    postgres.give_back(url)


class Linked(Place):
    """A PostgreSQL store behind a link that loses things."""

    def __init__(self, server: Server, url: str, port: int) -> None:
        super().__init__(Path())
        self.url = url.replace(str(server.port), str(port))

    def make(self, instance: str) -> PostgresStore:
        return PostgresStore(Access(self.url), instance)


# --- whatever comes in whatever order ------------------------------------------------------------

KEYS = st.sampled_from(["total", "called", "state:pending", "label:yes", "hour:2026-11-26T07Z:calls"])
DELTAS = st.dictionaries(KEYS, st.integers(-3, 3), min_size=1)
TURN = st.lists(st.tuples(st.integers(1, 12), DELTAS), min_size=1, max_size=12)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), TURN),
        st.tuples(st.just("fold"), st.integers(0, 5)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS)
def test_the_sums_are_those_of_plain_counters(
    kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, deeds: Any
) -> None:
    place = place_of(kind, tmp_path_factory.mktemp("folded"), request)
    uvloop.run(sums_are_plain(place, deeds))


async def sums_are_plain(place: Place, deeds: Sequence[tuple[str, Any]]) -> None:
    store = await opened(place)
    plain: dict[str, dict[str, int]] = {}
    try:
        for number in range(1, 13):
            await admitted(store, [person(1)], another_campaign(number))
            plain[another_campaign(number).id] = {}
        for deed, what in deeds:
            if deed == "turn":
                entries = [CountersMoved(another_campaign(number).id, deltas) for number, deltas in what]
                await store.commit(entries)
                for entry in entries:
                    kept = plain[entry.campaign]
                    for key, delta in entry.deltas.items():
                        kept[key] = kept.get(key, 0) + delta
            elif deed == "fold":
                with suppress(PortError):
                    await cut(store, what or 1_000).fold()
            else:
                store = await reopened(place, store)
            assert await counters(store) == plain
    finally:
        await place.close()
