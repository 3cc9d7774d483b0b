"""Whether a callee can be called back at the time it asks for, and if not, when it could be.

Asked when a label is given and again when its call closes: a campaign may have been stopped or edited in between.
"""

from __future__ import annotations

from dialerd.core import gate
from dialerd.core.clock import Instant, to_iso
from dialerd.core.commands import Unmet
from dialerd.core.model import Call, Campaign
from dialerd.core.windows import last_opening


def unmet(call: Call, campaign: Campaign | None, asked: Instant, now: Instant) -> Unmet | None:
    """Why a callback at `asked` cannot be; None: it can. A callback is one more call of its campaign."""
    contact = call.contact
    if contact is None or campaign is None:
        return Unmet("this call belongs to no campaign that could call back")
    if contact.callbacks >= campaign.max_callbacks:
        return Unmet(
            f"all callbacks of this contact are used: {contact.callbacks} of {campaign.max_callbacks}"
        )
    if not campaign.status.live or campaign.closing:
        state = "closing" if campaign.closing else campaign.status.value
        return Unmet(f"the campaign places no more calls: it is {state}")
    latest = last_opening(gate.campaign_window(campaign), now, campaign.ring_timeout)
    if asked < now:
        found = gate.campaign_opening(campaign, now)
        return Unmet(f"{to_iso(asked)} has passed", found.next_open, latest)
    found = gate.campaign_opening(campaign, asked)
    if found.open:
        return None
    return Unmet(f"the campaign does not call at {to_iso(asked)}: {found.detail}", found.next_open, latest)
