"""How fast a trunk may go now: its configured calls per second, or less while its carrier will not take them.

Additive increase, multiplicative decrease: every try that the carrier takes lets the next ones come a little sooner,
several that it turns away for want of capacity (503, congestion, a run of 403) slow them down by a part that grows
with how many it turns away. Some numbers are always turned away: whether it is the number or the rate is learned from
those that are tried again. A trunk begins, and begins again after a dip, at a quarter of its rate and doubles each
second. It never exceeds the configured rate, and it dials and refuses nothing itself.
"""

from __future__ import annotations

from dialerd.core.clock import Mono
from dialerd.core.record import record, replace
from dialerd.core.trunk import Trunk

WINDOW = 20
"""Tries whose fate is looked at."""
FIRST_SHARE = 0.25
"""The part of the configured rate that a trunk begins with."""
DOUBLING = 0.7
"""Calls a second that each taken try adds to a trunk that begins: so the rate doubles each second."""
SLOWEST = 1.0
"""Calls a second below which no trunk is slowed."""
LEAST_CUT = 0.1
"""The rate falls by half the share of tries that were turned away, and by this at least."""
GROWTH, MORE_GROWTH = 0.02, 0.002
"""By which part a second the rate grows behind a cut, and by how much that grows with each second since."""
RUN = 2
"""So many of `WINDOW` must be turned away for a cut."""
RUN_OF_403 = 3
"""So many of `WINDOW` turned away: a further 403 is of the carrier's capacity, not of its number."""
_LEARN = 0.1
_MICROS = 1_000_000


@record
class Pace:
    """Where a trunk's rate stands."""

    rate: float
    """Calls a second."""
    double_to: float
    """Up to here the rate doubles each second, from there it grows slowly."""
    turned_away: tuple[bool, ...] = ()
    """Of the last tries, oldest first: whether the carrier had no room for it."""
    cut_at: Mono = Mono(0)
    again: float = 0.0
    """How many of those tried again were turned away again, the last ones counting most."""

    @property
    def share(self) -> float:
        """The part of the last tries that was turned away; of few tries as if there were ten."""
        return sum(self.turned_away) / max(10, len(self.turned_away))

    @property
    def blame(self) -> float:
        """How far being turned away tells of the rate (1) and not of the numbers (0)."""
        return 1 - max(0.0, self.again - self.share) / max(0.01, 1 - self.share)


def begin(trunk: Trunk) -> Pace:
    """The pace of a trunk that has not been used, or not been well."""
    full = trunk.calls_per_second
    first = full if not trunk.adaptive else min(full, max(SLOWEST, full * FIRST_SHARE))
    return Pace(first, full)


def accepted(pace: Pace, trunk: Trunk, now: Mono, *, known: bool) -> Pace:
    """The carrier has taken a try: it rings, was answered, or had an end that is the callee's.

    `known`: the number has been turned away before.
    """
    full = trunk.calls_per_second
    if known:
        pace = replace(pace, again=pace.again * (1 - _LEARN))
    seen = _seen(pace, turned_away=False)
    if pace.rate >= full:
        return pace if seen == pace.turned_away else replace(pace, turned_away=seen)
    if pace.rate < pace.double_to:
        rate = min(pace.rate + DOUBLING, max(pace.double_to, pace.rate))
    else:
        rate = pace.rate + GROWTH + MORE_GROWTH * (now - pace.cut_at) / _MICROS
    return replace(pace, rate=min(rate, full), turned_away=seen)


def turned_away(pace: Pace, trunk: Trunk, now: Mono, *, known: bool, cut: bool) -> Pace:
    """The carrier had no room for a try.

    `known`: the number has been turned away before. `cut` False: it is of a start before the last cut, only counted.
    """
    again = pace.again * (1 - _LEARN) + _LEARN if known else pace.again
    pace = replace(pace, turned_away=_seen(pace, turned_away=True), again=again)
    if not cut or not trunk.adaptive or sum(pace.turned_away) < RUN:
        return pace
    least = min(SLOWEST, trunk.calls_per_second)
    part = max(LEAST_CUT, pace.share / 2) * pace.blame
    rate = max(least, min(pace.rate, trunk.calls_per_second) * (1 - part))
    return replace(pace, rate=rate, double_to=rate, cut_at=now)


def _seen(pace: Pace, *, turned_away: bool) -> tuple[bool, ...]:
    if not turned_away and len(pace.turned_away) == WINDOW and not any(pace.turned_away):
        return pace.turned_away
    return (*pace.turned_away[1 - WINDOW :], turned_away)
