"""Requests that are carried out once: statements, and rows as records of the port.

A request that was carried out is written in the transaction that carried it out; its answer follows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Dialect, bindparam, literal_column, select

from dialerd.core.clock import Instant
from dialerd.core.journal import REMEMBERED_REQUESTS, RequestDone
from dialerd.ports import AnsweredRequest, KeptAnswer
from dialerd.store.encode import Row
from dialerd.store.sql import Sql, compiled, inserting, positional, to_json
from dialerd.store.tables import requests

_NAMES = [f"v_{column.name}" for column in requests.c]
_DEFLATED = 1
"""zlib's level: answers are lists of rows that say much the same."""


@cache
def note(dialect: Dialect) -> str:
    """A request that was carried out, taking `noted`; changes nothing if it was carried out before."""
    noting = inserting(requests, list(requests.c), dialect)
    again = {column.name: noting.excluded[column.name] for column in requests.c if not column.primary_key}
    span: ColumnElement[int] = literal_column(str(int(REMEMBERED_REQUESTS)))
    noting = noting.on_conflict_do_update(
        index_elements=[requests.c.ident], set_=again, where=requests.c.at <= noting.excluded.at - span
    )
    return positional(noting, dialect, _NAMES)


def noted(done: RequestDone) -> list[Row]:
    """Parameters of `note`."""
    return [(done.ident, done.asked, done.at, done.made, done.note, None, None, None)]


@cache
def keep(dialect: Dialect) -> str:
    """A request with its answer, taking `kept`; one that is there already gets the answer."""
    keeping = inserting(requests, list(requests.c), dialect)
    answer = {name: keeping.excluded[name] for name in ("status", "headers", "body")}
    keeping = keeping.on_conflict_do_update(index_elements=[requests.c.ident], set_=answer)
    return positional(keeping, dialect, _NAMES)


def kept(done: RequestDone, answer: KeptAnswer) -> Row:
    """Parameters of `keep`; deflating takes a while for a long body."""
    body = zlib.compress(answer.body, _DEFLATED)
    return (
        done.ident,
        done.asked,
        done.at,
        done.made,
        done.note,
        answer.status,
        to_json(answer.headers),
        body,
    )


@cache
def known(dialect: Dialect) -> Sql:
    """A request. Parameters: ident, after (what is older is forgotten)."""
    query = select(*requests.c).where(requests.c.ident == bindparam("ident"))
    return compiled(query.where(requests.c.at > bindparam("after")), dialect)


@cache
def forget(dialect: Dialect) -> Sql:
    """Delete requests. Parameter: before."""
    return compiled(requests.delete().where(requests.c.at <= bindparam("before")), dialect)


def answered(rows: Iterable[Sequence[Any]]) -> list[AnsweredRequest]:
    """Requests from rows."""
    return [_answered(row) for row in rows]


def _answered(row: Sequence[Any]) -> AnsweredRequest:
    ident, asked, at, made, about, status, headers, body = row
    done = RequestDone(ident, asked, Instant(at), made, about)
    if status is None:
        return AnsweredRequest(done)
    return AnsweredRequest(done, KeptAnswer(status, orjson.loads(headers), zlib.decompress(body)))
