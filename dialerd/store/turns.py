"""A turn of the engine as few batches of equal statements.

Each kind of entry has its statement. Within a turn the order of different kinds is fixed: rows are inserted
before they are changed, parents before children. The order given is kept where it matters: within a kind, and
around what changes many rows at once or the do-not-call list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Table,
    Text,
    bindparam,
    cast,
    exists,
    literal_column,
    not_,
    select,
)

from dialerd.core.contact import ContactKind
from dialerd.core.errors import InvariantError
from dialerd.core.identity import ERASED
from dialerd.core.journal import (
    AgentReplaced,
    CallAnswered,
    CallClosed,
    CallCut,
    CallJudged,
    CallOpened,
    CallRecorded,
    CallReported,
    CallTransferred,
    CampaignAdmitted,
    CampaignDoomed,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    DaemonSaved,
    Deed,
    DncChanged,
    Entry,
    ImportSealed,
    NumberDoomed,
    NumberFreed,
    RecordingDoomed,
    RequestDone,
    TrunkSaved,
    TryOpened,
    TrySaved,
    WaitingClosed,
    WaitingShifted,
    WebhookQueued,
    WebhookRemoved,
    WebhookSaved,
)
from dialerd.store import deeds, encode, moves, requests
from dialerd.store.encode import Row
from dialerd.store.queries import live
from dialerd.store.sql import copying, insert_sql, inserting, positional, update_sql
from dialerd.store.tables import (
    IMPORT_OPEN,
    IMPORT_SEALED,
    NOTHING,
    calls,
    campaigns,
    contacts,
    deletions,
    deliveries,
    dnc,
    doomed_files,
    erasures,
    imports,
    numbers,
    state,
    tries,
    webhooks,
)

COUNTERS = "counters move"
"""The name of the statement that moves counters."""
Rows: TypeAlias = Callable[[Any], list[Row]]


@dataclass(frozen=True, slots=True)
class Write:
    """A statement of the journal. `exact`: every set of parameters must change one row, or the turn is wrong."""

    name: str
    sql: str
    exact: bool
    packed: Callable[[list[Row]], list[Row]] | None = None
    """Makes fewer sets of parameters of all that a turn has."""


Batch: TypeAlias = tuple[Write, list[Row]]
Step: TypeAlias = tuple[type[Any], Write, Rows]
"""For a kind of entry one of its statements, and how an entry becomes parameters of it."""


class Planner:
    """Plans turns for one database."""

    def __init__(self, dialect: Dialect) -> None:
        self._alone: dict[type[Any], list[tuple[Write, Rows]]] = {}
        for kind, write, rows in _alone(dialect):
            self._alone.setdefault(kind, []).append((write, rows))
        ranks: dict[Write, int] = {}
        self._steps: dict[type[Any], list[tuple[int, Rows]]] = {}
        for kind, write, rows in _ordered(dialect):
            rank = ranks.setdefault(write, len(ranks))
            self._steps.setdefault(kind, []).append((rank, rows))
        self._writes = list(ranks)

    @property
    def writes(self) -> list[Write]:
        """Every statement."""
        return self._writes + [write for steps in self._alone.values() for write, _ in steps]

    def plan(self, entries: Iterable[Entry]) -> list[Batch]:
        """The batches of one transaction. Raises `InvariantError` for what cannot be stored."""
        batches: list[Batch] = []
        groups: list[list[Row]] = [[] for _ in self._writes]
        try:
            for entry in entries:
                kind = type(entry)
                if kind in self._alone:
                    self._flush(groups, batches)
                    steps = [(write, alone(entry)) for write, alone in self._alone[kind]]
                    batches += [(write, found) for write, found in steps if found]
                else:
                    for rank, rows in self._steps[kind]:
                        groups[rank] += rows(entry)
            self._flush(groups, batches)
        except (TypeError, KeyError) as error:
            raise InvariantError(f"an entry of the journal cannot be stored: {error}") from error
        return batches

    def _flush(self, groups: list[list[Row]], batches: list[Batch]) -> None:
        for rank, rows in enumerate(groups):
            if rows:
                write = self._writes[rank]
                batches.append((write, rows if write.packed is None else write.packed(rows)))
                groups[rank] = []


def _ordered(dialect: Dialect) -> list[Step]:
    """What is grouped within a turn, in the order in which it is executed."""
    call_id, campaign_id, contact_id = [calls.c.id], [campaigns.c.id], [contacts.c.id]
    seal = _seal_import(dialect)
    save_campaign = _update("campaign update", campaigns, encode.CAMPAIGN_CHANGES, campaign_id, dialect)
    save_try = _update("try update", tries, encode.TRY_CHANGES, encode.TRY_KEY, dialect)
    save_contact = _update("contact update", contacts, encode.CONTACT_CHANGES, contact_id, dialect)
    put, forget = _put_state(dialect), _forget_state(dialect)
    return [
        (
            CampaignAdmitted,
            _insert("campaign insert", campaigns, encode.CAMPAIGN, dialect),
            encode.campaign_admitted,
        ),
        (CampaignAdmitted, seal, encode.import_of_new),
        (ImportSealed, seal, encode.import_sealed),
        (CampaignSaved, save_campaign, encode.campaign_saved),
        (CampaignDoomed, _doom_campaign(dialect), encode.campaign_doomed),
        (CallOpened, _insert("call insert", calls, encode.CALL, dialect), encode.call_opened),
        (TryOpened, _insert("try insert", tries, encode.TRY, dialect), encode.try_opened),
        (TrySaved, save_try, encode.try_saved),
        (CallAnswered, save_try, encode.call_answered),
        (
            CallReported,
            _update("call report", calls, encode.CALL_REPORT, call_id, dialect),
            encode.call_reported,
        ),
        (
            AgentReplaced,
            _update("agent replaced", calls, encode.CALL_REPLACED, call_id, dialect),
            encode.agent_replaced,
        ),
        (CallJudged, _update("call judged", calls, encode.CALL_JUDGED, call_id, dialect), encode.call_judged),
        (CallCut, _update("call cut", calls, encode.CALL_CUT, call_id, dialect), encode.call_cut),
        (
            CallTransferred,
            _update("call transfer", calls, encode.CALL_TRANSFER, call_id, dialect),
            encode.call_transferred,
        ),
        (CallRecorded, _record_call("call recording", dialect, living=True), encode.call_recorded),
        (CallRecorded, _doom_stray(dialect), encode.file_kept),
        (RecordingDoomed, _doom_file(dialect), encode.file_doomed),
        (RecordingDoomed, _record_call("recording drop", dialect), encode.recording_gone),
        (CallClosed, _update("call end", calls, encode.CALL_END, call_id, dialect), encode.call_closed),
        (ContactSaved, save_contact, encode.contact_saved),
        (CountersMoved, _move_counters(dialect), encode.counters_moved),
        (NumberFreed, _free_number(dialect), encode.number_freed),
        (NumberDoomed, _upsert("number doom", erasures, [erasures.c.phone], dialect), encode.number_doomed),
        (RequestDone, Write("request done", requests.note(dialect), exact=True), requests.noted),
        (Deed, Write("deed insert", deeds.add(dialect), exact=True), deeds.added),
        # What is not to be kept is marked first, so that the last entry for a key wins.
        (DaemonSaved, put, encode.halt_saved),
        (TrunkSaved, put, encode.trunk_saved),
        (DaemonSaved, forget, encode.halt_lifted),
        (TrunkSaved, forget, encode.trunk_restored),
        (WebhookSaved, _upsert("webhook put", webhooks, [webhooks.c.id], dialect), encode.webhook_saved),
        (WebhookRemoved, _remove_webhook(dialect), encode.webhook_removed),
        (
            WebhookQueued,
            _insert("delivery insert", deliveries, encode.DELIVERY, dialect),
            encode.webhook_queued,
        ),
    ]


def _alone(dialect: Dialect) -> list[Step]:
    """What is executed in its place among the others, since its order with them, or with its own kind, matters."""
    return [
        *((WaitingClosed, _close_waiting(kind, dialect), encode.waiting_closed) for kind in ContactKind),
        (WaitingShifted, _shift_waiting(dialect), encode.waiting_shifted),
        (WaitingShifted, _shift_ends(dialect), encode.ends_shifted),
        (DncChanged, _list_number(dialect), encode.dnc_added),
        (DncChanged, _unlist_number(dialect), encode.dnc_removed),
        (DncChanged, _count_version(dialect), encode.dnc_version),
    ]


def _record_call(name: str, dialect: Dialect, *, living: bool = False) -> Write:
    """Not exact: before its recording is whole a call, its person or the wish for it may be gone (`living`)."""
    keys = [calls.c.id]
    sql = update_sql(calls, encode.CALL_RECORDING, keys, dialect)
    if living:
        sql += (
            f" AND phone NOT LIKE '{ERASED}%' AND (recording IS NULL OR recording <> '{encode.NOT_WANTED}')"
        )
    return Write(name, sql, exact=False)


def _doom_stray(dialect: Dialect) -> Write:
    """A recording whose call does not have it is nobody's: its file is to be deleted."""
    held = exists().where(calls.c.id == bindparam("call"), calls.c.recording == bindparam("held"))
    path = cast(bindparam("path"), Text)
    nobodys = select(path, cast(literal_column("0"), BigInteger)).where(not_(held))
    stray = copying(doomed_files, nobodys, dialect)
    return Write("file stray", positional(stray, dialect, ["path", "call", "held"]), exact=False)


