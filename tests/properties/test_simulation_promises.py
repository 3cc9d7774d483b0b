"""The simulator dials as the engine does: the same turns, the same numbers at the same instants, the same promises."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.commands import Unmet
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    AttachAgent,
    CallPerson,
    JoinPerson,
    LimitCall,
    Originate,
    PrepareMedia,
    ReturnCallee,
)
from dialerd.core.identity import CallId, CampaignId, ChannelId, InstanceId, call_of
from dialerd.core.journal import CampaignAdmitted, CountersMoved
from dialerd.core.messages import CallRecord, Event, HostUp, LiveChannel, ManagerUp, MediaCapacity
from dialerd.core.model import Campaign
from dialerd.core.policy import Policy
from dialerd.core.trunk import Trunk
from dialerd.core.windows import Slot
from dialerd.core.world import World
from dialerd.engine import recovery
from dialerd.engine.runtime import Engine
from dialerd.ports import MediaWorker, OpenState, Snapshot
from dialerd.sim.callees import Callees, Habits, Spread
from dialerd.sim.network import Network
from dialerd.sim.people import People
from dialerd.sim.simulation import Simulation, Watcher
from dialerd.sim.store import FakeStore
from tests.core.world_builder import CMP, START, campaign, contacts, list_people, policy, trunk
from tests.engine.virtual_time import VirtualTimeLoop

OTHER = CampaignId("cmp_000000000002")
TICK = 20
UNTIL = 8 * 60_000
"""Milliseconds that are compared."""
FINAL = {ContactState.FINISHED, ContactState.EXPIRED, ContactState.SUPPRESSED}

Sent = tuple[int, str, str, int]
"""Milliseconds since the start, number, trunk, and which of the number's tries."""


@dataclass
class Inputs:
    """What both are given."""

    trunks: tuple[Trunk, ...]
    campaigns: tuple[Campaign, ...]
    people: tuple[Contact, ...]
    habits: Habits
    seed: int
    rules: Policy

    def callees(self) -> Callees:
        return Callees(self.seed, self.habits, lambda phone, at: None)


@dataclass
class Log(Watcher):
    """Originates as they are sent."""

    start: Instant = START
    sent_: list[Sent] = field(default_factory=list)
    orders: list[tuple[int, Originate]] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def sent(self, order: Originate, now: Now) -> None:
        self.tries[order.phone] += 1
        at = now.wall - self.start
        self.sent_.append((at, order.phone, order.trunk, self.tries[order.phone]))
        self.orders.append((at, order))


def simulated(inputs: Inputs) -> tuple[Log, Simulation]:
    people = People()
    people.add(inputs.people)
    world = World.empty(InstanceId("d1"), inputs.rules, inputs.trunks)
    counters = {
        one.id: metrics.imported(sum(c.campaign_id == one.id for c in inputs.people), 0)
        for one in inputs.campaigns
    }
    recovery.restore(world, OpenState(inputs.campaigns, counters, (), None, {}), Now(START, Mono(0)))
    log = Log()
    simulation = Simulation(world, people, inputs.callees(), START, log, tick=Millis(TICK))
    simulation.begin(sessions=100)
    while any(people.unfinished(one.id) for one in inputs.campaigns):
        if simulation.now.wall - START > UNTIL or not simulation.advance():
            break
    return log, simulation


