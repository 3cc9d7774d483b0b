"""Who is called, and what they do: callees whose every attempt is drawn from a seed, by number and attempt alone.

So the same seed gives the same world whatever the order of events, and two runs that differ in one limit meet the same
people. How often they answer and how long they talk is assumed (`dialerd.sim.experience`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from statistics import NormalDist
from typing import Generic, Protocol, TypeVar

from dialerd.core.clock import Instant
from dialerd.core.disposition import CONNECTED, Reason
from dialerd.core.effects import Originate
from dialerd.core.identity import E164

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a callee does to one try: ring, then answer and talk, or end."""

    sip: int | None = None
    cause: int = 16
    rings: bool = True
    answers: bool = False
    disposition: str | None = None
    ring_ms: int = 1_000
    """Until the answer, or until the end of a try that is not answered."""
    talk_ms: int = 5_000
    callback_after_ms: int | None = None


class Population(Protocol):
    """Everybody who can be called."""

    def meet(self, order: Originate, now: Instant) -> Behaviour:
        """What comes of a try that is sent now."""
        ...


_SHAPE = 4
"""Of a gamma distribution whose deviation is half of its mean."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations as they come, in milliseconds: evenly spaced quantiles."""

    values: tuple[int, ...]

    @classmethod
    def around(cls, mean: float, points: int = 64) -> Spread:
        """Durations of this mean that spread by half of it, as conversations along a script do (a gamma distribution).

        Quantiles by Wilson and Hilferty, The distribution of chi-square, PNAS 17 (1931).
        """
        part = 1 / (9 * _SHAPE)
        normal = (NormalDist().inv_cdf((place + 0.5) / points) for place in range(points))
        drawn = ((1 - part + z * math.sqrt(part)) ** 3 for z in normal)
        return cls(tuple(round(1_000_000 * value) for value in drawn)).scaled(mean)

    def scaled(self, mean: float) -> Spread:
        """Durations of another mean."""
        scale = mean / (sum(self.values) / len(self.values) or 1)
        return Spread(tuple(max(1, round(value * scale)) for value in self.values))

    @property
    def mean(self) -> float:
        """Milliseconds."""
        return sum(self.values) / len(self.values)

    def at(self, share: float) -> int:
        """The duration that a share of all does not exceed."""
        return self.values[int(share * len(self.values))]


@dataclass(frozen=True, slots=True)
class End:
    """How Asterisk tells of a try that is not answered."""

    sip: int | None
    cause: int
    rings: bool


ENDS: Mapping[Reason, End] = {
    Reason.BUSY: End(486, 17, rings=False),
    Reason.NO_ANSWER: End(480, 19, rings=True),
    Reason.REJECTED: End(603, 21, rings=True),
    Reason.UNWANTED: End(607, 21, rings=True),
    Reason.INVALID_NUMBER: End(404, 1, rings=False),
    Reason.NUMBER_CHANGED: End(410, 22, rings=False),
    Reason.CONGESTION: End(503, 34, rings=False),
    Reason.FAILED: End(400, 127, rings=False),
}
"""A final for each reason that a try can have."""
LASTING = frozenset({Reason.INVALID_NUMBER, Reason.NUMBER_CHANGED, Reason.UNWANTED})
"""What a number is, not what happens to an attempt."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What callees do, on average."""

    answer_rate: float
    """Answered calls of all calls, over the whole day."""
    by_hour: Mapping[int, float] = field(default_factory=dict)
    """The same by the hour of the callee's day, where that is known."""
    talk: Spread = Spread((30_000,))
    ring: Spread = Spread((10_000,))
    """Until somebody answers."""
    failures: Mapping[Reason, float] = field(default_factory=lambda: {Reason.NO_ANSWER: 1.0})
    """Of the calls that are not answered, the share of each reason."""
    failing: Mapping[Reason, Spread] = field(default_factory=dict)
    """How long a try of that reason takes; a phone that nobody answers rings until it is given up."""
    labels: Mapping[str, float] = field(default_factory=lambda: {CONNECTED: 1.0})
    """Of the answered calls, the share of each disposition."""


