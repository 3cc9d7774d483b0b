"""The writer's connection to PostgreSQL: the exclusive right to the database, and the number of every transaction.

One daemon a database: the connection holds a session's advisory lock, which ends with it. A connection that was lost
may have let another daemon in, so the row `writer` of `state` tells who writes and the number of the last transaction,
and every transaction begins by moving it from the number before to its own. That one row answers three questions after
a reconnect: was another daemon here; is the transaction whose COMMIT got no answer stored; has a failover lost what was
confirmed. Only a connection that holds the lock may ask: the one before it is dead then, and with it what it began.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from dialerd.core.clock import Instant, to_iso
from dialerd.core.errors import InvariantError, PortError
from dialerd.store.postgres_access import Access
from dialerd.store.postgres_faults import FAULTS
from dialerd.store.tables import WRITER

_LOCK = (0x6469616C, 1)
"""The two keys of the advisory lock; the first is "dial"."""
_PATIENCE = 1.5
"""Seconds to wait for the lock of a session that is ending: that of a daemon killed a moment ago, or our own."""
_POLL = 0.05
_HOLDER = """
SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_DURABLE = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_CLAIM = (
    "INSERT INTO state (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


@dataclass(frozen=True, slots=True)
class _Holder:
    """A daemon that writes; `token` tells it from any other with the same name and process id."""

    instance: str
    pid: int
    since: int
    """Seconds since 1970 UTC."""
    token: str

    @property
    def application(self) -> str:
        """What the server's operator sees, and a second daemon reads. Longer than 63 bytes it would be cut."""
        return f"dialerd/{self.instance}/{self.pid}/{self.since}/{self.token}"

    def mark(self, transaction: int) -> str:
        """The value of `WRITER` after this transaction."""
        return f'{orjson.dumps(self.application).decode()[:-1]}/{transaction}"'


class PostgresSession:
    """One connection at a time; it comes back by itself, if nobody else has written meanwhile."""

    def __init__(self, access: Access, instance: str, on_loss: Callable[[], None]) -> None:
        """`on_loss` is told when the connection was another one before."""
        self._access = access
        self._instance = instance
        self._on_loss = on_loss
        self._connection: asyncpg.Connection | None = None
        self._begin("")

    def _begin(self, token: str) -> None:
        self._holder = _Holder(self._instance, os.getpid(), int(time.time()), token)
        self._claimed = False
        self._broken: PortError | None = None
        self._stored = 0
        """The last transaction that is known to be stored."""
        self._last = 0
        """The last transaction that was begun."""
        self._doubtful: int | None = None
        self._fates: dict[int, bool] = {}
        """What became of transactions that were in doubt, until somebody asks."""

    # --- life ------------------------------------------------------------------------------------

    async def take(self) -> None:
        """Connect and lock. Raises `PortError` naming the holder of the lock, or what is wrong."""
        self._begin(secrets.token_hex(4))
        await self.connected()

    async def claim(self) -> None:
        """Write down who writes from here; the tables must be there. Raises as the driver does."""
        connection = await self.connected()
        await connection.execute(_CLAIM, WRITER, self._holder.mark(0))
        self._claimed = True

    async def close(self) -> None:
        """Give the lock back at once, not when the server notices that the connection has ended."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await connection.execute("SELECT pg_advisory_unlock_all()")
                await connection.close()
        except FAULTS:
            connection.terminate()

    def drop(self) -> None:
        """Let the connection go, whatever state it is in; what it has begun and not committed is void."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    # --- transactions ----------------------------------------------------------------------------

    async def begin(self) -> asyncpg.Connection:
        """Begin a transaction. Raises `PortError`, and as the driver does."""
        connection = await self.connected()
        self._last += 1
        before, after = _literal(self._holder.mark(self._stored)), _literal(self._holder.mark(self._last))
        try:
            # One message, one round trip.
            status = await connection.execute(
                f"BEGIN; UPDATE state SET value = {after} WHERE key = '{WRITER}' AND value = {before}"
            )
            if status != "UPDATE 1":
                await self._settle(connection)
                raise self._break("is not as its only writer has left it: somebody has changed its state")
        except BaseException:
            self.drop()
            raise
        return connection

    async def commit(self, connection: asyncpg.Connection) -> None:
        """Commit; durable when it returns. If it raises, the transaction is `doubtful`."""
        self._doubtful = self._last
        status = await connection.execute("COMMIT")
        if status != "COMMIT":
            self._doubtful = None
            raise InvariantError(f"a transaction that should have been committed ended with {status}")
        self._stored, self._doubtful = self._last, None

    @property
    def last(self) -> int:
        """The number of the transaction that was begun last."""
        return self._last

    @property
    def doubtful(self) -> int | None:
        """The transaction of which it is not known whether it is stored."""
        return self._doubtful

    async def fate(self, transaction: int) -> bool:
        """Whether a transaction that was in doubt is stored. Raises `PortError`, and as the driver does."""
        await self.connected()
        if transaction not in self._fates:
            raise InvariantError(f"transaction {transaction} is not in doubt")
        return self._fates.pop(transaction)

    async def connected(self) -> asyncpg.Connection:
        """The connection, with the lock, and nothing in doubt. Raises `PortError`, and as the driver does."""
        if self._broken is not None:
            raise self._broken
        connection = self._connection
        if connection is not None and not connection.is_closed():
            return connection
        connection = await self._access.connect(self._holder.application)
        try:
            await self._lock(connection)
            await connection.execute(_DURABLE)
            if self._claimed:
                await self._settle(connection)
                self._on_loss()
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection

    # --- who writes ------------------------------------------------------------------------------

    async def _lock(self, connection: asyncpg.Connection) -> None:
        clock = asyncio.get_running_loop().time
        latest = clock() + _PATIENCE
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LOCK):
            found = await connection.fetchrow(_HOLDER, *_LOCK)
            name = found["application_name"] if found is not None else ""
            if name == self._holder.application:
                # Our own connection that we have given up and the server has not: what it has begun must end.
                await connection.execute("SELECT pg_terminate_backend($1)", found["pid"])
            elif clock() > latest:
                raise self._held(_called(name))
            await asyncio.sleep(_POLL)

    def _held(self, holder: str) -> PortError:
        if self._claimed:
            return self._break(
                f"was taken over by {holder} while the connection to it was lost: end one of the two"
            )
        return PortError(
            f"the store {self._access.name} is in use by {holder}; end that daemon first, or give this one a store "
            "of its own",
            retryable=False,
        )

    async def _settle(self, connection: asyncpg.Connection) -> None:
        """Learn whether the store is as we have left it, and what became of the transaction in doubt."""
        found = await connection.fetchval("SELECT value FROM state WHERE key = $1", WRITER)
        doubtful = self._doubtful
        if doubtful is not None and found == self._holder.mark(doubtful):
            self._stored = doubtful
        elif found != self._holder.mark(self._stored):
            raise self._break(self._difference(found))
        if doubtful is not None:
            self._fates[doubtful] = self._stored == doubtful
            self._doubtful = None

    def _difference(self, found: Any) -> str:
        name, _, transaction = str(found).strip('"').rpartition("/")
        if name == self._holder.application:
            return (
                f"has gone back from transaction {self._stored} to {transaction}: a failover or a restore has lost "
                "what was confirmed"
            )
        return f"was in use by {_called(name)} while the connection to it was lost"

    def _break(self, why: str) -> PortError:
        """From here nothing is written any more: what is in memory is not what is stored."""
        self._broken = PortError(
            f"the store {self._access.name} {why}; then start this daemon again, which takes up what is stored",
            retryable=False,
        )
        return self._broken


def _called(application: str) -> str:
    """What a person is told of a connection's name."""
    parts = application.split("/")
    if len(parts) != 5 or parts[0] != "dialerd" or not parts[3].isdigit():
        return "another process"
    since = to_iso(Instant(int(parts[3]) * 1_000))
    return f"instance {parts[1]!r} (pid {parts[2]}, since {since})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
