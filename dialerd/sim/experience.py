"""What past calls tell of the next ones: how often callees answer, how long they talk, and what else happens.

From the campaign's own calls where there are enough, else from all calls of the installation, else a stated default;
what a user takes for granted goes before all. Each value says where it comes from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dialerd.core.clock import SECOND, Instant
from dialerd.core.disposition import CONNECTED, Reason
from dialerd.core.identity import E164
from dialerd.engine.callparts import number
from dialerd.engine.case import Assumptions
from dialerd.ports import PastCall
from dialerd.sim.callees import ENDS, Habits, Spread

ENOUGH = 50
"""Calls, or answered calls, from which something is learned."""
ENOUGH_OF_AN_HOUR = 30
POINTS = 100
"""Quantiles that are kept of a duration."""

ANSWER_RATE = 0.35
TALK_SECONDS = 40.0
RING_SECONDS = 12.0
FAILURES: Mapping[Reason, float] = {
    Reason.NO_ANSWER: 0.62,
    Reason.BUSY: 0.16,
    Reason.REJECTED: 0.12,
    Reason.INVALID_NUMBER: 0.08,
    Reason.CONGESTION: 0.02,
}
"""What is taken where no call tells: a guess, and said to be one."""
_QUICK = Spread((1_000,))
_FAILING: Mapping[Reason, Spread] = {
    Reason.BUSY: Spread((1_500,)),
    Reason.REJECTED: Spread((6_000,)),
    Reason.UNWANTED: Spread((6_000,)),
    Reason.INVALID_NUMBER: _QUICK,
    Reason.NUMBER_CHANGED: _QUICK,
    Reason.CONGESTION: _QUICK,
    Reason.FAILED: _QUICK,
}

GIVEN, DEFAULT = "given", "default"
LocalHour = Callable[[E164, str | None, Instant], int | None]


@dataclass(frozen=True, slots=True)
class Learned:
    """One thing that the forecast rests on."""

    value: Any
    source: str
    """`given`, `campaign`, `installation` or `default`."""
    calls: int = 0
    """How many calls told it."""

    @property
    def view(self) -> dict[str, Any]:
        """For the API."""
        return {"value": self.value, "source": self.source, "calls": self.calls}


@dataclass(frozen=True, slots=True)
class Experience:
    """The habits of callees, and where each figure of them comes from."""

    habits: Habits
    sources: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Told:
    """The calls that are asked for one thing."""

    source: str
    calls: Sequence[PastCall]


def learn(
    past: Sequence[PastCall], past_of_all: Sequence[PastCall], assumed: Assumptions, hour: LocalHour
) -> Experience:
    """The habits that these calls show, newest first."""
    groups = [_Told("campaign", _sent(past)), _Told("installation", _sent(past_of_all))]
    everybody = _enough(groups, lambda call: True)
    answered = _enough(groups, lambda call: call.talk_ms is not None)
    failed = _enough(groups, lambda call: call.talk_ms is None)
    rate, by_hour = _answer_rate(everybody, assumed, hour)
    talk, talk_seconds = _duration(
        answered, [call.talk_ms or 0 for call in answered.calls], assumed.talk_seconds, TALK_SECONDS
    )
    ring, ring_seconds = _duration(
        answered, [call.ring_ms for call in answered.calls], assumed.ring_seconds, RING_SECONDS
    )
    labels = _shares(call.disposition for call in answered.calls) or {CONNECTED: 1.0}
    failures = _shares(call.reason for call in failed.calls if call.reason in ENDS) or dict(FAILURES)
    habits = Habits(
        answer_rate=rate.value,
        by_hour=by_hour,
        talk=talk,
        ring=ring,
        failures={Reason(reason): share for reason, share in failures.items()},
        failing=_failing(failed.calls),
        labels={str(label): share for label, share in labels.items()},
    )
    told = {
        "answer_rate": rate,
        "answer_rate_by_hour": _of(everybody, {f"{at:02}": round(share, 3) for at, share in by_hour.items()}),
        "talk_seconds": talk_seconds,
        "ring_seconds": ring_seconds,
        "failures": _of(failed, {str(reason): round(share, 3) for reason, share in failures.items()}),
        "dispositions": _of(answered, {str(label): round(share, 3) for label, share in labels.items()}),
    }
    return Experience(habits, {name: learned.view for name, learned in told.items()})


def _sent(calls: Iterable[PastCall]) -> list[PastCall]:
    """Calls whose end tells something of their callee: what was never sent, or lost, does not."""
    return [
        call
        for call in calls
        if call.talk_ms is not None or (call.reason is not None and call.reason is not Reason.LOST)
    ]


def _enough(groups: Iterable[_Told], which: Callable[[PastCall], bool]) -> _Told:
    for group in groups:
        calls = [call for call in group.calls if which(call)]
        if len(calls) >= ENOUGH:
            return _Told(group.source, calls)
    return _Told(DEFAULT, ())


def _of(told: _Told, value: Any) -> Learned:
    return Learned(value, told.source, len(told.calls))


def _answer_rate(told: _Told, assumed: Assumptions, hour: LocalHour) -> tuple[Learned, dict[int, float]]:
    if assumed.answer_rate is not None:
        return Learned(number(assumed.answer_rate), GIVEN), {}
    if not told.calls:
        return Learned(ANSWER_RATE, DEFAULT), {}
    answered = sum(call.talk_ms is not None for call in told.calls)
    calls: Counter[int] = Counter()
    good: Counter[int] = Counter()
    for call in told.calls:
        at = hour(call.phone, call.timezone, call.started_at)
        if at is not None:
            calls[at] += 1
            good[at] += call.talk_ms is not None
    by_hour = {at: good[at] / calls[at] for at in sorted(calls) if calls[at] >= ENOUGH_OF_AN_HOUR}
    return _of(told, round(answered / len(told.calls), 4)), by_hour


def _duration(
    told: _Told, millis: Sequence[int], assumed: float | None, default: float
) -> tuple[Spread, Learned]:
    """Durations as they came, brought to the mean that is assumed; seconds."""
    spread = _spread(millis, default)
    if assumed is not None:
        return spread.scaled(assumed * SECOND), Learned(number(assumed), GIVEN)
    return spread, _of(told, number(round(spread.mean / SECOND, 1)))


def _spread(millis: Sequence[int], default_seconds: float) -> Spread:
    """Durations as they came: each quantile the mean of its calls, so that the mean is theirs."""
    if not millis:
        return Spread.around(default_seconds * SECOND)
    ordered = sorted(millis)
    points = min(POINTS, len(ordered))
    bounds = [place * len(ordered) // points for place in range(points + 1)]
    groups = [ordered[begin:end] for begin, end in pairwise(bounds)]
    return Spread(tuple(round(sum(group) / len(group)) for group in groups))


def _shares(things: Iterable[Any]) -> dict[Any, float]:
    counted = Counter(things)
    total = sum(counted.values())
    return {thing: count / total for thing, count in sorted(counted.items())}


def _failing(calls: Iterable[PastCall]) -> dict[Reason, Spread]:
    millis: dict[Reason, list[int]] = {}
    for call in calls:
        if call.reason is not None:
            millis.setdefault(call.reason, []).append(call.ring_ms)
    return {**_FAILING, **{reason: _spread(found, 1) for reason, found in millis.items() if len(found) >= 10}}
