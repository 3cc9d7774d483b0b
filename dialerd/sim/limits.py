"""Which limit binds when: after a turn, what keeps a simulated campaign from its next call, in the gate's own words.

Nothing is judged here. The gate tells what it refuses (`gate.campaign_why`, and `gate.why` of the contact whose turn
comes next); of a trunk that is refused the books tell which of its figures is at its limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dialerd.core import gate
from dialerd.core.clock import MICROS_PER_MILLI, Instant, Millis, Now
from dialerd.core.contact import ContactState
from dialerd.core.identity import CampaignId
from dialerd.core.model import Campaign
from dialerd.core.routing import candidates, free_again
from dialerd.core.verdict import Scope
from dialerd.core.world import Line, World
from dialerd.sim.people import People

LOOK, RAREST_LOOK = Millis(1_000), Millis(60_000)
"""Between two looks; what is found holds until the next one."""
LOOKS = 500
"""So many looks there are at least in a run that is longer than these seconds."""

TRUNK_CHANNELS, TRUNK_RATE = "trunk-channels", "trunk-rate"
NOTHING_LEFT = "nothing-left"
"""Everybody has been called; the last calls end."""
RETRY_INTERVAL = "retry-interval"
"""Everybody who waits was called before, and is not to be called again yet."""
ORIGINATES = "originates"
"""As many originates are unanswered as may be."""


@dataclass(slots=True)
class Bound:
    """How long one limit kept the campaign from its next call."""

    rule: str
    subject: str | None
    """The trunk, where it is one's limit."""
    millis: int = 0
    first: Instant = Instant(0)
    last: Instant = Instant(0)
    by_hour: dict[int, int] = field(default_factory=dict)
    """Milliseconds in each hour since 1970."""


class Limits:
    """Watches one campaign."""

    def __init__(self, campaign: CampaignId, people: People) -> None:
        self._campaign = campaign
        self._people = people
        self._looked: Instant | None = None
        self._held: tuple[tuple[str, str | None], ...] = ()
        self.found: dict[tuple[str, str | None], Bound] = {}

    def look(self, world: World, now: Now, *, at_once: bool = False) -> None:
        """A turn is over. `at_once`: what is found holds for long."""
        if self._looked is not None and not at_once:
            pause = min(RAREST_LOOK, max(LOOK, now.mono // MICROS_PER_MILLI // LOOKS))
            if now.wall - self._looked < pause:
                return
        queue = world.queues.get(self._campaign)
        if queue is not None and queue.loading:
            # Its next contacts come in the same tick.
            return
        self.close(now.wall)
        campaign = world.campaigns.get(self._campaign)
        self._looked = now.wall
        self._held = self._binding(world, campaign, now) if campaign is not None else ()

    def close(self, now: Instant) -> None:
        """What held since the last look did so until now."""
        if self._looked is None:
            return
        for key in self._held:
            bound = self.found.setdefault(key, Bound(*key, first=self._looked))
            bound.millis += now - self._looked
            bound.last = now
            _spread(bound, self._looked, now)
        self._looked, self._held = now, ()

    def _binding(self, world: World, campaign: Campaign, now: Now) -> tuple[tuple[str, str | None], ...]:
        refused = gate.campaign_why(world, campaign, now)
        first = refused[0] if refused else None
        queue = world.queues.get(campaign.id)
        idle = queue is None or not (queue.contacts or queue.loading)
        if first is not None and first.scope is not Scope.TRUNKS and first.rule not in _CAPACITY:
            return ((self._nobody(world, campaign, now) if first.rule == _NOTHING_DUE else first.rule, None),)
        if idle:
            return ((self._nobody(world, campaign, now), None),)
        if first is None:
            return ((ORIGINATES, None),)
        if first.scope is Scope.TRUNKS:
            lines = candidates(world, None, campaign.terms)
            return tuple((_of_line(world, line, now), str(line.trunk.name)) for line in lines)
        return ((first.rule, None),)

    def _nobody(self, world: World, campaign: Campaign, now: Now) -> str:
        """Why nobody is due: the rule for which the contact waits that comes next."""
        contact = self._people.first_waiting(campaign.id)
        if contact is None:
            return NOTHING_LEFT
        ask = gate.Ask(contact.phone, campaign.terms, campaign, contact, contact.timezone)
        barred = [check.rule for check in gate.why(world, ask, now) if check.scope is Scope.CONTACT]
        if barred[:1] == ["not-before"] and contact.state is ContactState.RETRY_WAITING:
            return RETRY_INTERVAL
        return barred[0] if barred else _NOTHING_DUE


_NOTHING_DUE = "nothing-due"
_CAPACITY = frozenset({"campaign-concurrency", "campaign-rate", "engine-session", "abandonment"})


def _of_line(world: World, line: Line, now: Now) -> str:
    if line.paused is not None:
        return "trunk-paused"
    if line.in_use >= line.trunk.max_channels:
        return TRUNK_CHANNELS
    if line.rest_until > now.mono:
        return "trunk-congested"
    if free_again(world, line, now.mono) > now.mono:
        return "trunk-slowed" if line.rate < line.trunk.calls_per_second else TRUNK_RATE
    return "trunk"


_HOUR = 3_600_000


def _spread(bound: Bound, since: Instant, until: Instant) -> None:
    """A stretch, hour by hour."""
    for hour in range(since // _HOUR, (until - 1) // _HOUR + 1):
        begin, end = max(since, hour * _HOUR), min(until, (hour + 1) * _HOUR)
        bound.by_hour[hour] = bound.by_hour.get(hour, 0) + max(0, end - begin)
