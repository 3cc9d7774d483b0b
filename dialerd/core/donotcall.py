"""Numbers that must not be called any more: listed at once, then taken out of the queues they wait in.

The gate refuses a listed number from the turn that lists it; taking its contacts out of the queues only makes that
visible. One sweep runs at a time, since two of them could find the same contact.
"""

from __future__ import annotations

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.dnc import DncEntry
from dialerd.core.effects import FindNumbers
from dialerd.core.messages import NumbersFound
from dialerd.core.model import Call
from dialerd.core.record import replace
from dialerd.core.turn import Turn

SWEEP_BATCH = 500
"""Contacts taken out of the queues at a time."""


def list_callee(turn: Turn, call: Call) -> Call:
    """The callee does not want to be called: no campaign may, from this turn on."""
    listed = turn.world.dnc.match(call.phone, turn.now.wall)
    if listed is None or listed.expires_at is not None:
        entry = DncEntry(str(call.phone), "the callee asked for it", f"call {call.id}", turn.now.wall)
        turn.change_dnc((entry,), ())
    if not call.sweeping and not call.swept:
        call = replace(call, sweeping=True)
        turn.world.calls.put(call.id, call)
        sweep(turn, str(call.phone))
    return call


def sweep(turn: Turn, pattern: str) -> None:
    """Have the waiting contacts under a listed pattern taken out of their queues."""
    waiting = turn.host.sweeps
    if pattern in waiting:
        return
    turn.set_host(replace(turn.host, sweeps=(*waiting, pattern)))
    if not waiting:
        turn.do(FindNumbers(pattern, SWEEP_BATCH))


def take_out(turn: Turn, event: NumbersFound) -> bool:
    """Suppress what a sweep has found; whether the sweep of its pattern is over."""
    for contact in event.contacts:
        _take_out(turn, contact)
    if event.more:
        turn.do(FindNumbers(event.pattern, SWEEP_BATCH))
        return False
    rest = tuple(pattern for pattern in turn.host.sweeps if pattern != event.pattern)
    turn.set_host(replace(turn.host, sweeps=rest))
    if rest:
        turn.do(FindNumbers(rest[0], SWEEP_BATCH))
    return True


def _take_out(turn: Turn, contact: Contact) -> None:
    """A waiting contact that must not be called waits no longer. In a campaign that is over nobody waits."""
    campaign = turn.world.campaigns.get(contact.campaign_id)
    if campaign is None or not campaign.status.live or campaign.closing:
        return
    if contact.phone in turn.world.erasing:
        turn.save_contact(contact, replace(contact, state=ContactState.CANCELLED))
    else:
        suppress(turn, contact)
    queue = turn.queue(campaign.id).without(contact.id)
    if queue.loading:
        queue = replace(queue, gone=queue.gone | {contact.id})
    turn.set_queue(campaign.id, queue)
    turn.world.look_at(campaign.id, Instant(0))


def suppress(turn: Turn, contact: Contact) -> None:
    """The contact waits no longer: its number is on the do-not-call list."""
    turn.save_contact(contact, replace(contact, state=ContactState.SUPPRESSED))
    turn.announce("contact.suppressed", {"campaign": contact.campaign_id}, contact.phone)
