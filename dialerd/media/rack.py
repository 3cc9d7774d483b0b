"""The engines of a media worker: which of them can be given calls, and how many each holds.

An engine is reached for again and again; while it cannot be, it is given no calls. One that twice running does not take
a call is given none for a while, each time longer; then one call, and when that was taken as many as it may have. What
became of the calls that it failed is told until it takes one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from dialerd.core.effects import AttachAgent
from dialerd.core.engine import DIRECT, EMBEDDED, EngineState
from dialerd.core.errors import PortError
from dialerd.media import formats
from dialerd.media.conversation import Agent, Conversation
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.formats import Format
from dialerd.media.remote import Kind, RemoteEngine

STRIKES = 2
"""Calls in a row that an engine may fail before it is given none for a while."""

_log = structlog.get_logger("dialerd.media")


@dataclass(frozen=True, slots=True)
class RackTiming:
    """Waits in seconds."""

    check: float = 5.0
    """Between looks at an engine that can be reached."""
    retry: float = 1.0
    """For one that cannot, or has taken no calls, at first; each failure doubles it."""
    longest_retry: float = 30.0
    """Before a call is tried again; whether it can be reached is looked at as often as `check` says at least."""


class EngineRack:
    """Gives each call the conversation of its engine. `changed` is told when what an engine can hold has changed."""

    def __init__(
        self,
        embedded: Agent,
        kinds: Mapping[str, Kind],
        changed: Callable[[], None],
        timing: RackTiming = RackTiming(),
    ) -> None:
        self._embedded = embedded
        self._kinds = kinds
        self._changed = changed
        self._timing = timing
        self._places: dict[str, _Place] = {}

    def states(self) -> dict[str, EngineState]:
        """What each engine can hold now."""
        return {name: place.state for name, place in self._places.items()}

    def configure(self, engines: Iterable[EngineSettings]) -> None:
        """These engines there are; calls that an engine holds stay with it."""
        wanted = {engine.name: engine for engine in engines}
        for name, place in list(self._places.items()):
            if wanted.get(name) != place.settings:
                place.stop()
                del self._places[name]
        for name, settings in wanted.items():
            if name not in self._places:
                self._places[name] = self._open(settings)
        self._changed()

    def converse(self, order: AttachAgent) -> Conversation:
        """The conversation of a call. Raises `RequestError` or `PortError` where it cannot be held."""
        if order.engine == EMBEDDED:
            return self._embedded.converse(order)
        place = self._places.get(order.engine)
        if place is None:
            raise PortError(f"there is no engine {order.engine!r}", retryable=False)
        return place.converse(order)

    def foresee(self, order: AttachAgent) -> None:
        """A call's phone rings. Engines beside the embedded one have nothing to make ready."""
        if order.engine == EMBEDDED:
            self._embedded.foresee(order)

    def forgo(self, call: str) -> None:
        """The call needs nothing of what was made ready."""
        self._embedded.forgo(call)

    def is_direct(self, engine: str) -> bool:
        """Whether Asterisk leads to it past this process, so that no leg of this process is wanted."""
        place = self._places.get(engine)
        return place is not None and place.settings.kind == DIRECT

    def leg_format(self, engine: str, codec: str) -> Format:
        """In which format the calls of an engine are carried whose carrier speaks `codec`."""
        place = self._places.get(engine)
        wanted = "" if place is None or place.settings.kind == DIRECT else place.settings.format
        return formats.of_leg(codec, wanted)

    def close(self) -> None:
        """Look at no engine any more."""
        for place in self._places.values():
            place.stop()

    def _open(self, settings: EngineSettings) -> _Place:
        kind = self._kinds.get(settings.kind)
        if kind is None:
            return _Place(settings, None, self._changed, self._timing)
        return _Place(settings, kind(settings), self._changed, self._timing)


