"""What SQLite's errors mean to the engine: our own mistake, a fault that may pass, or one that will not.

The message names the file, what SQLite says and what to do; the engine only asks whether to try again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dialerd.core.errors import DialerError, InvariantError, PortError

_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_BUSY: "another program holds a lock on it: end that",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it: end that",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for the daemon's user",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and that the daemon's user may write there",
    sqlite3.SQLITE_PERM: "make the file and its folder writable for the daemon's user",
    sqlite3.SQLITE_IOERR: "check the disk and its free space",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNREADABLE = "Could not decode to UTF-8"
"""What the driver says, without a code, of text that is none."""
_RESTORE = "it must be restored from a backup (or moved away, to begin with an empty one)"
_PRIMARY = 0xFF
"""The primary result code inside an extended one (SQLite: result codes)."""


def fault(error: sqlite3.Error, path: Path) -> DialerError:
    """The error in the port's terms."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    said = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    if code in _DAMAGED:
        return damaged(str(path), said)
    if str(error).startswith(_UNREADABLE):
        # The driver would quote it, and it may be somebody's name.
        return damaged(str(path), "it holds text that is not UTF-8")
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        remedy = _REMEDIES.get(code, "see SQLite's message")
        return PortError(f"the store {path} failed: {said}; {remedy}", retryable=True)
    return InvariantError(f"the store refused what does not fit it: {said}")


def damaged(store: str, said: str) -> PortError:
    """What is stored is not what was written: nothing but a restore helps."""
    return PortError(f"the store {store} is damaged: {said}; {_RESTORE}", retryable=False)


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Raise SQLite's errors in the port's terms."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault(error, path) from error
    except OverflowError as error:
        raise InvariantError(f"the store refused what does not fit it: {error}") from error
    except UnicodeEncodeError as error:
        raise InvariantError(f"the store refused what is no text: {error.reason}") from error
