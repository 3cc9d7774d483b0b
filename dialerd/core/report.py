"""Figures of calls that are over, by one thing that they have in common: a trunk, a caller id, an hour, a reason …

A call is one attempt, with all its tries. Its outcome belongs to its last try; an earlier one, which the call left
for another trunk, is a failover of its own trunk and caller id. Nothing here knows where calls are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from dialerd.core.clock import Instant, Millis
from dialerd.core.record import record
from dialerd.core.wallclock import DAY, Stretch

HOUR = 3_600_000
HOURS_A_DAY = 24


class By(StrEnum):
    """What calls are grouped by."""

    TRUNK = "trunk"
    CALLER_ID = "caller_id"
    HOUR = "hour"
    HOUR_OF_DAY = "hour_of_day"
    DAY = "day"
    REASON = "reason"
    CAMPAIGN = "campaign"

    @property
    def timed(self) -> bool:
        """Whether it is by when calls began, on a clock."""
        return self in (By.HOUR, By.HOUR_OF_DAY, By.DAY)


Key = str | int | None
"""What a group has in common. `HOUR`: the instant at which it begins, `DAY`: days since 1970, `HOUR_OF_DAY`: 0 to 23.
None: no reason, or no campaign."""


@record
class Part:
    """Calls of one group that share a reason, and all tries in the group of calls with that reason."""

    key: Key
    reason: str | None
    tries: int
    calls: int
    """Those whose last try is in the group; the following are of them."""
    counted: int
    answered: int
    positive: int
    talk: Millis
    """Answered time of all together."""
    name: str | None = None


@record
class Tally:
    """The figures of a group."""

    tries: int = 0
    calls: int = 0
    counted: int = 0
    answered: int = 0
    positive: int = 0
    talk: Millis = Millis(0)
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Calls by reason, most of them first."""

    @property
    def refunds(self) -> int:
        """Calls that cost no attempt."""
        return self.calls - self.counted

    @property
    def failovers(self) -> int:
        """Tries that were given up for one over another trunk."""
        return self.tries - self.calls


@record
class Group:
    """The calls that have a key in common."""

    key: Key
    name: str | None
    """The campaign's, of one."""
    tally: Tally


@record
class Report:
    """The groups: by time in its order, others with most calls first."""

    groups: tuple[Group, ...]
    total: Tally
    """Of all calls, those in groups that are left out included."""
    left_out: int = 0
    """Groups with the fewest calls that are not shown."""


def key_of(by: By, started_at: Instant, clock: Sequence[Stretch]) -> int:
    """The key of a call by when it began, on a clock that knows that time."""
    offset = next(stretch.offset for stretch in clock if started_at < stretch.end)
    local = started_at + offset
    if by is By.DAY:
        return local // DAY
    hour = local // HOUR
    return hour % HOURS_A_DAY if by is By.HOUR_OF_DAY else hour * HOUR - offset


def report(by: By, parts: Iterable[Part], all_parts: Iterable[Part], left_out: int = 0) -> Report:
    """Parts of groups as a report; `all_parts`: of all calls by reason, whatever their key."""
    found: dict[Key, list[Part]] = {}
    for part in parts:
        found.setdefault(part.key, []).append(part)
    if by is By.HOUR_OF_DAY:
        found = {hour: found.get(hour, []) for hour in range(HOURS_A_DAY)}
    groups = [
        Group(key, members[0].name if members else None, _tally(members)) for key, members in found.items()
    ]
    groups.sort(key=_in_time if by.timed else _most_calls)
    return Report(tuple(groups), _tally(all_parts), left_out)


def _in_time(group: Group) -> tuple[int, str]:
    return int(group.key or 0), ""


def _most_calls(group: Group) -> tuple[int, str]:
    return -group.tally.calls, str(group.key or "")


def _tally(parts: Iterable[Part]) -> Tally:
    listed = list(parts)
    reasons: Counter[str] = Counter()
    for part in listed:
        if part.reason is not None and part.calls:
            reasons[part.reason] += part.calls
    return Tally(
        tries=sum(part.tries for part in listed),
        calls=sum(part.calls for part in listed),
        counted=sum(part.counted for part in listed),
        answered=sum(part.answered for part in listed),
        positive=sum(part.positive for part in listed),
        talk=Millis(sum(part.talk for part in listed)),
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    )