@dataclass(eq=False, slots=True)
class _Place:
    """One engine."""

    settings: EngineSettings
    engine: RemoteEngine | None
    changed: Callable[[], None]
    timing: RackTiming
    seats: set[_Seat] = field(default_factory=set)
    fault: str = "it has not been reached yet"
    strikes: int = 0
    """Calls in a row that it has failed."""
    failure: str = ""
    """What became of the last of them."""
    doubted: bool = False
    """It may have one call, to show that it takes them."""
    _looking: asyncio.Task[None] | None = None
    _again: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        if self.engine is None:
            self.fault = f"this version has no engines of the kind {self.settings.kind}"
        else:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    @property
    def state(self) -> EngineState:
        """What it can hold."""
        if self.fault:
            return EngineState(0, self.fault)
        if self.doubted:
            return EngineState(1, f"one call at a time, until it takes one: {self._record}")
        return EngineState(self.settings.max_sessions, self._record)

    @property
    def _record(self) -> str:
        """The calls that it has failed since it took one."""
        match self.strikes:
            case 0:
                return ""
            case 1:
                return f"its last call failed: {self.failure}"
        return f"it took no call {self.strikes} times running: {self.failure}"

    def converse(self, order: AttachAgent) -> Conversation:
        """A conversation of the engine's."""
        name = self.settings.name
        if self.engine is None:
            raise PortError(f"engine {name}: {self.fault}", retryable=False)
        if len(self.seats) >= self.settings.max_sessions:
            raise PortError(
                f"engine {name}: all {self.settings.max_sessions} sessions are taken", retryable=True
            )
        seat = _Seat(self)
        self.seats.add(seat)
        try:
            return self.engine.converse(order, seat)
        except BaseException:
            # Whatever it was, a seat that nobody sits in is free.
            seat.leave()
            raise

    def stop(self) -> None:
        """Look at it no more."""
        if self._looking is not None:
            self._looking.cancel()

    def note(self, failure: str) -> None:
        """What became of a call that it was asked to take; empty: it took it."""
        before = self.state
        self.strikes = self.strikes + 1 if failure else 0
        self.failure = failure
        if not failure:
            self._tell(self.fault, doubted=False)
        elif self.doubted or self.strikes >= STRIKES:
            # Being reached alone proves nothing any more.
            self._tell(self._record, doubted=True)
            self._again.set()
        elif self.state != before:
            self.changed()

    async def _look(self) -> None:
        failures = 0
        while True:
            calls_failed = self.strikes >= STRIKES and bool(self.fault)
            if calls_failed:
                await asyncio.sleep(self._wait(self.strikes - STRIKES))
            fault = await self._fault()
            failures = failures + 1 if fault else 0
            self._tell(fault, doubted=self.doubted)
            self._again.clear()
            try:
                # Who has just started it wants to see that it is there.
                patience = min(self._wait(failures - 1), self.timing.check) if fault else self.timing.check
                async with asyncio.timeout(patience):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def _fault(self) -> str:
        if self.engine is None:
            return self.fault
        try:
            await self.engine.check()
        except PortError as error:
            return str(error)
        return ""

    def _wait(self, failures: int) -> float:
        return min(self.timing.retry * 2.0 ** min(max(failures, 0), 10), self.timing.longest_retry)

    def _tell(self, fault: str, *, doubted: bool) -> None:
        before, was_at_fault = self.state, bool(self.fault)
        self.fault, self.doubted = fault, doubted
        if bool(fault) != was_at_fault:
            say = _log.error if fault else _log.info
            say("engine.unavailable" if fault else "engine.ready", engine=self.settings.name, detail=fault)
        if self.state != before:
            self.changed()


class _Seat:
    """See `dialerd.media.remote.Seat`."""

    def __init__(self, place: _Place) -> None:
        self._place = place

    def taken(self) -> None:
        """The engine has taken the call."""
        self._place.note("")

    def failed(self, detail: str) -> None:
        """It has not."""
        self._place.note(detail)

    def leave(self) -> None:
        """The place is free."""
        self._place.seats.discard(self)
