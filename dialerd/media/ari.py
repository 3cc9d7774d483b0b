"""What a media worker asks of Asterisk over HTTP: media legs, bridges, and their end.

Never over the dialing socket, whose requests run one after the other. Every request has a deadline, and what
became of it counts for Asterisk's health; one that was lost with an idle connection is made once more, which the
chosen ids make harmless. It never dials.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson

from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId, InstanceId
from dialerd.media.health import Health
from dialerd.media.reach import told
from dialerd.media.reception import TOKEN

POOL = 6
"""Connections for requests.

Asterisk's HTTP server lets 10 connections wait; one more and its caller's packet is lost, which costs a second.
A request takes a millisecond or two, so few connections carry thousands.
"""
KEEPALIVE = 10.0
"""Seconds an idle connection is kept: below Asterisk's session_keep_alive, 15 s where nobody raised it."""

LEG_SUFFIX = "-m"
BRIDGE_SUFFIX = "-b"
SNOOP_SUFFIX = "-a"
"""It ends with the channel that it listens to."""
PROBE = "probe"
"""In the ids of legs that belong to no call."""
VACATED_WAITS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
"""Seconds between looks whether a bridge and its leg are gone."""


class Login(Protocol):
    """Where ARI is and who we are there. `url` is the HTTP server's root, without `/ari`."""

    @property
    def url(self) -> str:
        """`http://host:port`, with http.conf's prefix if there is one."""
        ...

    @property
    def user(self) -> str:
        """The ARI user."""
        ...

    @property
    def password(self) -> str:
        """The ARI user's password."""
        ...


@dataclass(frozen=True, slots=True)
class AriLogin:
    """A `Login`."""

    url: str
    user: str
    password: str = field(repr=False)


class Refused(PortError):
    """Asterisk answered, but not what was asked for."""

    def __init__(self, what: str, status: int, message: str) -> None:
        super().__init__(f"Asterisk refused to {what}: {status} {message}".rstrip(), retryable=True)
        self.status = status


