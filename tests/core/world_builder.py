"""Builds worlds for tests of the core, and drives them with a scripted Asterisk in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.commands import (
    AdmitCampaign,
    Answer,
    Command,
)
from dialerd.core.effects import (
    Announce,
    AttachAgent,
    CountChannels,
    DetachAgent,
    Effect,
    FindNumbers,
    HangUp,
    LoadReady,
    Originate,
    SeekEvidence,
)
from dialerd.core.journal import (
    CallClosed,
    ContactSaved,
    CountersMoved,
    DncChanged,
    Entry,
    TryOpened,
    TrySaved,
    WaitingClosed,
    WaitingShifted,
)
from dialerd.core.messages import (
    AgentFinished,
    ChannelsCounted,
    DncLoaded,
    Event,
    EvidenceFound,
    HostUp,
    ManagerUp,
    MediaCapacity,
    MediaFailed,
    NumbersFound,
    OriginateAccepted,
    ReadyLoaded,
    Tick,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.model import (
    E164,
    AgentReport,
    CallId,
    Campaign,
    CampaignId,
    CampaignStatus,
    ChannelId,
    ClosedCall,
    Contact,
    ContactId,
    ContactState,
    ImportId,
    InstanceId,
    Policy,
    Reason,
    ScriptId,
    Trunk,
    TrunkName,
    Try,
)
from dialerd.core.step import step
from dialerd.core.world import World, call_of

START = Instant(1_700_000_000_000)
CMP = CampaignId("cmp_000000000001")


def trunk(name: str = "lab", channels: int = 10, rate: float = 100.0) -> Trunk:
    return Trunk(TrunkName(name), name, (E164("+15550100100"),), channels, rate)


def policy(**changes: object) -> Policy:
    plain = Policy(min_gap=Millis(0), refund_spacing=(Millis(1_000), Millis(5_000), Millis(15_000)))
    return replace(plain, **changes)  # type: ignore[arg-type]


def campaign(**changes: object) -> Campaign:
    plain = Campaign(
        id=CMP,
        name="test",
        script_id=ScriptId("s"),
        script_version=1,
        language="en-IN",
        status=CampaignStatus.SCHEDULED,
        created_at=START,
        start_at=START,
        end_at=Instant(START + 3_600_000),
        timezone="Asia/Kolkata",
        retry_interval=Millis(60_000),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def contacts(count: int, ident: CampaignId = CMP, first: int = 1, phone: int | None = None) -> list[Contact]:
    """`first` is the first id; `phone` the first number, the same if it is not given."""
    shift = (phone if phone is not None else first) - first
    return [
        Contact(ContactId(number), ident, E164(f"+9198765{number + shift:05d}"))
        for number in range(first, first + count)
    ]


@dataclass(frozen=True)
class Behaviour:
    """What a callee does to one try: ring, then answer and talk, or end."""

    sip: int | None = None
    cause: int = 16
    rings: bool = True
    answers: bool = False
    disposition: str | None = None
    ring_ms: int = 1_000
    talk_ms: int = 5_000
    callback_after_ms: int | None = None


_DISORDERLY = (TryShown, TryRinging, TryAnswered, TryEnded, AgentFinished, ChannelsCounted)

ANSWERS = Behaviour(answers=True)
BUSY = Behaviour(sip=486, cause=17, rings=False)
RINGS_OUT = Behaviour(sip=480, cause=19, ring_ms=30_000)
CONGESTED = Behaviour(sip=503, cause=34, rings=False)


@dataclass
class Driver:
    """A scripted Asterisk, store and voice agent around `step`, on a virtual clock."""

    world: World
    behave: Callable[[Originate], Behaviour] = lambda order: ANSWERS
    now: Now = Now(START, Mono(0))
    store: dict[ContactId, Contact] = field(default_factory=dict)
    counters: dict[CampaignId, dict[str, int]] = field(default_factory=dict)
    due: list[tuple[int, int, Event]] = field(default_factory=list)
    originated: list[tuple[Instant, Originate]] = field(default_factory=list)
    sent: list[tuple[int, E164, ChannelId]] = field(default_factory=list)
    """Each originate, and when it was sent, in milliseconds of a clock that nobody steps."""
    over: dict[ChannelId, int] = field(default_factory=dict)
    """When each channel was gone, on that clock."""
    attempt_of: dict[tuple[str, int], str] = field(default_factory=dict)
    """The call that a number's originate at an instant belongs to."""
    listed_at: dict[str, int] = field(default_factory=dict)
    """When a number came on the do-not-call list."""
    chaos: Random | None = None
    """Set: events are lost, doubled and delayed."""
    closed: list[ClosedCall] = field(default_factory=list)
    tries: dict[ChannelId, Try] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    hung_up: list[ChannelId] = field(default_factory=list)
    live: set[ChannelId] = field(default_factory=set)
    silent_agent: bool = False
    _sequence: int = 0

    @classmethod
    def ready(cls, *trunks: Trunk, rules: Policy | None = None, sessions: int = 100) -> Driver:
        world = World.empty(InstanceId("d1"), rules or policy(), trunks or (trunk(),))
        driver = cls(world)
        driver.events(HostUp("boot-1", "22.10.1", ()), ManagerUp(), MediaCapacity(sessions), DncLoaded(0, ()))
        return driver

    def admit(self, new: Campaign, people: Iterable[Contact]) -> None:
        listed = list(people)
        self.store.update({contact.id: contact for contact in listed})
        self.command(AdmitCampaign(new, ImportId(1), len(listed)))

    def command(self, command: Command) -> Answer:
        return self._turn([], [command])[0]

    def events(self, *events: Event) -> None:
        self._turn(list(events), [])

    def step_clock(self, millis: int) -> None:
        """The wall clock is set; the monotonic one is not."""
        self.now = Now(Instant(self.now.wall + millis), self.now.mono)

    def fail_media(self, call: CallId, reason: Reason) -> None:
        """The agent of a call is lost."""
        self.events(MediaFailed(call, reason, "test"))

    def kept(self, ident: CampaignId) -> dict[str, int]:
        """The counters of contacts as they were moved."""
        return metrics.of_contacts(self.counters[ident])

    def recount(self, ident: CampaignId) -> dict[str, int]:
        """The counters of contacts as the contacts give them."""
        return metrics.recount(c for c in self.store.values() if c.campaign_id == ident)

    def after(self, behaviour: Behaviour) -> AgentReport:
        asked = behaviour.callback_after_ms
        at = Instant(self.now.wall + behaviour.talk_ms + asked) if asked is not None else None
        return AgentReport(disposition=behaviour.disposition, callback_at=at)

    @property
    def elapsed(self) -> int:
        """Milliseconds since the start, on a clock that nobody steps."""
        return self.now.mono // 1_000

    @property
    def placed(self) -> list[tuple[int, E164]]:
        """When which number was dialed."""
        return [(at, phone) for at, phone, _ in self.sent]

    def later(self, millis: int, event: Event) -> None:
        copies = [millis]
        if isinstance(event, TryEnded):
            self.live_until(event.channel, self.elapsed + millis)
        if self.chaos is not None and isinstance(event, _DISORDERLY):
            copies = [
                millis + self.chaos.choice((0, 0, 1, 30, 3_000))
                for _ in range(self.chaos.choice((0, 1, 1, 2)))
            ]
        for delay in copies:
            self._sequence += 1
            self.due.append((self.elapsed + delay, self._sequence, event))
        self.due.sort(key=lambda item: item[:2])

    def live_until(self, channel: ChannelId, at: int) -> None:
        """The channel is gone then, or was before."""
        if channel in self.live:
            self.over[channel] = min(self.over.get(channel, at), at)

    def run(self, until: int | None = None, limit: int = 30_000) -> None:
        """Let time pass until nothing is due (or until `until` milliseconds after the start)."""
        for _ in range(limit):
            at = self._next()
            if at is None:
                return
            if until is not None and at > until:
                self._advance(until)
                return
            self._advance(at)
            ready = [event for instant, _, event in self.due if instant <= at]
            self.due = [item for item in self.due if item[0] > at]
            self.live -= {channel for channel in self.live if self.over.get(channel, at + 1) <= at}
            self._turn(ready or [Tick()], [])
        raise AssertionError("the world does not come to rest")

    def _next(self) -> int | None:
        """When something is due next, in milliseconds after the start; None: nothing ever is."""
        now = self.now.mono // 1_000
        instants = [item[0] for item in self.due[:1]]
        if self.world.agenda:
            instants.append(now + self.world.agenda[0][0] - self.now.wall)
        if self.world.calls.committed or self.world.host.committed[""].clock is not None:
            instants.append(now + 1_000)
        if self.world.hot:
            waits = [meter.free_at(self.now.mono) for meter in self.world.trunk_meters.values()]
            waits += [meter.free_at(self.now.mono) for meter in self.world.campaign_meters.values()]
            waits += [line.rest_until for line in self.world.lines.committed.values()]
            instants += [(wait + 999) // 1_000 for wait in waits if wait > self.now.mono]
        return max(min(instants), now) if instants else None

    def _advance(self, millis: int) -> None:
        mono = max(millis * 1_000, self.now.mono)
        self.now = Now(Instant(self.now.wall + (mono - self.now.mono) // 1_000), Mono(mono))

    def _turn(self, events: list[Event], commands: list[Command]) -> list[Answer]:
        turn, answers = step(self.world, events, commands, self.now)
        for entry in turn.entries:
            self._journal(entry)
        self.world.adopt()
        for effect in turn.effects:
            self._carry_out(effect)
        return answers

    def _journal(self, entry: Entry) -> None:
        match entry:
            case ContactSaved():
                self.store[entry.contact.id] = entry.contact
            case WaitingClosed():
                for ident, contact in self.store.items():
                    if contact.campaign_id == entry.campaign and contact.state.waiting:
                        self.store[ident] = replace(contact, state=entry.state)
            case CountersMoved():
                totals = self.counters.setdefault(entry.campaign, {})
                for key, delta in entry.deltas.items():
                    totals[key] = totals.get(key, 0) + delta
            case WaitingShifted():
                for ident, contact in self.store.items():
                    counted = contact.state is ContactState.RETRY_WAITING
                    if counted and contact.not_before > entry.since:
                        moved = Instant(contact.not_before + entry.by)
                        self.store[ident] = replace(contact, not_before=moved)
            case DncChanged():
                for listed in entry.added:
                    self.listed_at.setdefault(listed.pattern, self.elapsed)
            case CallClosed():
                self.closed.append(entry.closed)
            case TryOpened() | TrySaved():
                self.tries[entry.attempt.channel] = entry.attempt

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Announce():
                self.announced.append(effect.kind)
            case SeekEvidence():
                live = frozenset(self.live)
                found = EvidenceFound(effect.boot, effect.channels, live, (), records_readable=True)
                self.later(effect.delay + 1, found)
            case Originate():
                self.originated.append((self.now.wall, effect))
                self.sent.append((self.elapsed, effect.phone, effect.channel))
                self.attempt_of[(effect.phone, self.elapsed)] = call_of(effect.channel)
                self.live.add(effect.channel)
                self._play(effect, self.behave(effect))
            case HangUp():
                self.hung_up.append(effect.channel)
                self._end(0, effect.channel, 16, None)
            case AttachAgent():
                if not self.silent_agent:
                    talk = self._behaviours[effect.channel]
                    self.later(talk.talk_ms, AgentFinished(effect.call, self.after(talk)))
            case DetachAgent():
                self.later(1, AgentFinished(effect.call, AgentReport()))
            case LoadReady():
                self._load(effect)
            case FindNumbers():
                found = [
                    c for c in self.store.values() if c.state.waiting and _under(c.phone, effect.pattern)
                ]
                batch = tuple(found[: effect.limit])
                self.later(1, NumbersFound(effect.pattern, batch, len(found) > effect.limit))
            case CountChannels():
                self.later(1, ChannelsCounted(effect.boot, frozenset(self.live)))

    _behaviours: dict[ChannelId, Behaviour] = field(default_factory=dict)

    def _play(self, order: Originate, behaviour: Behaviour) -> None:
        self._behaviours[order.channel] = behaviour
        self.later(1, OriginateAccepted(order.channel))
        self.later(2, TryShown(order.channel))
        if behaviour.rings:
            self.later(10, TryRinging(order.channel))
        if behaviour.answers:
            self.later(behaviour.ring_ms, TryAnswered(order.channel))
            if self.chaos is not None:
                # Asterisk's own limit: what nobody ends ends there.
                self._end(order.ring_timeout + order.max_call, order.channel, 0, None)
        else:
            self._end(behaviour.ring_ms, order.channel, behaviour.cause, behaviour.sip)

    def _end(self, millis: int, channel: ChannelId, cause: int, sip: int | None) -> None:
        self.later(millis, TryEnded(channel, cause, sip))

    def _load(self, order: LoadReady) -> None:
        waiting = sorted(
            (c for c in self.store.values() if c.campaign_id == order.campaign and c.state.waiting),
            key=lambda c: (c.not_before, c.id),
        )
        free = [c for c in waiting if c.id not in order.held]
        now_due = [c for c in free if c.not_before <= self.now.wall]
        batch = tuple(now_due[: order.limit])
        nexts = [c.not_before for c in free if c.not_before > self.now.wall]
        exhausted = len(now_due) <= order.limit
        self.later(1, ReadyLoaded(order.campaign, batch, order.held, exhausted, min(nexts, default=None)))


def _under(phone: str, pattern: str) -> bool:
    return phone.startswith(pattern[:-1]) if pattern.endswith("*") else phone == pattern
