"""All that the dialer holds in memory, as tables of frozen records.

Contacts stay in the store: a campaign holds a short queue of those that are due. Counters are kept in step
with contacts (`dialerd.core.metrics`). What is not in a table is a hint that may be lost or stale without
harm: which campaigns may have something to dial, when to look at one again, and the rate meters.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dialerd.core.adaptive import Pace, begin
from dialerd.core.clock import Instant, Mono
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.dnc import DncList
from dialerd.core.engine import EngineState
from dialerd.core.identity import E164, CallId, CampaignId, InstanceId, TrunkName
from dialerd.core.model import Call, Campaign, Declared
from dialerd.core.pacing import Meter
from dialerd.core.policy import Halt, Policy
from dialerd.core.queue import Queue
from dialerd.core.record import record
from dialerd.core.sharing import Rota
from dialerd.core.table import Table
from dialerd.core.trunk import Trunk, TrunkChange
from dialerd.core.usage import Usage
from dialerd.core.webhook import EventKind, Webhook, WebhookId

MOST_QUEUED = 65_536
"""Contacts that all queues together aim to hold."""
LARGEST_BATCH, SMALLEST_BATCH = 256, 16
RECENT_KEPT = 3_600_000
"""Milliseconds for which ended calls are remembered for frequency caps."""
STALE_ALLOWED = 64
"""Superseded entries that the agenda may carry before it is rebuilt."""


@record
class Flow:
    """What every single originate moves."""

    unanswered: int = 0
    """Originates that Asterisk has not answered yet."""
    last_call: int = 0
    """The greatest call number given."""


@record
class Host:
    """Asterisk, the media workers and the clock as last heard of, and what was ordered of all dialing."""

    boot: str | None = None
    """Identity of the connected Asterisk boot; None: not connected, nothing may be sent."""
    lost_at: Instant | None = None
    """When the connection was lost for the last time."""
    detail: str = "not connected yet"
    version: str | None = None
    manager: str | None = "the manager interface (AMI) is not connected yet"
    """What is wrong with the manager interface; None: logged in."""
    sessions: int = 0
    media_detail: str = "no media worker is ready yet"
    engines: Mapping[str, EngineState] = field(default_factory=dict)
    """What each engine beside the embedded one can hold."""
    halt: Halt | None = None
    """Somebody's order to place no calls at all."""
    clock: str | None = None
    """Why the wall clock is not trusted at the moment; None: it agrees with the monotonic one."""
    clock_since: Mono = Mono(0)
    """Since when it has agreed again, while it is not trusted."""
    clock_offset: int | None = None
    """Wall minus monotonic, in microseconds, at the last look."""
    clock_read: Mono = Mono(0)
    """When that was."""
    suspects: frozenset[str] = frozenset()
    """Differences that the last audit found for the first time."""
    sweeps: tuple[str, ...] = ()
    """Do-not-call patterns whose contacts are being taken out of the queues; the first one now."""
    audit_owed: bool = False
    """Calls were open, or may have been, since Asterisk was last looked at without any."""
    drift: int = 0
    """Differences between our books and Asterisk's that audits have found and healed (`slot_drift`)."""


@record
class Line:
    """A trunk in use: its channels and its health."""

    trunk: Trunk
    """As configured, with the limits that were set since."""
    pace: Pace
    """How fast it may go now."""
    in_use: int = 0
    paused: str | None = None
    reachable: bool | None = None
    registered: bool | None = None
    """Whether the carrier has its registration, if it needs one; None: Asterisk has not told."""
    registration_detail: str = "Asterisk has not told yet"
    change: TrunkChange | None = None
    """What was decided beside the configuration."""
    rest_until: Mono = Mono(0)
    """No start before this: the carrier was congested."""
    congestions: int = 0
    """Congested finals in a row."""
    finals: tuple[Final, ...] = ()
    """The last finals, for the list-burn brake (`dialerd.core.brake`)."""
    told: EventKind | None = None
    """What webhooks were last told of it: that it is down, or up; None: nothing since the start."""

    @property
    def down(self) -> str | None:
        """Why Asterisk cannot use it; None: it can, as far as is known."""
        if self.reachable is False:
            return "is unreachable"
        if self.trunk.registration is not None and not self.registered:
            return f"is not registered ({self.trunk.registration}: {self.registration_detail})"
        return None

    @property
    def rate(self) -> float:
        """Calls a second that it may start now."""
        full = self.trunk.calls_per_second
        return min(full, self.pace.rate) if self.trunk.adaptive else full


