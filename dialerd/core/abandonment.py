"""Callees who answered and heard nobody: counted per campaign over thirty days, and the brake where they are too many.

Regulators judge a dialer by this share (FTC 16 CFR 310.4(b)(4): three percent of live answers over thirty days). A
braked campaign has as many calls at a time as agents have lately shown that they are heard in time: one, then one more
with each. It is never stopped for good.
"""

from __future__ import annotations

from collections.abc import Mapping

from dialerd.core import metrics
from dialerd.core.clock import Instant, Now
from dialerd.core.identity import CampaignId
from dialerd.core.policy import Policy
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope
from dialerd.core.world import World

SPAN = 30 * 24 * 3_600_000
"""Milliseconds over which is counted."""
RULE = "abandonment"


def tally(counters: Mapping[str, int], now: Instant) -> tuple[int, int]:
    """A campaign's live answers of the last thirty days, and how many of them heard nobody."""
    since = metrics.hour_name(Instant(now - SPAN))
    live = lost = 0
    for key, count in counters.items():
        if key.startswith(metrics.HOUR) and key[len(metrics.HOUR) :].partition(":")[0] >= since:
            if key.endswith(metrics.ANSWERED):
                live += count
            elif key.endswith(metrics.ABANDONED):
                lost += count
    return live, lost


def note_live_answer(turn: Turn, campaign: CampaignId, *, abandoned: bool) -> None:
    """A person has answered a call of the campaign, and has heard the agent in time or not."""
    world = turn.world
    allowed = world.braked.get(campaign)
    if allowed is None and not abandoned:
        return
    live, lost = tally(world.counters.get(campaign) or {}, turn.now.wall)
    if not _too_many(world.policy, live, lost):
        if allowed is not None:
            world.braked.remove(campaign)
            turn.announce(
                "campaign.unbraked", {"campaign": campaign, "abandoned": lost, "live_answers": live}
            )
    elif abandoned or allowed is None:
        world.braked.put(campaign, 1)
        if allowed is None:
            turn.announce("campaign.braked", {"campaign": campaign, "abandoned": lost, "live_answers": live})
    else:
        world.braked.put(campaign, allowed + 1)
    world.wake(campaign, changed=False)


def restore(world: World, campaign: CampaignId, now: Now) -> None:
    """After a restart: a campaign with too many of them begins with the brake on."""
    if _too_many(world.policy, *tally(world.counters.get(campaign) or {}, now.wall)):
        world.braked.put(campaign, 1)


def check(world: World, campaign: CampaignId, live: int) -> Check | None:
    """Whether a braked campaign may have one more call; None: it is not braked."""
    allowed = world.braked.get(campaign)
    if allowed is None:
        return None
    share = world.policy.abandoned_share
    said = (
        f"{live} of {allowed} in use: more than {share:.1%} of those who answered in 30 days heard no agent within "
        "two seconds; each call whose agent is heard in time allows one more"
    )
    return Check(RULE, Scope.CAMPAIGN, live < allowed, said)


def _too_many(policy: Policy, live: int, lost: int) -> bool:
    return lost > 0 and live >= policy.abandoned_least and lost > policy.abandoned_share * live
