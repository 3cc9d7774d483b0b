"""The composition root: the only place that names adapters. It builds them, runs them and takes them down.

Order up: lock and store, listeners, then the engine with Asterisk and media. Order down: no new calls, the live
ones to their end (or at once, at the second signal), then listeners, media, store.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from dialerd import __version__, logs, precedence
from dialerd.agent import rehearsal
from dialerd.agent.proofreading import proofread
from dialerd.agent.script import VOICES
from dialerd.agent.voices import find_voices
from dialerd.asterisk.ami import AmiAccess
from dialerd.asterisk.ari import AriAccess
from dialerd.asterisk.telephony import AsteriskTelephony
from dialerd.clock import SystemClock
from dialerd.config import Settings, is_loopback
from dialerd.control.app import create_app
from dialerd.control.auth import load_secret
from dialerd.control.listeners import ApiServer
from dialerd.control.observation import Pulse
from dialerd.core.effects import Announce
from dialerd.core.engine import EMBEDDED
from dialerd.core.errors import Fault, PortError
from dialerd.core.identity import InstanceId, ScriptId
from dialerd.core.model import Campaign
from dialerd.engine import failpoint
from dialerd.engine.callbacks import StatusCallbacks
from dialerd.engine.case import Case
from dialerd.engine.courier import Courier
from dialerd.engine.feed import Feed
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import ParsedScript
from dialerd.engine.service import Service
from dialerd.engine.settings import Languages, ServiceSettings, VoiceEngine
from dialerd.engine.tally import Tally
from dialerd.intake.process import Helper, Intake
from dialerd.media.address import Address
from dialerd.media.ari import AriLogin
from dialerd.media.pool import MediaPool
from dialerd.numbering import Rules, compliance, holiday_dates, pin_zones
from dialerd.ports import Store
from dialerd.sim import forecast
from dialerd.store import choice
from dialerd.store.aside import ExportsAside, StoreAddress
from dialerd.webhooks.sender import HttpWebhooks
from dialerd.webhooks.way import GuardedWay

START_RETRY = 2.0
FORECAST_DEADLINE = 150.0
"""Seconds for a simulation with all its runs; it bounds itself before that."""

_log = structlog.get_logger("dialerd")


async def check(settings: Settings) -> list[Fault]:
    """What of the settings proves wrong when it is tried; nothing is changed."""
    try:
        await choice.check(settings.store_url, settings.store_password)
    except PortError as error:
        return [Fault("store.url", str(error))]
    return []


async def run(settings: Settings) -> None:
    """Run the daemon until it is told to stop. Raises `PortError` for what only an operator can mend."""
    pin_zones()
    _warn(settings)
    stops = _Stops()
    async with AsyncExitStack() as down:
        store = choice.store_at(settings.store_url, settings.instance, settings.store_password)
        _make_state_dir(settings.state_dir)
        if not await _open(store, stops):
            return
        down.push_async_callback(store.close)
        clock = SystemClock()
        feed, tally = Feed(clock), Tally()
        way = GuardedWay(settings.webhooks.allow)
        callbacks = StatusCallbacks(store, clock, settings.twilio.access, way)

        def listener(announcement: Announce) -> None:
            logs.listener(announcement)
            feed.hear(announcement)
            tally.hear(announcement)
            callbacks.hear(announcement)
            if announcement.kind == "call.recording_discarded":
                service.upkeep.wake()

        engine = Engine(
            InstanceId(settings.instance),
            settings.policy,
            settings.trunk_list,
            store,
            clock,
            listener,
            compliance(_rules(settings), clock.now().wall),
            failpoint.from_environment(os.environ),
        )
        media = _media(settings, engine)
        telephony = _telephony(settings, engine, media)
        down.push_async_callback(telephony.close)
        helper, simulator, exporter = Helper(), Helper(FORECAST_DEADLINE), Helper()
        for child in (helper, simulator, exporter):
            down.push_async_callback(child.close)
        webhooks = HttpWebhooks(settings.webhooks.guard, clock, __version__)
        down.push_async_callback(webhooks.close)
        courier = _courier(settings, engine, store, webhooks, clock)
        service = _service(
            settings,
            engine,
            store,
            media,
            clock,
            helper,
            simulator,
            exporter,
            feed,
            tally,
            courier,
            webhooks,
            way,
        )
        server = _server(settings, service)
        if not await _bind(server, stops):
            return
        live = await engine.restore()
        await service.agents.labels.restore()
        await _prepare_scripts(live, store, media)
        down.push_async_callback(media.close)
        await down.enter_async_context(_background(courier.run(), "webhooks", stops))
        await down.enter_async_context(_background(callbacks.run(), "callbacks", stops))
        await down.enter_async_context(_background(media.run(), "media", stops))
        await down.enter_async_context(_background(telephony.run(), "asterisk", stops))
        await down.enter_async_context(_background(engine.run(telephony, media), "engine", stops))
        await down.enter_async_context(_background(service.upkeep.run(), "upkeep", stops))
        await down.enter_async_context(_background(service.keys.run(), "keys", stops))
        await down.enter_async_context(_background(service.requests.run(), "requests", stops))
        await down.enter_async_context(_background(server.run(), "api", stops))
        down.push_async_callback(server.close)
        # Before the server: an open stream would keep it from closing.
        down.callback(feed.close)
        await helper.start()
        if not down.enter_context(precedence.claimed()):
            _log.info(
                "dialerd.no_precedence", detail="audio may slow dialing down", do="allow RLIMIT_RTPRIO=1"
            )
        # What is there by now stays: the collector need not look at it again, which would stop dialing each time.
        gc.freeze()
        _log.info("dialerd.started", version=__version__, instance=settings.instance, pid=os.getpid())
        await stops.first.wait()
        await _drain(engine, stops)
    _log.info("dialerd.stopped")
    if stops.fault is not None:
        raise stops.fault


class _Stops:
    """SIGTERM and SIGINT: the first drains, the second stops at once. A task that dies stops everything."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.fault: PortError | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number.name)

    def died(self, what: str, error: BaseException) -> None:
        """A part of the daemon has ended by itself: go down, so that the supervisor starts it afresh."""
        _log.error("dialerd.part_died", part=what, detail=f"{type(error).__name__}: {error}", exc_info=error)
        self.fault = PortError(f"the {what} part ended unexpectedly: {error}", retryable=True)
        self.first.set()
        self.second.set()

    async def within(self, seconds: float) -> bool:
        """Whether the daemon is told to stop within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.first.wait()
        return self.first.is_set()

    def _signalled(self, name: str) -> None:
        (self.second if self.first.is_set() else self.first).set()
        _log.info("dialerd.signalled", signal=name, draining=not self.second.is_set())


async def _drain(engine: Engine, stops: _Stops) -> None:
    """Wait for the live calls to end, or for the second signal."""
    drained = asyncio.create_task(engine.drain())
    hurried = asyncio.create_task(stops.second.wait())
    await asyncio.wait((drained, hurried), return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, hurried):
        task.cancel()
    await asyncio.gather(drained, hurried, return_exceptions=True)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None], what: str, stops: _Stops) -> AsyncIterator[None]:
    """Run a part of the daemon beside the rest; it is cancelled and awaited when the block ends."""
    task = asyncio.get_running_loop().create_task(work)

    def ended(done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            stops.died(what, error)

    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


async def _open(store: Store, stops: _Stops) -> bool:
    """Open the store, trying until it is there; False: told to stop meanwhile. Raises `PortError` for good."""
    told = ""
    while True:
        try:
            await store.open()
        except PortError as error:
            if not error.retryable:
                raise
            if str(error) != told:
                told = str(error)
                _log.error("store.not_open", detail=told, dialing="not before this is mended")
        else:
            return True
        if await stops.within(START_RETRY):
            return False


async def _bind(server: ApiServer, stops: _Stops) -> bool:
    """Take the listeners' addresses, trying until they are free; False: told to stop meanwhile."""
    told = ""
    while True:
        try:
            server.bind()
        except PortError as error:
            if str(error) != told:
                told = str(error)
                _log.error("api.not_listening", detail=told, dialing="not before this is mended")
        else:
            return True
        if await stops.within(START_RETRY):
            return False


