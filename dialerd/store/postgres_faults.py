"""What PostgreSQL's errors mean to the engine: our own mistake, a fault that may pass, or one that will not.

The message names the database without its password, what the server says and what to do. Values are never quoted:
they may be somebody's name or number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from dialerd.core.errors import DialerError, InvariantError, PortError
from dialerd.store.faults import damaged

_RIGHTS = "grant dialerd's role what is missing, or make it the owner of the database"
_REMEDIES = {
    "08": "check that the server runs and that the network between is up",
    "25006": "it is read-only: point store.url at the primary, or lift default_transaction_read_only",
    "28": "check user and password in store.url, and the server's pg_hba.conf",
    "3D000": "create the database, or correct its name in store.url",
    "3F000": "create the schema, or correct the role's search_path",
    "40": "another program writes to dialerd's tables: end that",
    "42501": _RIGHTS,
    "42": "the tables are not those that dialerd made: restore them from a backup",
    "53100": "free some disk space on the server",
    "53300": "end some of the server's other connections, or raise its max_connections",
    "53": "the server lacks resources: see its log",
    "55P03": "another program holds a lock on dialerd's tables: end that",
    "57014": "the server was too slow, or somebody cancelled the statement",
    "57": "it is starting, stopping or was told to end its connections: wait until it is up, or start it",
    "58": "check the server's disk and its free space",
}
"""By SQLSTATE, or by its first two characters, which name its class (PostgreSQL: error codes)."""
_OURS = ("22", "23")
"""Classes of values that do not fit and of broken constraints."""
_DAMAGED = "XX001", "XX002"


def fault(error: BaseException, store: str) -> DialerError:
    """The error in the port's terms."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate is not None:
        return _refused(error, error.sqlstate, store)
    if isinstance(error, OverflowError):
        return InvariantError(f"the store refused what does not fit it: {_unquoted(str(error))}")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return _failed(store, "the server is a standby", _REMEDIES["25006"])
    if isinstance(error, TimeoutError):
        return _failed(store, "no answer in time", _REMEDIES["08"])
    return _failed(store, _told(error), _REMEDIES["08"])


def not_understood(store: str) -> PortError:
    """The driver cannot read the address. Its own words may hold the password."""
    return PortError(
        f"the address of the store {store} is not understood: write postgresql://USER@HOST:PORT/DATABASE, with "
        "%-escapes for special characters",
        retryable=False,
    )


def _refused(error: asyncpg.PostgresError, code: str, store: str) -> DialerError:
    # Without its detail, which quotes the row.
    said = f"{error.args[0] if error.args else type(error).__name__} ({code})"
    if code in _DAMAGED:
        return damaged(store, said)
    if code[:2] in _OURS:
        return InvariantError(f"the store refused what does not fit it: {_unquoted(said)} ({code})")
    remedy = _REMEDIES.get(code) or _REMEDIES.get(code[:2]) or "see the server's log"
    return _failed(store, said, remedy)


def _failed(store: str, said: str, remedy: str) -> PortError:
    return PortError(f"the store {store} failed: {said}; {remedy}", retryable=True)


def _told(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__


def _unquoted(said: str) -> str:
    """Without the value that the driver quotes behind a colon."""
    return said.split(":", 1)[0]


FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, OverflowError)
"""What the driver raises. A lost connection is one of these too."""


@contextmanager
def mapped(store: str) -> Iterator[None]:
    """Raise PostgreSQL's errors in the port's terms."""
    try:
        yield
    except FAULTS as error:
        raise fault(error, store) from error
