"""An installation without Asterisk: the real engine, service and API over a store in memory.

No host ever comes up, so nothing is dialed; everything else behaves as in the daemon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ruamel.yaml import YAML

from dialerd.control.app import create_app
from dialerd.control.auth import load_secret
from dialerd.core import journal
from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.errors import Fault, InvariantError, PortError, invalid
from dialerd.core.model import E164, InstanceId, Millis, Policy, Trunk, TrunkName
from dialerd.engine.runtime import Engine
from dialerd.engine.service import Service, ServiceSettings
from dialerd.intake.process import Intake
from dialerd.ports import ApiKey, CallFilter, CallRow, OpenState, Page, ReadyBatch, Script, TryRow

MAX_CONTACTS = 10_000
MAX_BYTES = 5_000_000
TRUNKS = (
    Trunk(TrunkName("lab"), "lab", (E164("+15550100100"), E164("+15550100101")), 10, 5.0),
    Trunk(TrunkName("spare"), "spare", (E164("+15550100200"),), 10, 5.0),
)
SCRIPT = """\
name: Personal loan
languages: [en-IN, hi-IN]
variables:
  loan_amount: {}
  bank: {default: Our Bank}
"""


class Clock:
    """The system's clocks, the wall clock movable."""

    def __init__(self) -> None:
        self.shift = 0

    def now(self) -> Now:
        return Now(Instant(int(time.time() * 1000) + self.shift), Mono(time.monotonic_ns() // 1000))


class InlineHelper:
    """Carries out at once what the helper process would."""

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        return function(*arguments)


@dataclass
class MemoryStore:
    """As much of the store as the control plane uses."""

    known: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    imports: dict[int, list[Any]] = field(default_factory=dict)
    sealed: dict[str, list[Any]] = field(default_factory=dict)
    stored_scripts: dict[tuple[str, int], Script] = field(default_factory=dict)
    stored_keys: list[ApiKey] = field(default_factory=list)
    rows: list[CallRow] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    out: str | None = None
    """Why the store is out, if it is."""

    def _check(self) -> None:
        if self.out is not None:
            raise PortError(self.out, retryable=True)

    async def commit(self, entries: Sequence[journal.Entry]) -> None:
        self._check()
        for entry in entries:
            match entry:
                case journal.CampaignAdmitted(campaign, import_id):
                    self.known[campaign.id] = campaign
                    self.sealed[campaign.id] = self.imports.pop(import_id)
                case journal.CampaignSaved(campaign):
                    self.known[campaign.id] = campaign
                case journal.CountersMoved(ident, deltas):
                    counters = self.counters.setdefault(ident, {})
                    for key, delta in deltas.items():
                        counters[key] = counters.get(key, 0) + delta

    async def open_state(self, rested_since: Instant) -> OpenState:
        return OpenState((), {}, (), None, {})

    async def ready(self, campaign: str, now: Instant, held: frozenset[int], limit: int) -> ReadyBatch:
        return ReadyBatch((), False, None)

    async def begin_import(self, campaign: str) -> int:
        self._check()
        self.imports[len(self.imports) + len(self.sealed) + 1] = []
        return max(self.imports)

    async def add_contacts(self, import_id: int, campaign: str, rows: Sequence[Any]) -> int:
        self._check()
        assert len(rows) <= 500
        self.imports[import_id] += rows
        return len(rows)

    async def drop_import(self, import_id: int) -> None:
        self.dropped.append(import_id)
        self.imports.pop(import_id, None)

    async def add_script(self, script: Script) -> None:
        self._check()
        if (script.id, script.version) in self.stored_scripts:
            raise InvariantError("that version exists")
        self.stored_scripts[script.id, script.version] = script

    async def script(self, script_id: str, version: int | None = None) -> Script | None:
        self._check()
        found = [s for (ident, _), s in self.stored_scripts.items() if ident == script_id]
        return max(found, key=lambda s: s.version, default=None)

    async def scripts(self, page: Page) -> tuple[list[Script], int]:
        self._check()
        return _cut(list(self.stored_scripts.values()), page)

    async def campaign(self, campaign: str) -> tuple[Any, dict[str, int]] | None:
        self._check()
        found = self.known.get(campaign)
        return None if found is None else (found, self.counters.get(campaign, {}))

    async def campaigns(self, where: Any, page: Page) -> tuple[list[Any], int]:
        self._check()
        found = [
            (campaign, self.counters.get(campaign.id, {}))
            for campaign in self.known.values()
            if (where.status is None or campaign.status == where.status)
            and (where.created_from is None or campaign.created_at >= where.created_from)
            and (where.created_to is None or campaign.created_at <= where.created_to)
        ]
        return _cut(found, page)

    async def calls(self, where: CallFilter, page: Page) -> tuple[list[CallRow], int]:
        self._check()
        found = [
            row
            for row in self.rows
            if (where.campaign is None or row.campaign_id == where.campaign)
            and (where.phone is None or row.phone == where.phone)
            and (where.disposition is None or row.disposition == where.disposition)
        ]
        return _cut(found, page)

    async def call(self, call: str) -> CallRow | None:
        self._check()
        return next((row for row in self.rows if row.id == call), None)

    async def add_key(self, key: ApiKey) -> None:
        self._check()
        self.stored_keys.append(key)

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        self._check()
        return next((k for k in self.stored_keys if k.digest == digest and k.revoked_at is None), None)

    async def keys(self) -> list[ApiKey]:
        self._check()
        return self.stored_keys[::-1]

    async def revoke_key(self, key_id: str, at: Instant) -> bool:
        self._check()
        for index, key in enumerate(self.stored_keys):
            if key.id == key_id and key.revoked_at is None:
                self.stored_keys[index] = ApiKey(
                    key.id, key.name, key.scope, key.digest, key.created_at, None, at
                )
                return True
        return False


def _cut(found: list[Any], page: Page) -> tuple[list[Any], int]:
    return found[::-1][page.offset : page.offset + page.limit], len(found)


@dataclass
class MemoryMedia:
    """Media workers that speak nothing."""

    prepared: list[tuple[str, str]] = field(default_factory=list)
    fault: str | None = None

    async def prepare(self, script: Script, language: str) -> None:
        if self.fault is not None:
            raise PortError(self.fault, retryable=True)
        self.prepared.append((script.id, language))


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

    store: MemoryStore
    media: MemoryMedia
    clock: Clock
    engine: Engine
    service: Service
    app: Any
    spool: Path
    secret: bytes

    async def add_script(self, ident: str = "loan") -> None:
        await self.service.add_script(SCRIPT, ident, None)


@asynccontextmanager
async def installation(
    state_dir: Path, helper: Any = None, group: str = "no-such-group"
) -> AsyncIterator[Installation]:
    """A running installation with its working files under `state_dir`."""
    store, media, clock = MemoryStore(), MemoryMedia(), Clock()
    policy = Policy(min_gap=Millis(0), refund_spacing=(Millis(0),) * 3)
    engine = Engine(InstanceId("test"), policy, TRUNKS, store, clock, lambda announced: None)  # type: ignore[arg-type]
    intake = Intake(helper or InlineHelper(), state_dir / "spool", MAX_CONTACTS)
    intake.prepare()
    service = Service(
        engine,
        store,  # type: ignore[arg-type]
        media,  # type: ignore[arg-type]
        clock,
        ServiceSettings("test", "0.0.0", TRUNKS),
        intake,
        parse_script,
    )
    secret = load_secret(state_dir / "key.secret")
    app = create_app(
        service,
        secret=secret,
        group=group,
        spool_dir=state_dir / "spool",
        max_bytes=MAX_BYTES,
        version="0.0.0",
    )
    running = asyncio.create_task(engine.run(None, media))  # type: ignore[arg-type]
    try:
        yield Installation(store, media, clock, engine, service, app, state_dir / "spool", secret)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


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
        started_at=Instant(1_700_000_000_000),
        answered_at=Instant(1_700_000_003_500),
        ended_at=Instant(1_700_000_013_000),
        duration_ms=9_500,
        answered_by=None,
        gate={"at": "2023-11-14T22:13:20.000+00:00", "rules": {"window": "open"}},
        captured={},
        transcript=[{"speaker": "agent", "time": 0.1, "text": "Hello"}],
        tries=[attempt],
    )