async def _prepare_scripts(live: Sequence[Campaign], store: Store, media: MediaPool) -> None:
    """The media workers need the scripts of every live campaign, at the versions they were created with."""
    wanted = {(c.script_id, c.script_version, c.language, c.voice) for c in live if c.engine == EMBEDDED}
    for campaign in live:
        wanted |= {
            (ScriptId(one.script_id), one.script_version, one.language, one.voice)
            for one in campaign.stand_ins
            if one.engine == EMBEDDED
        }
    for ident, version, language, voice in wanted:
        script = await store.script(ident, version)
        if script is not None:
            await media.prepare(script, language, voice)


class _Spoken:
    """The languages of the embedded agent's voices, looked for when somebody first asks."""

    def __init__(self) -> None:
        self._found: tuple[str, ...] = ()

    async def __call__(self) -> tuple[str, ...]:
        """BCP-47. Raises `PortError` with the remedy; the next question tries again."""
        if not self._found:
            self._found = (await asyncio.to_thread(find_voices)).languages
        return self._found


def _other_engines(settings: Settings) -> tuple[VoiceEngine, ...]:
    def speaking(tags: Sequence[str]) -> Languages:
        async def languages() -> Sequence[str]:
            return tuple(tags)

        return languages

    return tuple(
        VoiceEngine(name, (), speaking(one.languages), None, one.kind, one.max_sessions)
        for name, one in settings.engines.items()
    )


