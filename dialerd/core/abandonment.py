"""Callees who answered and heard nobody: counted per campaign over thirty days, and the brake where they are too many.

Regulators judge a dialer by this share (FTC 16 CFR 310.4(b)(4): three percent of live answers over thirty days). A
braked campaign has as many calls at a time as agents have lately shown that they are heard in time: one, then one more
with each. It is never stopped for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Now
from dialerd.core.identity import CampaignId
from dialerd.core.model import Call
from dialerd.core.policy import Policy
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope
from dialerd.core.world import World

DUE = Millis(2_000)
"""Within this time of the answer a callee is to hear the agent."""
SPAN = 30 * 24 * 3_600_000
"""Milliseconds over which is counted."""
RULE = "abandonment"


def heard_nobody(call: Call, ended_at: Instant) -> bool:
    """Whether the callee of an answered call that ended then was left without having heard anybody.

    Whose fault that was, and which reason the call is given, makes no difference: what we end before the agent is
    heard is abandoned, however soon. A callee who hangs up himself is only if the agent was due by then; before that,
    or in a pause that the agent meant, nobody was late.
    """
    with_person = call.transfer is not None and call.transfer.answered
    if call.agent_audio_at is not None or with_person:
        return False
    if call.unheard is not None:
        return call.unheard
    if call.hangup is not None or call.media_fault is not None:
        return True
    return not call.agent_done and overdue(call, ended_at)


def overdue(call: Call, at: Instant) -> bool:
    """Whether the callee of an answered call should have heard the agent by then."""
    return call.answered_at is not None and at - call.answered_at >= DUE


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
    live, lost = _kept_tally(turn, campaign, abandoned=abandoned)
    about = {"campaign": campaign, "abandoned": lost, "live_answers": live}
    # A good answer may be the one that makes them enough to be judged, and an hour that is over takes its own along.
    if not _too_many(world.policy, live, lost):
        if allowed is None:
            return
        world.braked.remove(campaign)
        turn.announce("campaign.unbraked", about)
    elif allowed is None:
        world.braked.put(campaign, 1)
        turn.announce("campaign.braked", about)
    else:
        world.braked.put(campaign, 1 if abandoned else allowed + 1)
    world.wake(campaign, changed=False)


def _kept_tally(turn: Turn, campaign: CampaignId, *, abandoned: bool) -> tuple[int, int]:
    """`tally` with the answer that was just counted; the hours before it are added up once an hour."""
    world = turn.world
    since = metrics.hour_name(Instant(turn.now.wall - SPAN))
    kept = world.live_answers.get(campaign)
    if kept is not None and kept[0] == since:
        live, lost = kept[1] + 1, kept[2] + abandoned
    else:
        live, lost = tally(world.counters.get(campaign) or {}, turn.now.wall)
    world.live_answers.put(campaign, (since, live, lost))
    return live, lost


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
    return lost > 0 and live >= policy.abandoned_least and lost > _exactly(policy.abandoned_share) * live


@lru_cache(maxsize=8)
def _exactly(share: float) -> Fraction:
    """The share as it was written: 0.29 of a hundred are 29, which the float next to it is not."""
    return Fraction(repr(share))
