"""The writing half of the store port, the same for every database; a store adds what executes a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Dialect

from dialerd.core.clock import Instant
from dialerd.core.delivery import Delivery, DeliveryState, first_number_of
from dialerd.core.errors import InvariantError
from dialerd.core.identity import E164, CampaignId, ImportId, ScriptId
from dialerd.core.journal import Deed, Entry, RequestDone
from dialerd.core.results import Reject
from dialerd.core.webhook import WebhookId
from dialerd.ports import ApiKey, Kept, KeptAnswer, NewContact, Script, VoiceAgent
from dialerd.store import agents, disposal, erasure, outbox, recordings, requests, transactions, writes
from dialerd.store.asking import Lane
from dialerd.store.folding import Folding
from dialerd.store.sql import Sql
from dialerd.store.transactions import STEP, Transaction
from dialerd.store.turns import Planner

T = TypeVar("T")

CHUNK = 500
"""Rows of bulk work in one transaction at most."""
LONG = 16_384
"""Bytes of an answer that are deflated outside the event loop."""


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

    def __init__(self, dialect: Dialect, executor: Executor, reports: Lane) -> None:
        """`reports`: reads beside the writer what it is to fold."""
        self._to = dialect
        self._executor = executor
        self._planner = Planner(dialect)
        self._folding = Folding(dialect, reports, executor)

    # --- the journal -----------------------------------------------------------------------------

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none; cancelling the caller does not stop it.

        Raises `PortError` (I/O, disk, lock), `InvariantError` (integrity).
        """
        if entries:
            self._folding.appended(await self._executor.execute(transactions.turn(self._planner, entries)))

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
        _refuse_long(len(rows), "contacts")
        steps = [
            transactions.add_contacts(self._to, import_id, campaign, rows[first : first + STEP])
            for first in range(0, len(rows), STEP)
        ]
        return sum(await self._behind(steps))

    async def add_rejects(self, import_id: ImportId, refused: Sequence[Reject]) -> None:
        """Keep at most `CHUNK` rows that cannot be used. Below dialing in priority.

        Raises `InvariantError` if there are more or the import is not open, `PortError`.
        """
        _refuse_long(len(refused), "rejected rows")
        steps = [
            transactions.add_rejects(self._to, import_id, refused[first : first + STEP])
            for first in range(0, len(refused), STEP)
        ]
        await self._behind(steps)

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

    async def _behind(self, steps: Sequence[Transaction[T]]) -> list[T]:
        return await self._executor.execute_behind(steps) if steps else []

    # --- what is deleted bit by bit --------------------------------------------------------------

    async def delete_some(self, campaign: CampaignId, calls_before: Instant) -> int:
        """Delete at most `CHUNK` rows of a campaign that is marked for it; how many that were. Raises `PortError`."""
        return await self._bit_by_bit(lambda: disposal.delete_campaign(self._to, campaign, calls_before))

    async def drop_calls(self, before: Instant) -> int:
        """Delete at most `CHUNK` calls that began before an instant; how many. Raises `PortError`."""
        return await self._bit_by_bit(lambda: disposal.drop_calls(self._to, before))

    async def drop_deeds(self, before: Instant) -> int:
        """Delete at most `CHUNK` entries of the audit trail; how many. Raises `PortError`."""
        return await self._bit_by_bit(lambda: disposal.drop_deeds(self._to, before))

    async def doom_recordings(self, before: Instant | None, most: int | None, since: Instant) -> int:
        """Give up at most `CHUNK` recordings by age and total size; how many. Raises `PortError`."""
        return await self._bit_by_bit(lambda: recordings.doom_beyond(self._to, before, most, since))

    async def forget_file(self, path: str) -> None:
        """A doomed file is gone. Raises `PortError`."""
        await self._behind([recordings.forget_file(self._to, path)])

    async def erase_some(self, phone: E164) -> int:
        """Change at most `STEP` rows that tell of a number marked for it; how many that were. Raises `PortError`."""
        return sum(await self._behind([erasure.erase_number(self._to, phone)]))

    async def _bit_by_bit(self, step: Callable[[], Transaction[int]]) -> int:
        return sum(await self._behind([step() for _ in range(CHUNK // STEP)]))

    # --- scripts, agents and keys ---------------------------------------------------------------------

    async def add_script(
        self, script: Script, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store a script version. Raises `InvariantError` if it or its request exists, `PortError`."""
        await self._insert(writes.add_script(self._to), writes.script_row(script), done, deed)

    async def delete_script(self, script_id: ScriptId, at: Instant, deed: Deed | None = None) -> bool:
        """Delete a script; False if there is none. Raises `PortError`."""
        deleting = transactions.change(writes.delete_script(self._to), {"script": script_id, "at": at})
        return await self._change(deleting, deed)

    async def add_agent(
        self, agent: VoiceAgent, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store an agent. Raises `InvariantError` if it or its request exists, `PortError`."""
        await self._insert(agents.add(self._to), agents.added(agent), done, deed)

    async def save_agent(self, agent: VoiceAgent, deed: Deed | None = None) -> bool:
        """Change an agent; False if there is none. Raises `PortError`."""
        saving = transactions.update(agents.save(self._to), [agents.saved(agent)])
        return await self._change(saving, deed)

    async def delete_agent(self, agent_id: str, deed: Deed | None = None) -> bool:
        """Delete an agent; False if there is none. Raises `PortError`."""
        deleting = transactions.change(agents.remove(self._to), {"agent": agent_id})
        return await self._change(deleting, deed)

    async def add_key(self, key: ApiKey, done: RequestDone | None = None, deed: Deed | None = None) -> None:
        """Store an API key's digest. Raises `InvariantError` if it or its request exists, `PortError`."""
        await self._insert(writes.add_key(self._to), writes.key_row(key), done, deed)

    async def revoke_key(self, key_id: str, at: Instant, deed: Deed | None = None) -> bool:
        """Revoke a key; False if there is none. Raises `PortError`."""
        revoking = transactions.change(writes.revoke_key(self._to), {"key": key_id, "at": at})
        return await self._change(revoking, deed)

    async def note_use(self, used: Mapping[str, Instant]) -> None:
        """When keys were last used. Raises `PortError`."""
        noting = transactions.update(writes.note_use(self._to), [(at, key) for key, at in used.items()])
        await self._executor.execute_behind([noting])

    async def _insert(self, sql: str, row: writes.Row, done: RequestDone | None, deed: Deed | None) -> None:
        await self._executor.execute(transactions.insert(self._to, sql, row, done, deed))

    async def _change(self, changing: Transaction[int], deed: Deed | None) -> bool:
        """Whether it changed anything."""
        return await self._executor.execute(transactions.told(self._to, changing, deed)) > 0

    # --- requests --------------------------------------------------------------------------------

    async def keep_answer(self, done: RequestDone, answer: KeptAnswer) -> None:
        """Keep what was answered to a request. Raises `PortError`."""
        long = len(answer.body) > LONG
        row = await asyncio.to_thread(requests.kept, done, answer) if long else requests.kept(done, answer)
        await self._executor.execute_behind([transactions.update(requests.keep(self._to), [row])])

    async def forget_requests(self, before: Instant) -> None:
        """Forget requests that were carried out at `before` or earlier. Raises `PortError`."""
        forgetting = transactions.change(requests.forget(self._to), {"before": before})
        await self._executor.execute_behind([forgetting])


def _refuse_long(count: int, what: str) -> None:
    if count > CHUNK:
        raise InvariantError(f"{count} {what} in one transaction, {CHUNK} are allowed")