def _rules(settings: Settings) -> Rules:
    dialing = settings.dialing
    return Rules(dialing.legal_hours == "on", dialing.legal, dialing.default_zones)


def _media(settings: Settings, engine: Engine) -> MediaPool:
    return MediaPool(
        state_dir=settings.state_dir,
        ari=AriLogin(
            str(settings.asterisk.ari_url),
            settings.asterisk.ari_user,
            settings.asterisk.ari_password.get_secret_value(),
        ),
        listen=settings.media.listen,
        instance=InstanceId(settings.instance),
        max_sessions=settings.media.max_sessions,
        workers=settings.media.workers,
        prepare=settings.media.prepare == "ringing",
        audio=settings.media.audio_limits,
        engines=settings.engine_list,
        allow=settings.webhooks.allow,
        cache_dir=settings.media.cache_dir or settings.state_dir / "prompts",
        prompts_dir=settings.media.prompts_dir,
        asterisk_amd=settings.media.asterisk_amd,
        recordings_dir=settings.recordings_dir,
        sink=engine.post,
        log_arguments=("--log-level", settings.log.level, "--log-format", settings.log.format),
    )


def _telephony(settings: Settings, engine: Engine, media: MediaPool) -> AsteriskTelephony:
    asterisk = settings.asterisk
    return AsteriskTelephony(
        InstanceId(settings.instance),
        AriAccess(str(asterisk.ari_url), asterisk.ari_user, asterisk.ari_password.get_secret_value()),
        engine.post,
        ami=AmiAccess(
            asterisk.ami_host, asterisk.ami_port, asterisk.ami_user, asterisk.ami_secret.get_secret_value()
        ),
        endpoints=[trunk.endpoint for trunk in settings.trunk_list],
        registrations=[trunk.registration for trunk in settings.trunk_list if trunk.registration is not None],
        cdr_path=asterisk.cdr_path,
        cdr_causes=asterisk.cdr_causes,
    )


