"""Ports: each lab takes one slot of fixed ranges, so labs never meet, RTP included.

A slot is a lock that the lab's Asterisk processes hold (they inherit the open file). The kernel frees it with the
last of them, however they die, so there is nothing to clean up. A lab that has died without being taken down may be
brought up again with the ports it had: its slot is given away only when no other is left.

Servers' ports lie below those that Linux gives to outgoing connections. RTP lies among them, for it needs many:
the few UDP clients of a machine do no harm there, Asterisk passes over a port in use.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import LabError
from private import temporary

SLOTS = 10
_FIRST_SERVER = 12_000
_SERVERS = 100
_FIRST_RTP = 33_000
_RTP = 1_600  # of each instance: 800 calls, those included that have just ended


@dataclass(frozen=True)
class Wanted:
    """Ports the user chose; None: any free one."""

    ari: int | None = None
    ami: int | None = None
    sip: int | None = None
    carrier: int | None = None
    http: int | None = None
    media: int | None = None


@dataclass(frozen=True)
class Ports:
    """The ports of one lab. `carrier` is its SIP port.

    `http`, `media` and the one after it are left for the daemon, `bare_media` for a program beside it.
    """

    slot: int
    ari: int
    ami: int
    sip: int
    carrier: int
    http: int
    media: int
    bare_media: int

    @property
    def second_media(self) -> int:
        """Of the daemon's second media worker."""
        return self.media + 1

    @property
    def pbx_rtp(self) -> tuple[int, int]:
        first = _FIRST_RTP + self.slot * 2 * _RTP
        return first, first + _RTP - 1

    @property
    def carrier_rtp(self) -> tuple[int, int]:
        first = self.pbx_rtp[1] + 1
        return first, first + _RTP - 1


@contextlib.contextmanager
def _claims_locked() -> Iterator[Path]:
    """One claim at a time, because changing a lock from exclusive to shared is not atomic."""
    folder = temporary(f"slots-{os.getuid()}")
    with (folder / "claims.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def claim_slot(owner: Path) -> tuple[int, int]:
    """Take a free slot: its number and the descriptor whose heirs keep it."""
    with _claims_locked() as folder:
        for slot in _by_preference(folder):
            fd = os.open(folder / f"slot-{slot}", os.O_RDWR | os.O_CREAT, 0o600)
            if _take(fd, owner):
                return slot, fd
            os.close(fd)
    raise LabError(f"all {SLOTS} port ranges are taken by running labs: `lab down` one of them")


def _by_preference(folder: Path) -> list[int]:
    """All slots; last those whose lab was not taken down."""
    return sorted(range(SLOTS), key=lambda slot: _is_awaited(folder / f"slot-{slot}"))


def _is_awaited(slot: Path) -> bool:
    """Whether the last lab in this slot is there still, alive or not."""
    owner = slot.read_bytes() if slot.exists() else b""
    return bool(owner) and (Path(os.fsdecode(owner)) / "lab.json").exists()


def rejoin_slot(slot: int, owner: Path) -> int:
    """Hold a slot again, to restart a part of a lab that has died."""
    with _claims_locked() as folder:
        fd = os.open(folder / f"slot-{slot}", os.O_RDWR | os.O_CREAT, 0o600)
        if not _take(fd, owner):
            fcntl.flock(fd, fcntl.LOCK_SH)
            if os.pread(fd, 4096, 0) != os.fsencode(owner):
                os.close(fd)
                raise LabError(
                    "another lab has taken this one's ports meanwhile: `lab up` again for new ones"
                )
        return fd


def _take(fd: int, owner: Path) -> bool:
    """Take a slot that nobody holds, and leave it to be shared with heirs."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(fd, 0)
    os.pwrite(fd, os.fsencode(owner), 0)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return True


def choose(slot: int, wanted: Wanted) -> Ports:
    """The chosen ports, and free ones of the slot for the others."""
    first = _FIRST_SERVER + slot * _SERVERS
    pool = iter(range(first, first + _SERVERS))

    def pick(name: str, chosen: int | None, kind: socket.SocketKind) -> int:
        if chosen is not None:
            if not _is_free(chosen, kind):
                raise LabError(f"--{name}-port {chosen} is in use")
            return chosen
        return next(port for port in pool if _is_free(port, kind))

    media = _pair(pool, pick("media", wanted.media, socket.SOCK_STREAM), may_move=wanted.media is None)
    return Ports(
        slot=slot,
        ari=pick("ari", wanted.ari, socket.SOCK_STREAM),
        ami=pick("ami", wanted.ami, socket.SOCK_STREAM),
        sip=pick("sip", wanted.sip, socket.SOCK_DGRAM),
        carrier=pick("carrier", wanted.carrier, socket.SOCK_DGRAM),
        http=pick("http", wanted.http, socket.SOCK_STREAM),
        media=media,
        bare_media=pick("media", None, socket.SOCK_STREAM),
    )


def _pair(pool: Iterator[int], first: int, *, may_move: bool) -> int:
    """`first`, or a later port, after which one more is free: the daemon's second media worker listens there."""
    while not _is_free(first + 1, socket.SOCK_STREAM):
        if not may_move:
            raise LabError(
                f"--media-port {first} leaves {first + 1} for a second media worker, which is in use"
            )
        first = next(port for port in pool if _is_free(port, socket.SOCK_STREAM))
    if may_move:
        next(pool)
    return first


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As servers do it: the remains of closed connections do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
