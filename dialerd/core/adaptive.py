"""How fast a trunk may go now: its configured calls per second, or less while its carrier will not take them.

Additive increase, multiplicative decrease: every try that the carrier takes lets the next ones come a little sooner,
every one that it turns away for want of capacity (503, congestion, a run of 403) slows them down by a part that grows
with how many it turns away. A trunk begins, and begins again after a dip, at a quarter of its rate and doubles each
second. It never exceeds the configured rate, and it dials and refuses nothing itself.
"""

from __future__ import annotations

from dialerd.core.clock import Mono
from dialerd.core.model import Trunk
from dialerd.core.record import record, replace

WINDOW = 20
"""Tries whose fate is looked at."""
FIRST_SHARE = 0.25
"""The part of the configured rate that a trunk begins with."""
SLOWEST = 1.0
"""Calls a second below which no trunk is slowed."""
LEAST_CUT = 0.1
"""The rate falls by half the share of tries that were turned away, and by this at least."""
GROWTH, MORE_GROWTH = 0.02, 0.002
"""By which part a second the rate grows behind a cut, and by how much that grows with each second since."""
RUN_OF_403 = 3
"""So many of `WINDOW` turned away: a further 403 is of the carrier's capacity, not of its number."""
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

    @property
    def share(self) -> float:
        """The part of the last tries that was turned away; of few tries as if there were ten."""
        return sum(self.turned_away) / max(10, len(self.turned_away))


def begin(trunk: Trunk) -> Pace:
    """The pace of a trunk that has not been used, or not been well."""
    full = trunk.calls_per_second
    first = full if not trunk.adaptive else min(full, max(SLOWEST, full * FIRST_SHARE))
    return Pace(first, full)


def accepted(pace: Pace, trunk: Trunk, now: Mono) -> Pace:
    """The carrier has taken a try: it rings, was answered, or had an end that is the callee's."""
    full = trunk.calls_per_second
    seen = _seen(pace, turned_away=False)
    if pace.rate >= full:
        return pace if seen == pace.turned_away else replace(pace, turned_away=seen)
    if pace.rate < pace.double_to:
        rate = min(pace.rate + 1, max(pace.double_to, pace.rate))
    else:
        rate = pace.rate + GROWTH + MORE_GROWTH * (now - pace.cut_at) / _MICROS
    return replace(pace, rate=min(rate, full), turned_away=seen)


def turned_away(pace: Pace, trunk: Trunk, now: Mono, *, cut: bool) -> Pace:
    """The carrier had no room for a try. `cut` False: it is of a start before the last cut, and only counted."""
    pace = replace(pace, turned_away=_seen(pace, turned_away=True))
    if not cut or not trunk.adaptive:
        return pace
    least = min(SLOWEST, trunk.calls_per_second)
    rate = max(least, min(pace.rate, trunk.calls_per_second) * (1 - max(LEAST_CUT, pace.share / 2)))
    return replace(pace, rate=rate, double_to=rate, cut_at=now)


def _seen(pace: Pace, *, turned_away: bool) -> tuple[bool, ...]:
    if not turned_away and len(pace.turned_away) == WINDOW and not any(pace.turned_away):
        return pace.turned_away
    return (*pace.turned_away[1 - WINDOW :], turned_away)
