"""The Unix socket where a daemon and its media worker meet.

Only the owner may open it. A folder too deep for a socket address (107 bytes) is reached through a descriptor.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dialerd.core.errors import PortError
from dialerd.media.wire import MAX_LINE

CONNECT_DEADLINE = 2.0
_LONGEST = 107
_CREDENTIALS = struct.Struct("3i")


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, 0600. Raises `PortError` if another worker has it or it cannot be made."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # It takes its place once it listens: where one refuses a connection, its worker is dead (`supervisor`).
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        with _address(path) as address:
            if _answers(address):
                raise PortError(f"another media worker answers at {path}", retryable=False)
        draft.unlink(missing_ok=True)
        with _address(draft) as address:
            server.bind(address)
        # Nobody can connect before listen().
        draft.chmod(0o600)
        server.listen(8)
        draft.replace(path)
    except OSError as error:
        server.close()
        raise PortError(
            f"cannot make the media worker's socket {path}: {error.strerror}", retryable=False
        ) from error
    except PortError:
        server.close()
        raise
    server.setblocking(False)
    return server


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """Connect to the worker at `path`; also returns its process id. Raises `OSError` if none answers."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setblocking(False)
    try:
        with _address(path) as address:
            async with asyncio.timeout(CONNECT_DEADLINE):
                await asyncio.get_running_loop().sock_connect(client, address)
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _, _ = _CREDENTIALS.unpack(credentials)
        reader, writer = await asyncio.open_unix_connection(sock=client, limit=MAX_LINE)
    except BaseException:
        client.close()
        raise
    return reader, writer, pid


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_DEADLINE)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


@contextmanager
def _address(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
