"""How a WebRTC engine is asked to take a call: an SDP offer for an SDP answer, over HTTP, in two dialects.

`json` is what pipecat's SmallWebRTC takes at `/api/offer`, also behind a `/start` that opens a session first; `sdp` is
WHIP (RFC 9725), as hosted realtime models take it. The offer has all its candidates: nothing is trickled. Redirects
are not followed, for they would carry the token elsewhere. It knows HTTP, not what an offer means.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson
import structlog
from yarl import URL

from dialerd.core.errors import PortError
from dialerd.media.engine_settings import Dialect
from dialerd.media.reach import told

LONGEST_ANSWER = 256 * 1024
"""Bytes of an engine's answer; an SDP answer has a few thousand."""
GOODBYE_DEADLINE = 2.0
_LONGEST_DETAIL = 200
_NO_SUCH_DOOR = (404, 405)
_SESSION = re.compile(r"[A-Za-z0-9._~-]{1,200}")

_log = structlog.get_logger("dialerd.media")


@dataclass(frozen=True, slots=True)
class Door:
    """Where an engine takes offers, and with what secret (`Authorization: Bearer`)."""

    url: str
    dialect: Dialect = "json"
    token: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Signalling(Protocol):
    """One call's negotiation with an engine."""

    async def exchange(self, offer: str, about: Mapping[str, Any]) -> str:
        """The answer to an offer of a call that `about` tells of. Raises `PortError`, naming what went wrong.

        Deadlines are the caller's.
        """
        ...

    async def goodbye(self) -> None:
        """Tell the engine that the call is over, where the dialect has words for it. Never raises."""
        ...


def signalling(http: aiohttp.ClientSession, door: Door) -> Signalling:
    """The negotiation of one call in the dialect of `door`."""
    return SdpSignalling(http, door) if door.dialect == "sdp" else JsonSignalling(http, door)


class JsonSignalling:
    """`{sdp, type, request_data}` for `{sdp, type, pc_id}`.

    A URL that ends in `/start` is asked for a session first, and its `sessions/{id}/api/offer` for the answer.
    """

    def __init__(self, http: aiohttp.ClientSession, door: Door) -> None:
        self._http = http
        self._door = door

    async def exchange(self, offer: str, about: Mapping[str, Any]) -> str:
        """See `Signalling`."""
        url = URL(self._door.url, encoded=True)
        if url.path.endswith("/start"):
            url = await self._start(url, about)
        body = {"sdp": offer, "type": "offer", "request_data": dict(about)}
        answer = _object(await self._post(url, body, "the offer"), "the offer")
        sdp = answer.get("sdp")
        if not isinstance(sdp, str) or answer.get("type") != "answer":
            raise PortError("the engine answered the offer with no SDP answer", retryable=True)
        return sdp

    async def goodbye(self) -> None:
        """This dialect has none: the engine sees the connection end."""

    async def _start(self, url: URL, about: Mapping[str, Any]) -> URL:
        body = {"transport": "webrtc", "createDailyRoom": False, "body": dict(about)}
        session = _object(await self._post(url, body, "the start"), "the start").get("sessionId")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise PortError("the engine answered the start with no sessionId", retryable=True)
        return url.with_path(f"{url.path.removesuffix('start')}sessions/{session}/api/offer").with_query(
            url.query
        )

    async def _post(self, url: URL, body: Mapping[str, Any], what: str) -> bytes:
        headers = {**self._door.headers, "Content-Type": "application/json"}
        answer = await _send(self._http, "POST", url, headers, orjson.dumps(body))
        return answer.checked(what)


class SdpSignalling:
    """The offer as the body, the answer as the body, `Location` to be deleted at the end."""

    def __init__(self, http: aiohttp.ClientSession, door: Door) -> None:
        self._http = http
        self._door = door
        self._location: URL | None = None

    async def exchange(self, offer: str, about: Mapping[str, Any]) -> str:
        """See `Signalling`. This dialect has no place for what is to be told about the call."""
        url = URL(self._door.url, encoded=True)
        headers = {**self._door.headers, "Content-Type": "application/sdp", "Accept": "application/sdp"}
        answer = await _send(self._http, "POST", url, headers, offer.encode())
        self._location = _sibling(url, answer.location)
        return answer.checked("the offer").decode(errors="replace")

    async def goodbye(self) -> None:
        """See `Signalling`."""
        if self._location is None:
            return
        location, self._location = self._location, None
        try:
            async with asyncio.timeout(GOODBYE_DEADLINE):
                await _send(self._http, "DELETE", location, self._door.headers, b"")
        except (PortError, TimeoutError) as error:
            # It sees the connection end, too.
            _log.info("media.engine_not_told", detail=str(error) or "no answer in time")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    location: str

    def checked(self, what: str) -> bytes:
        """The body of a success. Raises `PortError`."""
        if not 200 <= self.status < 300:
            said = self.body[:_LONGEST_DETAIL].decode(errors="replace").strip()
            words = "".join(char if char.isprintable() else " " for char in said)
            hint = "; check the path of its url" if self.status in _NO_SUCH_DOOR else ""
            raise PortError(
                f"the engine refused {what}: HTTP {self.status}{': ' if words else ''}{words}{hint}",
                retryable=True,
            )
        return self.body


async def _send(
    http: aiohttp.ClientSession, method: str, url: URL, headers: Mapping[str, str], body: bytes
) -> _Answer:
    try:
        async with http.request(
            method, url, headers=headers, data=body or None, allow_redirects=False
        ) as response:
            answer = bytearray()
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > LONGEST_ANSWER:
                    raise PortError(
                        f"the engine's answer is longer than {LONGEST_ANSWER} bytes", retryable=False
                    )
            return _Answer(response.status, bytes(answer), response.headers.get("Location", ""))
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise PortError(
            f"the engine cannot be asked at {url.origin()}: {told(error)}", retryable=True
        ) from error


def _object(body: bytes, what: str) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise PortError(f"the engine answered {what} with no JSON object", retryable=True)
    return answer


def _sibling(url: URL, location: str) -> URL | None:
    """`location` as the resource that `url` has made; None: there is none, or it is at another host.

    What is elsewhere is not asked: it would be given the token.
    """
    if not location:
        return None
    try:
        found = url.join(URL(location))
        return found if found.origin() == url.origin() else None
    except ValueError:
        return None
