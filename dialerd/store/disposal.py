"""What is deleted bit by bit, the same for every database: each step is one that a turn of the engine may wait for.

Whoever asks for a step asks again until it has deleted nothing. What is being deleted is hidden already
(`queries.hidden`), so that no step can be seen, and a step that was lost in a crash is simply taken again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, bindparam, exists, literal_column, select, tuple_

from dialerd.core.clock import Instant
from dialerd.core.identity import CampaignId
from dialerd.core.model import CallStatus
from dialerd.store import moves, recordings
from dialerd.store.sql import Sql, compiled, texts_in, to_json
from dialerd.store.tables import (
    IMPORT_SEALED,
    audit,
    calls,
    campaigns,
    contacts,
    counters,
    deletions,
    imports,
    rejects,
    tries,
)
from dialerd.store.transactions import STEP, Transaction, execute, fetch


def delete_campaign(dialect: Dialect, campaign: CampaignId, calls_before: Instant) -> Transaction[int]:
    """Delete some rows of a campaign that is marked for it, at last itself; how many rows that were.

    Calls that began at `calls_before` or later stay, and the campaign with them: frequency caps still need them.
    """
    values = {"campaign": campaign, "limit": STEP}
    for some in (_contacts(dialect), _rejects(dialect)):
        deleted = yield from execute(some, values)
        if deleted:
            return deleted
    deleted = yield from _delete_calls(dialect, _old_calls(dialect), {**values, "before": calls_before})
    if deleted or (yield fetch(_left(dialect), {"campaign": campaign})):
        return deleted
    for rest in _rests(dialect):
        deleted += yield from execute(rest, {"campaign": campaign})
    return deleted


def _delete_calls(dialect: Dialect, which: Sql, values: Mapping[str, Any]) -> Transaction[int]:
    found = yield fetch(which, values)
    if found:
        yield from recordings.doom_of(dialect, [row[0] for row in found], Instant(0))
        ids = {"calls": to_json([row[0] for row in found])}
        yield from execute(_tries_of(dialect), ids)
        yield from execute(_calls_of(dialect), ids)
    return len(found)


def drop_calls(dialect: Dialect, before: Instant) -> Transaction[int]:
    """Delete some calls that are over and began before an instant; how many."""
    return (yield from _delete_calls(dialect, calls_before(dialect), {"before": before, "limit": STEP}))


def drop_deeds(dialect: Dialect, before: Instant) -> Transaction[int]:
    """Delete some entries of the audit trail from before an instant; how many."""
    return (yield from execute(deeds_before(dialect), {"before": before, "limit": STEP}))


# --- a campaign ----------------------------------------------------------------------------------

_CAMPAIGN: ColumnElement[str] = bindparam("campaign")
_OVER = calls.c.status != literal_column(f"'{CallStatus.IN_PROGRESS}'")


@cache
def deletions_waiting(dialect: Dialect) -> Sql:
    """The campaigns that are being deleted, oldest order first."""
    query = select(deletions.c.campaign_id).order_by(deletions.c.since, deletions.c.campaign_id)
    return compiled(query, dialect)


@cache
def _contacts(dialect: Dialect) -> Sql:
    some = select(contacts.c.id).where(contacts.c.campaign_id == _CAMPAIGN).limit(bindparam("limit"))
    return compiled(contacts.delete().where(contacts.c.id.in_(some)), dialect)


@cache
def _rejects(dialect: Dialect) -> Sql:
    refused = rejects.alias("refused")
    lists = select(imports.c.id).where(imports.c.campaign_id == _CAMPAIGN)
    some: Select[Any] = select(refused.c.import_id, refused.c.line).where(refused.c.import_id.in_(lists))
    key = tuple_(rejects.c.import_id, rejects.c.line)
    return compiled(rejects.delete().where(key.in_(some.limit(bindparam("limit")))), dialect)


@cache
def _old_calls(dialect: Dialect) -> Sql:
    """Ids. Parameters: campaign, before, limit."""
    query = select(calls.c.id).where(calls.c.campaign_id == _CAMPAIGN, _OVER)
    query = query.where(calls.c.started_at < bindparam("before")).order_by(calls.c.id)
    return compiled(query.limit(bindparam("limit")), dialect)


@cache
def _left(dialect: Dialect) -> Sql:
    """Rows while there are calls of the campaign, or lists that are not done with. Parameter: campaign."""
    called = exists().where(calls.c.campaign_id == _CAMPAIGN)
    opened = imports.c.state != literal_column(f"'{IMPORT_SEALED}'")
    adding = exists().where(imports.c.campaign_id == _CAMPAIGN, opened)
    return compiled(select(literal_column("1")).where(called | adding), dialect)


@cache
def _rests(dialect: Dialect) -> list[Sql]:
    """What goes last, together. Parameter: campaign."""
    owners = (counters.c.campaign_id, imports.c.campaign_id, deletions.c.campaign_id, campaigns.c.id)
    rests = [compiled(column.table.delete().where(column == _CAMPAIGN), dialect) for column in owners]
    return [moves.forget(dialect), *rests]


@cache
def finished_before(dialect: Dialect) -> Sql:
    """Campaigns that finished before an instant and are not being deleted. Parameters: before, limit."""
    query = select(campaigns.c.id).where(campaigns.c.finished_at < bindparam("before"))
    query = query.where(campaigns.c.id.not_in(select(deletions.c.campaign_id)))
    query = query.order_by(campaigns.c.finished_at, campaigns.c.id)
    return compiled(query.limit(bindparam("limit")), dialect)


# --- by age --------------------------------------------------------------------------------------


@cache
def calls_before(dialect: Dialect) -> Sql:
    """Ids. Parameters: before, limit."""
    query = select(calls.c.id).where(calls.c.started_at < bindparam("before"), _OVER)
    return compiled(query.order_by(calls.c.started_at).limit(bindparam("limit")), dialect)


@cache
def deeds_before(dialect: Dialect) -> Sql:
    """Parameters: before, limit."""
    some = select(audit.c.id).where(audit.c.at < bindparam("before")).order_by(audit.c.at)
    return compiled(audit.delete().where(audit.c.id.in_(some.limit(bindparam("limit")))), dialect)


# --- calls ---------------------------------------------------------------------------------------


@cache
def _tries_of(dialect: Dialect) -> Sql:
    """Parameter: calls (JSON list)."""
    return compiled(tries.delete().where(tries.c.call_id.in_(texts_in("calls", dialect))), dialect)


@cache
def _calls_of(dialect: Dialect) -> Sql:
    """Parameter: calls (JSON list)."""
    return compiled(calls.delete().where(calls.c.id.in_(texts_in("calls", dialect))), dialect)
