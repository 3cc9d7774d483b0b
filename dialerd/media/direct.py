"""Engines of the kind `asterisk`: Asterisk's own WebSocket leads straight to the engine, past this process.

Asterisk makes the call's media leg with a connection of its websocket_client.conf that the settings name, and tells the
engine in MEDIA_START whose call it is. Callee and leg are in their bridge before it connects: what an engine says at
once is heard from its first frame. No audio is seen here: not when the engine was first heard, nor what was said. What
came of the call the engine says by REST. The conversation is over when the engine closes its socket.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping

import orjson
import structlog

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.core.model import AgentReport
from dialerd.media.about import about
from dialerd.media.ari import MediaAri, Refused
from dialerd.media.asterisk_ws import JOIN_WAITS, CalleeGone
from dialerd.media.conversation import Stage
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.formats import ULAW
from dialerd.media.reach import ask
from dialerd.media.remote import Seat

LOOK = 1.0
"""Seconds between looks whether the engine is still there."""
UP_WAITS = (0.005, 0.01, 0.02, 0.04, *[0.05] * 18)
"""Seconds between looks whether Asterisk has reached the engine: about one in all, as `connection_timeout` is there."""
STAYS = 0.5
"""Seconds for which an engine must hold a call to count as one that has taken it."""
CLOSE_DEADLINE = 3.0
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
"""Others can be no channel variables."""
_PREFIX = "DIALERD_"

_log = structlog.get_logger("dialerd.media")


class DirectEngine:
    """A program that takes calls at a connection of Asterisk's (`settings.connection`)."""

    def __init__(self, settings: EngineSettings, ari: MediaAri) -> None:
        self._settings = settings
        self._ari = ari

    async def check(self) -> None:
        """See `dialerd.media.remote.RemoteEngine`. Asterisk alone knows the address."""
        if self._settings.health_url:
            await ask(self._settings.health_url)

    def converse(self, order: AttachAgent, seat: Seat) -> DirectTalk:
        """See `dialerd.media.remote.RemoteEngine`."""
        return DirectTalk(self._settings, self._ari, order, seat)


class DirectTalk:
    """One call, which Asterisk and the engine hold between them."""

    hears = False

    def __init__(self, settings: EngineSettings, ari: MediaAri, order: AttachAgent, seat: Seat) -> None:
        self._seat = seat
        self._stage: Stage | None = None
        self.leg = DirectLeg(ari, order.channel, settings, _variables(settings, order), self)

    def joined(self) -> None:
        """Callee and engine are connected."""
        self._seat.taken()

    def refused(self, detail: str) -> None:
        """They could not be."""
        self._seat.failed(detail)

    def ended(self) -> None:
        """The engine has closed its socket."""
        if self._stage is not None:
            self._stage.finish(AgentReport())

    def start(self, stage: Stage) -> None:
        """See `dialerd.media.conversation.Conversation`."""
        self._stage = stage

    def key_pressed(self, digit: str, at: Millis) -> None:
        """Asterisk tells the engine itself."""

    def heard(self, audio: bytes, at: Millis) -> None:
        """No audio is seen."""

    def played(self, number: int, at: Millis) -> None:
        """Nothing is played from here."""

    def silence(self, number: int, at: Millis) -> None:
        """Nothing is waited for."""

    def transfer_failed(self, reason: str, at: Millis) -> None:
        """The engine goes on; it learns by REST what became of it."""

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None:
        """See `dialerd.media.conversation.Conversation`. Its engine has asked for none: it says nothing of calls."""

    def message(self) -> AsyncGenerator[bytes] | None:
        """See `dialerd.media.conversation.Conversation`. dialerd has no part in its audio."""
        return None

    def close(self, at: Millis) -> AgentReport:
        """See `dialerd.media.conversation.Conversation`."""
        self._stage = None
        self._seat.leave()
        return AgentReport()


class DirectLeg:
    """The media leg between callee and engine: a `dialerd.media.session.Leg` through which nothing is sent."""

    form = ULAW
    """None of its audio is seen here."""

    def __init__(
        self,
        ari: MediaAri,
        channel: ChannelId,
        settings: EngineSettings,
        variables: Mapping[str, str],
        talk: DirectTalk,
    ) -> None:
        self._ari = ari
        self._channel = channel
        self._settings = settings
        self._variables = variables
        self._talk = talk
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect callee and engine. Raises `CalleeGone`, `PortError`."""
        try:
            await self._ari.make_bridge(self._channel)
            await self._lead()
            await self._join()
            await self._ari.dial_direct_leg(self._channel)
            await self._up()
            await self._stays()
        except PortError as error:
            if not await self._ari.is_live(self._channel):
                raise CalleeGone from error
            self._talk.refused(str(error))
            raise
        self._talk.joined()
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _lead(self) -> None:
        connection, form = self._settings.connection, self._settings.format or ULAW.name
        try:
            await self._ari.make_direct_leg(self._channel, connection, form, self._variables)
        except Refused as error:
            raise PortError(
                f"{error}. Its websocket_client.conf must have a section [{connection}] with the engine's uri: add it, "
                "then reload res_websocket_client.so",
                retryable=True,
            ) from error

    async def _join(self) -> None:
        for wait in (*JOIN_WAITS, None):
            try:
                return await self._ari.join(self._channel)
            except Refused:
                if wait is None:
                    raise
                await asyncio.sleep(wait)

    async def _up(self) -> None:
        """Return once callee and engine can hear each other. Raises `PortError`."""
        for wait in UP_WAITS:
            state = await self._ari.leg_state(self._channel)
            if state == "Up":
                return
            if state is None:
                break
            await asyncio.sleep(wait)
        raise PortError(
            "Asterisk could not open a WebSocket to the engine, or it was closed at once: start the engine where the "
            f"uri of [{self._settings.connection}] in websocket_client.conf leads, and look at Asterisk's log",
            retryable=True,
        )

    async def _stays(self) -> None:
        await asyncio.sleep(STAYS)
        if not await self._ari.has_leg(self._channel):
            raise PortError("it ended the conversation as soon as it had begun", retryable=True)

    async def _watch(self) -> None:
        """Return when the engine is gone."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                if not await self._ari.has_leg(self._channel):
                    return self._talk.ended()
            except PortError as error:
                _log.debug("media.leg_not_seen", channel=self._channel, detail=str(error))

    @property
    def is_clear(self) -> bool:
        """See `Outlet`."""
        return True

    async def wait_clear(self) -> None:
        """See `Outlet`."""

    def send(self, audio: bytes) -> None:
        """See `Outlet`. Nothing goes through here."""

    def mark(self, number: int) -> None:
        """See `Outlet`."""

    def flush(self) -> None:
        """See `Outlet`."""

    async def close(self) -> None:
        """Take all down. Never raises."""
        if self._watching is not None:
            self._watching.cancel()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await self._ari.drop_bridge(self._channel)
                await self._ari.drop_leg(self._channel)
        except (PortError, TimeoutError) as error:
            _log.info("media.not_removed", channel=self._channel, detail=str(error) or "no answer in time")

    async def vacate(self) -> None:
        """Take all down, and return once it is gone: the call is to have another leg. Raises `PortError`."""
        await self.close()
        await self._ari.vacated(self._channel)


def _variables(settings: EngineSettings, order: AttachAgent) -> dict[str, str]:
    """What MEDIA_START tells, as channel variables: those of the contact by their own names."""
    told = about(order, settings.parameters, {})
    return {
        f"{_PREFIX}{name.upper()}": value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in told.items()
        if _NAME.fullmatch(name)
    }
