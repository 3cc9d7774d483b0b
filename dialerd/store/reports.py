"""The report's question as one SQLAlchemy Core statement, the same for every database, and what its rows say.

It reads every call of the span once, through the index over their starts or the one over campaigns; no index is
kept for it, since each would cost a write on the path of a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Dialect,
    Select,
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

from dialerd.core.clock import Millis
from dialerd.core.model import CallStatus
from dialerd.core.report import HOUR, HOURS_A_DAY, By, Part, Report, report
from dialerd.core.wallclock import DAY
from dialerd.ports import ReportFilter
from dialerd.store.queries import CALL_SHOWN
from dialerd.store.sql import Sql, compiled
from dialerd.store.tables import calls, campaigns, tries

MOST_GROUPS = 1_000
"""Groups that are told; those with the fewest calls are left out."""

_NOTHING = literal_column("''", Text)
_ONE, _ZERO = literal_column("1", BigInteger), literal_column("0", BigInteger)


def statement(dialect: Dialect, where: ReportFilter) -> Sql:
    """Rows for `told`, of the calls in a span that are over. Parameters: `values`."""
    return _statement(dialect, where.by, where.campaign is not None, len(where.clock))


def values(where: ReportFilter) -> dict[str, Any]:
    """The parameters of `statement`."""
    found: dict[str, Any] = {"started_from": where.started_from, "started_to": where.started_to}
    found |= {"campaign": where.campaign} if where.campaign is not None else {}
    for place, stretch in enumerate(where.clock):
        found |= {f"offset_{place}": stretch.offset, f"until_{place}": stretch.end}
    return found


def told(rows: Iterable[Sequence[Any]], by: By) -> Report:
    """The report that the rows make: those of groups, and those of all calls."""
    parts: list[Part] = []
    whole: list[Part] = []
    groups = 0
    for is_whole, key, name, reason, *counts, count in rows:
        part = _part(None if is_whole or key == "" else key, name, reason, counts)
        (whole if is_whole else parts).append(part)
        groups = max(groups, count)
    return report(by, parts, whole, max(0, groups - MOST_GROUPS))


def _part(key: str | int | None, name: str | None, reason: str, counts: Sequence[int]) -> Part:
    tried, made, counted, answered, positive, talk = counts
    return Part(key, reason or None, tried, made, counted, answered, positive, Millis(talk), name)


@cache
def _statement(dialect: Dialect, by: By, in_campaign: bool, stretches: int) -> Sql:
    parts = _parts(by, in_campaign, stretches)
    most = select(parts.c.key).group_by(parts.c.key).order_by(func.sum(parts.c.calls).desc(), parts.c.key)
    name: ColumnElement[Any] = cast(null(), Text)
    if by is By.CAMPAIGN:
        name = select(campaigns.c.name).where(campaigns.c.id == parts.c.key).scalar_subquery()
    counts = [parts.c[count] for count in _COUNTS]
    groups = select(_ZERO, parts.c.key, name, parts.c.reason, *counts, _ZERO)
    groups = groups.where(parts.c.key.in_(most.limit(literal_column(str(MOST_GROUPS)))))
    number = select(func.count(distinct(parts.c.key))).scalar_subquery()
    sums = [cast(func.sum(count), BigInteger) for count in counts]
    no_key = _ZERO if by.timed else _NOTHING
    whole = select(_ONE, no_key, cast(null(), Text), parts.c.reason, *sums, number).group_by(parts.c.reason)
    return compiled(union_all(groups, whole), dialect)


_COUNTS = ("tries", "calls", "counted", "answered", "positive", "talk")


def _parts(by: By, in_campaign: bool, stretches: int) -> CTE:
    """The counts by key and reason."""
    made = _tried(by, in_campaign, stretches).subquery("made")
    talk = case((made.c.last, made.c.duration_ms), else_=_ZERO)
    query = select(
        made.c.key,
        made.c.reason,
        func.count().label("tries"),
        func.count().filter(made.c.last).label("calls"),
        func.count().filter(made.c.last, made.c.counted).label("counted"),
        func.count().filter(made.c.last, made.c.answered).label("answered"),
        func.count().filter(made.c.last, made.c.positive).label("positive"),
        cast(func.sum(talk), BigInteger).label("talk"),
    )
    return query.group_by(made.c.key, made.c.reason).cte("parts")


def _tried(by: By, in_campaign: bool, stretches: int) -> Select[Any]:
    """Each try of the calls that are over, with what its call came to and whether it was the last one."""
    later = tries.alias("later")
    query = (
        select(
            _key(by, stretches).label("key"),
            func.coalesce(calls.c.reason, _NOTHING).label("reason"),
            later.c.number.is_(None).label("last"),
            calls.c.counted,
            (calls.c.status == literal_column(f"'{CallStatus.COMPLETED}'")).label("answered"),
            calls.c.positive,
            calls.c.duration_ms,
        )
        .select_from(calls)
        .join(tries, tries.c.call_id == calls.c.id)
        .outerjoin(later, (later.c.call_id == tries.c.call_id) & (later.c.number == tries.c.number + _ONE))
        .where(calls.c.started_at >= bindparam("started_from"))
        .where(calls.c.started_at <= bindparam("started_to"))
        .where(calls.c.status != literal_column(f"'{CallStatus.IN_PROGRESS}'"), CALL_SHOWN)
    )
    return query.where(calls.c.campaign_id == bindparam("campaign")) if in_campaign else query


def _key(by: By, stretches: int) -> ColumnElement[Any]:
    if by.timed:
        return _time_key(by, stretches)
    plain: Mapping[By, ColumnElement[Any]] = {
        By.TRUNK: tries.c.trunk,
        By.CALLER_ID: tries.c.caller_id,
        By.REASON: func.coalesce(calls.c.reason, _NOTHING),
        By.CAMPAIGN: func.coalesce(calls.c.campaign_id, _NOTHING),
    }
    return plain[by]


def _time_key(by: By, stretches: int) -> ColumnElement[Any]:
    """As `dialerd.core.report.key_of`."""
    offsets = [bindparam(f"offset_{place}", type_=BigInteger) for place in range(stretches)]
    until = (bindparam(f"until_{place}", type_=BigInteger) for place in range(stretches - 1))
    steps = [(calls.c.started_at < end, offset) for end, offset in zip(until, offsets, strict=False)]
    offset: ColumnElement[Any] = case(*steps, else_=offsets[-1]) if steps else offsets[-1]
    local = calls.c.started_at + offset
    if by is By.DAY:
        return local // _millis(DAY)
    hour = local // _millis(HOUR)
    if by is By.HOUR_OF_DAY:
        return hour % literal_column(str(HOURS_A_DAY), BigInteger)
    return hour * _millis(HOUR) - offset


def _millis(duration: int) -> ColumnElement[Any]:
    # Whole numbers on both sides: only then the division is one without a remainder in every database.
    return literal_column(str(duration), BigInteger)
