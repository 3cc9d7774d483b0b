"""A private PostgreSQL from Debian's packages: its own files, its own user, a port and a socket of its own.

It is made as a user would run one: fsync on. Everything started here is stopped by its pid when its block ends.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from dialerd.store.postgres_access import Access
from dialerd.store.postgres_migrate import migrate_postgres
from dialerd.store.tables import metadata

T = TypeVar("T")

START_DEADLINE = 30.0
ROLE = "dialerd"
_TEMPLATE = "migrated"
_CONF = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
shared_buffers = {shared_buffers}
max_connections = 40
log_min_messages = warning
autovacuum_naptime = 10s
"""

# A table costs a dozen files to empty: only those are that hold something, or have ever numbered a row.
_EMPTY = """
DO $$ DECLARE used text; BEGIN
SELECT string_agg(format('%I', name), ', ') INTO used FROM unnest(ARRAY[{tables}]) AS name
WHERE pg_relation_size(name::regclass) > 0
OR EXISTS (SELECT FROM pg_sequence JOIN pg_depend ON objid = seqrelid
WHERE refobjid = name::regclass AND pg_sequence_last_value(seqrelid) IS NOT NULL);
IF used IS NOT NULL THEN EXECUTE 'TRUNCATE ' || used || ' RESTART IDENTITY CASCADE'; END IF; END $$
""".format(tables=", ".join(f"'{name}'" for name in metadata.tables))

# One role needs its password; all others are let in.
_ACCESS = """
host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class Server:
    """A server of one's own; made by `server`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._data = folder / "data"
        self._binaries = binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        self._used: list[str] = []

    # --- its life --------------------------------------------------------------------------------

    def create(self, shared_buffers: str) -> None:
        """Make its files."""
        self._run(
            "initdb", "-D", str(self._data), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
        )
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write(_CONF.format(port=self.port, folder=self.folder, shared_buffers=shared_buffers))
        (self._data / "pg_hba.conf").write_text(_ACCESS)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **_user(),
            )  # fmt: skip
        deadline = time.monotonic() + START_DEADLINE
        while self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), check=False):
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2_000:]
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends connections in order ("fast"), SIGQUIT is a crash ("immediate")."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
            process.wait(START_DEADLINE)

    def restart(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop and start it."""
        self.stop(how)
        self.start()

    def pause(self) -> None:
        """Nothing of it runs any more, and its connections stay."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        self._signal_all(signal.SIGCONT)

    def demote(self) -> None:
        """Restart it as a standby: it can be read only."""
        self.stop()
        (self._data / "standby.signal").touch()
        shutil.chown(self._data / "standby.signal", **_owner())
        self.start()

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._data))

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
        for child in _children(self._process.pid):
            # One that ends of itself meanwhile (a checkpoint, a connection) needs no signal any more.
            with suppress(ProcessLookupError):
                os.kill(child, number)

    # --- its databases ---------------------------------------------------------------------------

    def url(self, database: str, role: str = ROLE) -> str:
        """The address of a database, on loopback."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The address of a database with nothing but dialerd's tables in it."""
        if self._used:
            url = self._used.pop()
            self.execute(_EMPTY, url=url)
            return url
        name = f"d{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.url(name)

    def give_back(self, url: str) -> None:
        """The database may be emptied and used again: that is faster than to make one."""
        self._used.append(url)

    def empty(self) -> str:
        """The address of a database in which there is nothing yet."""
        name = f"d{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def prepare(self) -> None:
        """Migrate the database that others are copied from."""
        self.execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        aside(migrate_postgres(Access(self.url(_TEMPLATE))))

    def execute(self, *statements: str, url: str | None = None) -> None:
        """Run statements as the server's owner, each for itself."""
        aside(execute(url or self.url("postgres"), *statements))

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            capture_output=True,
            check=False,
            cwd=self.folder,
            **_user(),
        )
        assert not (check and done.returncode), done.stderr.decode(errors="replace")
        return done.returncode


def aside(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own, also where another loop runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def execute(url: str, *statements: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run statements, each for itself and with the same values; the rows of the last one."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = await connection.fetch(statement, *values)
        return rows
    finally:
        await connection.close()


@contextmanager
def server(shared_buffers: str = "32MB") -> Iterator[Server]:
    """A running server until the block ends, with so much memory for its pages."""
    # Not in pytest's folders: those are closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="dialerd-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, **_owner())
        made = Server(folder, _free_port())
        made.create(shared_buffers)
        made.start()
        try:
            yield made
        finally:
            # In order it would write out all that is thrown away here.
            made.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries() -> Path:
    """Where the server's programs are: Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    assert named is not None, "PostgreSQL's server is not installed: run scripts/system-packages"
    return Path(named).parent


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: its package's user takes it then."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _owner() -> dict[str, Any]:
    entry = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> Sequence[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
