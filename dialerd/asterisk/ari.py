"""A thin ARI client: the events socket, which also carries requests, and plain HTTP for what may wait.

It knows requests and replies, not calls. Nothing is ever sent twice: what was not answered is reported as such,
and whoever asked decides. The socket's reader waits for nothing but the socket, since Asterisk closes an events
socket whose reader stalls.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import aiohttp
import orjson
import structlog

from dialerd.core.errors import PortError
from dialerd.core.model import InstanceId

_log = structlog.get_logger("dialerd.asterisk")

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
    """Deadlines in seconds. A silent socket is pinged after `heartbeat` and lost half of it later without a pong."""

    connect: float = 3.0
    request: float = 5.0
    heartbeat: float = 5.0
    sweep: float = 0.25
    """How often requests are looked at for their deadline."""
    misses: int = 3
    """Requests in a row without a reply after which the socket counts as lost."""


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
        Trouble.NOT_READY, f"{access.url} answers {status}: is this Asterisk's HTTP server (asterisk.ari_url)?"
    )


def _unreachable(access: AriAccess, error: Exception) -> AriError:
    if isinstance(error, TimeoutError):
        return AriError(Trouble.SILENT, f"Asterisk at {access.url} does not answer ARI requests in time")
    return AriError(
        Trouble.UNREACHABLE,
        f"Asterisk's HTTP server cannot be reached at {access.url} ({_cause(error)}): is Asterisk running, "
        "and http.conf enabled = yes with this address?",
    )


def _cause(error: Exception) -> str:
    os_error = getattr(error, "os_error", error)
    return str(getattr(os_error, "strerror", None) or type(error).__name__)


class AriHttp:
    """ARI over HTTP: few connections, a deadline for everything, no POST (a POST that fails must not be repeated)."""

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
            raise _unreachable(self.access, error) from error


OnEvent = Callable[[Mapping[str, Any]], None]
OnReply = Callable[[Reply | NoReply], None]


@dataclass(eq=False, slots=True)
class _Request:
    done: OnReply
    deadline: float
    written: bool = False


class AriSocket:
    """One events socket, from its handshake to its loss; requests on it are answered in order by one thread there."""

    def __init__(
        self, websocket: aiohttp.ClientWebSocketResponse, access: AriAccess, timing: AriTiming, on_event: OnEvent
    ) -> None:
        self._websocket = websocket
        self._access = access
        self._timing = timing
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._requests: dict[str, _Request] = {}
        self._unsent: deque[tuple[str, bytes]] = deque()
        self._wake = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._count = 0
        self._missed = 0
        self._error: AriError | None = None
        self._open = True

    @classmethod
    async def connect(cls, http: AriHttp, app: InstanceId, on_event: OnEvent) -> AriSocket:
        """Open the socket and so register `app`; from now on events queue in it. Raises AriError."""
        access, timing = http.access, http.timing
        try:
            async with asyncio.timeout(timing.connect):
                websocket = await http.session.ws_connect(
                    access.root + "events",
                    params={"app": app, "subscribeAll": "false"},
                    heartbeat=timing.heartbeat,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, access) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(access, error) from error
        return cls(websocket, access, timing, on_event)

    def request(
        self,
        method: str,
        uri: str,
        done: OnReply,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a request; `done` is called once, from the event loop, with its reply or why there is none.

        `body` is JSON; it and `query` exclude each other.
        """
        if not self._open:
            done(NoReply.UNSENT)
            return
        self._count += 1
        name = str(self._count)
        frame: dict[str, object] = {
            "type": "RESTRequest", "transaction_id": "", "request_id": name, "method": method, "uri": uri,
        }  # fmt: skip
        if body is not None:
            frame["content_type"] = "application/json"
            frame["message_body"] = body.decode()
        if query is not None:
            frame["query_strings"] = [{"name": key, "value": value} for key, value in query.items()]
        self._requests[name] = _Request(done, self._loop.time() + self._timing.request)
        self._unsent.append((name, orjson.dumps(frame)))
        self._wake.set()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._timing.sweep, self._sweep)

    async def run(self) -> None:
        """Carry events and requests until the socket is lost, which it always raises as AriError.

        What `on_event` raises as AriError ends the socket too. Every request is answered before this returns.
        """
        writer = self._loop.create_task(self._write())
        try:
            await self._read()
        finally:
            self._open = False
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._abandon()
            await self._websocket.close()

    async def _read(self) -> None:
        receive = self._websocket.receive
        while True:
            message = await receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is not aiohttp.WSMsgType.BINARY:
                raise self._error or self._loss(message)

    def _take(self, text: str) -> None:
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            _log.warning("ari.event_unreadable", size=len(text))
        elif event.get("type") == "RESTResponse":
            self._answer(event)
        else:
            self._on_event(event)

    def _answer(self, response: Mapping[str, Any]) -> None:
        self._missed = 0
        request = self._requests.pop(response.get("request_id", ""), None)
        status = response.get("status_code")
        if request is None or not isinstance(status, int):
            _log.warning("ari.reply_unexpected", status=status)
            return
        request.done(Reply(status, response.get("message_body") or ""))

    async def _write(self) -> None:
        """Write what is queued. One that fails ends the socket: whether the rest would arrive is not known."""
        try:
            while True:
                while self._unsent:
                    name, frame = self._unsent.popleft()
                    request = self._requests.get(name)
                    if request is not None:
                        request.written = True
                        await self._websocket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                self._wake.clear()
                await self._wake.wait()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            self._fail(AriError(Trouble.LOST, f"writing to the events socket at {self._access.url} failed: {error}"))

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        late = [name for name, request in self._requests.items() if request.deadline <= now]
        for name in late:
            request = self._requests.pop(name)
            self._missed += request.written
            request.done(NoReply.UNANSWERED if request.written else NoReply.UNSENT)
        if self._missed >= self._timing.misses:
            self._fail(
                AriError(
                    Trouble.SILENT,
                    f"Asterisk at {self._access.url} left {self._missed} ARI requests in a row unanswered for "
                    f"{self._timing.request:g} s each: is it overloaded or stuck?",
                )
            )
        elif self._requests:
            self._sweeper = self._loop.call_later(self._timing.sweep, self._sweep)

    def _fail(self, error: AriError) -> None:
        """End the socket from outside the reader."""
        if self._open:
            self._open = False
            self._error = error
            self._wake.set()
            self._ending = self._loop.create_task(self._websocket.close())

    def _abandon(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        requests, self._requests = self._requests, {}
        for request in requests.values():
            request.done(NoReply.UNANSWERED if request.written else NoReply.UNSENT)

    def _loss(self, message: aiohttp.WSMessage) -> AriError:
        error = self._websocket.exception()
        if isinstance(error, aiohttp.ServerTimeoutError):
            return AriError(
                Trouble.SILENT,
                f"Asterisk at {self._access.url} does not answer pings: it hangs, or the network to it is cut",
            )
        code = self._websocket.close_code
        return AriError(
            Trouble.LOST, f"Asterisk at {self._access.url} closed the events socket (code {code}): is it running?"
        )
