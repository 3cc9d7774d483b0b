"""A checked contact list into the store: each number held against the do-not-call list, nothing read until sealed.

Contacts reach the store in chunks under an import that nothing reads; the engine's command seals it. Until then any
failure leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson
import structlog

from dialerd.core import gate
from dialerd.core.commands import AddContacts, AdmitCampaign, Refused
from dialerd.core.compliance import Callee
from dialerd.core.errors import InvariantError, PortError, conflict
from dialerd.core.identity import CampaignId, ImportId
from dialerd.core.journal import RequestDone
from dialerd.core.model import Campaign
from dialerd.core.results import Reject
from dialerd.core.windows import Window, opening
from dialerd.engine.contactlist import ListReport, rows_view
from dialerd.engine.runtime import Engine
from dialerd.ports import Clock, NewContact, Store

Chunks: TypeAlias = Iterable[Sequence[NewContact]] | AsyncIterable[Sequence[NewContact]]
"""Contacts that may be stored, at most 500 at a time."""
EXAMPLES = 5
"""Contacts that a report names of those that can never be called."""

_log = structlog.get_logger("dialerd.loading")


@dataclass(slots=True)
class Group:
    """Contacts that cannot be called for one reason."""

    count: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, contact: NewContact, reason: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append({"phone": contact.phone, "reason": reason})


@dataclass(slots=True)
class Loaded:
    """What became of a list in the store."""

    contacts: int = 0
    """Stored: the numbers that the campaign did not have."""
    suppressed: int = 0
    """Those of them that are on the do-not-call list."""
    rejected: int = 0
    """Rows with faults that were kept beside them."""
    zone_unknown: Group = field(default_factory=Group)
    no_common_hours: Group = field(default_factory=Group)

    def view(self, report: ListReport) -> dict[str, Any]:
        """The `import` object of the API; its lists are `orjson.Fragment`s."""
        return {**self.counts(report), **rows_view(report)}

    def counts(self, report: ListReport) -> dict[str, Any]:
        """The same without its lists of rows."""
        already_there = report.accepted - self.contacts
        return {
            "received": report.received,
            "accepted": self.contacts,
            "duplicates": report.duplicates + already_there,
            "already_there": already_there,
            "suppressed_dnc": self.suppressed,
            "zone_unknown": self.zone_unknown.count,
            "zone_unknown_examples": self.zone_unknown.examples,
            "no_common_hours": self.no_common_hours.count,
            "no_common_hours_examples": self.no_common_hours.examples,
        }


class Loader:
    """Stores the contacts of campaigns."""

    def __init__(self, engine: Engine, store: Store, clock: Clock) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock

    async def admit(
        self,
        campaign: Campaign,
        chunks: Chunks,
        report: ListReport,
        rejects: Iterable[Sequence[Reject]] = (),
        done: RequestDone | None = None,
        cloned_from: CampaignId | None = None,
    ) -> Loaded:
        """Store a new campaign with its contacts. Raises `RequestError` 409, `PortError`; then nothing is stored."""
        import_id, loaded = await self._load(campaign, chunks, rejects)
        command = AdmitCampaign(campaign, import_id, loaded.contacts, loaded.suppressed, cloned_from)
        await self._seal(import_id, command, _made(done, campaign, loaded, report))
        return loaded

    async def add(
        self,
        campaign: Campaign,
        chunks: Chunks,
        report: ListReport,
        rejects: Iterable[Sequence[Reject]] = (),
        done: RequestDone | None = None,
    ) -> Loaded:
        """Give a live campaign more contacts; raises as `admit`. Two lists at a time would hide each other's rows."""
        import_id, loaded = await self._load(campaign, chunks, rejects)
        if loaded.contacts or loaded.rejected:
            command = AddContacts(campaign.id, import_id, loaded.contacts, loaded.suppressed)
            await self._seal(import_id, command, _made(done, campaign, loaded, report))
        else:
            await self._drop(import_id)
        return loaded

    async def barred(self, chunks: Chunks) -> int:
        """How many contacts of a list are on the do-not-call list now. Raises `PortError`."""
        found = 0
        async for chunk in _each(chunks):
            await asyncio.sleep(0)
            listed = self._engine.memory.suppressed(contact.phone for contact in chunk)
            found += sum(contact.phone in listed for contact in chunk)
        return found

    async def _load(
        self, campaign: Campaign, chunks: Chunks, rejects: Iterable[Sequence[Reject]]
    ) -> tuple[ImportId, Loaded]:
        import_id = await self._store.begin_import(campaign.id)
        loaded = Loaded()
        reach = _Reach(campaign, self._clock, loaded)
        try:
            async for chunk in _each(chunks):
                # Each part of the work on a chunk takes a millisecond or two: dials go between them.
                await asyncio.sleep(0)
                listed = self._engine.memory.suppressed(contact.phone for contact in chunk)
                free = [contact for contact in chunk if contact.phone not in listed]
                barred = [replace(c, suppressed=True) for c in chunk if c.phone in listed]
                await asyncio.sleep(0)
                for contact in free:
                    reach.judge(contact, self._engine.memory.callee(contact.phone, contact.timezone))
                suppressed = await self._store_rows(import_id, campaign, barred)
                loaded.suppressed += suppressed
                loaded.contacts += suppressed + await self._store_rows(import_id, campaign, free)
            for refused in rejects:
                await asyncio.sleep(0)
                await self._store.add_rejects(import_id, refused)
                loaded.rejected += len(refused)
        except BaseException:
            # Cancelled too: nothing of a list that is not taken stays.
            await asyncio.shield(self._drop(import_id))
            raise
        return import_id, loaded

    async def _store_rows(self, import_id: ImportId, campaign: Campaign, rows: Sequence[NewContact]) -> int:
        return await self._store.add_contacts(import_id, campaign.id, rows) if rows else 0

    async def _seal(
        self, import_id: ImportId, command: AdmitCampaign | AddContacts, done: RequestDone | None
    ) -> None:
        try:
            carried = await self._engine.command(command, done)
        except (InvariantError, PortError):
            # The command may have been carried out although its answer was lost: then the import is sealed.
            if await self._drop(import_id):
                raise
            return
        if isinstance(carried.answer, Refused):
            await self._drop(import_id)
            raise conflict(carried.answer.detail, state=carried.answer.state)

    async def _drop(self, import_id: ImportId) -> bool:
        """Forget an import; False: it is sealed. One that cannot be dropped now is cleared at the next start."""
        try:
            await self._store.drop_import(import_id)
        except InvariantError:
            return False
        except PortError as error:
            _log.warning("loading.import_not_dropped", import_id=import_id, detail=str(error))
        return True