class Callees:
    """The world of one seed."""

    def __init__(self, seed: int, habits: Habits, hour_of: Callable[[E164, Instant], int | None]) -> None:
        """`hour_of`: the hour of a number's day at an instant, None where its clock is not known."""
        self._seed = seed
        self._habits = habits
        self._hour_of = hour_of
        self._tried: dict[E164, int] = {}
        unanswered = 1 - habits.answer_rate
        self._lasting = _Choice({r: unanswered * s for r, s in habits.failures.items() if r in LASTING})
        self._passing = _Choice({r: s for r, s in habits.failures.items() if r not in LASTING})
        self._labels = _Choice(habits.labels)

    def meet(self, order: Originate, now: Instant) -> Behaviour:
        """What comes of a try that is sent now."""
        phone = order.phone
        attempt = self._tried[phone] = self._tried.get(phone, 0) + 1
        lasting = self._lasting.within(self._draw(phone, 0)[0]) if self._lasting.total else None
        first, second, third, fourth = self._draw(phone, attempt)
        if lasting is not None:
            return self._failing(lasting, third, order)
        if first < self._chance(phone, now):
            label = self._labels.at(second) or CONNECTED
            return Behaviour(
                answers=True,
                disposition=None if label == CONNECTED else label,
                ring_ms=min(self._habits.ring.at(third), order.ring_timeout - 1),
                talk_ms=min(self._habits.talk.at(fourth), order.max_call),
            )
        return self._failing(self._passing.at(second) or Reason.NO_ANSWER, third, order)

    def _chance(self, phone: E164, now: Instant) -> float:
        """Of a number that can be reached at all."""
        habits = self._habits
        rate = habits.answer_rate
        if habits.by_hour:
            hour = self._hour_of(phone, now)
            rate = habits.by_hour.get(hour, rate) if hour is not None else rate
        reachable = 1 - self._lasting.total
        return min(1.0, rate / reachable) if reachable > 0 else 0.0

    def _failing(self, reason: Reason, share: float, order: Originate) -> Behaviour:
        end = ENDS[reason]
        spread = self._habits.failing.get(reason)
        takes = order.ring_timeout if spread is None else min(spread.at(share), order.ring_timeout)
        return Behaviour(end.sip, end.cause, end.rings, ring_ms=takes)

    def _draw(self, phone: E164, attempt: int) -> tuple[float, float, float, float]:
        """Four numbers of [0, 1) that depend on nothing but the seed, the number and the attempt."""
        drawn = blake2b(f"{self._seed} {phone} {attempt}".encode(), digest_size=16).digest()
        whole = int.from_bytes(drawn, "big")
        return (
            (whole >> 96) / _RANGE,
            (whole >> 64 & _MASK) / _RANGE,
            (whole >> 32 & _MASK) / _RANGE,
            (whole & _MASK) / _RANGE,
        )


_RANGE = 1 << 32
_MASK = _RANGE - 1


class _Choice(Generic[K]):
    """One of several things, by their weights."""

    __slots__ = ("_bounds", "_things", "total")

    def __init__(self, weights: Mapping[K, float]) -> None:
        self._things: Sequence[K] = tuple(weights)
        self._bounds = tuple(accumulate(weights.values()))
        self.total = self._bounds[-1] if self._bounds else 0.0

    def within(self, share: float) -> K | None:
        """The thing whose weight covers `share` where the weights are shares of all; None: none of them."""
        place = bisect_right(self._bounds, share)
        return self._things[place] if place < len(self._things) else None

    def at(self, share: float) -> K | None:
        """The thing that covers `share` of all weights together; None without any."""
        return self.within(min(share, _LAST) * self.total)


_LAST = 1 - 2**-33
