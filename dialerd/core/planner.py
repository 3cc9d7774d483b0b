"""Which contact is dialed next, over which trunk: as many as slots, rates and Asterisk allow at this instant.

Campaigns with something to dial take turns, one contact each, so none starves. Every contact passes the gate
here, in the same turn that commits its attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dialerd.core import retry, tries
from dialerd.core.clock import Instant, Millis, Mono, after
from dialerd.core.donotcall import suppress
from dialerd.core.effects import WakeAt
from dialerd.core.gate import Ask, Passed, evaluate, rate_free_at
from dialerd.core.journal import CallOpened
from dialerd.core.model import (
    NOT_REACHABLE,
    Call,
    Campaign,
    CampaignId,
    Contact,
    ContactState,
    ScriptId,
)
from dialerd.core.record import record, replace
from dialerd.core.routing import free_again
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope
from dialerd.core.world import Deferred, Queue, call_id, next_call_number

NEAR = Millis(5_000)
"""A contact barred for longer than this waits in the store, so that it holds up nobody."""


@record
class Conversation:
    """What is to be said to whom, for a call that is about to be opened."""

    language: str
    script_id: ScriptId
    script_version: int
    name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


def plan(turn: Turn) -> None:
    """Open as many calls as may be placed now."""
    world = turn.world
    if turn.host.boot is None or not world.hot:
        return
    budget = world.policy.max_unanswered_originates - turn.flow.unanswered
    dialed = True
    while dialed and budget > 0:
        dialed = False
        for ident in list(world.hot):
            if budget <= 0:
                return
            refusal = _dial_next(turn, ident)
            if refusal is None:
                # Its turn is taken: the others come first now.
                del world.hot[ident]
                world.hot[ident] = None
                budget -= 1
                dialed = True
            elif not _goes_on(turn, ident, refusal):
                return


def _goes_on(turn: Turn, ident: CampaignId, refusal: Check) -> bool:
    """Whether another campaign may still dial in this turn. Who was refused a trunk keeps its place in the row."""
    world = turn.world
    if refusal.scope is Scope.DAEMON:
        return False
    if refusal.scope is Scope.TRUNKS or refusal.rule == "campaign-rate":
        _wake_when_lifted(turn, ident, refusal)
        return refusal.scope is not Scope.TRUNKS or _any_trunk_free(turn)
    del world.hot[ident]
    if refusal.until is not None:
        world.look_at(ident, refusal.until)
    return True


def open_call(turn: Turn, ask: Ask, passed: Passed, talk: Conversation) -> Call:
    """Open the attempt that the gate let through, and its first try."""
    number = next_call_number(turn.flow.last_call, turn.now.wall)
    turn.set_flow(replace(turn.flow, last_call=number))
    contact = ask.contact
    is_callback = contact is not None and contact.state is ContactState.CALLBACK_WAITING
    dialing = _dialing(contact, callback=is_callback) if contact is not None else None
    call = Call(
        id=call_id(number),
        phone=ask.phone,
        language=talk.language,
        script_id=talk.script_id,
        script_version=talk.script_version,
        attempt=dialing.attempts + dialing.callbacks if dialing is not None else 1,
        tries=(),
        started_at=turn.now.wall,
        deadline=Mono(0),
        campaign_id=ask.campaign.id if ask.campaign is not None else None,
        contact=dialing,
        name=talk.name,
        variables=talk.variables,
        terms=ask.terms,
        callback=is_callback,
        gate=passed.receipt,
    )
    turn.record(CallOpened(call))
    # A campaign's rate counts calls: going on over another trunk is the same call.
    meter = turn.world.campaign_meter(ask.campaign) if ask.campaign is not None else None
    if meter is not None:
        meter.take(turn.now.mono)
    call = tries.open_try(turn, call, passed.line)
    turn.world.numbers.put(ask.phone, call.id)
    if contact is not None and dialing is not None:
        turn.save_contact(contact, dialing)
    return call


def _dialing(contact: Contact, *, callback: bool) -> Contact:
    begun = replace(contact, state=ContactState.DIALING, turns=contact.turns + 1)
    if callback:
        return replace(begun, callbacks=contact.callbacks + 1)
    return replace(begun, attempts=contact.attempts + 1)


def _dial_next(turn: Turn, ident: CampaignId) -> Check | None:
    """Dial the campaign's next contact that may be dialed; None: done, otherwise what stands in the way."""
    campaign = turn.world.campaigns.get(ident)
    queue = turn.world.queues.get(ident)
    if campaign is None or queue is None or not queue.contacts:
        return _NOTHING_DUE
    while queue.contacts:
        contact = queue.contacts[0]
        ask = Ask(contact.phone, campaign.terms, campaign, contact, contact.timezone)
        verdict = evaluate(turn.world, ask, turn.now)
        if isinstance(verdict, Passed):
            rest = replace(queue, contacts=queue.contacts[1:], live=queue.live + 1)
            turn.set_queue(ident, rest)
            if len(rest.contacts) < turn.world.low_water:
                turn.world.look_at(ident, turn.now.wall)
            talk = Conversation(campaign.language, campaign.script_id, campaign.script_version)
            open_call(turn, ask, verdict, talk)
            return None
        if verdict.scope is not Scope.CONTACT:
            return verdict
        queue = _set_aside(turn, campaign, queue, verdict)
        turn.set_queue(ident, queue)
        turn.world.look_at(ident, turn.now.wall)
    return _NOTHING_DUE


