"""When a campaign may dial: its absolute start–end window, with room for the phone to ring.

Works on instants only. A window never widens: what is unknown is closed.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.core.clock import Instant
from dialerd.core.model import Campaign


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether dialing may happen now; if not, when it may next (None: never again)."""

    open: bool
    next_open: Instant | None
    last_start: Instant | None
    """The last instant at which a call may still be placed; None: no end."""


def opening(campaign: Campaign, now: Instant) -> Opening:
    """The campaign's window at `now`: a call placed must have rung out before the window closes."""
    last = None if campaign.end_at is None else Instant(campaign.end_at - campaign.ring_timeout)
    if campaign.start_at is not None and now < campaign.start_at:
        never = last is not None and last < campaign.start_at
        return Opening(False, None if never else campaign.start_at, last)
    if last is not None and now > last:
        return Opening(False, None, last)
    return Opening(True, now, last)
