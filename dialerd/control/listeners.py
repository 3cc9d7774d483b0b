"""Where the API is reached: one uvicorn server on a TCP port and a Unix socket, both bound before it starts.

Signals are the daemon's own business. The Unix socket is never open to more than its owner and group, and a
file at its path is only replaced when nobody answers there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from dialerd.control.auth import peer_of
from dialerd.control.connection import Connection
from dialerd.control.holders import holder_of_port
from dialerd.control.observation import Pulse
from dialerd.core.errors import PortError

GRACE_SECONDS = 5
START_DEADLINE = 10.0
_PROBE_SECONDS = 1.0

_log = structlog.get_logger("dialerd.control")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and without its ten wake-ups a second."""

    def __init__(
        self, config: uvicorn.Config, listening: asyncio.Event, ending: asyncio.Event, pulse: Pulse
    ) -> None:
        super().__init__(config)
        self._pulse = pulse
        self._listening = listening
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def main_loop(self) -> None:
        # A tick refreshes the Date header, which has a resolution of one second.
        while not self._ending.is_set():
            await self.on_tick(0)
            asleep = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ending.wait()
            if not self._ending.is_set():
                self._pulse.beat(time.monotonic() - asleep - 1.0)


class ApiServer:
    """The API's listeners. `bind`, then `run` until `stop`."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, socket_path: Path, group: str, pulse: Pulse | None = None
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._socket_path = socket_path
        self._group = group
        self._pulse = pulse or Pulse()
        self._tcp: socket.socket | None = None
        self._unix: socket.socket | None = None
        self._inode: int | None = None
        self._listening = asyncio.Event()
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the TCP listener; with port 0 the one the system chose."""
        if self._tcp is None:
            return self._host, self._port
        name = self._tcp.getsockname()
        return str(name[0]), int(name[1])

    def bind(self) -> None:
        """Take the port and the socket path. Raises `PortError` naming who has them and what to do."""
        tcp = bind_tcp(self._host, self._port)
        try:
            self._unix = bind_unix(self._socket_path, self._group)
        except PortError:
            tcp.close()
            raise
        self._tcp = tcp
        self._inode = self._socket_path.stat().st_ino

    async def run(self) -> None:
        """Serve until `stop`; requests in progress get 5 s to end."""
        if self._tcp is None or self._unix is None:
            raise PortError("the API's sockets are not bound", retryable=False)
        config = uvicorn.Config(
            self._app,
            loop="none",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        try:
            await _Server(config, self._listening, self._ending, self._pulse).serve([self._tcp, self._unix])
        finally:
            self._unlink()
            self._tcp.close()
            self._unix.close()
            self._ended.set()

    async def wait_listening(self) -> None:
        """Return when both listeners accept connections; `run` must have been started."""
        async with asyncio.timeout(START_DEADLINE):
            await self._listening.wait()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._ending.set()

    async def close(self) -> None:
        """End `run`, giving requests in progress their time. Without `run`: let the sockets go."""
        self.stop()
        if self._listening.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS + 2):
                    await self._ended.wait()
            return
        for listener in (self._tcp, self._unix):
            if listener is not None:
                listener.close()
        self._unlink()

    def _unlink(self) -> None:
        """Remove the socket file, unless another daemon has put its own there."""
        with contextlib.suppress(OSError):
            if self._socket_path.stat().st_ino == self._inode:
                self._socket_path.unlink()


def bind_tcp(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises `PortError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PortError(
            f"http.host is {host!r}, which is no address: {error.strerror}", retryable=False
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind(address)
        # Another listener shows only now, where both set SO_REUSEADDR.
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortError(_why_not_bound(error, host, port), retryable=False) from error
    return listener


def _why_not_bound(error: OSError, host: str, port: int) -> str:
    remedy = "set another one (http.port, DIALERD_HTTP__PORT)"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of_port(port)
        return f"port {port} on {host} is already in use{f' by {holder}' if holder else ''}: stop that, or {remedy}"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for root: {remedy}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: set another one (http.host, DIALERD_HTTP__HOST)"
    return f"cannot listen on {host}:{port}: {error.strerror}"


def bind_unix(path: Path, group: str) -> socket.socket:
    """A bound Unix socket, mode 0660, its group `group` where that exists. Raises `PortError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        listener = _bound(path)
    except OSError as error:
        raise PortError(
            f"cannot make the control socket {path}: {error.strerror or error}; "
            "another path is set with control.socket (DIALERD_CONTROL__SOCKET)",
            retryable=False,
        ) from error
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    path.chmod(0o660)
    listener.setblocking(False)
    listener.listen(1024)
    return listener


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Between bind and chmod nobody else may connect.
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens on. Raises `PortError` if somebody does, or if it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise PortError(f"{path} exists and is no socket: move it away", retryable=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            _log.info("control.stale_socket_replaced", path=str(path))
            path.unlink(missing_ok=True)
            return
        except OSError:
            # Somebody is there, but too busy or not for us.
            raise PortError(f"another process holds {path}: stop it first", retryable=False) from None
        peer = peer_of(probe)
    raise PortError(f"another dialerd (pid {peer.pid}) answers at {path}: stop it first", retryable=False)
