"""The audit trail: statements, and rows as records of the port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Dialect, bindparam, func, select

from dialerd.core.clock import Instant
from dialerd.core.journal import Author, Deed
from dialerd.ports import KeptDeed
from dialerd.store.encode import Row
from dialerd.store.sql import Sql, compiled, insert_sql, to_json_or_null
from dialerd.store.tables import audit

_GIVEN = [column for column in audit.c if column.name != "id"]
_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "actor": (audit.c.actor == bindparam("actor")) | (audit.c.name == bindparam("actor")),
    "action": audit.c.action == bindparam("action"),
    "object": audit.c.object == bindparam("object"),
    "at_from": audit.c.at >= bindparam("at_from"),
    "at_to": audit.c.at <= bindparam("at_to"),
}
"""By the names of `DeedFilter`."""


@cache
def add(dialect: Dialect) -> str:
    """A new entry, taking `added`."""
    return insert_sql(audit, _GIVEN, dialect)


def added(deed: Deed) -> list[Row]:
    """Parameters of `add`. Raises `TypeError` for details that are no JSON."""
    by = deed.by
    row = (deed.at, by.actor, by.name, by.origin, deed.action, deed.object, to_json_or_null(deed.details))
    return [row]


@cache
def page(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """Entries, newest first. Parameters: conditions, limit, offset."""
    query = select(*audit.c).where(*(_CONDITIONS[name] for name in sorted(conditions)))
    query = query.order_by(audit.c.id.desc())
    return compiled(query.limit(bindparam("limit")).offset(bindparam("offset")), dialect)


@cache
def count(dialect: Dialect, conditions: frozenset[str]) -> Sql:
    """How many entries match. Parameters: conditions."""
    query = select(func.count()).select_from(audit)
    return compiled(query.where(*(_CONDITIONS[name] for name in sorted(conditions))), dialect)


def read(rows: Iterable[Sequence[Any]]) -> list[KeptDeed]:
    """Entries from rows."""
    return [_read(row) for row in rows]


def _read(row: Sequence[Any]) -> KeptDeed:
    ident, at, actor, name, origin, action, about, details = row
    given = {} if details is None else orjson.loads(details)
    return KeptDeed(ident, Deed(Instant(at), Author(actor, name, origin), action, about, given))
