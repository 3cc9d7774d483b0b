"""Which contact is dialed next, over which trunk: as many as slots, rates and Asterisk allow at this instant.

Campaigns with something to dial take turns, one contact each, so none starves. Every contact passes the gate
here, in the same turn that commits its attempt.
"""

from __future__ import annotations

from dataclasses import replace

from dialerd.core import call as calls
from dialerd.core.campaign import LOW_WATER
from dialerd.core.clock import Mono
from dialerd.core.gate import Check, Passed, Scope, evaluate
from dialerd.core.journal import CallOpened
from dialerd.core.messages import WakeAt
from dialerd.core.model import Call, Campaign, CampaignId, Contact, ContactState
from dialerd.core.turn import Turn
from dialerd.core.world import Deferred, Queue, call_id, next_call_number


def plan(turn: Turn) -> None:
    """Open as many calls as may be placed now."""
    world = turn.world
    if turn.host.boot is None or not world.hot:
        return
    budget = world.policy.max_unanswered_originates - turn.host.unanswered
    idle_in_a_row = 0
    while budget > 0 and world.hot and idle_in_a_row < len(world.hot):
        ident = next(iter(world.hot))
        del world.hot[ident]
        refusal = _dial_next(turn, ident)
        if refusal is None:
            budget -= 1
            idle_in_a_row = 0
            world.hot[ident] = None
            continue
        if refusal.scope is Scope.DAEMON:
            world.hot[ident] = None
            return
        if refusal.scope is Scope.TRUNKS or refusal.rule == "campaign-rate":
            world.hot[ident] = None
            idle_in_a_row += 1
            _wake_when_lifted(turn, ident, refusal)
        elif refusal.until is not None:
            world.look_at(ident, refusal.until)


def _dial_next(turn: Turn, ident: CampaignId) -> Check | None:
    """Dial the campaign's next contact that may be dialed; None: done, otherwise what stands in the way."""
    campaign = turn.world.campaigns.get(ident)
    queue = turn.world.queues.get(ident)
    if campaign is None or queue is None or not queue.contacts:
        return _NOTHING_DUE
    while queue.contacts:
        contact = queue.contacts[0]
        verdict = evaluate(turn.world, campaign, contact, turn.now)
        if isinstance(verdict, Passed):
            rest = replace(queue, contacts=queue.contacts[1:], live=queue.live + 1)
            turn.set_queue(ident, rest)
            if len(rest.contacts) < LOW_WATER:
                turn.world.look_at(ident, turn.now.wall)
            _open_call(turn, campaign, contact, verdict)
            return None
        if verdict.scope is not Scope.CONTACT:
            return verdict
        queue = _set_aside(queue, contact, verdict)
        turn.set_queue(ident, queue)
        turn.world.look_at(ident, turn.now.wall)
    return _NOTHING_DUE


_NOTHING_DUE = Check("nothing-due", Scope.CAMPAIGN, False, "no contact is due")


def _set_aside(queue: Queue, contact: Contact, refusal: Check) -> Queue:
    """A contact that may not be called yet waits beside the queue, so that it does not hold up the others."""
    rest = replace(queue, contacts=queue.contacts[1:])
    if refusal.until is None:
        return rest
    return replace(rest, deferred=(*rest.deferred, Deferred(refusal.until, contact)))


def _open_call(turn: Turn, campaign: Campaign, contact: Contact, passed: Passed) -> None:
    number = next_call_number(turn.host.last_call, turn.now.wall)
    turn.set_host(replace(turn.host, last_call=number))
    dialing = replace(
        contact, state=ContactState.DIALING, attempts=contact.attempts + 1, turns=contact.turns + 1
    )
    call = Call(
        id=call_id(number),
        phone=contact.phone,
        language=campaign.language,
        script_id=campaign.script_id,
        script_version=campaign.script_version,
        attempt=dialing.attempts,
        tries=(),
        started_at=turn.now.wall,
        deadline=Mono(0),
        campaign_id=campaign.id,
        contact=dialing,
        gate=passed.receipt,
    )
    turn.record(CallOpened(call))
    calls.open_try(turn, call, campaign, passed.line)
    turn.world.numbers.put(contact.phone, call.id)
    turn.save_contact(contact, dialing)


def _wake_when_lifted(turn: Turn, ident: CampaignId, refusal: Check) -> None:
    """A rate that is used up wakes the planner when it is free again."""
    world, now = turn.world, turn.now
    if refusal.rule == "campaign-rate":
        turn.do(WakeAt(world.campaign_meters[ident].free_at(now.mono)))
    else:
        waits = [meter.free_at(now.mono) for meter in world.trunk_meters.values()]
        later = [at for at in waits if at > now.mono]
        if later:
            turn.do(WakeAt(min(later)))
