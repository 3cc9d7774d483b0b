"""The store in memory: the same promises as the real one, for tests and simulations.

A `FakeDisk` outlives the `FakeStore` that was opened on it, as a file outlives its daemon, so a crash is a new
store on the same disk. Faults are injected, never random.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from dialerd.core.clock import Instant
from dialerd.core.errors import DialerError, InvariantError, PortError
from dialerd.core.journal import (
    Entry,
)
from dialerd.core.model import (
    E164,
    CallId,
    CallStatus,
    Campaign,
    CampaignId,
    Contact,
    ContactId,
    ImportId,
    ScriptId,
    Try,
)
from dialerd.ports import (
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    NewContact,
    OpenState,
    Page,
    ReadyBatch,
    Script,
    TryRow,
)
from dialerd.sim.disk import FakeDisk, StoredCall, StoredContact, StoredImport

CHUNK = 500

T = TypeVar("T")


class FakeStore:
    """The `Store` port without a database."""

    def __init__(self, instance: str = "d1", disk: FakeDisk | None = None) -> None:
        self._instance = instance
        self.disk = disk if disk is not None else FakeDisk()
        self._is_open = False
        self._faults: deque[DialerError] = deque()

    # --- what only a fake has --------------------------------------------------------------------

    def fail_next_commit(self, error: DialerError) -> None:
        """Have the next commit raise `error` and store nothing; several calls fail several commits."""
        self._faults.append(error)

    def crash(self) -> None:
        """The daemon is killed: the disk is free for another store."""
        self._is_open = False
        self.disk.holder = None

    # --- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take the disk. Raises `PortError` naming who has it."""
        if self.disk.holder is not None:
            raise PortError(f"the store is in use by instance {self.disk.holder!r}", retryable=False)
        self.disk.holder = self._instance
        self._is_open = True

    async def close(self) -> None:
        """Give the disk back."""
        if self._is_open:
            self.crash()

    async def open_state(self, rested_since: Instant) -> OpenState:
        """What the engine must hold; drops imports that were never sealed."""
        disk = self._opened()
        for unsealed in [item.id for item in disk.imports.values() if not item.sealed]:
            await self.drop_import(unsealed)
        running = [kept for kept in disk.calls.values() if kept.closed is None]
        busy = {kept.call.campaign_id for kept in running}
        held = [found for found in disk.campaigns.values() if found.status.live or found.id in busy]
        return OpenState(
            campaigns=tuple(sorted(held, key=lambda found: (found.created_at, found.id))),
            counters={found.id: dict(disk.counters.get(found.id) or {}) for found in held},
            calls=tuple(
                replace(kept.call, contact=self._contact(kept))
                for kept in sorted(running, key=lambda kept: kept.call.id)
                if kept.call.tries
            ),
            last_call=max((kept.call.id for kept in disk.calls.values()), default=None),
            rested={
                E164(phone): Instant(ended)
                for phone, ended in disk.numbers.committed.items()
                if ended >= rested_since
            },
        )

    # --- the journal -----------------------------------------------------------------------------

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none. Raises `PortError`, `InvariantError`."""
        disk = self._opened()
        if self._faults and entries:
            raise self._faults.popleft()
        disk.write(entries)

    async def probe(self) -> None:
        """Fail as the next commit would. Raises `PortError`."""
        self._opened()
        if self._faults:
            raise self._faults.popleft()

    # --- contacts --------------------------------------------------------------------------------

    async def ready(
        self, campaign: CampaignId, now: Instant, held: frozenset[ContactId], limit: int
    ) -> ReadyBatch:
        """At most `limit` due waiting contacts outside `held`, by (not_before, id)."""
        self._opened()
        waiting = [
            contact for contact in self._sealed(campaign) if contact.state.waiting and contact.id not in held
        ]
        waiting.sort(key=lambda contact: (contact.not_before, contact.id))
        due = [contact for contact in waiting if contact.not_before <= now]
        later = waiting[len(due) :]
        next_due = later[0].not_before if later else None
        return ReadyBatch(tuple(due[:limit]), len(due) <= limit, next_due)

    async def begin_import(self, campaign: CampaignId) -> ImportId:
        """A fresh unsealed import for contacts of `campaign`."""
        disk = self._opened()
        disk.last_import += 1
        fresh = StoredImport(ImportId(disk.last_import), campaign)
        disk.imports.put(fresh.id, fresh)
        disk.imports.adopt()
        return fresh.id

    async def add_contacts(
        self, import_id: ImportId, campaign: CampaignId, rows: Sequence[NewContact]
    ) -> int:
        """Append at most 500 rows; returns how many were new to the campaign."""
        disk = self._opened()
        if len(rows) > CHUNK:
            raise InvariantError(f"{len(rows)} contacts in one transaction, {CHUNK} are allowed")
        found = disk.imports.get(import_id)
        if found is None or found.sealed or found.campaign != campaign:
            raise InvariantError(f"import {import_id} of campaign {campaign} is not open")
        added = 0
        for row in rows:
            if (campaign, row.phone) in disk.phones:
                continue
            disk.last_contact += 1
            ident = ContactId(disk.last_contact)
            fresh = Contact(
                ident, campaign, row.phone, row.name, row.timezone, row.external_id, dict(row.variables)
            )
            if row.suppressed:
                from dialerd.core.model import ContactState
                fresh = replace(fresh, state=ContactState.SUPPRESSED)
            disk.contacts.put(ident, StoredContact(fresh, import_id))
            disk.phones.put((campaign, row.phone), ident)
            added += 1
        disk.contacts.adopt()
        disk.phones.adopt()
        return added

    async def drop_import(self, import_id: ImportId) -> None:
        """Forget an import that was refused; an unknown one is no error."""
        disk = self._opened()
        found = disk.imports.get(import_id)
        if found is None:
            return
        if found.sealed:
            raise InvariantError(f"import {import_id} is sealed")
        for ident, listed in list(disk.contacts.committed.items()):
            if listed.import_id == import_id:
                disk.contacts.remove(ident)
                disk.phones.remove((found.campaign, listed.contact.phone))
        disk.imports.remove(import_id)
        for table in (disk.contacts, disk.phones, disk.imports):
            table.adopt()

    async def contact(self, campaign, phone):
        return next((c for c in self._sealed(campaign) if c.phone == phone), None)

    async def waiting_under(self, pattern, limit):
        self._opened()
        return [l.contact for l in self.disk.contacts.values() if l.contact.state.waiting and (l.contact.phone == pattern or (pattern.endswith("*") and l.contact.phone.startswith(pattern[:-1])))][:limit]

    async def dnc(self):
        from dialerd.ports import Dnc
        d = self._opened()
        return Dnc(d.dnc_version, [(e.pattern, e.expires_at) for e in d.entries.values()])

    async def dnc_entries(self, page):
        return _page(list(self._opened().entries.values())[::-1], page)

    async def dnc_entry(self, pattern):
        return self._opened().entries.get(pattern)

    async def contacts(self, campaign: CampaignId, page: Page, state=None) -> tuple[Sequence[Contact], int]:
        """A page of a campaign's sealed contacts in list order, and how many there are."""
        self._opened()
        return _page(sorted((c for c in self._sealed(campaign) if state in (None, c.state)), key=lambda contact: contact.id), page)

    def _sealed(self, campaign: CampaignId) -> Iterable[Contact]:
        for listed in self.disk.contacts.values():
            if listed.contact.campaign_id == campaign and self.disk.imports[listed.import_id].sealed:
                yield listed.contact

    def _contact(self, kept: StoredCall) -> Contact | None:
        listed = self.disk.contacts.get(kept.contact) if kept.contact is not None else None
        return listed.contact if listed is not None else None

    # --- lists -----------------------------------------------------------------------------------

    async def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A campaign and its counters."""
        disk = self._opened()
        found = disk.campaigns.get(campaign)
        return None if found is None else (found, dict(disk.counters.get(campaign) or {}))

    async def campaigns(
        self, where: CampaignFilter, page: Page
    ) -> tuple[Sequence[tuple[Campaign, Mapping[str, int]]], int]:
        """A page of campaigns with their counters, newest first, and how many match."""
        disk = self._opened()
        found = [
            campaign
            for campaign in disk.campaigns.values()
            if (where.status is None or campaign.status is where.status)
            and _within(campaign.created_at, where.created_from, where.created_to)
        ]
        found.sort(key=lambda campaign: (campaign.created_at, campaign.id), reverse=True)
        shown, total = _page(found, page)
        return [(campaign, dict(disk.counters.get(campaign.id) or {})) for campaign in shown], total

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many match."""
        rows = [self._row(kept) for kept in self._opened().calls.values() if kept.call.tries]
        found = [row for row in rows if _matches(row, where)]
        return _page(sorted(found, key=lambda row: row.id, reverse=True), page)

    async def call(self, call: CallId) -> CallRow | None:
        """One call."""
        kept = self._opened().calls.get(call)
        return self._row(kept) if kept is not None and kept.call.tries else None

    def _row(self, kept: StoredCall) -> CallRow:
        call, closed, contact = kept.call, kept.closed, self._contact(kept)
        return CallRow(
            id=call.id,
            campaign_id=call.campaign_id,
            phone=call.phone,
            name=contact.name if contact is not None else call.name,
            callback=call.callback,
            status=closed.status if closed else CallStatus.IN_PROGRESS,
            disposition=closed.disposition if closed else call.report.disposition,
            reason=closed.reason if closed else None,
            attempt=call.attempt,
            counted=closed.counted if closed else True,
            language=call.language,
            script_id=call.script_id,
            started_at=call.started_at,
            answered_at=call.answered_at,
            ended_at=closed.ended_at if closed else None,
            duration_ms=closed.duration if closed else 0,
            answered_by=None,
            gate=dict(call.gate),
            captured=dict(call.report.captured),
            transcript=[dict(said) for said in call.report.transcript],
            tries=[_try_row(attempt) for attempt in call.tries],
        )

    # --- scripts and keys ------------------------------------------------------------------------

    async def add_script(self, script: Script) -> None:
        """Store a script version. Raises `InvariantError` if that version exists."""
        disk = self._opened()
        if (script.id, script.version) in disk.scripts:
            raise InvariantError(f"script {script.id} has version {script.version} already")
        disk.scripts.put((script.id, script.version), script)
        disk.scripts.adopt()

    async def script(self, script_id: ScriptId, version: int | None = None) -> Script | None:
        """One version of a script, the newest without `version`."""
        scripts = self._opened().scripts
        if version is not None:
            return scripts.get((script_id, version))
        versions = [script for script in scripts.values() if script.id == script_id]
        return max(versions, key=lambda script: script.version, default=None)

    async def scripts(self, page: Page) -> tuple[Sequence[Script], int]:
        """Newest version of each script, newest first, and how many scripts there are."""
        newest: dict[ScriptId, Script] = {}
        for script in self._opened().scripts.values():
            known = newest.get(script.id)
            if known is None or known.version < script.version:
                newest[script.id] = script
        return _page(
            sorted(newest.values(), key=lambda script: (script.created_at, script.id), reverse=True), page
        )

    async def add_key(self, key: ApiKey) -> None:
        """Store an API key's digest. Raises `InvariantError` if its id or digest exists."""
        disk = self._opened()
        if key.id in disk.keys or any(known.digest == key.digest for known in disk.keys.values()):
            raise InvariantError(f"key {key.id} or its digest exists")
        disk.keys.put(key.id, key)
        disk.keys.adopt()

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        keys = self._opened().keys.values()
        return next((key for key in keys if key.digest == digest and key.revoked_at is None), None)

    async def keys(self) -> Sequence[ApiKey]:
        """All keys, newest first."""
        return sorted(self._opened().keys.values(), key=lambda key: (key.created_at, key.id), reverse=True)

    async def revoke_key(self, key_id: str, at: Instant) -> bool:
        """Revoke a key; False if there is none."""
        keys = self._opened().keys
        known = keys.get(key_id)
        if known is None:
            return False
        keys.put(key_id, replace(known, revoked_at=known.revoked_at if known.revoked_at is not None else at))
        keys.adopt()
        return True

    def _opened(self) -> FakeDisk:
        if not self._is_open:
            raise PortError("the store is closed", retryable=False)
        return self.disk


def _page(found: Sequence[T], page: Page) -> tuple[Sequence[T], int]:
    return found[page.offset : page.offset + page.limit], len(found)


def _within(instant: Instant, first: Instant | None, end: Instant | None) -> bool:
    return (first is None or instant >= first) and (end is None or instant <= end)


def _matches(row: CallRow, where: CallFilter) -> bool:
    return (
        where.campaign in (None, row.campaign_id)
        and where.disposition in (None, row.disposition)
        and where.language in (None, row.language)
        and where.phone in (None, row.phone)
        and _within(row.started_at, where.started_from, where.started_to)
    )


def _try_row(attempt: Try) -> TryRow:
    return TryRow(
        channel=attempt.channel,
        number=attempt.number,
        trunk=attempt.trunk,
        caller_id=attempt.caller_id,
        state=attempt.state,
        opened_at=attempt.opened_at,
        ringing_at=attempt.ringing_at,
        answered_at=attempt.answered_at,
        ended_at=attempt.ended_at,
        cause=attempt.cause,
        sip_code=attempt.sip_code,
    )
