"""How a PostgreSQL database is reached: its address, its password, and what every connection is told.

Only a primary is good enough, for reading too: what a standby shows may be old, and dialing decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

import asyncpg

from dialerd.core.errors import PortError
from dialerd.store.postgres_faults import mapped, not_understood

CONNECT = 2.5
"""Seconds until a connection must be there."""
OLDEST = 13
"""The oldest version of PostgreSQL whose settings are those below."""
STATEMENTS = 256
_SETTINGS: Mapping[str, str] = {
    "default_transaction_isolation": "read committed",
    # Compiling a query costs more than any of ours; and workers would not keep the order of a union.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "lock_timeout": "2000",
    # A daemon whose host has vanished must not hold the store for hours. Milliseconds, or seconds where TCP says so.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "idle_in_transaction_session_timeout": "15000",
}


@dataclass(frozen=True, slots=True)
class Access:
    """An address, `postgresql://USER@HOST:PORT/DATABASE`, and a password that is not in it."""

    url: str = field(repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The address for people: without password and options."""
        return masked(self.url)

    async def connect(
        self, application: str, settings: Mapping[str, str] = MappingProxyType({})
    ) -> asyncpg.Connection:
        """A connection to the primary; `application` names it to the server's operator. Raises `PortError`."""
        with mapped(self.name):
            try:
                connection = await asyncpg.connect(
                    self.url,
                    password=self.password,
                    timeout=CONNECT,
                    statement_cache_size=STATEMENTS,
                    max_cached_statement_lifetime=0,
                    server_settings={**_SETTINGS, "application_name": application, **settings},
                    target_session_attrs="primary",
                )
            except ValueError as error:
                raise not_understood(self.name) from error
        problem = _unfit(connection)
        if problem is not None:
            connection.terminate()
            raise PortError(f"the store {self.name} cannot be used: {problem}", retryable=False)
        return connection


def masked(url: str) -> str:
    """An address of a database without its password and options."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "postgresql://…"
    user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
    hosts = parts.netloc.rpartition("@")[2]
    folder = parse_qs(parts.query).get("host", [""])[0]
    return f"postgresql://{user + '@' if user else ''}{hosts}{parts.path}{' at ' + folder if folder else ''}"


def _unfit(connection: asyncpg.Connection) -> str | None:
    version, encoding = connection.get_server_version(), connection.get_settings().server_encoding
    if version.major < OLDEST:
        return f"the server is PostgreSQL {version.major}, and dialerd needs {OLDEST} or newer"
    if encoding != "UTF8":
        return f"its encoding is {encoding}: create it with ENCODING 'UTF8'"
    return None
