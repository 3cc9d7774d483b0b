"""What is deleted by its age: nothing too early, nothing unasked, nothing while the clock is not trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Command, DeleteCampaign
from dialerd.core.journal import Author, CallClosed, CampaignDoomed, Deed
from dialerd.core.messages import Event
from dialerd.core.model import CampaignStatus
from dialerd.core.policy import Policy
from dialerd.engine.settings import Retention
from dialerd.engine.upkeep import Upkeep
from dialerd.ports import CallFilter, CampaignFilter, DeedFilter, Page
from dialerd.sim.store import FakeStore
from tests.contracts.stores import ALL, admitted, another_campaign, attempt, ending, opening, person
from tests.core.world_builder import START
from tests.engine.fakes import ManualClock

DAY = 86_400_000
POLICY = Policy(Millis(0), (Millis(0),) * 3)


@dataclass
class Known:
    """What it knows."""

    clock_is_trusted: bool = True


@dataclass
class MarkingEngine:
    """An engine that only deletes campaigns."""

    store: FakeStore
    clock: ManualClock
    memory: Known = field(default_factory=Known)
    posted: list[Event] = field(default_factory=list)

    def post(self, event: Event) -> None:
        self.posted.append(event)

    async def command(self, command: Command) -> None:
        assert isinstance(command, DeleteCampaign)
        await self.store.commit([CampaignDoomed(command.campaign, self.clock.now().wall)])


@pytest.fixture
async def engine() -> AsyncIterator[MarkingEngine]:
    """A campaign that finished on the first day, one that goes on; a call and a change on each of three days."""
    store, clock = FakeStore(), ManualClock()
    await store.open()
    done = another_campaign(1, status=CampaignStatus.STOPPED, finished_at=Instant(START))
    (gone,) = await admitted(store, [person(1)], done)
    (there,) = await admitted(store, [person(2)], another_campaign(2, status=CampaignStatus.RUNNING))
    for day, contact in enumerate((gone, there, there)):
        call = replace(attempt(contact, day + 1), started_at=Instant(START + day * DAY))
        await store.commit([*opening(call), CallClosed(call, ending(call))])
        await store.commit([Deed(Instant(START + day * DAY), Author(), "campaign.edited", str(day))])
    clock.advance(3 * DAY)
    yield MarkingEngine(store, clock)
    await store.close()


async def left(engine: MarkingEngine) -> tuple[int, int, int]:
    """Calls, campaigns, entries of the audit trail."""
    _, calls = await engine.store.calls(CallFilter(), ALL)
    _, campaigns = await engine.store.campaigns(CampaignFilter(), ALL)
    _, deeds = await engine.store.deeds(DeedFilter(), Page(1, 0))
    return calls, campaigns, deeds


def upkeep(engine: MarkingEngine, policy: Policy = POLICY, **kept: int) -> Upkeep:
    ages = {name: Millis(days * DAY) for name, days in kept.items()}
    return Upkeep(engine.store, engine.clock, policy, engine, Retention(**ages))


async def test_nothing_is_deleted_unless_it_is_asked_for(engine: MarkingEngine) -> None:
    engine.clock.advance(10_000 * DAY)
    await upkeep(engine).look()
    assert await left(engine) == (3, 2, 3)


async def test_what_is_older_is_deleted_and_what_is_not_stays(engine: MarkingEngine) -> None:
    keeper = upkeep(engine, calls=2, audit=1, campaigns=3)
    await keeper.look()
    assert await left(engine) == (2, 2, 1)
    assert keeper.deleted == {"calls": 1, "audit": 2}
    engine.clock.advance(1)
    await keeper.look()
    assert await left(engine) == (1, 1, 0)


async def test_no_call_goes_that_a_frequency_cap_still_counts(engine: MarkingEngine) -> None:
    policy = replace(POLICY, caps=((Millis(3 * DAY), 5),))
    await upkeep(engine, policy, calls=1).look()
    assert (await left(engine))[0] == 3


async def test_nothing_goes_by_a_clock_that_is_not_trusted(engine: MarkingEngine) -> None:
    engine.clock.advance(10_000 * DAY)
    engine.memory.clock_is_trusted = False
    await upkeep(engine, calls=1, audit=1, campaigns=1).look()
    assert await left(engine) == (3, 2, 3)
    engine.memory.clock_is_trusted = True
    await upkeep(engine, calls=1, audit=1, campaigns=1).look()
    assert await left(engine) == (0, 1, 0)
