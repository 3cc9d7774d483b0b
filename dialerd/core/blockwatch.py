"""Campaigns that cannot dial though their window is open: looked for once a minute, told after five.

What merely waits is not blocked: a campaign with live calls, without contacts that are due, or at its own limits. It
only looks, and only if a webhook is to be told.
"""

from __future__ import annotations

from dialerd.core import gate, metrics
from dialerd.core.clock import Instant, Millis, after, to_iso
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.core.record import replace
from dialerd.core.telling import campaign_told
from dialerd.core.turn import Turn
from dialerd.core.webhook import EventKind
from dialerd.core.world import Stall

PATIENCE = Millis(300_000)
LOOK = Millis(60_000)
_WAITING = frozenset({"nothing-due", "campaign-rate", "campaign-concurrency", "abandonment"})
"""Rules by which a campaign waits, and cannot be said to be kept from dialing."""


def watch(turn: Turn, campaign: Campaign) -> None:
    """Look whether a campaign can dial, and when to look again."""
    world, now = turn.world, turn.now.wall
    stall = world.stalls.get(campaign.id)
    look = _next_look(turn, campaign)
    if look is not None:
        world.look_at(campaign.id, look)
    if look is None or not _is_blocked(turn, campaign):
        if stall is not None:
            world.stalls.remove(campaign.id)
    elif stall is None:
        world.stalls.put(campaign.id, Stall(now))
    elif not stall.told and now >= stall.since + PATIENCE:
        world.stalls.put(campaign.id, replace(stall, told=True))
        campaign_told(turn, EventKind.CAMPAIGN_BLOCKED, campaign)
        turn.announce(EventKind.CAMPAIGN_BLOCKED, {"campaign": campaign.id, "since": to_iso(stall.since)})


def _next_look(turn: Turn, campaign: Campaign) -> Instant | None:
    """When to look again; None: somebody's order or its end lies before that, or nobody is to be told."""
    runs = campaign.status is CampaignStatus.RUNNING and not campaign.closing
    if not runs or not turn.wants(EventKind.CAMPAIGN_BLOCKED):
        return None
    opening = gate.campaign_opening(campaign, turn.now.wall)
    return after(turn.now.wall, LOOK) if opening.open else opening.next_open


def _is_blocked(turn: Turn, campaign: Campaign) -> bool:
    world = turn.world
    if turn.queue(campaign.id).live or not metrics.unfinished(world.counters.get(campaign.id) or {}):
        return False
    if not gate.campaign_opening(campaign, turn.now.wall).open:
        return False
    return any(check.rule not in _WAITING for check in gate.campaign_why(world, campaign, turn.now))
