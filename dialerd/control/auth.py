"""Who may do what: bearer keys on TCP, the peer's credentials on the Unix socket.

Only an HMAC of a key is stored. Keys are 256 random bits, so nothing slower is needed; the secret of the HMAC
stays outside the database, so that a copy of the database alone cannot test a key.
"""

from __future__ import annotations

import grp
import hmac
import os
import pwd
import re
import secrets
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dialerd.control.problems import READING
from dialerd.core.errors import PortError, RequestError
from dialerd.core.journal import RequestDone
from dialerd.engine.service import Service

_SO_PEERGROUPS = 59
_MOST_GROUPS = 256
_SECRET_BYTES = 32
OPEN_PATHS = ("/healthz", "/readyz", "/docs", "/openapi.json")
"""Answered without a key: probes and browsers have none. None of them holds anything of this installation."""

_RANK = {"read": 0, "write": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request."""

    name: str
    """The id of a key, or `uid:` with a number."""
    scope: str
    called: str | None = None
    """What the key or the user is called."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the Unix socket, as the kernel vouches for it."""

    pid: int
    uid: int
    gids: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """The peer of an accepted Unix connection, supplementary groups included."""
    # The transport's own socket may be a stand-in without getsockopt; a duplicate of its descriptor is a real one.
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:
        size = struct.calcsize("3i")
        pid, uid, gid = struct.unpack("3i", twin.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        groups: tuple[int, ...] = ()
        # ERANGE: more groups than Python's getsockopt can return; the primary group still counts.
        with suppress(OSError):
            raw = twin.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * 4)
            groups = struct.unpack(f"{len(raw) // 4}I", raw)
    return Peer(pid, uid, frozenset((gid, *groups)))


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """Which local users may use the Unix socket: root, the daemon's own user, members of a group."""

    group: str

    def principal(self, peer: Peer) -> Principal:
        """The peer's rights. Raises `RequestError` 403."""
        if peer.uid in (0, os.geteuid()) or self._gid() in peer.gids:
            return Principal(f"uid:{peer.uid}", "admin", _user(peer.uid))
        raise RequestError(
            403,
            "forbidden",
            "Forbidden",
            f"the user with uid {peer.uid} may not control this daemon: "
            f"use sudo, or add the user to the group {self.group} and log in again",
        )

    def _gid(self) -> int | None:
        try:
            return grp.getgrnam(self.group).gr_gid
        except KeyError:
            return None


@lru_cache(maxsize=64)
def _user(uid: int) -> str | None:
    """What a local user is called."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def shown(secret: str) -> str:
    """The key that a secret makes."""
    return f"dk_{secret}"


class KeyRing:
    """Makes and recognises API keys."""

    def __init__(self, service: Service, secret: bytes) -> None:
        self._service = service
        self._secret = secret

    async def create(
        self, name: str, scope: str, secret: str | None = None, done: RequestDone | None = None
    ) -> dict[str, Any]:
        """A new key; `key` is shown this once. `secret`: 256 bits of the caller's, as text."""
        key = shown(secret or secrets.token_urlsafe(32))
        return {**await self._service.keys.add(name, scope, self._digest(key), done), "key": key}

    async def principal(self, headers: Mapping[str, str]) -> Principal:
        """Whose key a request carries. Raises `RequestError` 401."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized(await self._hint("the request carries no key (Authorization: Bearer KEY)"))
        digest = self._digest(key.strip())
        known = await self._service.keys.by_digest(digest)
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise _unauthorized(await self._hint("the key is unknown or revoked"))
        self._service.keys.note_use(known.id)
        return Principal(known.id, known.scope, known.name or None)

    async def _hint(self, what: str) -> str:
        if await self._service.keys.any():
            return what
        return f"{what}; no key exists yet: create one with `dialerctl key create` on the daemon's machine"

    def _digest(self, key: str) -> bytes:
        return hmac.digest(self._secret, key.encode("utf-8", "surrogateescape"), "sha256")


_LOOKS = re.compile(r"/v1/simulate|/v1/campaigns/[^/]+/simulate|/v1/(campaigns|scripts)/validate")
"""What is posted there changes nothing."""


def permit(principal: Principal, method: str, path: str) -> None:
    """Whether the principal's scope covers the request. Raises `RequestError` 403 naming the scope it takes."""
    needed = "read" if method in READING or _LOOKS.fullmatch(path) else "write"
    if path in ("/v1/panic", "/v1/audit", "/v1/keys") or path.startswith("/v1/keys/"):
        needed = "admin"
    if _RANK.get(principal.scope, -1) < _RANK[needed]:
        raise RequestError(
            403,
            "forbidden",
            "Forbidden",
            f"the key {principal.name} has the scope {principal.scope}; this takes {needed}",
            extra={"scope": principal.scope, "needed": needed},
        )


def load_secret(path: Path) -> bytes:
    """The installation's secret for key digests, made on first use. Raises `PortError`."""
    try:
        if not path.exists():
            _create_secret(path)
        secret = path.read_bytes()
    except OSError as error:
        raise PortError(f"cannot read or create {path}: {error.strerror}", retryable=False) from error
    if len(secret) != _SECRET_BYTES:
        raise PortError(
            f"{path} is damaged ({len(secret)} bytes, not {_SECRET_BYTES}): restore it from a backup, "
            "or delete it and create all API keys anew",
            retryable=False,
        )
    return secret


def _create_secret(path: Path) -> None:
    """Written whole under another name first: a crash leaves no half secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _unauthorized(detail: str) -> RequestError:
    return RequestError(401, "unauthorized", "Unauthorized", detail)
