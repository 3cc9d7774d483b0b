"""How the engine stands, for people and probes: plain records read from committed state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dialerd.core import sessions
from dialerd.core.callerid import Shown, pool
from dialerd.core.clock import MICROS_PER_MILLI, Instant, Millis, Now, after, to_iso
from dialerd.core.commands import Answer
from dialerd.core.engine import EMBEDDED
from dialerd.core.identity import TrunkName
from dialerd.core.verdict import Check
from dialerd.core.world import Line, World


@dataclass(frozen=True, slots=True)
class Carried:
    """A command's answer. `in_flight`: originates that had not shown themselves after 2 s (HTTP 202)."""

    answer: Answer
    in_flight: int = 0


def check_view(check: Check) -> dict[str, str | None]:
    """A refusal as the API shows it: `{reason, detail, until}`."""
    return {"reason": check.rule, "detail": check.detail, "until": to_iso(check.until)}


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """A trunk as it stands."""

    name: TrunkName
    endpoint: str
    channels_in_use: int
    max_channels: int
    calls_per_second: float
    down: str | None
    """Why Asterisk cannot use it, None where it can."""
    reachable: bool | None
    registration: str | None
    """The PJSIP registration that it needs, None where it needs none."""
    registered: bool | None
    paused: str | None
    """Why it is paused, None where it is not."""
    congestions: int
    """Congested ends of calls in a row."""
    refused: int
    """Calls that were refused for their numbers, of the last `finals`."""
    answered: int
    """Calls that were answered, of the last `finals`."""
    finals: int
    rate: float
    """Calls a second that its carrier takes now, as far as that is known."""
    turned_away: float
    """The part of the last calls for which its carrier had no room."""
    rests_until: Instant | None
    """When a congested carrier is dialed again."""
    caller_ids: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps the daemon from dialing, with what to do."""

    part: str | None
    """What is out; None: the daemon itself does not want to."""
    detail: str

    def __str__(self) -> str:
        return self.detail if self.part is None else f"{self.part}: {self.detail}"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The daemon as it stands: what `/v1/status` and `/readyz` tell."""

    dialing: bool
    """Whether calls can be placed at this moment."""
    problems: tuple[Problem, ...]
    asterisk: str
    """`connected` or what is wrong."""
    asterisk_version: str | None
    manager: str
    store: str
    media: str
    live_calls: int
    slot_drift: int
    """Differences between the books and Asterisk that audits have found and healed since the start."""
    halt: str | None
    dnc_entries: int
    media_sessions: int
    engines: Mapping[str, EngineUse]
    """What is known of each engine, by its name."""
    trunks: tuple[TrunkStatus, ...]
    refusals: Mapping[str, int]
    """How often each rule of the gate has stood in the way of a call, since the start."""
    started: Mapping[TrunkName, int]
    """Originates of each trunk, since the start."""


@dataclass(frozen=True, slots=True)
class EngineUse:
    """An engine as it stands."""

    in_use: int
    sessions: int
    detail: str
    """What is wrong with it, empty where nothing is."""


def describe(world: World, store_fault: str | None, draining: bool, now: Now) -> EngineStatus:
    """The engine's status from committed state."""
    host = world.host.committed[""]
    store_fault = store_fault or _unread(world)
    connected = host.boot is not None
    problems: list[Problem] = []
    if host.halt is not None:
        problems.append(Problem(None, f"all dialing is halted ({host.halt}); `dialerctl resume` lifts it"))
    if not connected:
        problems.append(Problem("Asterisk", host.detail))
    if host.manager is not None:
        problems.append(Problem("AMI", host.manager))
    if host.clock is not None:
        problems.append(Problem("clock", host.clock))
    if world.dnc.detail is not None:
        problems.append(Problem("do-not-call list", world.dnc.detail))
    if store_fault is not None:
        problems.append(Problem("store", store_fault))
    if not host.sessions:
        problems.append(Problem("media", host.media_detail))
    if draining:
        problems.append(Problem(None, "the daemon is shutting down and places no new calls"))
    lines = tuple(world.lines.committed.values())
    if all(line.paused is not None or line.down is not None for line in lines):
        problems.append(Problem(None, "every trunk is paused, unreachable or not registered"))
    return EngineStatus(
        dialing=not problems,
        problems=tuple(problems),
        asterisk="connected" if connected else host.detail,
        asterisk_version=host.version,
        manager=host.manager or "connected",
        store=store_fault or "ok",
        media=host.media_detail or "ok",
        live_calls=len(world.calls.committed),
        slot_drift=host.drift,
        halt=host.halt,
        dnc_entries=len(world.dnc),
        media_sessions=host.sessions,
        engines={
            name: _engine_use(world, name)
            for name in {EMBEDDED: None, **host.engines, **dict(world.engaged.committed.items())}
        },
        trunks=tuple(trunk_status(world, line, now) for line in lines),
        refusals=dict(world.refusals),
        started=dict(world.started),
    )


def _engine_use(world: World, name: str) -> EngineUse:
    found = sessions.state(world.host.committed[""], name)
    return EngineUse(world.engaged.committed.get(name, 0), found.sessions, found.detail)


def _unread(world: World) -> str | None:
    """Why some campaign's contacts cannot be read, if any cannot."""
    faults = (queue.fault for queue in world.queues.committed.values())
    return next((fault for fault in faults if fault is not None), None)


def trunk_status(world: World, line: Line, now: Now) -> TrunkStatus:
    """A trunk as `line` has it."""
    rest = line.rest_until - now.mono
    return TrunkStatus(
        name=line.trunk.name,
        endpoint=line.trunk.endpoint,
        channels_in_use=line.in_use,
        max_channels=line.trunk.max_channels,
        calls_per_second=line.trunk.calls_per_second,
        down=line.down,
        reachable=line.reachable,
        registration=line.trunk.registration,
        registered=line.registered if line.trunk.registration is not None else None,
        paused=line.paused,
        congestions=line.congestions,
        refused=sum(final.burnt for final in line.finals),
        answered=sum(final.answered for final in line.finals),
        finals=len(line.finals),
        rate=line.rate,
        turned_away=line.pace.share,
        rests_until=after(now.wall, Millis(rest // MICROS_PER_MILLI)) if rest > 0 else None,
        caller_ids=tuple(pool(world, line, now.wall)),
    )