class Ports:
    """Asterisk and the media workers of an engine in virtual time: the simulator's network."""

    def __init__(self, inputs: Inputs, loop: VirtualTimeLoop, log: Log) -> None:
        self.log = log
        self.loop = loop
        self.engine: Engine | None = None
        self._due: dict[int, list[Event]] = {}
        self.network = Network(inputs.callees(), self.later, lambda: loop.now().wall)

    def later(self, millis: int, event: Event) -> None:
        at = self.loop.at + max(1, -(-millis // TICK))
        if at not in self._due:
            self._due[at] = []
            self.loop.call_at(self.loop.seconds(at), self._deliver, at)
        self._due[at].append(event)

    def _deliver(self, at: int) -> None:
        assert self.engine is not None
        for event in self._due.pop(at):
            self.engine.post(event)

    def originate(self, order: Originate) -> None:
        self.log.sent(order, self.loop.now())
        self.network.originate(order)

    def hang_up(self, channel: ChannelId) -> None:
        self.network.hang_up(channel)

    def expect(self, order: PrepareMedia) -> None:
        pass

    def forgo(self, call: CallId) -> None:
        pass

    def attach(self, order: AttachAgent) -> None:
        self.network.attach(order)

    def hold(self, call: CallId, *, warm: bool) -> None:
        pass

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        pass

    def transfer_failed(self, call: CallId, reason: str) -> None:
        pass

    def detach(self, call: CallId) -> None:
        self.network.detach(call)

    def call_person(self, order: CallPerson) -> None:
        pass

    def join_person(self, order: JoinPerson) -> None:
        pass

    def return_callee(self, order: ReturnCallee) -> None:
        pass

    def limit_call(self, order: LimitCall) -> None:
        pass

    def ring_callee(self, channel: ChannelId) -> None:
        pass

    def release_media(self, channel: ChannelId) -> None:
        pass

    def standing(self) -> Sequence[MediaWorker]:
        return ()

    def held(self) -> None:
        return None

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        return ()

    async def snapshot(self) -> Snapshot:
        raise AssertionError("nothing is audited here")

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        return ()

    async def prepare(self, script: Any, language: str, voice: str | None = None) -> None:
        pass


def really(inputs: Inputs) -> Log:
    """The engine itself, on the fake store and a loop in virtual time."""
    loop = VirtualTimeLoop(TICK)
    log = Log()
    ports = Ports(inputs, loop, log)

    async def live() -> None:
        store = FakeStore()
        await store.open()
        for one in inputs.campaigns:
            listed = [contact for contact in inputs.people if contact.campaign_id == one.id]
            import_id = list_people(store.disk, one.id, listed)
            moved = CountersMoved(one.id, metrics.imported(len(listed), 0))
            await store.commit([CampaignAdmitted(one, import_id), moved])
        engine = Engine(InstanceId("d1"), inputs.rules, inputs.trunks, store, loop, lambda told: None)
        ports.engine = engine
        await engine.restore()
        running = asyncio.ensure_future(engine.run(ports, ports))
        for event in (HostUp("simulated", "", ()), ManagerUp(), MediaCapacity(100)):
            engine.post(event)
        while any(engine.memory.campaign(one.id) for one in inputs.campaigns) and loop.at * TICK <= UNTIL:
            await asyncio.sleep(1)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    try:
        loop.run_until_complete(live())
    finally:
        loop.close()
    return log


habits = st.builds(
    Habits,
    answer_rate=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    talk=st.sampled_from([Spread((5_000,)), Spread((1, 2_000, 70_000)), Spread.around(20_000)]),
    ring=st.sampled_from([Spread((3_000,)), Spread.around(9_000)]),
    failures=st.sampled_from(
        [
            {Reason.BUSY: 1.0},
            {Reason.NO_ANSWER: 0.5, Reason.INVALID_NUMBER: 0.3, Reason.REJECTED: 0.2},
            {Reason.CONGESTION: 0.6, Reason.BUSY: 0.4},
        ]
    ),
    failing=st.sampled_from([{}, {Reason.BUSY: Spread((700,)), Reason.CONGESTION: Spread((100, 900))}]),
    labels=st.sampled_from([{"connected": 1.0}, {"interested": 0.5, "dnc": 0.3, "connected": 0.2}]),
)
hours = st.sampled_from(
    [(), (Slot(frozenset(range(7)), 0, 3 * 60 + 50), Slot(frozenset(range(7)), 235, 1_440))]
)


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    trunks = tuple(
        trunk(f"t{n}", draw(st.integers(1, 6)), draw(st.sampled_from([1.0, 3.0, 20.0, 100.0])))
        for n in range(draw(st.integers(1, 2)))
    )
    first = campaign(
        max_attempts=draw(st.integers(1, 3)),
        max_concurrent_calls=draw(st.sampled_from([None, 2])),
        calls_per_second=draw(st.sampled_from([None, 0.5, 4.0])),
        hours=draw(hours),
    )
    campaigns = [first]
    people = contacts(draw(st.integers(1, 30)))
    if draw(st.booleans()):
        campaigns.append(campaign(id=OTHER, weight=draw(st.sampled_from([1.0, 3.0])), created_at=START + 1))
        people += contacts(
            draw(st.integers(1, 20)), OTHER, first=1_001, phone=draw(st.sampled_from([5, 500]))
        )
    rules = policy(min_gap=Millis(draw(st.sampled_from([0, 30_000]))), audit=Millis(10**12))
    return Inputs(trunks, tuple(campaigns), tuple(people), draw(habits), draw(st.integers(0, 99)), rules)


@settings(max_examples=40)
@given(inputs())
def test_the_simulator_and_the_engine_make_the_same_decisions_from_the_same_inputs(given_: Inputs) -> None:
    log, _ = simulated(given_)
    told = [one for one in really(given_).sent_ if one[0] <= UNTIL]
    assert [one for one in log.sent_ if one[0] <= UNTIL] == told


@given(inputs())
def test_the_same_seed_gives_the_same_run(given_: Inputs) -> None:
    first, again = simulated(given_)[0], simulated(given_)[0]
    assert first.sent_ == again.sent_


@given(inputs(), st.permutations(range(8)))
def test_what_a_callee_does_does_not_depend_on_the_order_of_calls(given_: Inputs, order: list[int]) -> None:
    def met(numbers: Sequence[int]) -> dict[str, list[object]]:
        callees = given_.callees()
        found: dict[str, list[object]] = defaultdict(list)
        for number in numbers:
            person = contacts(8)[number % 8]
            sent = Originate(
                ChannelId("x"),
                CMP,
                given_.trunks[0].name,
                person.phone,
                "e",
                "n",
                person.phone,
                Millis(30_000),
                Millis(9),
            )
            found[person.phone].append(callees.meet(sent, START))
        return found

    assert met([*range(8), *range(8)]) == met([*order, *reversed(order)])


@given(inputs())
def test_a_simulated_run_keeps_the_promises_of_a_real_one(given_: Inputs) -> None:
    log, simulation = simulated(given_)
    ended = simulation.people
    for one in given_.campaigns:
        for contact in ended.of(one.id):
            assert contact.attempts <= one.max_attempts
            assert contact.refunds <= 3
        if not ended.unfinished(one.id):
            assert {contact.state for contact in ended.of(one.id)} <= FINAL
    for each in given_.trunks:
        starts = [at for at, order in log.orders if order.trunk == each.name]
        rate = max(1, int(each.calls_per_second))
        assert all(later - start >= 1_000 for start, later in zip(starts, starts[rate:], strict=False))
        assert simulation.world.lines.committed[each.name].in_use <= each.max_channels
    by_call: dict[str, list[int]] = defaultdict(list)
    for at, order in log.orders:
        by_call[order.phone + call_of(order.channel)].append(at)
    for phone in {order.phone for _, order in log.orders}:
        begun = sorted(min(ats) for call, ats in by_call.items() if call.startswith(phone))
        assert all(later - first >= given_.rules.min_gap for first, later in pairwise(begun))
    assert not replace(simulation.world.host.committed[""]).drift