def _doom_file(dialect: Dialect) -> Write:
    since = cast(bindparam("since"), BigInteger)
    of_call = select(calls.c.recording, since).where(calls.c.id == bindparam("call"))
    kept = calls.c.recording != literal_column(f"'{encode.NOT_WANTED}'")
    dooming = copying(doomed_files, of_call.where(kept), dialect)
    return Write("file doom", positional(dooming, dialect, ["since", "call"]), exact=False)


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
        .where(exists().where(campaigns.c.id == imports.c.campaign_id))
    )
    return Write("import seal", positional(sealing, dialect, ["import", "campaign"]), exact=True)


def _doom_campaign(dialect: Dialect) -> Write:
    finished = select(campaigns.c.id, bindparam("since", type_=BigInteger)).where(not_(live()))
    finished = finished.where(campaigns.c.id == bindparam("campaign"))
    dooming = inserting(deletions, (), dialect).from_select(["campaign_id", "since"], finished)
    dooming = dooming.on_conflict_do_nothing(index_elements=[deletions.c.campaign_id])
    return Write("campaign doom", positional(dooming, dialect, ["since", "campaign"]), exact=False)


def _close_waiting(kind: ContactKind, dialect: Dialect) -> Write:
    closing = (
        contacts.update()
        .ordered_values((contacts.c.state, bindparam("final")), (contacts.c.waiting, literal_column("0")))
        .where(contacts.c.campaign_id == bindparam("campaign"))
        .where(contacts.c.waiting == literal_column(str(kind.value)))
    )
    return Write(
        f"waiting close {kind.name}", positional(closing, dialect, ["final", "campaign"]), exact=False
    )


