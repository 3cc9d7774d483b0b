"""A journal, a telephony and media for tests of the engine's runtime; nothing happens unless the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.commands import Unmet
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.effects import (
    AttachAgent,
    CallPerson,
    JoinPerson,
    LimitCall,
    Originate,
    PrepareMedia,
    ReturnCallee,
)
from dialerd.core.identity import CallId, CampaignId, ChannelId, ContactId
from dialerd.core.journal import CampaignAdmitted, Entry
from dialerd.core.messages import (
    CallRecord,
    LiveChannel,
)
from dialerd.ports import Dnc, MediaWorker, OpenState, ReadyBatch, Script, Snapshot
from tests.core.world_builder import START


@dataclass
class ManualClock:
    """A clock that moves when told to."""

    wall: int = START
    mono: int = 0

    def now(self) -> Now:
        return Now(Instant(self.wall), Mono(self.mono))

    def advance(self, millis: int) -> None:
        self.wall += millis
        self.mono += millis * 1_000


@dataclass
class RecordingStore:
    """Keeps what is committed; `errors` are raised by the next commits, `gate` holds a commit up.

    `unread` are raised where contacts are asked for. `fates` are told of commits in doubt, or raised.
    """

    contacts: list[Contact]
    committed: list[Entry] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    unread: list[Exception] = field(default_factory=list)
    fates: list[bool | Exception] = field(default_factory=list)
    doubtful: Sequence[Entry] = ()
    gate: asyncio.Event | None = None
    in_commit: asyncio.Event = field(default_factory=asyncio.Event)

    async def commit(self, entries: Sequence[Entry]) -> None:
        self.in_commit.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            self.doubtful = entries
            raise self.errors.pop(0)
        self.committed.extend(entries)

    async def settle(self, transaction: int) -> bool:
        fate = self.fates.pop(0)
        if isinstance(fate, Exception):
            raise fate
        if fate:
            self.committed.extend(self.doubtful)
        return fate

    async def probe(self) -> None:
        await self.commit([])

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        return OpenState((), {}, (), None, {})

    async def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        assert any(isinstance(entry, CampaignAdmitted) for entry in self.committed)
        if self.unread:
            raise self.unread.pop(0)
        free = [contact for contact in self.contacts if contact.id not in held]
        self.contacts = []
        return ReadyBatch(tuple(free), frozenset(ContactKind), None)

    async def dnc(self) -> Dnc:
        return Dnc(0, ())

    async def waiting_under(self, pattern: str, limit: int) -> Sequence[Contact]:
        return ()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the engine must not call store.{name} here")


@dataclass
class RecordingTelephony:
    """Keeps the originates and hang-ups."""

    originated: list[Originate] = field(default_factory=list)
    hung_up: list[ChannelId] = field(default_factory=list)
    released: list[ChannelId] = field(default_factory=list)
    persons: list[CallPerson] = field(default_factory=list)
    joined: list[JoinPerson] = field(default_factory=list)
    rung: list[ChannelId] = field(default_factory=list)
    returned: list[ReturnCallee] = field(default_factory=list)
    limited: list[LimitCall] = field(default_factory=list)
    live: tuple[LiveChannel, ...] = ()
    records: tuple[CallRecord, ...] = ()

    def originate(self, order: Originate) -> None:
        self.originated.append(order)

    def hang_up(self, channel: ChannelId) -> None:
        self.hung_up.append(channel)

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        return self.live

    async def snapshot(self) -> Snapshot:
        return Snapshot(frozenset(found.channel for found in self.live), frozenset())

    def call_person(self, order: CallPerson) -> None:
        self.persons.append(order)

    def join_person(self, order: JoinPerson) -> None:
        self.joined.append(order)

    def return_callee(self, order: ReturnCallee) -> None:
        self.returned.append(order)

    def limit_call(self, order: LimitCall) -> None:
        self.limited.append(order)

    def ring_callee(self, channel: ChannelId) -> None:
        self.rung.append(channel)

    def release_media(self, channel: ChannelId) -> None:
        self.released.append(channel)

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        return tuple(record for record in self.records if record.channel in channels)


@dataclass
class RecordingMedia:
    """Keeps its orders."""

    expected: list[PrepareMedia] = field(default_factory=list)
    forgone: list[CallId] = field(default_factory=list)
    attached: list[AttachAgent] = field(default_factory=list)
    detached: list[CallId] = field(default_factory=list)
    held_calls: list[tuple[CallId, bool]] = field(default_factory=list)
    told_failed: list[tuple[CallId, str]] = field(default_factory=list)
    told_unmet: list[tuple[CallId, Instant, Unmet]] = field(default_factory=list)

    def expect(self, order: PrepareMedia) -> None:
        self.expected.append(order)

    def forgo(self, call: CallId) -> None:
        self.forgone.append(call)

    def attach(self, order: AttachAgent) -> None:
        self.attached.append(order)

    def hold(self, call: CallId, *, warm: bool) -> None:
        self.held_calls.append((call, warm))

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        self.told_unmet.append((call, asked, unmet))

    def transfer_failed(self, call: CallId, reason: str) -> None:
        self.told_failed.append((call, reason))

    def detach(self, call: CallId) -> None:
        self.detached.append(call)

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        """Nobody redirects here."""
        return False

    def standing(self) -> Sequence[MediaWorker]:
        return ()

    def held(self) -> frozenset[CallId] | None:
        return None

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        return None
