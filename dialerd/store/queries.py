"""The questions asked of the store, as SQLAlchemy Core statements, the same for every database.

Each answer comes from one statement, so it shows one committed state. What the engine waits for (`ready`) must be
answered from an index without sorting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Dialect,
    Select,
    Subquery,
    Text,
    bindparam,
    case,
    cast,
    distinct,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from dialerd.core.contact import ContactKind
from dialerd.core.model import CallStatus, CampaignStatus
from dialerd.ports import CallFilter, CampaignFilter, DeedFilter
from dialerd.store import moves
from dialerd.store.rows import CALL, CAMPAIGN, CONTACT, DNC, KEY, PAST, SCRIPT, TRY
from dialerd.store.sql import Sql, compiled, ids_in
from dialerd.store.tables import (
    IMPORT_SEALED,
    api_keys,
    calls,
    campaigns,
    contacts,
    deletions,
    dnc,
    imports,
    numbers,
    scripts,
    state,
    tries,
)

# Written as literals: an index over a part of a table serves only queries that state that part.
_IS_SEALED = imports.c.state == literal_column(f"'{IMPORT_SEALED}'")
_OPEN = calls.c.status == literal_column(f"'{CallStatus.IN_PROGRESS}'")

_CALL_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "campaign": calls.c.campaign_id == bindparam("campaign"),
    "started_from": calls.c.started_at >= bindparam("started_from"),
    "started_to": calls.c.started_at <= bindparam("started_to"),
    "disposition": calls.c.disposition == bindparam("disposition"),
    "language": calls.c.language == bindparam("language"),
    "phone": calls.c.phone == bindparam("phone"),
}
_CAMPAIGN_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "status": campaigns.c.status == bindparam("status"),
    "created_from": campaigns.c.created_at >= bindparam("created_from"),
    "created_to": campaigns.c.created_at <= bindparam("created_to"),
}


def hidden() -> Select[Any]:
    """The campaigns that are being deleted: nothing of them is shown any more."""
    return select(deletions.c.campaign_id)


_SHOWN = campaigns.c.id.not_in(hidden())
CALL_SHOWN = calls.c.campaign_id.is_(None) | calls.c.campaign_id.not_in(hidden())


def asked(where: CallFilter | CampaignFilter | DeedFilter) -> dict[str, Any]:
    """The conditions of a filter that are set, by name."""
    values = {item.name: getattr(where, item.name) for item in fields(where)}
    return {name: value for name, value in values.items() if value is not None}


def sealed() -> Select[Any]:
    """The sealed imports of a campaign. Parameter: campaign."""
    return select(imports.c.id).where(imports.c.campaign_id == bindparam("campaign")).where(_IS_SEALED)


def _paged(query: Select[Any]) -> Select[Any]:
    return query.limit(bindparam("limit")).offset(bindparam("offset"))


# --- what the engine asks ------------------------------------------------------------------------


@cache
def ready(dialect: Dialect) -> Sql:
    """`CONTACT` and recent calls: of each kind of contact those that are due, in dialing order, and the next one.

    Parameters: campaign, now, held (JSON list of ids), since (the call after which calls are recent), `ready_limits`.
    """
    parts = []
    for kind in ContactKind:
        free = (
            select(*CONTACT, _recent(dialect))
            .where(contacts.c.campaign_id == bindparam("campaign"))
            .where(contacts.c.waiting == literal_column(str(kind.value)))
            .where(contacts.c.import_id.in_(sealed()))
            .where(contacts.c.id.not_in(ids_in("held", dialect)))
            .order_by(contacts.c.not_before, contacts.c.id)
        )
        due = free.where(contacts.c.not_before <= bindparam("now")).limit(bindparam(f"limit_{kind}"))
        later = free.where(contacts.c.not_before > bindparam("now")).limit(literal_column("1"))
        parts += [select(due.subquery()), select(later.subquery())]
    return compiled(union_all(*parts), dialect)


@cache
def ready_under(dialect: Dialect) -> Sql:
    """`CONTACT` and recent calls of due contacts in a span of numbers, by number.

    Parameters: campaign, now, held (JSON list of ids), first, last (of the span), behind, limit, since (as `ready`).
    """
    query = (
        select(*CONTACT, _recent(dialect))
        .where(contacts.c.campaign_id == bindparam("campaign"))
        .where(contacts.c.phone >= bindparam("first"), contacts.c.phone <= bindparam("last"))
        .where(contacts.c.phone > bindparam("behind"))
        .where(contacts.c.waiting >= literal_column("1"), contacts.c.not_before <= bindparam("now"))
        .where(contacts.c.import_id.in_(sealed()))
        .where(contacts.c.id.not_in(ids_in("held", dialect)))
        .order_by(contacts.c.phone)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


def ready_limits(limits: Sequence[int]) -> dict[str, int]:
    """Parameters of `ready`: of each kind one more than is wanted, to learn whether there are more."""
    return {f"limit_{kind}": limit + 1 for kind, limit in zip(ContactKind, limits, strict=True)}


def _recent(dialect: Dialect) -> ColumnElement[Any]:
    """The starts of counted calls to a contact's number after the call `since`; ids are in the order of time."""
    joined = func.string_agg if dialect.name == "postgresql" else func.group_concat
    started = cast(calls.c.started_at, Text)
    query = select(joined(started, literal_column("','")))
    query = query.where(calls.c.phone == contacts.c.phone, calls.c.id > bindparam("since"), calls.c.counted)
    return query.correlate(contacts).scalar_subquery().label("recent")