def _courier(
    settings: Settings, engine: Engine, store: Store, webhooks: HttpWebhooks, clock: SystemClock
) -> Courier:
    rules = settings.webhooks
    return Courier(engine, store, webhooks, clock, rules.patience, rules.keep, random.random)


def _service(
    settings: Settings,
    engine: Engine,
    store: Store,
    media: MediaPool,
    clock: SystemClock,
    helper: Helper,
    simulator: Helper,
    exporter: Helper,
    feed: Feed,
    tally: Tally,
    courier: Courier,
    webhooks: HttpWebhooks,
    way: GuardedWay,
) -> Service:
    intake = Intake(helper, _spool_dir(settings), settings.imports.max_contacts)
    intake.prepare()
    address = StoreAddress(settings.store_url, settings.instance, settings.store_password)
    exports = ExportsAside(exporter.call, address)

    async def parse(source: str) -> ParsedScript:
        return await helper.call(proofread, source, settings.media.prompts_dir)

    prompts = settings.media.prompts_dir

    async def say(
        body: Mapping[str, Any], line: str, language: str, voice: str | None, variables: Mapping[str, Any]
    ) -> bytes:
        # Not where forecasts are made: one takes minutes.
        return await exporter.call(rehearsal.say, body, line, language, voice, variables, prompts)

    async def foretell(case: Case) -> bytes:
        return await simulator.call(forecast.in_child, case, _rules(settings))

    about = ServiceSettings(
        instance=settings.instance,
        version=__version__,
        trunks=settings.trunk_list,
        holiday_dates=holiday_dates,
        spool_dir=_spool_dir(settings),
        engines=(VoiceEngine(EMBEDDED, VOICES, _Spoken(), say), *_other_engines(settings)),
        retention=settings.retention.rules,
        transfers=settings.policy.transfers,
        twilio=settings.twilio.access,
        recordings=settings.recording_rules,
        asterisk_amd=settings.media.asterisk_amd,
    )
    return Service(
        engine,
        store,
        media,
        clock,
        about,
        intake,
        parse,
        feed,
        tally,
        foretell,
        courier,
        webhooks,
        exports,
        way,
    )


def _server(settings: Settings, service: Service) -> ApiServer:
    pulse = Pulse()
    app = create_app(
        service,
        pulse=pulse,
        secret=load_secret(settings.state_dir / "key-secret"),
        group=settings.control.group,
        spool_dir=_spool_dir(settings),
        max_bytes=settings.imports.max_bytes,
        version=__version__,
        requests_per_minute=settings.http.requests_per_minute,
    )
    http, control = settings.http, settings.control
    return ApiServer(app, http.host, http.port, control.socket, control.group, pulse)


def _spool_dir(settings: Settings) -> Path:
    return settings.state_dir / "spool"


def _make_state_dir(path: Path) -> None:
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise PortError(
            f"cannot make the state directory {path}: {error.strerror}; set state_dir to a folder that "
            "dialerd's user may write to",
            retryable=False,
        ) from error


def _warn(settings: Settings) -> None:
    if settings.dialing.legal_hours == "off":
        _log.warning(
            "compliance.legal_hours_off",
            detail="legal calling hours are not enforced: set each campaign's window within them",
        )
    if not Address.parse(settings.media.listen).is_loopback:
        _log.warning(
            "media.not_on_loopback",
            detail=f"media.listen is {settings.media.listen}: the calls' audio crosses the network unencrypted",
        )
    for engine in settings.engine_list:
        parts = urlsplit(engine.url)
        if parts.scheme in ("ws", "tcp") and not is_loopback(parts.hostname or ""):
            _log.warning(
                "engine.not_on_loopback",
                engine=engine.name,
                detail=f"{parts.scheme}://{parts.hostname}: the calls' audio crosses the network unencrypted",
            )
    if settings.asterisk.cdr_path is None:
        _log.warning(
            "recovery.without_cdr",
            detail="asterisk.cdr_path is not set: calls in flight during a crash will count as lost",
        )
