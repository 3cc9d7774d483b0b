"""Recordings of calls: which are to be heard no more, and the files that are still there for them.

A file is deleted by whoever can reach it, after its row here says so; the row goes when the file has. So nothing is
left behind on the disk that no row tells of, whatever is killed meanwhile.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import BigInteger, Dialect, bindparam, cast, func, literal_column, null, select

from dialerd.core.clock import Instant
from dialerd.store.encode import NOT_WANTED
from dialerd.store.sql import Sql, compiled, copying, texts_in, to_json
from dialerd.store.tables import calls, doomed_files
from dialerd.store.transactions import STEP, Transaction, execute, fetch

_KEPT = (calls.c.recording.is_not(None), calls.c.recording != literal_column(f"'{NOT_WANTED}'"))


def doom_beyond(
    dialect: Dialect, before: Instant | None, most: int | None, since: Instant
) -> Transaction[int]:
    """Give up some recordings from before an instant, and the oldest ones beyond `most` bytes; how many."""
    found: list[str] = []
    if before is not None:
        found = [row[0] for row in (yield fetch(_before(dialect), {"before": before, "limit": STEP}))]
    if most is not None and not found:
        found = [row[0] for row in (yield fetch(_beyond(dialect), {"most": most, "limit": STEP}))]
    if found:
        yield from doom_of(dialect, found, since)
        yield from execute(_unheard(dialect), {"calls": to_json(found)})
    return len(found)


def doom_of(dialect: Dialect, ids: list[str], since: Instant) -> Transaction[int]:
    """The files of these calls are to be deleted, whatever becomes of their rows."""
    return (yield from execute(_doom(dialect), {"calls": to_json(ids), "since": since}))


def forget_file(dialect: Dialect, path: str) -> Transaction[int]:
    """A file is gone."""
    return (yield from execute(_forget(dialect), {"path": path}))


@cache
def doomed(dialect: Dialect) -> Sql:
    """Paths of files that are to be deleted, oldest order first. Parameter: limit."""
    query = select(doomed_files.c.path).order_by(doomed_files.c.since, doomed_files.c.path)
    return compiled(query.limit(bindparam("limit")), dialect)


@cache
def _before(dialect: Dialect) -> Sql:
    query = select(calls.c.id).where(*_KEPT, calls.c.started_at < bindparam("before"))
    return compiled(query.order_by(calls.c.started_at).limit(bindparam("limit")), dialect)


@cache
def _beyond(dialect: Dialect) -> Sql:
    newest = (calls.c.started_at.desc(), calls.c.id.desc())
    total = func.sum(calls.c.recording_bytes).over(order_by=newest).label("total")
    summed = select(calls.c.id, calls.c.started_at, total).where(*_KEPT).subquery()
    query = select(summed.c.id).where(summed.c.total > bindparam("most"))
    return compiled(query.order_by(summed.c.started_at).limit(bindparam("limit")), dialect)


@cache
def _doom(dialect: Dialect) -> Sql:
    since = cast(bindparam("since"), BigInteger)
    found = select(calls.c.recording, since).where(calls.c.id.in_(texts_in("calls", dialect)))
    return compiled(copying(doomed_files, found.where(*_KEPT), dialect), dialect)


@cache
def doom_of_person(dialect: Dialect) -> Sql:
    """The files of all calls to a number. Parameter: phone."""
    found = select(calls.c.recording, literal_column("0")).where(calls.c.phone == bindparam("phone"), *_KEPT)
    return compiled(copying(doomed_files, found, dialect), dialect)


@cache
def _unheard(dialect: Dialect) -> Sql:
    gone = dict.fromkeys(("recording", "recording_bytes", "recording_ms"), null())
    return compiled(calls.update().values(gone).where(calls.c.id.in_(texts_in("calls", dialect))), dialect)


@cache
def _forget(dialect: Dialect) -> Sql:
    return compiled(doomed_files.delete().where(doomed_files.c.path == bindparam("path")), dialect)