def _shift_waiting(dialect: Dialect) -> Write:
    shifting = (
        contacts.update()
        .values(not_before=contacts.c.not_before + bindparam("by"))
        .where(contacts.c.campaign_id.in_(select(campaigns.c.id).where(live())))
        .where(contacts.c.waiting == literal_column(str(ContactKind.RETRY.value)))
        .where(contacts.c.not_before > bindparam("since"))
    )
    return Write("waiting shift", positional(shifting, dialect, ["by", "since"]), exact=False)


def _shift_ends(dialect: Dialect) -> Write:
    shifting = numbers.update().values(last_ended_at=numbers.c.last_ended_at + bindparam("by"))
    shifting = shifting.where(numbers.c.last_ended_at >= bindparam("first"))
    return Write("ends shift", positional(shifting, dialect, ["by", "first"]), exact=False)


def _move_counters(dialect: Dialect) -> Write:
    return Write(COUNTERS, moves.append(dialect), exact=True, packed=moves.packed)


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


def _list_number(dialect: Dialect) -> Write:
    return _upsert("dnc add", dnc, [dnc.c.pattern], dialect)


def _unlist_number(dialect: Dialect) -> Write:
    removing = dnc.delete().where(dnc.c.pattern == bindparam("pattern"))
    return Write("dnc remove", positional(removing, dialect, ["pattern"]), exact=False)


def _put_state(dialect: Dialect) -> Write:
    return _upsert("state put", state, [state.c.key], dialect)


def _forget_state(dialect: Dialect) -> Write:
    forgetting = state.delete().where(state.c.key == bindparam("name"))
    forgetting = forgetting.where(state.c.value == literal_column(f"'{NOTHING}'"))
    return Write("state forget", positional(forgetting, dialect, ["name"]), exact=False)


def _remove_webhook(dialect: Dialect) -> Write:
    removing = webhooks.delete().where(webhooks.c.id == bindparam("webhook"))
    return Write("webhook remove", positional(removing, dialect, ["webhook"]), exact=True)


def _count_version(dialect: Dialect) -> Write:
    # It counts over restarts: a list that was changed before it was read must not set it back.
    kept, counted = inserting(state, list(state.c), dialect), cast(state.c.value, BigInteger)
    kept = kept.on_conflict_do_update(
        index_elements=[state.c.key],
        set_={"value": kept.excluded.value},
        where=cast(kept.excluded.value, BigInteger) > counted,
    )
    return Write("dnc version", positional(kept, dialect, ["v_key", "v_value"]), exact=False)


def _upsert(name: str, table: Table, keys: Sequence[Column[Any]], dialect: Dialect) -> Write:
    columns = list(table.c)
    putting = inserting(table, columns, dialect)
    changed = {column.name: putting.excluded[column.name] for column in columns if column not in keys}
    putting = putting.on_conflict_do_update(index_elements=keys, set_=changed)
    return Write(name, positional(putting, dialect, [f"v_{column.name}" for column in columns]), exact=True)
