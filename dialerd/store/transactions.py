"""What is written in one transaction, the same for every database.

A transaction is a generator: it hands out statements and is sent their answers, so that one text serves a driver
that blocks in a thread and one that is awaited. It runs nothing itself and knows no database.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Dialect

from dialerd.core.delivery import Delivery, DeliveryState
from dialerd.core.errors import InvariantError
from dialerd.core.identity import CampaignId, ImportId
from dialerd.core.journal import Deed, Entry, RequestDone
from dialerd.core.results import Reject
from dialerd.core.webhook import WebhookId
from dialerd.ports import NewContact
from dialerd.store import deeds, encode, outbox, requests, writes
from dialerd.store.sql import Sql
from dialerd.store.tables import IMPORT_OPEN, IMPORT_SEALED
from dialerd.store.turns import COUNTERS, Planner
from dialerd.store.writes import Row

T = TypeVar("T")

STEP = 50
"""Rows of bulk work that a turn of the engine may have to wait for."""


@dataclass(frozen=True, slots=True)
class Change:
    """Run a statement with each of these rows. The answer is how many rows of the database it has changed."""

    sql: str
    rows: Sequence[Row]
    counted: bool = True
    """Without it any number may be the answer."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Run a statement that gives rows. The answer is all of them."""

    sql: str
    row: Row


Asked: TypeAlias = Change | Fetch
Transaction: TypeAlias = Generator[Asked, Any, T]


def turn(planner: Planner, entries: Iterable[Entry]) -> Transaction[int]:
    """A turn of the engine; how many rows of moved counters it has appended.

    Raises `InvariantError` for what does not fit the store.
    """
    appended = 0
    for write, rows in planner.plan(entries):
        _refuse_nul(rows)
        changed = yield Change(write.sql, rows, counted=write.exact)
        if write.exact and changed != len(rows):
            raise InvariantError(f"{write.name}: {changed} of {len(rows)} rows found; nothing was stored")
        if write.name == COUNTERS:
            appended += len(rows)
    return appended


def probe(dialect: Dialect) -> Transaction[None]:
    """Write a row and remove it."""
    import_id = yield from begin_import(dialect, CampaignId("cmp_probe"))
    yield from execute(writes.forget_import(dialect), {"import": import_id})


# --- imports -------------------------------------------------------------------------------------


def begin_import(dialect: Dialect, campaign: CampaignId) -> Transaction[ImportId]:
    """A fresh open import."""
    ((ident,),) = yield fetch(writes.begin_import(dialect), {"campaign": campaign})
    return ImportId(ident)


def add_contacts(
    dialect: Dialect, import_id: ImportId, campaign: CampaignId, people: Sequence[NewContact]
) -> Transaction[int]:
    """How many were new to the campaign. Raises `InvariantError` if the import is not open."""
    rows = writes.contact_rows(import_id, campaign, people)
    _refuse_nul(rows)
    added: int = yield Change(writes.add_contact(dialect), rows)
    values = {"added": added, "import": import_id, "campaign": campaign}
    if (yield from execute(writes.grow_import(dialect), values)) != 1:
        raise InvariantError(f"import {import_id} of campaign {campaign} is not open")
    return added


def add_rejects(dialect: Dialect, import_id: ImportId, refused: Sequence[Reject]) -> Transaction[None]:
    """Keep rows of a list that cannot be used. Raises `InvariantError` if the import is not open."""
    found = yield fetch(writes.import_state(dialect), {"import": import_id})
    if not found or found[0][0] != IMPORT_OPEN:
        raise InvariantError(f"import {import_id} is not open")
    rows = writes.reject_rows(import_id, refused)
    _refuse_nul(rows)
    yield Change(writes.add_reject(dialect), rows)


def doom_import(dialect: Dialect, import_id: ImportId) -> Transaction[CampaignId | None]:
    """From here it cannot be sealed; None: there is none. Raises `InvariantError` if it is sealed."""
    found = yield fetch(writes.import_state(dialect), {"import": import_id})
    if not found:
        return None
    ((state, campaign),) = found
    if state == IMPORT_SEALED:
        raise InvariantError(f"import {import_id} is sealed: its contacts belong to campaign {campaign}")
    yield from execute(writes.doom_import(dialect), {"import": import_id})
    return CampaignId(campaign)


