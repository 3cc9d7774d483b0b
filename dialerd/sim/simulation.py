"""A run of the dialer in virtual time: the production `step` and `plan`, driven from a heap over a simulated network.

There is no rule in here. Each turn is one call of `dialerd.core.step.step`, its journal goes to `People`, its effects
to `Network`, and what comes of them into the heap. Time passes in ticks, so that what happens together is one turn, as
in the engine's mailbox. That nothing goes wrong (no crash, no lost event) is what makes it a forecast.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dialerd.core.clock import MICROS_PER_MILLI, Instant, Millis, Mono, Now
from dialerd.core.dnc import DncPatterns
from dialerd.core.effects import (
    AttachAgent,
    DetachAgent,
    FindNumbers,
    HangUp,
    LoadReady,
    Originate,
    SeekReady,
    WakeAt,
    WakeAtWall,
)
from dialerd.core.engine import EngineState
from dialerd.core.journal import Entry
from dialerd.core.messages import (
    DncLoaded,
    Event,
    HostUp,
    ManagerUp,
    MediaCapacity,
    NumbersFound,
    ReadyLoaded,
    ReadySought,
    Tick,
)
from dialerd.core.step import step
from dialerd.core.world import World
from dialerd.sim.callees import Population
from dialerd.sim.network import Network
from dialerd.sim.people import People

TICK = Millis(20)
"""Short enough for a hundred calls a second: the rate meters catch up on 100 ms."""


A_WHILE = Millis(1_000)


class Watcher:
    """Sees a run go by."""

    def wrote(self, entries: Sequence[Entry], now: Instant) -> None:
        """A turn's journal."""

    def sent(self, order: Originate, now: Now) -> None:
        """An originate."""

    def turned(self, world: World, now: Now) -> None:
        """A turn is over, and adopted."""

    def rests(self, world: World, now: Now) -> None:
        """Nothing will happen for a while."""


class Simulation:
    """One world, from `start` on."""

    def __init__(
        self,
        world: World,
        people: People,
        callees: Population,
        start: Instant,
        watcher: Watcher | None = None,
        tick: Millis = TICK,
    ) -> None:
        """`world` as it is after a restart: with its campaigns, without Asterisk."""
        self.world = world
        self.people = people
        self.turns = 0
        self._start = start
        self._tick = tick
        self._at = 0
        """Ticks since the start."""
        self._now = Now(start, Mono(0))
        self._heap: list[tuple[int, int, Event]] = []
        self._posted = 0
        self._wake: int | None = 0
        self._watcher = watcher or Watcher()
        network = Network(callees, self.later, lambda: self._now.wall)
        self._carriers: dict[type, Callable[[Any], None]] = {
            HangUp: lambda effect: network.hang_up(effect.channel),
            AttachAgent: network.attach,
            DetachAgent: lambda effect: network.detach(effect.call),
            LoadReady: self._load,
            SeekReady: self._seek,
            FindNumbers: self._find,
            WakeAt: self._wake_up,
            WakeAtWall: lambda effect: self._wake_at(_ticks(effect.at - start, tick)),
            Originate: lambda effect: self._send(network, effect),
        }

    @property
    def now(self) -> Now:
        """Both clocks; they agree for ever."""
        return self._now

    def begin(self, sessions: int, engines: Mapping[str, int] | None = None) -> None:
        """Asterisk, the media workers and a do-not-call list without entries are there."""
        known = DncLoaded(0, DncPatterns())
        others = {name: EngineState(limit) for name, limit in (engines or {}).items()}
        capacity = MediaCapacity(sessions, "", others)
        for event in (HostUp("simulated", "", ()), ManagerUp(), capacity, known):
            self._post(self._at, event)

    def later(self, millis: int, event: Event) -> None:
        """Something happens after a while, in the next tick at the earliest."""
        self._post(self._at + max(1, _ticks(millis, self._tick)), event)

    def advance(self) -> bool:
        """Let time pass until something is due, and take the turn; False: nothing ever is."""
        at = self._heap[0][0] if self._heap else None
        if self._wake is not None and (at is None or self._wake < at):
            at = self._wake
        if at is None:
            return False
        if at > self._at:
            if (at - self._at) * self._tick >= A_WHILE:
                self._watcher.rests(self.world, self._now)
            self._at = at
            millis = at * self._tick
            self._now = Now(Instant(self._start + millis), Mono(millis * MICROS_PER_MILLI))
        due: list[Event] = []
        while self._heap and self._heap[0][0] <= self._at:
            due.append(heapq.heappop(self._heap)[2])
        self._turn(due or [_TICK])
        return True

    def _turn(self, events: Sequence[Event]) -> None:
        turn, _ = step(self.world, events, (), self._now)
        entries = turn.entries
        for entry in entries:
            self.people.take(entry)
        self.world.adopt()
        self.turns += 1
        self._wake = None
        self._watcher.wrote(entries, self._now.wall)
        for effect in turn.effects:
            carry = self._carriers.get(type(effect))
            if carry is not None:
                carry(effect)
        self._watcher.turned(self.world, self._now)

    def _send(self, network: Network, order: Originate) -> None:
        self._watcher.sent(order, self._now)
        network.originate(order)

    def _load(self, order: LoadReady) -> None:
        batch = self.people.ready(
            order.campaign, self._now.wall, order.held, order.limits, order.recent_since
        )
        loaded = ReadyLoaded(order.campaign, batch.contacts, order.held, batch.exhausted, batch.next_due)
        self._post(self._at, loaded)

    def _seek(self, order: SeekReady) -> None:
        found = self.people.ready_under(
            order.campaign,
            self._now.wall,
            order.held,
            order.prefixes,
            order.behind,
            order.limit,
            order.recent_since,
        )
        dry = len(found) < order.limit
        self._post(self._at, ReadySought(order.campaign, order.trunk, tuple(found), order.held, dry))

    def _find(self, order: FindNumbers) -> None:
        found = self.people.under(order.pattern, order.limit)
        self._post(self._at, NumbersFound(order.pattern, found, len(found) >= order.limit))

    def _post(self, at: int, event: Event) -> None:
        self._posted += 1
        heapq.heappush(self._heap, (at, self._posted, event))

    def _wake_up(self, order: WakeAt) -> None:
        # The end of every call is in the heap: none is silent.
        if not order.for_silence:
            self._wake_at(_ticks(order.at, self._tick * MICROS_PER_MILLI))

    def _wake_at(self, at: int) -> None:
        at = max(at, self._at + 1)
        self._wake = at if self._wake is None else min(self._wake, at)


def _ticks(span: int, tick: int) -> int:
    """How many ticks it takes until a span is over."""
    return -(-span // tick)


_TICK = Tick()
