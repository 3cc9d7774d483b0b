"""How counters move: a turn appends what it adds to them, and now and then that is folded into `counters`.

With a thousand campaigns a turn moves ten times as many counters as with one, and a row for each would cost as much
as all the rest of the turn. So `counters` alone is not the truth: at every instant the sum of both tables is, and
whoever reads counters reads `counted`. Statements only: when to fold is decided in `folding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    FromClause,
    Select,
    Subquery,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from dialerd.core.errors import InvariantError
from dialerd.store.sql import Sql, compiled, ids_in, inserting, positional, to_json
from dialerd.store.tables import MOVES, campaigns, counter_moves, counters

Row = tuple[Any, ...]

A_ROW = 32
"""Campaigns in a row of the table: as many as a turn seldom moves, and PostgreSQL still keeps them in one place."""
_MOST = 2**53
"""The most that a counter moves at once: far from what a sum of many could not hold."""
_NUL = "\\u0000"


def packed(moved: Iterable[tuple[str, Mapping[str, int]]]) -> list[Row]:
    """Rows of the table, from campaigns and what is added to their counters. Raises `InvariantError`."""
    merged: dict[str, Mapping[str, int]] = {}
    for campaign, deltas in moved:
        if deltas and max(max(deltas.values()), -min(deltas.values())) > _MOST:
            raise InvariantError(f"a counter of campaign {campaign} moves too far; nothing was stored")
        merged[campaign] = _sum(merged[campaign], deltas) if campaign in merged else deltas
    whole = list(merged.items())
    texts = [to_json(dict(whole[first : first + A_ROW])) for first in range(0, len(whole), A_ROW)]
    if any(_NUL in text for text in texts) and any(
        "\0" in key for deltas in merged.values() for key in deltas
    ):
        raise InvariantError("a text with a NUL character cannot be stored; nothing was stored")
    return [(text,) for text in texts]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {
        key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(key for key in other if key not in one))
    }


# --- reading -------------------------------------------------------------------------------------


def counted(which: Select[Any], dialect: Dialect) -> Subquery:
    """`campaign_id`, `key`, `value` of the counters of the campaigns whose ids `which` finds."""
    kept = select(counters).where(counters.c.campaign_id.in_(which))
    by_campaign, by_key, delta = _moved(counter_moves.c.moves, dialect)
    moved = select(by_campaign.c.key.label("campaign_id"), by_key.c.key, delta.label("value"))
    # In this order: each is made of the one before.
    moved = moved.select_from(counter_moves, by_campaign, by_key).where(by_campaign.c.key.in_(which))
    both = union_all(kept, moved).subquery("both")
    total = cast(func.sum(both.c.value), BigInteger).label("value")
    summed = select(both.c.campaign_id, both.c.key, total).group_by(both.c.campaign_id, both.c.key)
    return summed.subquery("counted")


def _moved(moves: ColumnElement[Any], dialect: Dialect) -> tuple[FromClause, FromClause, ColumnElement[int]]:
    """What a column or parameter holds: `key` of the first is a campaign, `key` of the second a counter; its delta."""
    by_campaign = _each(moves, "moved", dialect)
    by_key = _each(by_campaign.c.value, "move", dialect)
    return by_campaign, by_key, cast(by_key.c.value, BigInteger)


def _each(value: ColumnElement[Any], name: str, dialect: Dialect) -> FromClause:
    each = func.jsonb_each(value) if dialect.name == "postgresql" else func.json_each(value)
    return each.table_valued(column("key", Text), column("value", MOVES)).alias(name)


# --- writing -------------------------------------------------------------------------------------

_GIVEN: ColumnElement[Any] = bindparam("moves", type_=MOVES)


def append(dialect: Dialect) -> str:
    """Append a row, unless it moves counters of a campaign that is not there. Parameter: moves."""
    given = select(_GIVEN.label("moves")).subquery("given")
    moved = _each(given.c.moves, "moved", dialect)
    strange = exists().select_from(moved).where(_there(moved).is_(None))
    rows = select(given.c.moves).where(not_(strange))
    appending = inserting(counter_moves, (), dialect).from_select([counter_moves.c.moves], rows)
    return positional(appending, dialect, ["moves"])


def _there(moved: FromClause) -> ColumnElement[Any]:
    """The campaign if there is one. A question for each: joined, PostgreSQL would read all campaigns for a few."""
    return select(campaigns.c.id).where(campaigns.c.id == moved.c.key).scalar_subquery()


@cache
def forget(dialect: Dialect) -> Sql:
    """Take a campaign out of all rows. Parameter: campaign."""
    campaign, moves = bindparam("campaign", type_=Text), counter_moves.c.moves
    left: ColumnElement[Any]
    if dialect.name == "postgresql":
        stored = type_coerce(moves, JSONB)
        left, holds = stored.op("-", return_type=MOVES)(campaign), stored.has_key(campaign)
    else:
        place = literal_column("'$.\"'", Text).concat(campaign).concat(literal_column("'\"'"))
        left, holds = func.json_remove(moves, place), func.json_type(moves, place).is_not(None)
    return compiled(counter_moves.update().values(moves=left).where(holds), dialect)


# --- folding -------------------------------------------------------------------------------------


@cache
def appended(dialect: Dialect) -> Sql:
    """How many rows there are, and the id of the last one."""
    return compiled(select(func.count(), func.max(counter_moves.c.id)), dialect)


@cache
def sums(dialect: Dialect) -> Sql:
    """A campaign, what its moves come to, the opposite (JSON objects), and how many keys. Parameter: last."""
    by_campaign, by_key, delta = _moved(counter_moves.c.moves, dialect)
    campaign, key = by_campaign.c.key.label("campaign_id"), by_key.c.key
    summed = select(campaign, key, func.sum(delta).label("value"))
    summed = summed.select_from(counter_moves, by_campaign, by_key)
    summed = summed.where(counter_moves.c.id <= bindparam("last")).group_by(by_campaign.c.key, key)
    found = summed.subquery("summed")
    value = cast(found.c.value, BigInteger)
    together = func.json_object_agg if dialect.name == "postgresql" else func.json_group_object
    query = select(
        found.c.campaign_id, together(found.c.key, value), together(found.c.key, -value), func.count()
    )
    return compiled(query.group_by(found.c.campaign_id), dialect)


@cache
def add(dialect: Dialect) -> Sql:
    """Add moves to the counters of the campaigns that are still there. Parameter: moves."""
    by_campaign, by_key, delta = _moved(_GIVEN, dialect)
    rows = select(by_campaign.c.key, by_key.c.key, delta).select_from(by_campaign, by_key)
    rows = rows.where(_there(by_campaign).is_not(None))
    adding = inserting(counters, (), dialect).from_select(list(counters.c), rows)
    adding = adding.on_conflict_do_update(
        index_elements=[counters.c.campaign_id, counters.c.key],
        set_={"value": counters.c.value + adding.excluded.value},
    )
    return compiled(adding, dialect)


@cache
def take_back(dialect: Dialect) -> Sql:
    """Append moves whose opposite was added; gives the row's id. Parameter: moves."""
    taking = inserting(counter_moves, (), dialect).values(moves=_GIVEN).returning(counter_moves.c.id)
    return compiled(taking, dialect)


@cache
def clear(dialect: Dialect) -> Sql:
    """Remove rows that come to nothing together. Parameters: last, taken_back (JSON list of ids)."""
    rows = counter_moves.c.id
    over = or_(rows <= bindparam("last"), rows.in_(ids_in("taken_back", dialect)))
    return compiled(counter_moves.delete().where(over), dialect)


def joined(objects: Sequence[tuple[str, str]]) -> str:
    """Moves from campaigns and their JSON objects."""
    return "{" + ",".join(f"{to_json(campaign)}:{moves}" for campaign, moves in objects) + "}"
