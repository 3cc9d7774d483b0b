"""A turn of the engine as few batches of equal statements.

Each kind of entry has its statement. Within a turn the order of different kinds is fixed: rows are inserted
before they are changed, parents before children. The order given is kept where it matters: within a kind, and
around what changes many rows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, Dialect, Table, bindparam, literal_column

from dialerd.core.errors import InvariantError
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CallOpened,
    CallReported,
    CampaignAdmitted,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    Entry,
    NumberFreed,
    TryOpened,
    TrySaved,
    WaitingClosed,
)
from dialerd.store import encode
from dialerd.store.encode import Row
from dialerd.store.sql import insert_sql, inserting, positional, update_sql
from dialerd.store.tables import (
    IMPORT_OPEN,
    IMPORT_SEALED,
    calls,
    campaigns,
    contacts,
    counters,
    imports,
    numbers,
    tries,
)

Rows: TypeAlias = Callable[[Any], list[Row]]


@dataclass(frozen=True, slots=True)
class Write:
    """A statement of the journal. `exact`: every set of parameters must change one row, or the turn is wrong."""

    name: str
    sql: str
    exact: bool


Batch: TypeAlias = tuple[Write, list[Row]]


class Planner:
    """Plans turns for one database."""

    def __init__(self, dialect: Dialect) -> None:
        call_id, campaign_id = [calls.c.id], [campaigns.c.id]
        save_try = _update("try update", tries, encode.TRY_CHANGES, encode.TRY_KEY, dialect)
        ordered: list[tuple[type[Any], Write, Rows]] = [
            (
                CampaignAdmitted,
                _insert("campaign insert", campaigns, encode.CAMPAIGN, dialect),
                encode.campaign_admitted,
            ),
            (CampaignAdmitted, _seal_import(dialect), encode.import_sealed),
            (
                CampaignSaved,
                _update("campaign update", campaigns, encode.CAMPAIGN_CHANGES, campaign_id, dialect),
                encode.campaign_saved,
            ),
            (CallOpened, _insert("call insert", calls, encode.CALL, dialect), encode.call_opened),
            (TryOpened, _insert("try insert", tries, encode.TRY, dialect), encode.try_opened),
            (TrySaved, save_try, encode.try_saved),
            (CallAnswered, save_try, encode.call_answered),
            (
                CallReported,
                _update("call report", calls, encode.CALL_REPORT, call_id, dialect),
                encode.call_reported,
            ),
            (CallClosed, _update("call end", calls, encode.CALL_END, call_id, dialect), encode.call_closed),
            (
                ContactSaved,
                _update("contact update", contacts, encode.CONTACT_CHANGES, [contacts.c.id], dialect),
                encode.contact_saved,
            ),
            (CountersMoved, _add_counters(dialect), encode.counters_moved),
            (NumberFreed, _free_number(dialect), encode.number_freed),
        ]
        self._alone: dict[type[Any], tuple[Write, Rows]] = {
            WaitingClosed: (_close_waiting(dialect), encode.waiting_closed)
        }
        ranks: dict[Write, int] = {}
        self._steps: dict[type[Any], list[tuple[int, Rows]]] = {}
        for kind, write, rows in ordered:
            rank = ranks.setdefault(write, len(ranks))
            self._steps.setdefault(kind, []).append((rank, rows))
        self._writes = list(ranks)

    def plan(self, entries: Iterable[Entry]) -> list[Batch]:
        """The batches of one transaction. Raises `InvariantError` for what cannot be stored."""
        batches: list[Batch] = []
        groups: list[list[Row]] = [[] for _ in self._writes]
        try:
            for entry in entries:
                kind = type(entry)
                if kind in self._alone:
                    self._flush(groups, batches)
                    write, alone = self._alone[kind]
                    batches.append((write, alone(entry)))
                else:
                    for rank, rows in self._steps[kind]:
                        groups[rank] += rows(entry)
        except (TypeError, KeyError) as error:
            raise InvariantError(f"an entry of the journal cannot be stored: {error}") from error
        self._flush(groups, batches)
        return batches

    def _flush(self, groups: list[list[Row]], batches: list[Batch]) -> None:
        for rank, rows in enumerate(groups):
            if rows:
                batches.append((self._writes[rank], rows))
                groups[rank] = []


def _insert(name: str, table: Table, columns: Sequence[Column[Any]], dialect: Dialect) -> Write:
    return Write(name, insert_sql(table, columns, dialect), exact=True)


def _update(
    name: str, table: Table, columns: Sequence[Column[Any]], keys: Sequence[Column[Any]], dialect: Dialect
) -> Write:
    return Write(name, update_sql(table, columns, keys, dialect), exact=True)


def _seal_import(dialect: Dialect) -> Write:
    sealing = (
        imports.update()
        .values(state=literal_column(f"'{IMPORT_SEALED}'"))
        .where(imports.c.id == bindparam("import"), imports.c.campaign_id == bindparam("campaign"))
        .where(imports.c.state == literal_column(f"'{IMPORT_OPEN}'"))
    )
    return Write("import seal", positional(sealing, dialect, ["import", "campaign"]), exact=True)


def _close_waiting(dialect: Dialect) -> Write:
    closing = (
        contacts.update()
        .ordered_values((contacts.c.state, bindparam("final")), (contacts.c.waiting, literal_column("0")))
        .where(contacts.c.campaign_id == bindparam("campaign"))
        .where(contacts.c.waiting == literal_column("1"))
    )
    return Write("waiting close", positional(closing, dialect, ["final", "campaign"]), exact=False)


def _add_counters(dialect: Dialect) -> Write:
    adding = inserting(counters, list(counters.c), dialect)
    adding = adding.on_conflict_do_update(
        index_elements=[counters.c.campaign_id, counters.c.key],
        set_={"value": counters.c.value + adding.excluded.value},
    )
    names = ["v_campaign_id", "v_key", "v_value"]
    return Write("counter add", positional(adding, dialect, names), exact=True)


def _free_number(dialect: Dialect) -> Write:
    # The gap runs from the latest end: evidence of an earlier one may come in after it.
    freeing = inserting(numbers, list(numbers.c), dialect)
    freeing = freeing.on_conflict_do_update(
        index_elements=[numbers.c.phone],
        set_={"last_ended_at": freeing.excluded.last_ended_at},
        where=freeing.excluded.last_ended_at > numbers.c.last_ended_at,
    )
    names = ["v_phone", "v_last_ended_at"]
    return Write("number free", positional(freeing, dialect, names), exact=False)
