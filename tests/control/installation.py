"""An installation without Asterisk: the real engine, service and API over a store in memory.

Until a test connects it nothing is dialed; everything else behaves as in the daemon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
from ruamel.yaml import YAML

from dialerd.control.app import create_app
from dialerd.control.auth import load_secret
from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.commands import Unmet
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact
from dialerd.core.delivery import DeliveryState, Patience
from dialerd.core.effects import (
    Announce,
    AttachAgent,
    CallPerson,
    JoinPerson,
    LimitCall,
    Originate,
    PrepareMedia,
    ReturnCallee,
)
from dialerd.core.engine import EngineState
from dialerd.core.errors import Fault, PortError, invalid
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, InstanceId, TrunkName
from dialerd.core.messages import CallRecord, HostUp, LiveChannel, ManagerUp, MediaCapacity
from dialerd.core.model import Millis
from dialerd.core.policy import Policy
from dialerd.core.transfer import Target, TargetKind, TransferPlan, TransferRules
from dialerd.core.trunk import Trunk
from dialerd.engine.case import Case, read_bulk
from dialerd.engine.courier import Courier
from dialerd.engine.feed import Feed
from dialerd.engine.runtime import Engine
from dialerd.engine.service import Service
from dialerd.engine.settings import RecordingRules, ServiceSettings, TwilioAccess, VoiceEngine
from dialerd.engine.tally import Tally
from dialerd.intake.process import Intake
from dialerd.numbering import callee_zones, holiday_dates
from dialerd.ports import CallFilter, CallRow, MediaWorker, MediaWorkerState, Page, Script, Snapshot, TryRow
from dialerd.sim import forecast
from dialerd.sim.disk import FakeDisk
from dialerd.sim.store import FakeStore
from dialerd.sim.webhooks import FakeWebhooks

MAX_CONTACTS = 10_000
MAX_BYTES = 5_000_000
ENGINES = {"pipecat": EngineState(2), "english": EngineState(0, "it cannot be reached")}
TRUNKS = (
    Trunk(TrunkName("lab"), "lab", (E164("+15550100100"), E164("+15550100101")), 10, 5.0),
    Trunk(TrunkName("spare"), "spare", (E164("+15550100200"),), 10, 5.0),
)
ZONES = callee_zones()
SCRIPT = """\
name: Personal loan
languages: [en-IN, hi-IN]
variables:
  loan_amount: {}
  bank: {default: Our Bank}
