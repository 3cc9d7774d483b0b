"""What a trunk's finals say of the trunk itself: the brake on a burning list.

A carrier that answers nearly everything with 403, 404 or 484 does not know our numbers or us. The trunk is paused
before it burns the list, and the contacts it has finished that way are given back. It places and ends no call.
"""

from __future__ import annotations

from dialerd.core import retry
from dialerd.core.clock import Instant, after
from dialerd.core.contact import Contact, ContactState
from dialerd.core.identity import TrunkName
from dialerd.core.journal import TrunkSaved
from dialerd.core.model import Try
from dialerd.core.record import replace
from dialerd.core.telling import trunk_told
from dialerd.core.trunk import TrunkChange
from dialerd.core.turn import Turn
from dialerd.core.world import Final, Line

FINALS = 20
"""Consecutive finals that are looked at."""
BURNT = 16
"""So many of them (80%) being refusals of the number pauses the trunk."""

_BURNT_CODES = frozenset({403, 404, 484})
_BURNT_CAUSES = frozenset({1, 28})


def note_final(turn: Turn, ended: Try, dialing: Contact | None, after: Contact | None) -> None:
    """A try of a trunk has had its final: `dialing` is its contact while it was tried, `after` what it is now."""
    line = turn.world.lines.get(ended.trunk)
    if line is None:
        return
    burnt = _is_burnt(ended)
    kept = Final(burnt, dialing, after) if burnt else Final(burnt, answered=ended.answered_at is not None)
    line = replace(line, finals=(*line.finals[1 - FINALS :], kept))
    turn.world.lines.put(ended.trunk, line)
    count = sum(final.burnt for final in line.finals)
    if len(line.finals) < FINALS or count < BURNT or line.paused is not None:
        return
    pause_trunk(
        turn,
        ended.trunk,
        f"{count} of the last {FINALS} calls were refused with 403, 404 or 484: the carrier does not take these "
        "numbers, or not from us; check number format, caller id and contract, then resume the trunk",
    )
    _give_back(turn, line)


def pause_trunk(turn: Turn, trunk: TrunkName, why: str) -> None:
    """Stop using a trunk until somebody has mended it and says so."""
    line = turn.world.lines.get(trunk)
    if line is None or line.paused is not None:
        return
    change = replace(line.change or TrunkChange(trunk), paused=why)
    turn.world.lines.put(trunk, replace(line, paused=why, change=change, finals=()))
    turn.record(TrunkSaved(change))
    turn.announce("trunk.paused", {"trunk": trunk, "why": why})
    trunk_told(turn, trunk, why)


def _give_back(turn: Turn, line: Line) -> None:
    given = 0
    for final in line.finals:
        dialing, finished = final.before, final.after
        if dialing is None or finished is None or finished.state is not ContactState.FINISHED:
            continue
        campaign = turn.world.campaigns.get(finished.campaign_id)
        if campaign is None or not campaign.status.live or campaign.closing:
            continue
        held = retry.postpone(
            retry.put_back(dialing, callback=False), after(turn.now.wall, campaign.retry_interval)
        )
        turn.save_contact(finished, held)
        turn.wait_for(held)
        turn.world.look_at(campaign.id, Instant(0))
        given += 1
    turn.announce("trunk.contacts_held", {"trunk": line.trunk.name, "contacts": given})


def _is_burnt(ended: Try) -> bool:
    # What rang exists, and has been disturbed: its attempt counts.
    if ended.answered_at is not None or ended.ringing_at is not None:
        return False
    if ended.sip_code is not None:
        return ended.sip_code in _BURNT_CODES
    return ended.cause in _BURNT_CAUSES
