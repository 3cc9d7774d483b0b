"""The store in memory: the same promises as the real one, for tests and simulations.

A `FakeDisk` outlives the `FakeStore` that was opened on it, as a file outlives its daemon, so a crash is a new
store on the same disk. Faults are injected, never random.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState, first_number_of
from dialerd.core.errors import DialerError, InvariantError, PortError
from dialerd.core.identity import CampaignId, ContactId, ImportId, ScriptId
from dialerd.core.journal import Deed, Entry, RequestDone
from dialerd.core.results import Reject
from dialerd.core.table import Table
from dialerd.core.webhook import WebhookId
from dialerd.ports import (
    AnsweredRequest,
    ApiKey,
    Kept,
    KeptAnswer,
    NewContact,
    OpenState,
    Script,
    VoiceAgent,
)
from dialerd.sim.care import FakeCare
from dialerd.sim.disk import FakeDisk, StoredContact, StoredImport

CHUNK = 500

K = TypeVar("K")
V = TypeVar("V")


class FakeStore(FakeCare):
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

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        """What the engine must hold; drops imports that were never sealed."""
        for unsealed in [item.id for item in self._opened().imports.values() if not item.sealed]:
            await self.drop_import(unsealed)
        return self._held(rested_since, shown_since)

    # --- the journal -----------------------------------------------------------------------------

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none. Raises `PortError`, `InvariantError`."""
        disk = self._opened()
        if self._faults and entries:
            raise self._faults.popleft()
        for entry in entries:
            _refuse_unfit(entry)
        disk.write(entries)

    async def settle(self, transaction: int) -> bool:
        """Never needed: nothing is ever in doubt here. Raises `InvariantError`."""
        raise InvariantError(f"transaction {transaction} is not in doubt")

    async def probe(self) -> None:
        """Fail as the next commit would. Raises `PortError`."""
        self._opened()
        if self._faults:
            raise self._faults.popleft()

    # --- imports ---------------------------------------------------------------------------------

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
            _refuse_unfit(row)
        for row in rows:
            if (campaign, row.phone) in disk.phones:
                continue
            disk.last_contact += 1
            ident = ContactId(disk.last_contact)
            fresh = Contact(
                ident,
                campaign,
                row.phone,
                row.name,
                row.timezone,
                row.external_id,
                dict(row.variables),
                ContactState.SUPPRESSED if row.suppressed else ContactState.PENDING,
            )
            disk.contacts.put(ident, StoredContact(fresh, import_id))
            disk.phones.put((campaign, row.phone), ident)
            added += 1
        disk.contacts.adopt()
        disk.phones.adopt()
        return added

    async def add_rejects(self, import_id: ImportId, refused: Sequence[Reject]) -> None:
        """Keep at most 500 rows of a list that cannot be used."""
        disk = self._opened()
        if len(refused) > CHUNK:
            raise InvariantError(f"{len(refused)} rejected rows in one transaction, {CHUNK} are allowed")
        found = disk.imports.get(import_id)
        if found is None or found.sealed:
            raise InvariantError(f"import {import_id} is not open")
        for reject in refused:
            _refuse_unfit(reject)
        disk.rejects.setdefault(import_id, []).extend(refused)

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
        disk.rejects.pop(import_id, None)
        disk.imports.remove(import_id)
        for table in (disk.contacts, disk.phones, disk.imports):
            table.adopt()

    # --- what is on its way to webhooks -----------------------------------------------------------

    async def note_deliveries(self, rows: Sequence[Delivery]) -> None:
        """Keep what became of deliveries; those that are gone are passed over."""
        deliveries = self._opened().deliveries
        for row in rows:
            _refuse_unfit(row)
        for row in rows:
            if (kept := deliveries.get(row.number)) is not None:
                deliveries.put(row.number, _moved(kept, row))
        deliveries.adopt()

    async def revive_dead(self, webhook: WebhookId, now: Instant) -> int:
        """Have all dead deliveries of a webhook wait again; how many."""
        dead = self._deliveries(webhook, DeliveryState.DEAD)
        await self.note_deliveries(
            [
                replace(row, state=DeliveryState.WAITING, attempts=0, due_at=now, finished_at=None)
                for row in dead
            ]
        )
        return len(dead)

    async def drop_deliveries(self, webhook: WebhookId, kept: Mapping[DeliveryState, Kept]) -> int:
        """Forget deliveries of these states that are too many or too old; how many."""
        dropped = []
        for state, limits in kept.items():
            rows, first = self._deliveries(webhook, state), first_number_of(limits.since)
            many = len(rows) - limits.most
            dropped += [row.number for place, row in enumerate(rows) if place < many or row.number < first]
        return self._drop(dropped)

    async def drop_orphans(self) -> int:
        """Forget the deliveries of webhooks that were removed; how many."""
        disk = self._opened()
        rows = disk.deliveries.committed.values()
        return self._drop([row.number for row in rows if row.webhook not in disk.webhooks])

    def _drop(self, numbers: Sequence[DeliveryNumber]) -> int:
        deliveries = self._opened().deliveries
        for number in numbers:
            deliveries.remove(number)
        deliveries.adopt()
        return len(numbers)

    # --- scripts, agents and keys ----------------------------------------------------------------

    async def add_script(
        self, script: Script, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store a script version. Raises `InvariantError` if it or its request exists."""
        disk = self._opened()
        _refuse_unfit(script)
        if (script.id, script.version) in disk.scripts:
            raise InvariantError(f"script {script.id} has version {script.version} already")
        self._insert(disk.scripts, (script.id, script.version), script, done, deed)

    async def delete_script(self, script_id: ScriptId, at: Instant, deed: Deed | None = None) -> bool:
        """Delete a script; False: there is none."""
        disk = self._opened()
        there = [key for key in disk.scripts.committed if key[0] == script_id and key not in disk.gone]
        for key in there:
            disk.gone.put(key, at)
        disk.gone.adopt()
        self._tell(deed if there else None)
        return bool(there)

    async def add_agent(
        self, agent: VoiceAgent, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store a new agent. Raises `InvariantError` if it or its request exists."""
        disk = self._opened()
        _refuse_unfit(agent)
        if agent.id in disk.agents:
            raise InvariantError(f"agent {agent.id} exists")
        self._insert(disk.agents, agent.id, agent, done, deed)

    async def save_agent(self, agent: VoiceAgent, deed: Deed | None = None) -> bool:
        """Change an agent; False: there is none."""
        known = self._opened().agents
        _refuse_unfit(agent)
        before = known.get(agent.id)
        if before is not None:
            known.put(agent.id, replace(agent, created_at=before.created_at))
            known.adopt()
            self._tell(deed)
        return before is not None

    async def delete_agent(self, agent_id: str, deed: Deed | None = None) -> bool:
        """Delete an agent; False: there is none."""
        agents = self._opened().agents
        known = agent_id in agents
        agents.remove(agent_id)
        agents.adopt()
        self._tell(deed if known else None)
        return known

    async def add_key(self, key: ApiKey, done: RequestDone | None = None, deed: Deed | None = None) -> None:
        """Store an API key's digest. Raises `InvariantError` if it or its request exists."""
        disk = self._opened()
        _refuse_unfit(key)
        if key.id in disk.keys or any(known.digest == key.digest for known in disk.keys.values()):
            raise InvariantError(f"key {key.id} or its digest exists")
        self._insert(disk.keys, key.id, key, done, deed)

    def _insert(
        self, table: Table[K, V], key: K, row: V, done: RequestDone | None, deed: Deed | None
    ) -> None:
        if done is not None:
            _refuse_unfit(done)
            self.disk.note_request(done)
            self.disk.requests.adopt()
        table.put(key, row)
        table.adopt()
        self._tell(deed)

    def _tell(self, deed: Deed | None) -> None:
        if deed is not None:
            self.disk.note_deed(deed)
            self.disk.deeds.adopt()

    async def note_use(self, used: Mapping[str, Instant]) -> None:
        """When keys were last used."""
        keys = self._opened().keys
        for ident, at in used.items():
            known = keys.get(ident)
            if known is not None:
                keys.put(ident, replace(known, last_used_at=at))
        keys.adopt()

    # --- requests --------------------------------------------------------------------------------

    async def keep_answer(self, done: RequestDone, answer: KeptAnswer) -> None:
        """Keep what was answered to a request."""
        requests = self._opened().requests
        known = requests.get(done.ident)
        requests.put(done.ident, AnsweredRequest(known.done if known is not None else done, answer))
        requests.adopt()

    async def forget_requests(self, before: Instant) -> None:
        """Forget the requests that were carried out at an instant or before it."""
        requests = self._opened().requests
        for ident, known in list(requests.committed.items()):
            if known.done.at <= before:
                requests.remove(ident)
        requests.adopt()

    async def revoke_key(self, key_id: str, at: Instant, deed: Deed | None = None) -> bool:
        """Revoke a key; False if there is none."""
        keys = self._opened().keys
        known = keys.get(key_id)
        if known is None:
            return False
        keys.put(key_id, replace(known, revoked_at=known.revoked_at if known.revoked_at is not None else at))
        keys.adopt()
        self._tell(deed)
        return True


def _moved(kept: Delivery, row: Delivery) -> Delivery:
    """What was queued stays as it was; what became of it is as `row` says."""
    return replace(
        kept,
        state=row.state,
        attempts=row.attempts,
        due_at=row.due_at,
        finished_at=row.finished_at,
        status=row.status,
        detail=row.detail,
    )


def _refuse_unfit(record: object) -> None:
    """As the real ones do: what becomes a column of text."""
    if isinstance(record, str) and any(char == "\0" or "\ud800" <= char <= "\udfff" for char in record):
        raise InvariantError("a text with a NUL or a lone surrogate cannot be stored; nothing was stored")
    if is_dataclass(record):
        for item in fields(record):
            _refuse_unfit(getattr(record, item.name))
    elif isinstance(record, tuple):
        for item in record:
            _refuse_unfit(item)