async def _each(chunks: Chunks) -> AsyncIterator[Sequence[NewContact]]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


def _made(
    done: RequestDone | None, campaign: Campaign, loaded: Loaded, report: ListReport
) -> RequestDone | None:
    """The request with what must be known to answer it again; the lists of rows would be too long for a turn."""
    if done is None:
        return None
    return replace(done, made=campaign.id, note=orjson.dumps(loaded.counts(report)).decode())


class _Reach:
    """Finds the contacts that no waiting would let a campaign call."""

    def __init__(self, campaign: Campaign, clock: Clock, found: Loaded) -> None:
        self._own = gate.campaign_window(campaign)
        self._ring = campaign.ring_timeout
        self._now = clock.now().wall
        self._found = found
        self._never: dict[tuple[str | None, tuple[str, ...]], bool] = {}

    def judge(self, contact: NewContact, callee: Callee) -> None:
        """Count the contact if its hours are unknown, or have nothing in common with the campaign's."""
        if callee.fault is not None:
            self._found.zone_unknown.add(contact, callee.fault)
        elif callee.window.calendars and self._closed_for_good(callee):
            self._found.no_common_hours.add(
                contact,
                f"{callee.detail}: no hour is legal in all these zones within the campaign's schedule",
            )

    def _closed_for_good(self, callee: Callee) -> bool:
        key = (callee.country, callee.zones)
        if key not in self._never:
            own = self._own
            both = Window(own.start, own.end, own.calendars + callee.window.calendars)
            found = opening(both, self._now, self._ring)
            self._never[key] = not found.open and found.next_open is None
        return self._never[key]
