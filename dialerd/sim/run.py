"""One simulated run of a campaign to its end, and what is seen on the way.

It is bounded, in calls and in time: what is beyond the bound is said, never guessed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono, Now, to_datetime
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, CampaignId, ContactId, InstanceId, TrunkName
from dialerd.core.journal import CallClosed, Entry
from dialerd.core.model import Campaign
from dialerd.core.trunk import Trunk, TrunkChange
from dialerd.core.wallclock import DAY
from dialerd.core.world import World
from dialerd.engine import recovery
from dialerd.engine.case import Bulk, Case, Rival
from dialerd.ports import OpenState
from dialerd.sim.callees import Callees, Habits
from dialerd.sim.limits import Limits
from dialerd.sim.people import People
from dialerd.sim.simulation import Simulation, Watcher

MOST_CALLS = 500_000
"""Calls of all campaigns that one run places."""
HORIZON = Millis(366 * DAY)
"""How far ahead is looked."""
SILENCE = Millis(60 * DAY)
"""Without a call for so long, no other is waited for."""
INSTANCE = InstanceId("simulated")
LOOK_AT_CLOCK = 256
"""Turns between two looks at what the run has cost."""
_NO_AUDIT = Millis(10**12)
"""There is no Asterisk with which the books could be compared."""
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs from run to run."""

    campaign: Campaign
    trunks: tuple[Trunk, ...]
    sessions: int
    engines: Mapping[str, int] = field(default_factory=dict)
    """Sessions of each engine beside the embedded one."""


class TooLong(Exception):
    """A run has reached its bound; the message says how far it came."""


@dataclass(slots=True)
class Budget:
    """How much may be simulated."""

    calls: int = MOST_CALLS
    until: float = 0.0
    """On the process's monotonic clock."""
    clock: Callable[[], float] = time.monotonic

    def spend(self, calls: int) -> None:
        """Raise `TooLong` if it is used up after so many calls of a run."""
        if calls >= self.calls:
            raise TooLong(f"{self.calls:,} calls")
        if self.clock() > self.until:
            raise TooLong(f"{calls:,} calls, when its time was up")


@dataclass(slots=True)
class Run(Watcher):
    """One run and what was seen of it."""

    setting: Setting
    world: World
    people: People
    limits: Limits
    budget: Budget
    calls: int = 0
    calls_of_all: int = 0
    answered: int = 0
    talk_ms: int = 0
    last_call: Instant = Instant(0)
    finished_at: Instant | None = None
    turns: int = 0
    by_hour: dict[int, Counter[str]] = field(default_factory=dict)
    by_trunk: Counter[str] = field(default_factory=Counter)
    peaks: dict[TrunkName, int] = field(default_factory=dict)

    @property
    def campaign(self) -> CampaignId:
        """Whose run it is."""
        return self.setting.campaign.id

    def wrote(self, entries: Sequence[Entry], now: Instant) -> None:
        """Calls that are over are counted in the hour in which they were placed."""
        mine = self.setting.campaign.id
        for entry in entries:
            if type(entry) is CallClosed and entry.call.campaign_id == mine:
                hour = self.by_hour.setdefault(entry.call.started_at // _HOUR, Counter())
                hour["calls"] += 1
                self.calls += 1
                if entry.call.answered_at is not None:
                    hour["answered"] += 1
                    self.answered += 1
                    self.talk_ms += entry.closed.duration

    def sent(self, order: Originate, now: Now) -> None:
        """A try is on its trunk's books already."""
        self.calls_of_all += 1
        self.last_call = now.wall
        line = self.world.lines.committed[order.trunk]
        if line.in_use > self.peaks.get(order.trunk, 0):
            self.peaks[order.trunk] = line.in_use
        if order.campaign == self.campaign:
            self.by_trunk[order.trunk] += 1

    def turned(self, world: World, now: Now) -> None:
        """Look at what holds the campaign up."""
        self.limits.look(world, now)

    def rests(self, world: World, now: Now) -> None:
        """What holds it up now does so for a while."""
        self.limits.look(world, now, at_once=True)


def run(case: Case, bulk: Bulk, habits: Habits, rules: Compliance, setting: Setting, budget: Budget) -> Run:
    """Simulate until the campaign is done. Raises `TooLong`."""
    world, people = _world(case, bulk, rules, setting)
    callees = Callees(case.assumed.seed, habits, lambda phone, at: local_hour(rules, phone, None, at))
    begins = max(case.now, setting.campaign.start_at or case.now)
    seen = Run(setting, world, people, Limits(setting.campaign.id, people), budget, last_call=begins)
    simulation = Simulation(world, people, callees, case.now, seen)
    simulation.begin(setting.sessions, setting.engines)
    mine = setting.campaign.id
    while people.unfinished(mine):
        if simulation.turns % LOOK_AT_CLOCK == 0:
            budget.spend(seen.calls_of_all)
        now = simulation.now.wall
        if now - begins > HORIZON or now - seen.last_call > SILENCE or not simulation.advance():
            break
    else:
        seen.finished_at = simulation.now.wall
    seen.turns = simulation.turns
    seen.limits.close(simulation.now.wall)
    return seen


def _world(case: Case, bulk: Bulk, rules: Compliance, setting: Setting) -> tuple[World, People]:
    people = People(remembers=bool(case.policy.caps))
    people.add(bulk.contacts)
    counters: dict[CampaignId, Mapping[str, int]] = {setting.campaign.id: metrics.recount(bulk.contacts)}
    campaigns = [setting.campaign]
    for number, rival in enumerate(case.rivals, 1):
        sample = bulk.samples.get(rival.campaign.id)
        if sample:
            people.expect(rival.campaign.id, _strangers(rival, sample, number), rival.waiting)
            counters[rival.campaign.id] = metrics.imported(rival.waiting, 0)
            campaigns.append(rival.campaign)
    policy = replace(case.policy, audit=_NO_AUDIT)
    world = World.empty(INSTANCE, policy, setting.trunks, rules)
    paused = tuple(TrunkChange(TrunkName(name), paused=why) for name, why in case.paused.items())
    state = OpenState(tuple(campaigns), counters, (), None, {}, trunks=paused)
    recovery.restore(world, state, Now(case.now, Mono(0)))
    return world, people


def _strangers(rival: Rival, sample: Sequence[Contact], place: int) -> Iterator[Contact]:
    """As many contacts as wait in another campaign, with numbers of the same places."""
    first = place * 1_000_000_000
    for number in range(rival.waiting):
        like = sample[number % len(sample)]
        width = min(6, len(like.phone) - 5)
        phone = E164(f"{like.phone[:-width]}{number % 10**width:0{width}}")
        yield Contact(ContactId(first + number), rival.campaign.id, phone, timezone=like.timezone)


def local_hour(rules: Compliance, phone: E164, timezone: str | None, at: Instant) -> int | None:
    """The hour of the callee's day, None where its zone is not known."""
    zones = rules.callee(phone, timezone).zones
    return to_datetime(at).astimezone(ZoneInfo(zones[0])).hour if zones else None
