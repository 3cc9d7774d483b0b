"""Builds worlds for tests of the core, and drives them with a scripted Asterisk in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.commands import (
    AdmitCampaign,
    Answer,
    Command,
)
from dialerd.core.contact import Contact
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    Announce,
    AttachAgent,
    CountChannels,
    DetachAgent,
    Effect,
    FindNumbers,
    ForgoMedia,
    HangUp,
    LoadReady,
    Originate,
    PrepareMedia,
    SeekEvidence,
    SeekReady,
    TellCallbackUnmet,
    WakeAt,
)
from dialerd.core.fact import Told
from dialerd.core.identity import (
    E164,
    CallId,
    CampaignId,
    ChannelId,
    ContactId,
    ImportId,
    InstanceId,
    ScriptId,
    TrunkName,
    call_of,
)
from dialerd.core.journal import (
    CallClosed,
    DncChanged,
    Entry,
)
from dialerd.core.messages import (
    AgentFinished,
    CallRecord,
    ChannelsCounted,
    DncLoaded,
    Event,
    EvidenceFound,
    HostUp,
    LiveChannel,
    ManagerUp,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    NumbersFound,
    OriginateAccepted,
    ReadyLoaded,
    ReadySought,
    Tick,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.model import AgentReport, Campaign, CampaignStatus, ClosedCall, Try
from dialerd.core.policy import Policy
from dialerd.core.step import step
from dialerd.core.trunk import Trunk
from dialerd.core.world import World
from dialerd.engine import recovery
from dialerd.sim.callees import Behaviour
from dialerd.sim.disk import FakeDisk, StoredContact, StoredImport
from dialerd.sim.store import FakeStore

T = TypeVar("T")
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


ANSWERS = Behaviour(answers=True)
BUSY = Behaviour(sip=486, cause=17, rings=False)
RINGS_OUT = Behaviour(sip=480, cause=19, ring_ms=30_000)
CONGESTED = Behaviour(sip=503, cause=34, rings=False)


@dataclass
class Driver:
    """A scripted Asterisk and voice agent around `step` and the fake store, on a virtual clock."""

    world: World
    trunks: tuple[Trunk, ...]
    behave: Callable[[Originate], Behaviour] = lambda order: ANSWERS
    now: Now = Now(START, Mono(0))
    disk: FakeDisk = field(default_factory=FakeDisk)
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
    records: bool = False
    """Whether Asterisk writes call records that recovery can read."""
    closed: list[ClosedCall] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    """What webhooks are told."""
    hung_up: list[ChannelId] = field(default_factory=list)
    attached: list[AttachAgent] = field(default_factory=list)
    unmet: list[TellCallbackUnmet] = field(default_factory=list)
    expected: list[ChannelId] = field(default_factory=list)
    """Channels for which media was to be prepared."""
    foreseen: list[AttachAgent | None] = field(default_factory=list)
    """What an answer would have ordered then."""
    prepared: set[CallId] = field(default_factory=set)
    """Calls for which it still is."""
    live: set[ChannelId] = field(default_factory=set)
    silent_agent: bool = False
    crash_at: tuple[int, bool] | None = None
    """The turn at which the daemon dies, and whether that turn is written."""
    turns: int = 0
    crashes: int = 0
    wake_at: Mono | None = None
    """When the last turn wanted to be woken."""
    _sequence: int = 0
    _ends: dict[ChannelId, TryEnded] = field(default_factory=dict)
    _answers: dict[ChannelId, int] = field(default_factory=dict)
    _behaviours: dict[ChannelId, Behaviour] = field(default_factory=dict)

    @classmethod
    def ready(cls, *trunks: Trunk, rules: Policy | None = None, sessions: int = 100) -> Driver:
        taken = trunks or (trunk(),)
        driver = cls(World.empty(InstanceId("d1"), rules or policy(), taken), taken)
        driver.events(HostUp("boot-1", "22.10.1", ()), ManagerUp(), MediaCapacity(sessions), DncLoaded(0, ()))
        return driver

    # --- what is stored --------------------------------------------------------------------------

    @property
    def store(self) -> dict[ContactId, Contact]:
        """Every contact as stored."""
        return {ident: kept.contact for ident, kept in self.disk.contacts.committed.items()}

    @property
    def counters(self) -> dict[CampaignId, Mapping[str, int]]:
        """Every campaign's counters as stored."""
        return dict(self.disk.counters.committed)

    @property
    def tries(self) -> dict[ChannelId, Try]:
        """Every try as stored."""
        calls = self.disk.calls.committed.values()
        return {attempt.channel: attempt for kept in calls for attempt in kept.call.tries}

    def kept(self, ident: CampaignId) -> dict[str, int]:
        """The counters of contacts as they were moved."""
        return metrics.of_contacts(self.counters[ident])

    def recount(self, ident: CampaignId) -> dict[str, int]:
        """The counters of contacts as the contacts give them."""
        return metrics.recount(c for c in self.store.values() if c.campaign_id == ident)

    def list_people(self, ident: CampaignId, people: Iterable[Contact]) -> ImportId:
        """Store contacts under an import that is not sealed yet."""
        return list_people(self.disk, ident, people)

    # --- what happens ----------------------------------------------------------------------------

    def admit(self, new: Campaign, people: Iterable[Contact]) -> None:
        listed = list(people)
        self.command(AdmitCampaign(new, self.list_people(new.id, listed), len(listed)))

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
            self._end_at(event, self.elapsed + millis)
        if self.chaos is not None and isinstance(event, _DISORDERLY):
            copies = [
                millis + self.chaos.choice((0, 0, 1, 30, 3_000))
                for _ in range(self.chaos.choice((0, 1, 1, 2)))
            ]
        for delay in copies:
            self._sequence += 1
            self.due.append((self.elapsed + delay, self._sequence, event))
        self.due.sort(key=lambda item: item[:2])

    def _end_at(self, event: TryEnded, at: int) -> None:
        """The channel is gone then, or was before."""
        if event.channel in self.live and at < self.over.get(event.channel, at + 1):
            self.over[event.channel] = at
            self._ends[event.channel] = event

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
            self._turn(ready or [Tick()], [])
        raise AssertionError("the world does not come to rest")

    def _next(self) -> int | None:
        """When something is due next, in milliseconds after the start; None: nothing ever is."""
        now = self.elapsed
        instants = [item[0] for item in self.due[:1]]
        if self.world.agenda:
            instants.append(now + self.world.agenda[0][0] - self.now.wall)
        if self.world.calls.committed or self.world.host.committed[""].clock is not None:
            instants.append(now + 1_000)
        if self.wake_at is not None:
            instants.append((self.wake_at + 999) // 1_000)
        return max(min(instants), now) if instants else None

    def _advance(self, millis: int) -> None:
        mono = max(millis * 1_000, self.now.mono)
        self.now = Now(Instant(self.now.wall + (mono - self.now.mono) // 1_000), Mono(mono))
        self.live -= {channel for channel in self.live if self.over.get(channel, millis + 1) <= millis}

    def _turn(self, events: list[Event], commands: list[Command]) -> list[Answer]:
        turn, answers = step(self.world, events, commands, self.now)
        entries = turn.entries
        self.turns += 1
        dies = self.crash_at is not None and self.turns == self.crash_at[0]
        if not dies or (self.crash_at is not None and self.crash_at[1]):
            self.disk.write(entries)
            for entry in entries:
                self._note(entry)
        if dies:
            self.restart()
            return answers
        self.world.adopt()
        self.told += turn.facts
        self.wake_at = min((effect.at for effect in turn.effects if isinstance(effect, WakeAt)), default=None)
        for effect in turn.effects:
            self._carry_out(effect)
        return answers

    def _note(self, entry: Entry) -> None:
        if isinstance(entry, DncChanged):
            for listed in entry.added:
                self.listed_at.setdefault(listed.pattern, self.elapsed)
        elif isinstance(entry, CallClosed):
            self.closed.append(entry.closed)

    # --- a killed daemon -------------------------------------------------------------------------

    def restart(self, away: int = 500) -> None:
        """The daemon is dead and back after `away` milliseconds; Asterisk, its channels and the worker lived on."""
        self.crashes += 1
        gone = self.elapsed + away
        spoken = [event for at, _, event in self.due if at <= gone and isinstance(event, AgentFinished)]
        self.due = [item for item in self.due if item[0] > gone and isinstance(item[2], _FROM_OUTSIDE)]
        self._advance(gone)
        store = FakeStore(disk=self.disk)
        now_or_never(store.open())
        state = now_or_never(store.open_state(Instant(self.now.wall - self.world.policy.min_gap)))
        dnc = now_or_never(store.dnc())
        store.crash()
        fresh = World.empty(InstanceId("d1"), self.world.policy, self.trunks)
        self.world = fresh
        recovery.restore(fresh, state, self.now)
        live = tuple(LiveChannel(channel, self._is_up(channel)) for channel in sorted(self.live))
        held = frozenset(call.id for call in state.calls if call.answered_at is not None)
        self.events(DncLoaded(dnc.version, dnc.patterns), ManagerUp(), MediaCapacity(100), MediaHeld(held))
        self.events(HostUp("boot-1", "22.10.1", live), *spoken)

    def _is_up(self, channel: ChannelId) -> bool:
        return self._answers.get(channel, self.elapsed + 1) <= self.elapsed

    def _record(self, channel: ChannelId) -> CallRecord | None:
        ended = self._ends.get(channel)
        if not self.records or ended is None or channel in self.live:
            return None
        at = self.over[channel]
        wall = Instant(self.now.wall - (self.elapsed - at))
        answered = self._answers.get(channel, at + 1) <= at
        talk = Millis(at - self._answers[channel]) if answered else Millis(0)
        label = "ANSWERED" if answered else "NO ANSWER"
        return CallRecord(channel, answered, label, wall, talk, ended.cause, ended.sip_code)

    # --- effects ---------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        carry = _CARRIERS.get(type(effect))
        if carry is not None:
            carry(self, effect)

    def _seek(self, order: SeekEvidence) -> None:
        live = frozenset(self.live)
        found = [record for channel in order.channels if (record := self._record(channel)) is not None]
        evidence = EvidenceFound(order.boot, order.channels, live, tuple(found), records_readable=True)
        self.later(order.delay + 1, evidence)

    def _originate(self, order: Originate) -> None:
        self.originated.append((self.now.wall, order))
        self.sent.append((self.elapsed, order.phone, order.channel))
        self.attempt_of[(order.phone, self.elapsed)] = call_of(order.channel)
        self.live.add(order.channel)
        behaviour = self.behave(order)
        self._behaviours[order.channel] = behaviour
        self.later(1, OriginateAccepted(order.channel))
        self.later(2, TryShown(order.channel))
        if behaviour.rings:
            self.later(10, TryRinging(order.channel))
        if behaviour.answers:
            self._answers[order.channel] = self.elapsed + behaviour.ring_ms
            self.later(behaviour.ring_ms, TryAnswered(order.channel))
            if self.chaos is not None or self.crash_at is not None:
                # Asterisk's own limit: what nobody ends ends there.
                self._end(order.ring_timeout + order.max_call, order.channel, 0, None)
        else:
            self._end(behaviour.ring_ms, order.channel, behaviour.cause, behaviour.sip)

    def _hang_up(self, order: HangUp) -> None:
        self.hung_up.append(order.channel)
        if order.channel in self.live:
            self._end(0, order.channel, 16, None)

    def _end(self, millis: int, channel: ChannelId, cause: int, sip: int | None) -> None:
        self.later(millis, TryEnded(channel, cause, sip))

    def _expect(self, order: PrepareMedia) -> None:
        self.expected.append(order.channel)
        self.foreseen.append(order.answer)
        self.prepared.add(order.call)

    def _attach(self, order: AttachAgent) -> None:
        self.attached.append(order)
        self.prepared.discard(order.call)
        if not self.silent_agent:
            talk = self._behaviours[order.channel]
            self.later(talk.talk_ms, AgentFinished(order.call, self.after(talk)))

    def _load(self, order: LoadReady) -> None:
        store = FakeStore(disk=self.disk)
        now_or_never(store.open())
        batch = now_or_never(
            store.ready(order.campaign, self.now.wall, order.held, order.limits, order.recent_since)
        )
        store.crash()
        loaded = ReadyLoaded(order.campaign, batch.contacts, order.held, batch.exhausted, batch.next_due)
        self.later(1, loaded)

    def _seek_ready(self, order: SeekReady) -> None:
        store = FakeStore(disk=self.disk)
        now_or_never(store.open())
        found = now_or_never(
            store.ready_under(
                order.campaign, self.now.wall, order.held, order.prefixes, order.behind, order.limit
            )
        )
        store.crash()
        dry = len(found) < order.limit
        self.later(1, ReadySought(order.campaign, order.trunk, tuple(found), order.held, dry))

    def _find(self, order: FindNumbers) -> None:
        store = FakeStore(disk=self.disk)
        now_or_never(store.open())
        found = tuple(now_or_never(store.waiting_under(order.pattern, order.limit)))
        store.crash()
        self.later(1, NumbersFound(order.pattern, found, len(found) >= order.limit))


def list_people(disk: FakeDisk, ident: CampaignId, people: Iterable[Contact]) -> ImportId:
    """Store contacts under an import that is not sealed yet."""
    disk.last_import += 1
    fresh = ImportId(disk.last_import)
    disk.imports.put(fresh, StoredImport(fresh, ident))
    for contact in people:
        disk.contacts.put(contact.id, StoredContact(contact, fresh))
    for table in (disk.imports, disk.contacts):
        table.adopt()
    return fresh


def now_or_never(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine of a fake, which never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("a fake has waited")


_DISORDERLY = (TryShown, TryRinging, TryAnswered, TryEnded, AgentFinished, ChannelsCounted)
_FROM_OUTSIDE = (TryShown, TryRinging, TryAnswered, TryEnded, AgentFinished)
"""Events that Asterisk and the worker go on to make while the daemon is away."""
_CARRIERS: dict[type, Callable[[Driver, Any], object]] = {
    Announce: lambda driver, effect: driver.announced.append(effect.kind),
    SeekEvidence: Driver._seek,
    Originate: Driver._originate,
    HangUp: Driver._hang_up,
    PrepareMedia: Driver._expect,
    ForgoMedia: lambda driver, effect: driver.prepared.discard(effect.call),
    AttachAgent: Driver._attach,
    TellCallbackUnmet: lambda driver, effect: driver.unmet.append(effect),
    DetachAgent: lambda driver, effect: driver.later(1, AgentFinished(effect.call, AgentReport())),
    LoadReady: Driver._load,
    SeekReady: Driver._seek_ready,
    FindNumbers: Driver._find,
    CountChannels: lambda driver, effect: driver.later(
        1, ChannelsCounted(effect.boot, frozenset(driver.live))
    ),
}