_NOTHING_DUE = Check("nothing-due", Scope.CAMPAIGN, False, "no contact is due")


def _set_aside(turn: Turn, campaign: Campaign, queue: Queue, refusal: Check) -> Queue:
    """The first contact may not be called now: it leaves the queue, to where its refusal says."""
    contact = queue.contacts[0]
    rest = replace(queue, contacts=queue.contacts[1:])
    until = refusal.until
    if refusal.rule == "dnc" and until is None:
        listed = turn.world.dnc.match(contact.phone, turn.now.wall)
        if listed is not None and listed.pattern in turn.host.sweeps:
            # The sweep that is under way may have found this contact already.
            return replace(rest, deferred=(*rest.deferred, Deferred(after(turn.now.wall, NEAR), contact)))
        suppress(turn, contact)
        return rest
    if refusal.rule == "attempts":
        # The limit was lowered while it waited.
        label = contact.disposition or NOT_REACHABLE
        turn.save_contact(contact, replace(contact, state=ContactState.FINISHED, disposition=label))
        return rest
    if until is None:
        # Nothing known lifts it: a zone that nobody can tell, hours that never open.
        until = after(turn.now.wall, _UNKNOWN_RECHECK)
    if until - turn.now.wall <= NEAR:
        return replace(rest, deferred=(*rest.deferred, Deferred(until, contact)))
    later = retry.postpone(contact, until)
    turn.save_contact(contact, later)
    due = min(d for d in (rest.next_due, later.not_before) if d is not None)
    turn.world.look_at(campaign.id, later.not_before)
    return replace(rest, next_due=Instant(due))


_UNKNOWN_RECHECK = Millis(3_600_000)


def _any_trunk_free(turn: Turn) -> bool:
    """Whether any call at all could still find a trunk in this turn."""
    now = turn.now.mono
    return any(
        line.paused is None
        and line.reachable is not False
        and line.in_use < line.trunk.max_channels
        and free_again(turn.world, line, now) <= now
        for line in turn.world.lines.values()
    )


def _wake_when_lifted(turn: Turn, ident: CampaignId, refusal: Check) -> None:
    """A rate that is used up wakes the planner when it is free again."""
    world, now = turn.world, turn.now
    campaign = world.campaigns.get(ident)
    if refusal.rule == "campaign-rate" and campaign is not None:
        turn.do(WakeAt(rate_free_at(world, campaign, now.mono)))
    else:
        waits = [free_again(world, line, now.mono) for line in world.lines.values() if line.paused is None]
        later = [at for at in waits if at > now.mono]
        if later:
            turn.do(WakeAt(min(later)))
