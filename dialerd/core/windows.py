"""When a call may be placed: absolute bounds and weekly calendars, with room for the phone to ring.

Works on instants only. A window never widens: what is unknown is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dialerd.core.clock import Instant, Millis


@dataclass(frozen=True, slots=True)
class Slot:
    """Minutes of the local day, on the days it starts on (0: Monday); an end before the start crosses midnight."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weekly hours on the clocks of one zone."""

    zone: str
    slots: tuple[Slot, ...] = ()
    closed: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """What has to be open for a call to be placed."""

    start: Instant | None
    end: Instant | None
    calendars: tuple[tuple[str, Calendar], ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a call may be placed now; if not, when it may next (None: never again)."""

    open: bool
    next_open: Instant | None
    last_start: Instant | None
    """The last instant at which a call may still be placed; None: no end."""
    rule: str | None = None
    detail: str = ""


def opening(window: Window, now: Instant, ring: Millis) -> Opening:
    """The window at `now`: a call placed must have rung out before the window closes."""
    last = None if window.end is None else Instant(window.end - ring)
    if window.start is not None and now < window.start:
        never = last is not None and last < window.start
        return Opening(False, None if never else window.start, last, "window")
    if last is not None and now > last:
        return Opening(False, None, last, "window")
    return Opening(True, now, last)