def live() -> ColumnElement[bool]:
    """The campaigns that may still dial."""
    states: list[ColumnElement[str]] = [
        literal_column(f"'{status}'") for status in CampaignStatus if status.live
    ]
    return campaigns.c.status.in_(states)


def _taken_up() -> ColumnElement[bool]:
    """The campaigns that the engine holds: those that may still dial, and those with open calls."""
    busy = select(calls.c.campaign_id).where(_OPEN, calls.c.campaign_id.is_not(None))
    return live() | campaigns.c.id.in_(busy)


@cache
def held_campaigns(dialect: Dialect) -> Sql:
    """`CAMPAIGN`, counter key and value of the campaigns that the engine holds, oldest first."""
    page = select(*CAMPAIGN).where(_taken_up()).cte("page")
    query = _with_counters(page, dialect).order_by(page.c.created_at, page.c.id)
    return compiled(query, dialect)


@cache
def open_calls(dialect: Dialect) -> Sql:
    """`CALL`, `CONTACT`, `TRY` of calls without a final record, oldest first."""
    query = (
        select(*CALL, *CONTACT, *TRY)
        .select_from(calls)
        .join(tries, tries.c.call_id == calls.c.id)
        .outerjoin(contacts, contacts.c.id == calls.c.contact_id)
        .where(_OPEN)
        .order_by(calls.c.id, tries.c.number)
    )
    return compiled(query, dialect)


@cache
def last_call(dialect: Dialect) -> Sql:
    """The greatest call id, NULL without calls."""
    return compiled(select(func.max(calls.c.id)), dialect)


@cache
def rested(dialect: Dialect) -> Sql:
    """Numbers and when the last call to them ended. Parameter: since."""
    query = select(numbers.c.phone, numbers.c.last_ended_at)
    return compiled(query.where(numbers.c.last_ended_at >= bindparam("since")), dialect)