def empty_import(dialect: Dialect, import_id: ImportId, campaign: CampaignId) -> Transaction[bool]:
    """Delete some contacts of a doomed import, at last itself; whether there may be more."""
    values = {"campaign": campaign, "import": import_id, "limit": STEP}
    for some in (writes.empty_import(dialect), writes.empty_rejects(dialect)):
        if (yield from execute(some, values)) == STEP:
            return True
    yield from execute(writes.forget_import(dialect), {"import": import_id})
    return False


def unsealed(dialect: Dialect) -> Transaction[list[ImportId]]:
    """The imports that are not sealed."""
    found = yield fetch(writes.unsealed_imports(dialect), {})
    return [ImportId(ident) for (ident,) in found]


# --- what is on its way to webhooks ---------------------------------------------------------------


def note_deliveries(dialect: Dialect, found: Sequence[Delivery]) -> Transaction[None]:
    """What became of deliveries."""
    rows = [encode.delivery_noted(row) for row in found]
    _refuse_nul(rows)
    yield Change(outbox.note(dialect), rows, counted=False)


def oldest_kept(dialect: Dialect, webhook: WebhookId, state: DeliveryState, most: int) -> Transaction[int]:
    """The number below which there are more than `most` deliveries of a state."""
    if most < 1:
        return _ABOVE_ALL
    values = {"webhook": webhook, "state": state, "newer": most - 1}
    found = yield fetch(outbox.oldest_kept(dialect), values)
    return found[0][0] if found else 0


_ABOVE_ALL = 2**63 - 1


def orphaned(dialect: Dialect) -> Transaction[list[WebhookId]]:
    """Webhooks that are gone and whose deliveries are not."""
    found = yield fetch(outbox.orphaned(dialect), {})
    return [WebhookId(ident) for (ident,) in found]


# --- single rows ---------------------------------------------------------------------------------


def insert(
    dialect: Dialect, sql: str, row: Row, done: RequestDone | None = None, deed: Deed | None = None
) -> Transaction[None]:
    """One row, the request that asked for it, and who did. Raises `InvariantError` if one cannot be stored."""
    _refuse_nul([row])
    if done is not None:
        noted = requests.noted(done)
        _refuse_nul(noted)
        if (yield Change(requests.note(dialect), noted)) != 1:
            raise InvariantError("the request was carried out before")
    yield Change(sql, [row])
    yield from _tell(dialect, deed)


def told(dialect: Dialect, changing: Transaction[int], deed: Deed | None) -> Transaction[int]:
    """A change, and who made it if it changed anything."""
    changed = yield from changing
    yield from _tell(dialect, deed if changed else None)
    return changed


def _tell(dialect: Dialect, deed: Deed | None) -> Transaction[None]:
    if deed is not None:
        rows = deeds.added(deed)
        _refuse_nul(rows)
        yield Change(deeds.add(dialect), rows)


def update(sql: str, rows: Sequence[Row]) -> Transaction[int]:
    """Rows that may be there; how many of them are."""
    _refuse_nul(rows)
    changed: int = yield Change(sql, rows)
    return changed


def change(sql: Sql, values: Mapping[str, Any]) -> Transaction[int]:
    """How many rows it changed."""
    return (yield from execute(sql, values))


def execute(sql: Sql, values: Mapping[str, Any]) -> Transaction[int]:
    """How many rows a statement has changed."""
    changed: int = yield Change(sql.text, [sql.bind(values)])
    return changed


def fetch(sql: Sql, values: Mapping[str, Any]) -> Fetch:
    """The question for the rows of a statement."""
    return Fetch(sql.text, sql.bind(values))


def _refuse_nul(rows: Iterable[Row]) -> None:
    """PostgreSQL cannot hold it in a text, so that none may: what one store takes, the other takes too."""
    for row in rows:
        for value in row:
            if isinstance(value, str) and "\0" in value:
                raise InvariantError("a text with a NUL character cannot be stored; nothing was stored")
