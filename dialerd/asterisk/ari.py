"""ARI over HTTP: where it is, who we are there, what its replies are, and what its failures mean.

It knows requests and replies, not calls. Nothing that dials is sent from here: that goes over the events socket
(`ari_socket`), and must never be repeated by a transport.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import aiohttp
import orjson

from dialerd.core.errors import PortError

_POOL_SIZE = 8
_KEEPALIVE = 10.0
"""Seconds an idle HTTP connection is kept: less than Asterisk's session_keep_alive (15 s by default)."""


@dataclass(frozen=True, slots=True)
class AriAccess:
    """Where ARI is and who we are there. `url` is the HTTP server's root, without `/ari`."""

    url: str
    user: str
    password: str = field(repr=False)

    @property
    def root(self) -> str:
        """The address that request paths follow."""
        return self.url.rstrip("/") + "/ari/"

    @property
    def headers(self) -> dict[str, str]:
        """The login; in a header, so that no address that may be logged holds it."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {login}"}


@dataclass(frozen=True, slots=True)
class AriTiming:
    """Deadlines in seconds. A silent socket is pinged after `heartbeat` and lost half of it later without a pong.

    An events socket is lost as well once a request on it has had no reply for `request`.
    """

    connect: float = 3.0
    request: float = 5.0
    heartbeat: float = 5.0
    sweep: float = 0.25
    """How often requests are looked at for their deadline."""


class Trouble(StrEnum):
    """What can be wrong between us and ARI."""

    UNREACHABLE = "unreachable"
    NOT_READY = "not_ready"
    WRONG_PASSWORD = "wrong_password"
    FORBIDDEN = "forbidden"
    TOO_OLD = "too_old"
    REPLACED = "replaced"
    LOST = "lost"
    SILENT = "silent"


class AriError(PortError):
    """ARI cannot be used; the message says what, where and how to mend it."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message, retryable=True)
        self.trouble = trouble


class NoReply(Enum):
    """A request that got no reply."""

    UNSENT = "unsent"
    """Provably never written to the socket."""
    UNANSWERED = "unanswered"
    """Written, perhaps in part: Asterisk may have acted on it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of ARI: its status and its body as it came."""

    status: int
    text: str | bytes

    @property
    def body(self) -> Any:
        """The body parsed; None where it is not JSON."""
        try:
            return orjson.loads(self.text)
        except orjson.JSONDecodeError:
            return None

    @property
    def message(self) -> str | None:
        """ARI's explanation of an error; None if this is not an error told by ARI (an HTML page, say)."""
        body = self.body
        if not isinstance(body, dict):
            return None
        told = body.get("message", body.get("error"))
        return told if isinstance(told, str) else None


def error_of(status: int, access: AriAccess) -> AriError:
    """What an unexpected HTTP status of ARI says of the connection."""
    match status:
        case 401:
            return AriError(
                Trouble.WRONG_PASSWORD,
                f"Asterisk at {access.url} refuses the ARI user {access.user!r} or its password: "
                "compare ari.conf with asterisk.ari_user and asterisk.ari_password",
            )
        case 403:
            return AriError(
                Trouble.FORBIDDEN,
                f"Asterisk at {access.url} does not let the ARI user {access.user!r} do its work: "
                "in ari.conf set read_only = no and permit this host's address",
            )
        case 404 | 503:
            return AriError(
                Trouble.NOT_READY,
                f"Asterisk at {access.url} answers {status}: it is starting, or ARI is off "
                "(ari.conf: enabled = yes; res_ari loaded)",
            )
    return AriError(
        Trouble.NOT_READY,
        f"{access.url} answers {status}: is this Asterisk's HTTP server (asterisk.ari_url)?",
    )


def unreachable(access: AriAccess, error: Exception) -> AriError:
    """What a failed connection to ARI, or its silence, says."""
    if isinstance(error, TimeoutError):
        return AriError(Trouble.SILENT, f"Asterisk at {access.url} does not answer ARI requests in time")
    return AriError(
        Trouble.UNREACHABLE,
        f"Asterisk's HTTP server cannot be reached at {access.url} ({_cause(error)}): is Asterisk running, "
        "and http.conf enabled = yes with this address?",
    )


def _cause(error: Exception) -> str:
    number = getattr(getattr(error, "os_error", error), "errno", None)
    return os.strerror(number) if number is not None and number > 0 else str(error) or type(error).__name__


class AriHttp:
    """Few connections, a deadline for everything."""

    def __init__(self, access: AriAccess, timing: AriTiming) -> None:
        self.access = access
        self.timing = timing
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; made when first used, since it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self.access.headers,
                connector=aiohttp.TCPConnector(limit=_POOL_SIZE, keepalive_timeout=_KEEPALIVE),
                timeout=aiohttp.ClientTimeout(total=self.timing.request, connect=self.timing.connect),
            )
        return self._session

    async def get(self, path: str, **query: str) -> Reply:
        """GET. Raises AriError where no reply comes."""
        return await self._request("GET", path, query, None)

    async def put(self, path: str, body: bytes) -> Reply:
        """PUT with a JSON body. Raises AriError where no reply comes."""
        return await self._request("PUT", path, {}, body)

    async def post(self, path: str, body: bytes) -> Reply:
        """POST with a JSON body, of what dials nobody. Raises AriError where no reply comes."""
        return await self._request("POST", path, {}, body)

    async def delete(self, path: str, **query: str) -> Reply:
        """DELETE. Raises AriError where no reply comes."""
        return await self._request("DELETE", path, query, None)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            async with self.session.request(
                method, self.access.root + path, params=query, data=body, headers=headers
            ) as response:
                return Reply(response.status, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.access, error) from error