@cache
def shown(dialect: Dialect) -> Sql:
    """Caller id, hour since 1970 and number of tries, by caller id and hour. Parameter: since."""
    hour = (tries.c.opened_at // literal_column("3600000", BigInteger)).label("hour")
    query = (
        select(tries.c.caller_id, hour, func.count())
        .select_from(calls)
        .join(tries, tries.c.call_id == calls.c.id)
        .where(calls.c.started_at >= bindparam("since"))
        .group_by(tries.c.caller_id, literal_column("hour"))
        .order_by(tries.c.caller_id, literal_column("hour"))
    )
    return compiled(query, dialect)


@cache
def decided(dialect: Dialect) -> Sql:
    """Key and value of all that was decided of the daemon, by key."""
    return compiled(select(state.c.key, state.c.value).order_by(state.c.key), dialect)


@cache
def dnc_patterns(dialect: Dialect) -> Sql:
    """Pattern and end of entries of the do-not-call list, by pattern. Parameters: after, limit."""
    query = select(dnc.c.pattern, dnc.c.expires_at).where(dnc.c.pattern > bindparam("after"))
    return compiled(query.order_by(dnc.c.pattern).limit(bindparam("limit")), dialect)


@cache
def recent_calls(dialect: Dialect) -> Sql:
    """Starts of the counted calls to a number, oldest first. Parameters: phone, since (the call they are behind)."""
    query = select(calls.c.started_at).where(calls.c.phone == bindparam("phone"))
    query = query.where(calls.c.id > bindparam("since"), calls.c.counted).order_by(calls.c.id)
    return compiled(query, dialect)


@cache
def waiting_under(dialect: Dialect) -> Sql:
    """`CONTACT` of waiting contacts in live campaigns, by campaign and number.

    Parameters: campaign, since (the campaign and the number to begin with), first, last (of the numbers), limit.
    """
    begin = case(
        (campaigns.c.id == bindparam("campaign"), bindparam("since")),
        else_=bindparam("first"),
    )
    query = (
        select(*CONTACT)
        .select_from(campaigns)
        .join(contacts, contacts.c.campaign_id == campaigns.c.id)
        .join(imports, imports.c.id == contacts.c.import_id)
        .where(live(), campaigns.c.id >= bindparam("campaign"))
        .where(contacts.c.phone >= begin, contacts.c.phone <= bindparam("last"))
        .where(contacts.c.waiting >= literal_column("1"), _IS_SEALED)
        .order_by(campaigns.c.id, contacts.c.phone)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


# --- what a forecast asks ------------------------------------------------------------------------


@cache
def waiting(dialect: Dialect) -> Sql:
    """`CONTACT` of waiting contacts, due or not, by their numbers. Parameters: campaign, behind (a number), limit."""
    query = (
        select(*CONTACT)
        .where(contacts.c.campaign_id == bindparam("campaign"), contacts.c.phone > bindparam("behind"))
        # Not `_WAITING`: SQLite would sort the index over waiting contacts.
        .where(contacts.c.waiting > literal_column("0"), contacts.c.import_id.in_(sealed()))
        .order_by(contacts.c.phone)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


@cache
def past_calls(dialect: Dialect, *, of_campaign: bool) -> Sql:
    """`PAST` of the last tries of closed calls, newest call first. Parameters: before, limit, and perhaps campaign."""
    chosen = select(calls.c.id, calls.c.contact_id).where(
        calls.c.id < bindparam("before"), calls.c.status != literal_column(f"'{CallStatus.IN_PROGRESS}'")
    )
    if of_campaign:
        chosen = chosen.where(calls.c.campaign_id == bindparam("campaign"))
    page = chosen.order_by(calls.c.id.desc()).limit(bindparam("limit")).subquery("page")
    query = (
        select(*PAST)
        .select_from(page)
        .join(calls, calls.c.id == page.c.id)
        .join(tries, tries.c.call_id == page.c.id)
        .outerjoin(contacts, contacts.c.id == page.c.contact_id)
        .order_by(page.c.id.desc(), tries.c.number)
    )
    return compiled(query, dialect)


# --- what people ask -----------------------------------------------------------------------------


@cache
def campaign_page(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """`CAMPAIGN`, counter key and value, newest campaign first. Parameters: conditions, limit, offset."""
    chosen = select(*CAMPAIGN).where(_SHOWN, *(_CAMPAIGN_CONDITIONS[name] for name in sorted(conditions)))
    chosen = chosen.order_by(campaigns.c.created_at.desc(), campaigns.c.id.desc())
    return compiled(_newest_first(_paged(chosen).cte("page"), dialect), dialect)


@cache
def campaign(dialect: Dialect) -> Sql:
    """`CAMPAIGN`, counter key and value of one campaign. Parameter: campaign."""
    chosen = select(*CAMPAIGN).where(campaigns.c.id == bindparam("campaign"), _SHOWN)
    return compiled(_newest_first(chosen.cte("page"), dialect), dialect)


@cache
def shown_campaign(dialect: Dialect) -> Sql:
    """A row if there is this campaign. Parameter: campaign."""
    query = select(campaigns.c.id).where(campaigns.c.id == bindparam("campaign"), _SHOWN)
    return compiled(query, dialect)


def _newest_first(page: CTE, dialect: Dialect) -> Select[Any]:
    return _with_counters(page, dialect).order_by(page.c.created_at.desc(), page.c.id.desc())


def _with_counters(page: CTE, dialect: Dialect) -> Select[Any]:
    counted = moves.counted(select(page.c.id), dialect)
    rows = page.outerjoin(counted, counted.c.campaign_id == page.c.id)
    return select(*page.c, counted.c.key, counted.c.value).select_from(rows)


@cache
def campaign_count(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """How many campaigns match. Parameters: conditions."""
    query = select(func.count()).select_from(campaigns).where(_SHOWN)
    return compiled(query.where(*(_CAMPAIGN_CONDITIONS[name] for name in sorted(conditions))), dialect)


_IN_STATE = contacts.c.state == bindparam("state")


def _listed(*columns: Any, in_state: bool) -> Select[Any]:
    query = select(*columns).where(contacts.c.campaign_id == bindparam("campaign"))
    query = query.where(contacts.c.import_id.in_(sealed()))
    return query.where(_IN_STATE) if in_state else query


@cache
def contact_page(dialect: Dialect, *, in_state: bool) -> Sql:
    """`CONTACT` in list order. Parameters: campaign, limit, offset, and with `in_state` state."""
    return compiled(_paged(_listed(*CONTACT, in_state=in_state).order_by(contacts.c.id)), dialect)


@cache
def contact_count(dialect: Dialect, *, in_state: bool) -> Sql:
    """How many contacts a campaign has, NULL for none. Parameters: campaign, and with `in_state` state."""
    if in_state:
        return compiled(_listed(func.count(), in_state=True), dialect)
    return compiled(sealed().with_only_columns(func.sum(imports.c.contacts)), dialect)


@cache
def history(dialect: Dialect) -> Sql:
    """`CAMPAIGN` and `CONTACT` of the contacts with a number, newest campaign first. Parameters: phone, limit."""
    # Campaign by campaign: no index begins with the number.
    shown = select(campaigns.c.id).where(_SHOWN).scalar_subquery()
    query = (
        select(*CAMPAIGN, *CONTACT)
        .select_from(contacts)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .join(imports, imports.c.id == contacts.c.import_id)
        .where(contacts.c.campaign_id.in_(shown), contacts.c.phone == bindparam("phone"), _IS_SEALED)
        .order_by(campaigns.c.created_at.desc(), campaigns.c.id.desc())
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


@cache
def contact(dialect: Dialect) -> Sql:
    """`CONTACT` of one number. Parameters: campaign, phone."""
    return compiled(_listed(*CONTACT, in_state=False).where(contacts.c.phone == bindparam("phone")), dialect)


@cache
def audit(dialect: Dialect) -> Sql:
    """What the counters of a campaign are compared with. Parameter: campaign.

    `CONTACT`, NULL and a number: one contact of each group in which `dialerd.core.metrics.keys` sees no difference,
    and how many there are. Among these rows NULLs for `CONTACT`, key and value of each counter.
    """
    unmet = contacts.c.callback_unmet.is_not(None)
    told = (
        contacts.c.state,
        contacts.c.attempts,
        contacts.c.connected_attempt,
        contacts.c.positive,
        contacts.c.escalated,
        unmet,
    )
    groups = _listed(func.min(contacts.c.id).label("id"), func.count().label("size"), in_state=False)
    alike = groups.group_by(*told, contacts.c.disposition, contacts.c.reason).subquery("alike")
    counted = select(*CONTACT, null().label("key"), alike.c.size.label("value")).join(
        alike, alike.c.id == contacts.c.id
    )
    asked = cast(bindparam("campaign"), Text)
    kept_counters = moves.counted(select(asked), dialect)
    kept = select(*[null() for _ in CONTACT], kept_counters.c.key, kept_counters.c.value)
    return compiled(union_all(counted, kept), dialect)


@cache
def call_page(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """`CALL`, the contact's name, `TRY`, newest call first. Parameters: conditions, limit, offset."""
    chosen = select(calls).where(CALL_SHOWN, *(_CALL_CONDITIONS[name] for name in sorted(conditions)))
    return compiled(_with_tries(_paged(chosen.order_by(calls.c.id.desc())).subquery("page")), dialect)


@cache
def call(dialect: Dialect) -> Sql:
    """`CALL`, the contact's name, `TRY` of one call. Parameter: call."""
    chosen = select(calls).where(calls.c.id == bindparam("call"), CALL_SHOWN)
    return compiled(_with_tries(chosen.subquery("page")), dialect)


def _with_tries(page: Subquery) -> Select[Any]:
    return (
        select(*(page.c[column.name] for column in CALL), contacts.c.name, *TRY)
        .select_from(page)
        .join(tries, tries.c.call_id == page.c.id)
        .outerjoin(contacts, contacts.c.id == page.c.contact_id)
        .order_by(page.c.id.desc(), tries.c.number)
    )


@cache
def call_count(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """How many calls match. Parameters: conditions."""
    # Not by `CALL_SHOWN`: the campaign would have to be read of every call, the others are counted in their index.
    matching = select(func.count()).select_from(calls)
    matching = matching.where(*(_CALL_CONDITIONS[name] for name in sorted(conditions)))
    unseen = matching.where(calls.c.campaign_id.in_(hidden()))
    return compiled(select(matching.scalar_subquery() - unseen.scalar_subquery()), dialect)


@cache
def dnc_page(dialect: Dialect) -> Sql:
    """`DNC`, newest first. Parameters: limit, offset."""
    query = select(*DNC).order_by(dnc.c.created_at.desc(), dnc.c.pattern.desc())
    return compiled(_paged(query), dialect)


@cache
def dnc_count(dialect: Dialect) -> Sql:
    """How many entries the do-not-call list has."""
    return compiled(select(func.count()).select_from(dnc), dialect)


@cache
def dnc_entry(dialect: Dialect) -> Sql:
    """`DNC` of one pattern. Parameter: pattern."""
    return compiled(select(*DNC).where(dnc.c.pattern == bindparam("pattern")), dialect)


@cache
def script_version(dialect: Dialect) -> Sql:
    """`SCRIPT` of one version. Parameters: script, version."""
    query = select(*SCRIPT).where(scripts.c.id == bindparam("script"))
    return compiled(query.where(scripts.c.version == bindparam("version")), dialect)


@cache
def newest_script(dialect: Dialect) -> Sql:
    """`SCRIPT` of the newest version, if it is not deleted. Parameter: script."""
    query = select(*SCRIPT).where(scripts.c.id == bindparam("script"), scripts.c.deleted_at.is_(None))
    return compiled(query.order_by(scripts.c.version.desc()).limit(literal_column("1")), dialect)


@cache
def highest_version(dialect: Dialect) -> Sql:
    """The highest version of a script, deleted or not, NULL for none. Parameter: script."""
    return compiled(select(func.max(scripts.c.version)).where(scripts.c.id == bindparam("script")), dialect)


@cache
def script_page(dialect: Dialect) -> Sql:
    """`SCRIPT` of the newest version of each script, newest first. Parameters: limit, offset."""
    there = scripts.c.deleted_at.is_(None)
    newest = select(scripts.c.id, func.max(scripts.c.version).label("version")).where(there)
    last = newest.group_by(scripts.c.id).subquery("newest")
    query = (
        select(*SCRIPT)
        .join(last, (last.c.id == scripts.c.id) & (last.c.version == scripts.c.version))
        .order_by(scripts.c.created_at.desc(), scripts.c.id.desc())
    )
    return compiled(_paged(query), dialect)


@cache
def script_count(dialect: Dialect) -> Sql:
    """How many scripts there are."""
    there = scripts.c.deleted_at.is_(None)
    return compiled(select(func.count(distinct(scripts.c.id))).where(there), dialect)


@cache
def key_by_digest(dialect: Dialect) -> Sql:
    """`KEY` of the unrevoked key. Parameter: digest."""
    query = select(*KEY).where(api_keys.c.digest == bindparam("digest"), api_keys.c.revoked_at.is_(None))
    return compiled(query, dialect)


@cache
def keys(dialect: Dialect) -> Sql:
    """`KEY` of all keys, newest first."""
    return compiled(select(*KEY).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()), dialect)