class MediaAri:
    """The few requests that a media leg takes. Made in the loop that uses it; `close` after."""

    def __init__(self, login: Login, instance: InstanceId, *, worker: int = 1, deadline: float = 2.0) -> None:
        """`worker` is the number of the worker that asks, from 1."""
        self._instance = instance
        self.client = f"{instance}-media" if worker == 1 else f"{instance}-media-{worker}"
        """The section of Asterisk's websocket_client.conf that says where to bring media sockets.

        It is part of the names of this worker's legs, and the name of its bridges: no other worker sweeps them.
        """
        self.health = Health()
        self._root = login.url.rstrip("/")
        secret = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {secret}"},
            connector=aiohttp.TCPConnector(limit=POOL, keepalive_timeout=KEEPALIVE),
            timeout=aiohttp.ClientTimeout(total=deadline),
        )
        self.requests = 0
        """Requests made so far."""
        self._swept = asyncio.Event()
        self._swept.set()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def probe_channel(self) -> ChannelId:
        """A channel id that no call has, for a media leg that shows whether Asterisk can make one."""
        return ChannelId(f"{self._instance}-{PROBE}_{secrets.token_hex(6)}")

    async def make_leg(self, channel: ChannelId, token: str, form: str) -> None:
        """Make the media channel of a call, in the format `form`. Asterisk brings its socket, which shows the token."""
        body = {
            "channelId": channel + LEG_SUFFIX,
            "app": self._instance,
            "external_host": self.client,
            "transport": "websocket",
            "encapsulation": "none",
            "connection_type": "client",
            "format": form,
            "transport_data": "f(json)",
            "variables": {TOKEN: token},
        }
        place = f"channels/{channel}{LEG_SUFFIX}"
        await self._make("make a media leg", "channels/externalMedia", body, place, faulty=400)

    async def make_direct_leg(
        self, channel: ChannelId, client: str, form: str, variables: Mapping[str, str]
    ) -> None:
        """Make a media channel that leads to the connection `client` once it is dialed. Raises `PortError`.

        That it cannot says nothing of Asterisk: what is asked for may be wrong.
        """
        body = {
            "channelId": channel + LEG_SUFFIX,
            "app": self._instance,
            "endpoint": f"WebSocket/{client}/c({form})f(json)",
            "variables": dict(variables),
        }
        answer = await self._request("POST", "channels/create", body)
        if answer[0] != 409:
            _expect(f"connect with {client}", answer)

    async def dial_direct_leg(self, channel: ChannelId) -> None:
        """Have Asterisk bring its socket to the engine now. Raises `PortError`; the engine may be down."""
        path = f"channels/{channel}{LEG_SUFFIX}/dial"
        _expect("bring the call to the engine", await self._request("POST", path, {}))

    async def leg_state(self, channel: ChannelId) -> str | None:
        """What the media leg of a call is doing (`Down`, `Up`, …); None: there is none."""
        status, answer = await self._ask("show a media leg", "GET", f"channels/{channel}{LEG_SUFFIX}")
        return str(_mapping(answer).get("state")) if status == 200 else None

    async def has_leg(self, channel: ChannelId) -> bool:
        """Whether the media leg of a call exists."""
        status, _ = await self._ask("show a media leg", "GET", f"channels/{channel}{LEG_SUFFIX}")
        return status == 200

    # --- what listens in for answering machine detection: that it cannot be had says nothing of Asterisk ----------

    async def make_snoop(self, channel: ChannelId) -> None:
        """Make a channel that hears what the callee says. Raises `PortError`."""
        query = f"spy=in&app={self._instance}&snoopId={channel}{SNOOP_SUFFIX}"
        _expect("listen in", await self._request("POST", f"channels/{channel}/snoop?{query}", None))

    async def send_to_amd(self, channel: ChannelId) -> bool:
        """Have `AMD()` hear it; False: it is not in our hands yet. Raises `PortError`."""
        path = f"channels/{channel}{SNOOP_SUFFIX}/continue?context=dialerd-amd&extension=s&priority=1"
        status, _ = await self._request("POST", path, None)
        return status < 300

    async def variable_of_snoop(self, channel: ChannelId, name: str) -> str | None:
        """A variable of it; None: it has none, or is gone. Raises `PortError`."""
        path = f"channels/{channel}{SNOOP_SUFFIX}/variable?variable={name}"
        status, answer = await self._request("GET", path, None)
        value = _mapping(answer).get("value") if status == 200 else None
        return value if isinstance(value, str) and value else None

    async def drop_snoop(self, channel: ChannelId) -> None:
        """End it; one that is gone is no error. Raises `PortError`."""
        await self._request("DELETE", f"channels/{channel}{SNOOP_SUFFIX}", None)

    # --- bridges -------------------------------------------------------------------------------------

    async def make_bridge(self, channel: ChannelId) -> None:
        """Make the bridge of a call."""
        place = f"bridges/{channel}{BRIDGE_SUFFIX}"
        await self._make("make a bridge", place, {"type": "mixing", "name": self.client}, place)

    async def join(self, channel: ChannelId, *, call: bool = True, leg: bool = True) -> None:
        """Put call and media leg, or one of them, into the bridge.

        Raises `Refused` while the leg is not in our application yet.
        """
        body = {"channel": [channel] * call + [channel + LEG_SUFFIX] * leg}
        path = f"bridges/{channel}{BRIDGE_SUFFIX}/addChannel"
        what = "join a call and its media leg"
        _expect(what, await self._ask(what, "POST", path, body))

    async def drop_bridge(self, channel: ChannelId) -> None:
        """Remove the bridge of a call; one that is gone is no error."""
        await self._ask("remove a bridge", "DELETE", f"bridges/{channel}{BRIDGE_SUFFIX}")

    async def drop_leg(self, channel: ChannelId) -> None:
        """End the media leg of a call; one that is gone is no error."""
        await self._ask("end a media leg", "DELETE", f"channels/{channel}{LEG_SUFFIX}")

    async def vacated(self, channel: ChannelId) -> None:
        """Return once Asterisk has neither bridge nor media leg of a call any more.

        It answers their removal before it is done, and their names are not free until then. Raises `PortError`.
        """
        await self._gone(f"channels/{channel}{LEG_SUFFIX}", f"bridges/{channel}{BRIDGE_SUFFIX}")

    async def hang_up(self, channel: ChannelId) -> None:
        """End a call; one that is gone is no error."""
        await self._ask("end a call", "DELETE", f"channels/{channel}?reason_code=16")

    async def is_live(self, channel: ChannelId) -> bool:
        """Whether the call's channel exists, unless Asterisk cannot tell."""
        status, _ = await self._ask("show a call", "GET", f"channels/{channel}")
        return status != 404

    async def sweep(self) -> int:
        """Remove bridges and media legs that a dead worker of this number has left; returns how many.

        Nothing is made meanwhile: a call may answer for which the dead one had made something while its phone rang.
        """
        self._swept.clear()
        try:
            return await self._sweep()
        finally:
            self._swept.set()

    async def _sweep(self) -> int:
        names = re.compile(
            rf"({re.escape(self._instance)}-(?:cal_[0-9a-f]{{12}}-[0-9]{{1,4}}|{PROBE}_[0-9a-f]{{12}}))-([mb])"
        )
        swept = 0
        for kind in ("channels", "bridges"):
            _, found = await self._ask(f"list its {kind}", "GET", kind)
            for entry in found if isinstance(found, list) else []:
                name = names.fullmatch(str(_mapping(entry).get("id")))
                if name is None or (kind == "channels") != (name[2] == "m") or not self._is_ours(entry):
                    continue
                if not await self._has(f"{kind}/{name[0]}"):
                    continue
                drop = self.drop_leg if name[2] == "m" else self.drop_bridge
                await drop(ChannelId(name[1]))
                swept += 1
        return swept

    async def _make(
        self, what: str, path: str, body: Mapping[str, Any], place: str, *, faulty: int = 500
    ) -> None:
        """Make what is to be at `place`. Raises `PortError`.

        409, it is there: our first request arrived though its answer was lost. Or a worker that has died since made it
        while the phone rang; whoever is sent there is sent away when the next one sweeps, so that it goes first.
        """
        await self._swept.wait()
        answer = await self._ask(what, "POST", path, body, faulty=faulty)
        if answer[0] == 409 and not await self._has(place):
            await self._ask("remove what a worker has left", "DELETE", place)
            await self._gone(place)
            answer = await self._ask(what, "POST", path, body, faulty=faulty)
        if answer[0] != 409:
            _expect(what, answer)

    async def _has(self, place: str) -> bool:
        """Whether a leg or bridge of this worker, or of the one before it, is there now."""
        status, entry = await self._ask("look at a leg or bridge", "GET", place)
        return status == 200 and self._is_ours(_mapping(entry))

    async def _gone(self, *places: str) -> None:
        """Return once nothing is at any of these. Raises `PortError`."""
        for wait in (*VACATED_WAITS, None):
            found = [await self._ask("look at a leg or bridge", "GET", place) for place in places]
            if all(status == 404 for status, _ in found):
                return
            if wait is not None:
                await asyncio.sleep(wait)
        raise PortError("Asterisk does not remove a bridge or a media leg", retryable=True)

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        """Whether this worker, or the one before it, made a leg (`WebSocket/<section>/0x…`) or bridge."""
        name = str(entry.get("name"))
        return name == self.client or name.startswith(f"WebSocket/{self.client}/")

    async def _ask(
        self, what: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, faulty: int = 500
    ) -> tuple[int, Any]:
        """Status and parsed body. Raises `PortError` where no answer comes.

        `what` is being asked for; from status `faulty` on an answer counts as Asterisk's failure, not the call's.
        """
        try:
            status, answer = await self._request(method, path, body)
        except PortError as error:
            self.health.missed(what, str(error))
            raise
        if status >= faulty:
            self.health.missed(what, f"{status} {_message(answer)}".rstrip())
        else:
            self.health.answered(what)
        return status, answer

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        data = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else None
        for last in (False, True):
            self.requests += 1
            try:
                async with self._session.request(
                    method, f"{self._root}/ari/{path}", data=data, headers=headers
                ) as reply:
                    return reply.status, _parsed(await reply.read())
            except aiohttp.ServerDisconnectedError as error:
                if last:
                    raise PortError(
                        f"Asterisk at {self._root} closes our requests", retryable=True
                    ) from error
            except (aiohttp.ClientError, OSError) as error:
                silent = isinstance(error, TimeoutError)
                what = "does not answer in time" if silent else f"cannot be reached: {told(error)}"
                raise PortError(f"Asterisk at {self._root} {what}", retryable=True) from error
        raise AssertionError("unreachable")


def _expect(what: str, answer: tuple[int, Any]) -> None:
    status, body = answer
    if status >= 300:
        raise Refused(what, status, _message(body))


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _message(body: Any) -> str:
    told = _mapping(body)
    return str(told.get("message", told.get("error", "")))