@record
class Final:
    """How a try on a trunk ended, and what became of its contact, as long as that may have to be taken back."""

    burnt: bool
    """403, 404 or 484: the carrier says that the number, or we, are wrong."""
    before: Contact | None = None
    after: Contact | None = None
    answered: bool = False


@record
class Stall:
    """A running campaign that could not dial when it was last looked at."""

    since: Instant
    told: bool = False
    """Whether somebody was told."""


@dataclass(slots=True)
class World:
    """The dialer's memory. Change it only through a `Turn`."""

    instance: InstanceId
    policy: Policy
    host: Table[str, Host]
    lines: Table[TrunkName, Line]
    flow: Table[str, Flow] = field(default_factory=lambda: Table({"": Flow()}))
    campaigns: Table[CampaignId, Campaign] = field(default_factory=Table)
    queues: Table[CampaignId, Queue] = field(default_factory=Table)
    counters: Table[CampaignId, Mapping[str, int]] = field(default_factory=Table)
    calls: Table[CallId, Call] = field(default_factory=Table)
    braked: Table[CampaignId, int] = field(default_factory=Table)
    """Campaigns with too many abandoned calls, and how many calls at a time each may have."""
    live_answers: Table[CampaignId, tuple[str, int, int]] = field(default_factory=Table)
    """Since which hour, how many live answers, and how many of them heard nobody (`abandonment.tally`)."""
    recordings: Table[CallId, bool] = field(default_factory=Table)
    """Calls whose recording is awaited, and whether it is still wanted once it is whole."""
    engaged: Table[str, int] = field(default_factory=Table)
    """Calls that hold a session of each engine: from the turn that opens them to their agent's last word."""
    numbers: Table[E164, CallId] = field(default_factory=Table)
    """The live call to a number: one at most, over all campaigns."""
    rested: Table[E164, Instant] = field(default_factory=Table)
    """When the last call to a number ended, as long as the minimum gap runs."""
    erasing: Table[E164, Instant] = field(default_factory=Table)
    """Numbers that are being erased, and since when: they are not called."""
    webhooks: Table[WebhookId, Webhook] = field(default_factory=Table)
    labels: Table[str, Mapping[str, Declared]] = field(default_factory=Table)
    """What each agent and script declares (`dialerd.core.labels`)."""
    newly_declared: set[str] = field(default_factory=set)
    """Scripts that have declared theirs since it was last looked which are needed."""
    stalls: Table[CampaignId, Stall] = field(default_factory=Table)
    """Campaigns that cannot dial, where a webhook is to be told of it."""
    dnc: DncList = field(default_factory=DncList)
    compliance: Compliance = field(default_factory=Compliance)
    trunk_meters: dict[TrunkName, Meter] = field(default_factory=dict)
    campaign_meters: dict[CampaignId, Meter] = field(default_factory=dict)
    hot: dict[CampaignId, bool] = field(default_factory=dict)
    """Campaigns that may have something to dial since the last plan, and whether their queues have changed."""
    rotas: dict[TrunkName, Rota[CampaignId]] = field(default_factory=dict)
    """For each trunk the campaigns that have something to dial over it."""
    kind_rotas: dict[CampaignId, Rota[ContactKind]] = field(default_factory=dict)
    """For each campaign how its starts went to kinds of contacts."""
    elsewhere: dict[CampaignId, set[TrunkName]] = field(default_factory=dict)
    """Trunks that none of the contacts in a campaign's queue may take."""
    sleepers: list[tuple[Mono, CampaignId]] = field(default_factory=list)
    """Campaigns whose own rate is used up, and when it is free again (a heap)."""
    engine_waits: dict[str, set[CampaignId]] = field(default_factory=dict)
    """For each engine the campaigns that found none of its sessions free."""
    usage: dict[E164, Usage] = field(default_factory=dict)
    """How much each caller id was shown."""
    recent: Table[E164, tuple[Instant, ...]] = field(default_factory=Table)
    """Starts of counted calls that ended within the last hour, where frequency caps ask for them."""
    refusals: Counter[str] = field(default_factory=Counter)
    """How often each rule of the gate has stood in the way of a call, since the start."""
    started: Counter[TrunkName] = field(default_factory=Counter)
    """Originates of each trunk, since the start."""
    recents: deque[tuple[Instant, E164]] = field(default_factory=deque)
    """What is in `recent`, in the order of its ends."""
    agenda: list[tuple[Instant, CampaignId]] = field(default_factory=list)
    """When to look at a campaign again (a heap)."""
    next_look: dict[CampaignId, Instant] = field(default_factory=dict)
    """The earliest entry of each campaign on the agenda; later ones are stale."""
    rests: list[tuple[Instant, E164]] = field(default_factory=list)
    """What is in `rested`, earliest first (a heap); a number whose end was moved is looked at again when it comes."""
    next_sweep: Mono = Mono(0)
    """When open calls are next checked against their deadlines."""
    next_audit: Mono = Mono(0)
    """When open calls are next compared with Asterisk's channels."""

    @classmethod
    def empty(
        cls,
        instance: InstanceId,
        policy: Policy,
        trunks: Iterable[Trunk],
        compliance: Compliance | None = None,
    ) -> World:
        """A world with trunks and nothing else."""
        listed = tuple(trunks)
        return cls(
            instance=instance,
            policy=policy,
            host=Table({"": Host()}),
            lines=Table({trunk.name: Line(trunk, begin(trunk)) for trunk in listed}),
            rotas={trunk.name: Rota() for trunk in listed},
            compliance=compliance or Compliance(),
        )

    def _tables(self) -> tuple[Table[object, object], ...]:
        return (
            self.host,
            self.flow,
            self.lines,
            self.campaigns,
            self.queues,
            self.counters,
            self.calls,
            self.braked,
            self.live_answers,
            self.recordings,
            self.engaged,
            self.numbers,
            self.rested,
            self.recent,
            self.erasing,
            self.webhooks,
            self.labels,
            self.stalls,
            self.dnc,
        )  # type: ignore[return-value]

    def adopt(self) -> None:
        """The turn is committed: its changes are the state."""
        for table in self._tables():
            if table.pending:
                table.adopt()

    def discard(self) -> None:
        """The turn failed: as if it had not been."""
        for table in self._tables():
            table.discard()
        for ident in self.campaigns.committed:
            self.wake(ident)
            self.look_at(ident, Instant(0))
        self.rests = [(ended, number) for number, ended in self.rested.committed.items()]
        heapq.heapify(self.rests)

    @property
    def batch(self) -> int:
        """Contacts that a campaign reads at a time: fewer with many campaigns, so that memory stays bounded."""
        return max(SMALLEST_BATCH, min(LARGEST_BATCH, MOST_QUEUED // max(1, len(self.campaigns.committed))))

    @property
    def low_water(self) -> int:
        """A queue shorter than this is refilled: early where few campaigns dial fast."""
        return max(SMALLEST_BATCH // 4, (self.batch - SMALLEST_BATCH * 4) // 3)

    def campaign_meter(self, campaign: Campaign) -> Meter | None:
        """The meter of a campaign's own rate, as it is now; None: it has none."""
        if campaign.calls_per_second is None:
            return None
        meter = _metered(self.campaign_meters.get(campaign.id), campaign.calls_per_second)
        self.campaign_meters[campaign.id] = meter
        return meter

    def trunk_meter(self, line: Line) -> Meter:
        """The meter of a trunk's rate, as it is now."""
        name = line.trunk.name
        meter = _metered(self.trunk_meters.get(name), line.rate)
        self.trunk_meters[name] = meter
        return meter

    def usage_of(self, caller_id: E164) -> Usage:
        """How much a caller id was shown."""
        usage = self.usage.get(caller_id)
        if usage is None:
            usage = self.usage[caller_id] = Usage()
        return usage

    def wake(self, campaign: CampaignId, *, changed: bool = True) -> None:
        """The campaign may have something to dial; `changed` False: only what keeps it from dialing has changed."""
        self.hot[campaign] = changed or self.hot.get(campaign, False)

    def kind_rota(self, campaign: CampaignId) -> Rota[ContactKind]:
        """How the campaign's starts went to kinds of contacts."""
        rota = self.kind_rotas.get(campaign)
        if rota is None:
            rota = self.kind_rotas[campaign] = Rota()
        return rota

    def forget(self, campaign: CampaignId) -> None:
        """The campaign is over: nothing of it stays in memory."""
        for table in (
            self.campaigns,
            self.queues,
            self.counters,
            self.stalls,
            self.braked,
            self.live_answers,
        ):
            table.remove(campaign)
        for hints in (self.campaign_meters, self.hot, self.kind_rotas, self.elsewhere):
            hints.pop(campaign, None)
        for rota in self.rotas.values():
            rota.forget(campaign)

    def rest(self, number: E164, ended: Instant) -> None:
        """The minimum gap of a number runs from `ended`."""
        self.rested.put(number, ended)
        heapq.heappush(self.rests, (ended, number))

    def called(self, number: E164, started: Instant, ended: Instant) -> None:
        """A counted call to a number has ended: frequency caps see it from here on."""
        self.recent.put(number, (*(self.recent.get(number) or ()), started))
        self.recents.append((ended, number))

    def forget_called(self, now: Instant) -> None:
        """Leave to the store what it has told since, of calls that ended long ago."""
        while self.recents and self.recents[0][0] + RECENT_KEPT <= now:
            _, number = self.recents.popleft()
            known = self.recent.get(number)
            if known is not None:
                self.recent.put(number, known[1:]) if len(known) > 1 else self.recent.remove(number)

    def forget_rested(self, now: Instant) -> None:
        """Drop the minimum gaps that have run out; no others are looked at, for there may be very many."""
        gap = self.policy.min_gap
        while self.rests and self.rests[0][0] + gap <= now:
            _, number = heapq.heappop(self.rests)
            ended = self.rested.get(number)
            if ended is not None and ended + gap > now:
                heapq.heappush(self.rests, (ended, number))
            elif ended is not None:
                self.rested.remove(number)

    def look_at(self, campaign: CampaignId, at: Instant) -> None:
        """Have the campaign tended when the wall clock reaches `at`, or earlier if that is planned already."""
        planned = self.next_look.get(campaign)
        if planned is None or at < planned:
            self.next_look[campaign] = at
            heapq.heappush(self.agenda, (at, campaign))
            if len(self.agenda) > 2 * len(self.next_look) + STALE_ALLOWED:
                self.agenda = [(instant, name) for name, instant in self.next_look.items()]
                heapq.heapify(self.agenda)

    def next_instant(self) -> Instant | None:
        """When the next campaign is to be looked at."""
        while self.agenda and self.next_look.get(self.agenda[0][1]) != self.agenda[0][0]:
            heapq.heappop(self.agenda)
        return self.agenda[0][0] if self.agenda else None

    def due(self, now: Instant) -> list[CampaignId]:
        """Campaigns whose turn on the agenda has come."""
        names = []
        while self.agenda and self.agenda[0][0] <= now:
            at, name = heapq.heappop(self.agenda)
            if self.next_look.get(name) == at:
                del self.next_look[name]
                names.append(name)
        return names


def _metered(meter: Meter | None, rate: float) -> Meter:
    if meter is None:
        return Meter(rate)
    return meter if meter.rate == rate else meter.at_rate(rate)
