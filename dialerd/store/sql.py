"""SQL text compiled from SQLAlchemy Core once per database, with its parameters by position.

The drivers are used directly (a turn must cost few microseconds a row), so SQLAlchemy writes the SQL and
runs none of it. Values are bound as the drivers take them: JSON as text, booleans as booleans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Select,
    SelectBase,
    Table,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import dialect as pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ClauseElement

SQLITE: Dialect = pysqlite()
POSTGRESQL: Dialect = asyncpg()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement's text and the names of its parameters, one per position."""

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    """Values that are part of the statement itself."""

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters in order. Raises `KeyError` if one is missing."""
        fixed = self.fixed
        return tuple(values[name] if name in values else fixed[name] for name in self.names)


def compiled(statement: ClauseElement, dialect: Dialect) -> Sql:
    """`statement` as text for `dialect`, whose drivers take parameters by position."""
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    assert isinstance(made, SQLCompiler)
    names = tuple(made.positiontup or ())
    fixed = {name: value for name, value in made.params.items() if value is not None}
    return Sql(made.string, names, fixed)


def positional(statement: ClauseElement, dialect: Dialect, names: Sequence[str]) -> str:
    """The text of a statement whose parameters are exactly `names`, in this order."""
    made = compiled(statement, dialect)
    if made.names != tuple(names):
        raise ValueError(f"parameters are {made.names}, not {tuple(names)}: {made.text}")
    return made.text


def values_of(columns: Sequence[Column[Any]]) -> list[tuple[Column[Any], ColumnElement[Any]]]:
    """Each column with a parameter of its own name (`v_` before it: SQLAlchemy keeps the bare ones for itself)."""
    return [(column, bindparam(f"v_{column.name}", type_=column.type)) for column in columns]


def inserting(table: Table, columns: Sequence[Column[Any]], dialect: Dialect) -> Any:
    """An INSERT of `columns`, in the form of the database, which alone knows ON CONFLICT."""
    make = postgresql.insert if dialect.name == "postgresql" else sqlite_dialect.insert
    return make(table).values(dict(values_of(columns)))


def copying(table: Table, rows: SelectBase, dialect: Dialect) -> ClauseElement:
    """An INSERT of what a query with a condition finds, all columns of `table`; rows that are there already stay."""
    make = postgresql.insert if dialect.name == "postgresql" else sqlite_dialect.insert
    return make(table).from_select(list(table.c), rows).on_conflict_do_nothing()


def insert_sql(table: Table, columns: Sequence[Column[Any]], dialect: Dialect) -> str:
    """A plain INSERT taking `columns` in this order, which must be the table's."""
    statement: Insert = inserting(table, columns, dialect)
    return positional(statement, dialect, [f"v_{column.name}" for column in columns])


def update_sql(
    table: Table, columns: Sequence[Column[Any]], keys: Sequence[Column[Any]], dialect: Dialect
) -> str:
    """An UPDATE taking `columns`, then `keys`, in this order."""
    statement = table.update().ordered_values(*values_of(columns))
    for key in keys:
        statement = statement.where(key == bindparam(f"k_{key.name}", type_=key.type))
    names = [f"v_{column.name}" for column in columns] + [f"k_{key.name}" for key in keys]
    return positional(statement, dialect, names)


def ids_in(name: str, dialect: Dialect) -> Select[Any]:
    """The ids in the parameter `name`, a JSON list of integers: one text for any number of them."""
    if dialect.name == "postgresql":
        listed = func.json_array_elements_text(bindparam(name)).table_valued("value")
        return select(cast(listed.c.value, BigInteger))
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def texts_in(name: str, dialect: Dialect) -> Select[Any]:
    """The texts in the parameter `name`, a JSON list: one text for any number of them."""
    if dialect.name == "postgresql":
        return select(func.json_array_elements_text(bindparam(name)).table_valued("value").c.value)
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def to_json(value: Any) -> str:
    """JSON text. Raises `TypeError` for what JSON cannot hold."""
    return orjson.dumps(value, default=_plain).decode()


def to_json_or_null(value: Any) -> str | None:
    """JSON text, None for an empty value."""
    return to_json(value) if value else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")
