"""The writing half of the store port, the same for every database; a store adds what executes a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Dialect

from dialerd.core.clock import Instant
from dialerd.core.delivery import Delivery, DeliveryState, first_number_of
from dialerd.core.errors import InvariantError
from dialerd.core.journal import Entry
from dialerd.core.model import CampaignId, ImportId
from dialerd.core.webhook import WebhookId
from dialerd.ports import ApiKey, Kept, NewContact, Script
from dialerd.store import outbox, transactions, writes
from dialerd.store.sql import Sql
from dialerd.store.transactions import STEP, Transaction
from dialerd.store.turns import Planner

T = TypeVar("T")

CHUNK = 500
"""Rows of bulk work in one transaction at most."""


class Executor(Protocol):
    """Executes transactions, one after another. What was handed over is executed though nobody waits any more."""

    async def execute(self, transaction: Transaction[T]) -> T:
        """Execute it now; it is durable when this returns. Raises `PortError`, `InvariantError`."""
        ...

    async def execute_behind(self, steps: Sequence[Transaction[T]]) -> list[T]:
        """Execute `steps` behind all that was handed to `execute`, together unless that has to wait. Raises alike."""
        ...


class Writing:
    """Everything of the port that writes. All of it raises `PortError`."""

    def __init__(self, dialect: Dialect, executor: Executor) -> None:
        self._to = dialect
        self._executor = executor
        self._planner = Planner(dialect)

    # --- the journal -----------------------------------------------------------------------------

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none; cancelling the caller does not stop it.

        Raises `PortError` (I/O, disk, lock), `InvariantError` (integrity).
        """
        if entries:
            await self._executor.execute(transactions.turn(self._planner, entries))

    async def probe(self) -> None:
        """Write and remove a row in one transaction. Raises `PortError`."""
        await self._executor.execute(transactions.probe(self._to))

    # --- imports ---------------------------------------------------------------------------------

    async def begin_import(self, campaign: CampaignId) -> ImportId:
        """A fresh unsealed import for contacts of `campaign`. Raises `PortError`."""
        begun = transactions.begin_import(self._to, campaign)
        (import_id,) = await self._executor.execute_behind([begun])
        return import_id

    async def add_contacts(
        self, import_id: ImportId, campaign: CampaignId, rows: Sequence[NewContact]
    ) -> int:
        """Append at most `CHUNK` rows; returns how many were new to the campaign. Below dialing in priority.

        Raises `InvariantError` if there are more or the import is not open, `PortError`.
        """
        if len(rows) > CHUNK:
            raise InvariantError(f"{len(rows)} contacts in one transaction, {CHUNK} are allowed")
        steps = [
            transactions.add_contacts(self._to, import_id, campaign, rows[first : first + STEP])
            for first in range(0, len(rows), STEP)
        ]
        return sum(await self._executor.execute_behind(steps)) if steps else 0

    async def drop_import(self, import_id: ImportId) -> None:
        """Forget an import that was refused; an unknown one is no error.

        Raises `InvariantError` for a sealed one, `PortError`.
        """
        (campaign,) = await self._executor.execute_behind([transactions.doom_import(self._to, import_id)])
        left = campaign is not None
        while left:
            assert campaign is not None
            step = transactions.empty_import(self._to, import_id, campaign)
            (left,) = await self._executor.execute_behind([step])

    async def _drop_unsealed(self) -> None:
        """Forget the imports that were under way when the daemon ended."""
        for import_id in await self._executor.execute(transactions.unsealed(self._to)):
            await self.drop_import(import_id)

    # --- what is on its way to webhooks -----------------------------------------------------------

    async def note_deliveries(self, rows: Sequence[Delivery]) -> None:
        """Keep what became of deliveries; those that are gone are passed over. Raises `PortError`."""
        steps = [
            transactions.note_deliveries(self._to, rows[first : first + STEP])
            for first in range(0, len(rows), STEP)
        ]
        if steps:
            await self._executor.execute_behind(steps)

    async def revive_dead(self, webhook: WebhookId, now: Instant) -> int:
        """Have all dead deliveries of a webhook wait again; how many. Raises `PortError`."""
        return await self._repeat(outbox.revive(self._to), {"webhook": webhook, "now": now})

    async def drop_deliveries(self, webhook: WebhookId, kept: Mapping[DeliveryState, Kept]) -> int:
        """Forget deliveries of these states that are too many or too old; how many. Raises `PortError`."""
        dropped = 0
        for state, limits in kept.items():
            oldest = transactions.oldest_kept(self._to, webhook, state, limits.most)
            (before,) = await self._executor.execute_behind([oldest])
            before = max(before, first_number_of(limits.since))
            values = {"webhook": webhook, "state": state, "before": before}
            dropped += await self._repeat(outbox.drop(self._to), values)
        return dropped

    async def drop_orphans(self) -> int:
        """Forget the deliveries of webhooks that were removed; how many. Raises `PortError`."""
        (removed,) = await self._executor.execute_behind([transactions.orphaned(self._to)])
        return sum([await self._repeat(outbox.drop_of(self._to), {"webhook": ident}) for ident in removed])

    async def _repeat(self, sql: Sql, values: Mapping[str, Any]) -> int:
        """Run a statement that changes some rows until none is left; how many it has changed."""
        changed, last = 0, STEP
        while last == STEP:
            step = transactions.change(sql, {**values, "limit": STEP})
            (last,) = await self._executor.execute_behind([step])
            changed += last
        return changed

    # --- scripts and keys ------------------------------------------------------------------------

    async def add_script(self, script: Script) -> None:
        """Store a script version. Raises `InvariantError` if that version exists, `PortError`."""
        await self._insert(writes.add_script(self._to), writes.script_row(script))

    async def add_key(self, key: ApiKey) -> None:
        """Store an API key's digest. Raises `InvariantError` if its id or digest exists, `PortError`."""
        await self._insert(writes.add_key(self._to), writes.key_row(key))

    async def revoke_key(self, key_id: str, at: Instant) -> bool:
        """Revoke a key; False if there is none. Raises `PortError`."""
        revoking = transactions.change(writes.revoke_key(self._to), {"key": key_id, "at": at})
        return await self._executor.execute(revoking) == 1

    async def _insert(self, sql: str, row: writes.Row) -> None:
        await self._executor.execute(transactions.insert(sql, row))