"""


TRANSFERS = TransferRules(
    {
        "support": TransferPlan(Target(TargetKind.QUEUE, "support")),
        "desk": TransferPlan(Target(TargetKind.EXTENSION, "100", "internal")),
    },
    forbidden=frozenset({"lab", "spare"}),
)


class Clock:
    """The system's clocks, the wall clock movable."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def now(self) -> Now:
        return Now(Instant(int(time.time() * 1000) + self.shift), Mono(time.monotonic_ns() // 1000))


class InlineHelper:
    """Carries out at once what the helper process would."""

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        return function(*arguments)


class ToldStore(FakeStore):
    """The store in memory, which can be out, and shows calls that no engine has made."""

    def __init__(self) -> None:
        super().__init__("test")
        self.out: str | None = None
        """Why the store is out, if it is."""
        self.rows: list[CallRow] = []

    def contacts_of(self, campaign: str) -> list[Contact]:
        """The contacts that a campaign has, in list order."""
        return sorted(self._sealed(CampaignId(campaign)), key=lambda contact: contact.id)

    @property
    def empty(self) -> bool:
        """Whether nothing of any campaign is kept."""
        disk = self.disk
        return not (len(disk.campaigns) or len(disk.imports) or len(disk.contacts) or len(disk.phones))

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """The told rows, and those of the engine's calls."""
        found = [
            row
            for row in self.rows[::-1]
            if where.campaign in (None, row.campaign_id)
            and where.phone in (None, row.phone)
            and where.disposition in (None, row.disposition)
        ]
        placed, total = await super().calls(where, page)
        return [*found, *placed][page.offset : page.offset + page.limit], len(found) + total

    async def call(self, call: CallId) -> CallRow | None:
        """A told row, or one of the engine's calls."""
        return next((row for row in self.rows if row.id == call), None) or await super().call(call)

    def _opened(self) -> FakeDisk:
        if self.out is not None:
            raise PortError(self.out, retryable=True)
        return super()._opened()


@dataclass
class SilentTelephony:
    """An Asterisk to which originates may be sent; nothing comes of them unless the test says so."""

    originated: list[Originate] = field(default_factory=list)
    hung_up: list[ChannelId] = field(default_factory=list)
    persons: list[CallPerson] = field(default_factory=list)
    then: Callable[[Originate], object] = lambda order: None
    """What comes of an originate."""

    def originate(self, order: Originate) -> None:
        self.originated.append(order)
        self.then(order)

    def hang_up(self, channel: ChannelId) -> None:
        self.hung_up.append(channel)

    def call_person(self, order: CallPerson) -> None:
        self.persons.append(order)

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

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        return tuple(LiveChannel(order.channel, answered=False) for order in self.originated)

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        return ()

    async def snapshot(self) -> Snapshot:
        return Snapshot(frozenset(order.channel for order in self.originated), frozenset())


class OpenWay:
    """Leads everywhere but to private networks."""

    async def objection(self, url: str) -> str | None:
        return self._judged(url, ("http", "https"))

    async def socket_objection(self, url: str) -> str | None:
        return self._judged(url, ("ws", "wss"))

    def _judged(self, url: str, schemes: tuple[str, ...]) -> str | None:
        if url.partition("://")[0].lower() not in schemes:
            return f"must begin with {schemes[0]}:// or {schemes[1]}://"
        return "10.0.0.1 is no public address" if "//10." in url else None


@dataclass
class MemoryMedia:
    """Media workers that speak nothing."""

    prepared: list[tuple[str, str]] = field(default_factory=list)
    voices: list[str | None] = field(default_factory=list)
    attached: list[AttachAgent] = field(default_factory=list)
    redirected: list[tuple[CallId, dict[str, Any]]] = field(default_factory=list)
    unmet: list[tuple[CallId, Unmet]] = field(default_factory=list)
    fault: str | None = None
    workers: Sequence[MediaWorker] = (
        MediaWorker(1, MediaWorkerState.READY, 3, 50, 0.004, ""),
        MediaWorker(2, MediaWorkerState.LATE, 7, 50, 0.5, "its event loop is 0.50 s late"),
    )

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        if self.fault is not None:
            raise PortError(self.fault, retryable=True)
        self.prepared.append((script.id, language))
        self.voices.append(voice)

    def expect(self, order: PrepareMedia) -> None:
        pass

    def forgo(self, call: CallId) -> None:
        pass

    def attach(self, order: AttachAgent) -> None:
        self.attached.append(order)

    def hold(self, call: CallId, *, warm: bool) -> None:
        pass

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        self.unmet.append((call, unmet))

    def transfer_failed(self, call: CallId, reason: str) -> None:
        pass

    def detach(self, call: CallId) -> None:
        pass

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        self.redirected.append((call, dict(instructions)))
        return True

    def standing(self) -> Sequence[MediaWorker]:
        return self.workers

    def held(self) -> frozenset[CallId]:
        return frozenset(order.call for order in self.attached)


async def spoken() -> tuple[str, ...]:
    """The languages of its voices."""
    return ("en-IN", "hi", "ta")


async def parse_script(source: str) -> Any:
    """Scripts as far as campaigns care about them."""
    document = YAML(typ="safe").load(source)
    missing = [key for key in ("name", "languages") if not isinstance(document, dict) or key not in document]
    if missing:
        raise invalid([Fault(key, "required") for key in missing])
    return SimpleNamespace(
        script_id=document.get("script_id"),
        name=document["name"],
        languages=document["languages"],
        variables=document.get("variables", {}),
        body=document,
    )


@dataclass
class Installation:
    """A daemon's inside, to be looked at from the outside."""

    store: ToldStore
    media: MemoryMedia
    telephony: SilentTelephony
    clock: Clock
    engine: Engine
    webhooks: FakeWebhooks
    service: Service
    app: Any
    spool: Path
    secret: bytes

    async def add_script(self, ident: str = "loan") -> None:
        await self.service.scripts.add(SCRIPT, ident, None)

    def connect(self) -> None:
        """Asterisk and the media workers come up: calls can be placed."""
        for event in (HostUp("boot-1", "22.10", ()), ManagerUp(), MediaCapacity(100, "", ENGINES)):
            self.engine.post(event)


@asynccontextmanager
async def installation(
    state_dir: Path,
    helper: Any = None,
    group: str = "no-such-group",
    compliance: Compliance | None = None,
    caps: tuple[tuple[Millis, int], ...] = (),
    requests_per_minute: int = 0,
    parse: Callable[[str], Awaitable[Any]] = parse_script,
    clock: Clock | None = None,
    transfers: TransferRules = TRANSFERS,
    direct: bool = False,
    asterisk_amd: bool = False,
) -> AsyncIterator[Installation]:
    """A running installation with its working files under `state_dir`; without `compliance` no hour is illegal.

    `direct`: it has an engine `straight` too, to which Asterisk itself leads.
    """
    store, media, telephony, clock = ToldStore(), MemoryMedia(), SilentTelephony(), clock or Clock()
    await store.open()
    policy = Policy(min_gap=Millis(0), refund_spacing=(Millis(0),) * 3, caps=caps, transfers=transfers)
    compliance = compliance or Compliance(None, ZONES)
    feed, tally = Feed(clock), Tally()

    def listener(announcement: Announce) -> None:
        feed.hear(announcement)
        tally.hear(announcement)

    engine = Engine(InstanceId("test"), policy, TRUNKS, store, clock, listener, compliance)
    intake = Intake(helper or InlineHelper(), state_dir / "spool", MAX_CONTACTS)
    intake.prepare()
    rules = compliance
    webhooks = FakeWebhooks()
    day = Millis(86_400_000)
    keep = {DeliveryState.DELIVERED: (day, 100), DeliveryState.DEAD: (day, 100)}
    courier = Courier(engine, store, webhooks, clock, Patience(3, Millis(5_000)), keep, lambda: 0.5)

    async def say(
        body: Mapping[str, Any], line: str, language: str, voice: str | None, variables: Mapping[str, Any]
    ) -> bytes:
        """Silence, for a script whose lines are what they are called."""
        if line not in body["languages"][language]:
            raise invalid([Fault("line", f"there is no line {line!r}")])
        return b"RIFF" + repr((line, language, voice, variables)).encode()

    async def anything() -> Sequence[str]:
        return ()

    async def english() -> Sequence[str]:
        return ("en-IN", "en-US")

    async def foretell(case: Case) -> bytes:
        return orjson.dumps(forecast.tell(case, read_bulk(case), rules))

    service = Service(
        engine,
        store,
        media,  # type: ignore[arg-type]
        clock,
        ServiceSettings(
            "test",
            "0.0.0",
            TRUNKS,
            holiday_dates,
            state_dir / "spool",
            (
                VoiceEngine("embedded", ("female", "male"), spoken, say),
                VoiceEngine("pipecat", (), anything, None, "twilio-stream", 2),
                VoiceEngine("english", (), english, None, "twilio-stream", 1),
                *((VoiceEngine("straight", (), anything, None, "asterisk", 2),) if direct else ()),
            ),
            twilio=TwilioAccess("AC" + "1" * 32, "token", "pipecat", "en-IN"),
            transfers=transfers,
            asterisk_amd=asterisk_amd,
            recordings=RecordingRules(state_dir / "recordings", Millis(86_400_000), 10_000_000),
        ),
        intake,
        parse,
        feed,
        tally,
        foretell,
        courier,
        webhooks,
        way=OpenWay(),
    )
    secret = load_secret(state_dir / "key.secret")
    app = create_app(
        service,
        secret=secret,
        group=group,
        spool_dir=state_dir / "spool",
        max_bytes=MAX_BYTES,
        version="0.0.0",
        requests_per_minute=requests_per_minute,
    )
    running = asyncio.create_task(engine.run(telephony, media))  # type: ignore[arg-type]
    delivering = asyncio.create_task(courier.run())
    try:
        await _dnc_read(engine)
        spool = state_dir / "spool"
        yield Installation(store, media, telephony, clock, engine, webhooks, service, app, spool, secret)
    finally:
        for task in (running, delivering):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def client_of(daemon: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    key = (await daemon.app.state.control.keys.create("tests", "admin"))["key"]
    transport = httpx.ASGITransport(daemon.app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd", headers=headers) as client:
        yield client


async def _dnc_read(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while any("do-not-call" in str(problem) for problem in engine.memory.status().problems):
            await asyncio.sleep(0)


def call_row(ident: str = "cal_0123456789ab", campaign: str = "cmp_0123456789ab") -> CallRow:
    """An answered call with one try."""
    attempt = TryRow(
        channel=f"test-{ident}-1",  # type: ignore[arg-type]
        number=1,
        trunk="lab",
        caller_id="+15550100100",
        state="ended",
        opened_at=Instant(1_700_000_000_000),
        ringing_at=Instant(1_700_000_001_000),
        answered_at=Instant(1_700_000_003_500),
        ended_at=Instant(1_700_000_013_000),
        cause=16,
        sip_code=200,
    )
    return CallRow(
        id=ident,  # type: ignore[arg-type]
        campaign_id=campaign,  # type: ignore[arg-type]
        phone=E164("+919876543210"),
        name="Priya",
        status="completed",
        disposition="interested",
        reason=None,
        attempt=1,
        counted=True,
        language="en-IN",
        script_id="loan",  # type: ignore[arg-type]
        script_version=1,
        started_at=Instant(1_700_000_000_000),
        answered_at=Instant(1_700_000_003_500),
        ended_at=Instant(1_700_000_013_000),
        duration_ms=9_500,
        answered_by=None,
        gate={"at": 1_700_000_000_000, "zones": ["Asia/Kolkata"], "rules": {"window": "open"}},
        captured={},
        transcript=[{"speaker": "agent", "time": 0.1, "text": "Hello"}],
        tries=[attempt],
    )
