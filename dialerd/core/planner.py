"""Which contact is dialed next, over which trunk: as many as slots, rates and Asterisk allow at this instant.

Campaigns share the starts of each trunk by weight (`dialerd.core.sharing`), a campaign's kinds of contacts theirs by
its shares. Every contact passes the gate here, in the same turn that commits its attempt.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dialerd.core import retry, sessions, tries
from dialerd.core.campaign import is_low, seek
from dialerd.core.clock import Instant, Millis, Mono, after
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.disposition import NOT_REACHABLE
from dialerd.core.donotcall import suppress
from dialerd.core.effects import WakeAt
from dialerd.core.engine import EMBEDDED, StandIn
from dialerd.core.gate import Ask, Passed, daemon_checks, evaluate, rate_free_at
from dialerd.core.identity import CampaignId, ScriptId, TrunkName, call_id, next_call_number
from dialerd.core.journal import CallOpened
from dialerd.core.model import Call, Campaign, OnMachine
from dialerd.core.queue import Deferred, Queue
from dialerd.core.record import record, replace
from dialerd.core.routing import free_again, is_free, preferred
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope

NEAR = Millis(5_000)
"""A contact barred for longer than this waits in the store, so that it holds up nobody."""
READ_AGAIN = Millis(3_000_000)
"""Where frequency caps hold, a contact is read again after this: well before calls of that age are forgotten here."""


@record
class Conversation:
    """What is to be said to whom, for a call that is about to be opened."""

    language: str
    script_id: ScriptId
    script_version: int
    name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    agent_id: str | None = None
    voice: str | None = None
    engine: str = EMBEDDED
    stand_ins: tuple[StandIn, ...] = ()
    instructions: Mapping[str, Any] = field(default_factory=dict)
    on_machine: OnMachine = OnMachine.CONTINUE


def plan(turn: Turn) -> None:
    """Open as many calls as may be placed now: trunk by trunk, each one's campaigns in their turn."""
    world = turn.world
    if turn.host.boot is None:
        return
    _line_up(turn)
    if any(world.rotas.values()) and all(check.ok for check in daemon_checks(world, turn.now.wall)):
        _share_out(turn)
    _wake_when_free(turn)


def _share_out(turn: Turn) -> None:
    world = turn.world
    budget = world.policy.max_unanswered_originates - turn.flow.unanswered
    left = -1
    # A trunk that fills up sends contacts on to the next: until nobody finds a place any more.
    while budget > 0 and budget != left:
        left = budget
        for name in world.rotas:
            budget = _serve(turn, name, budget)


def _line_up(turn: Turn) -> None:
    """Campaigns that may have something to dial again take their places."""
    world = turn.world
    while world.sleepers and world.sleepers[0][0] <= turn.now.mono:
        world.wake(heapq.heappop(world.sleepers)[1], changed=False)
    for ident, changed in world.hot.items():
        campaign = world.campaigns.get(ident)
        if campaign is None:
            continue
        if changed:
            world.elsewhere.pop(ident, None)
        barred = world.elsewhere.get(ident, ())
        for name, rota in world.rotas.items():
            if name not in barred and (not campaign.trunks or name in campaign.trunks):
                rota.enter(ident)
    world.hot.clear()


def _serve(turn: Turn, name: TrunkName, budget: int) -> int:
    """Give the starts that a trunk has now to its campaigns; what is left of the budget."""
    world, rota = turn.world, turn.world.rotas[name]
    waits: list[CampaignId] = []
    while budget > 0 and is_free(world, world.lines[name], turn.now.mono):
        ident = rota.first()
        if ident is None:
            break
        refusal = _dial_next(turn, ident, name)
        if refusal is None:
            budget -= 1
        elif refusal.scope is Scope.DAEMON:
            budget = 0
        elif refusal.scope is Scope.TRUNKS:
            # Another trunk is better for its contacts, or none of this one's numbers may be shown.
            rota.leave(ident)
            waits.append(ident)
            if refusal.until is not None:
                world.look_at(ident, refusal.until)
        elif refusal is _NOT_OVER_THIS:
            rota.leave(ident)
            world.elsewhere.setdefault(ident, set()).add(name)
            seek(turn, ident, name)
        else:
            _step_back(turn, ident, refusal)
    for ident in waits:
        rota.enter(ident)
    return budget


def _step_back(turn: Turn, ident: CampaignId, refusal: Check) -> None:
    """The campaign may not dial over any trunk until its refusal lifts."""
    world = turn.world
    for rota in world.rotas.values():
        rota.leave(ident)
    campaign = world.campaigns.get(ident)
    if refusal.rule == "campaign-rate" and campaign is not None:
        heapq.heappush(world.sleepers, (rate_free_at(world, campaign, turn.now.mono), ident))
    elif refusal.rule == sessions.RULE and campaign is not None:
        sessions.wait(world, campaign.engine, ident)
    elif refusal.until is not None:
        world.look_at(ident, refusal.until)


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
        agent_id=talk.agent_id,
        voice=talk.voice,
        engine=talk.engine,
        stand_ins=talk.stand_ins,
        instructions=talk.instructions,
        on_machine=talk.on_machine,
    )
    turn.record(CallOpened(call))
    # A campaign's rate counts calls: going on over another trunk is the same call.
    meter = turn.world.campaign_meter(ask.campaign) if ask.campaign is not None else None
    if meter is not None:
        meter.take(turn.now.mono)
    sessions.engage(turn, call.engine, 1)
    call = tries.open_try(turn, call, passed.line, passed.caller_id)
    turn.world.numbers.put(ask.phone, call.id)
    if contact is not None and call.contact is not None:
        turn.save_contact(contact, call.contact)
    return call


def _dialing(contact: Contact, *, callback: bool) -> Contact:
    begun = replace(contact, state=ContactState.DIALING, turns=contact.turns + 1)
    if callback:
        return replace(begun, callbacks=contact.callbacks + 1)
    return replace(begun, attempts=contact.attempts + 1)


def _dial_next(turn: Turn, ident: CampaignId, trunk: TrunkName) -> Check | None:
    """Dial the campaign's next contact that may be dialed over `trunk`; None: done, else what stands in the way."""
    campaign, queue = turn.world.campaigns.get(ident), turn.world.queues.get(ident)
    if campaign is None or queue is None:
        return _NOTHING_DUE
    # Before any contact is looked at: very many campaigns may wait for one engine.
    if campaign.engine != EMBEDDED and turn.host.sessions:
        engine = sessions.check(turn.world, campaign.engine)
        if not engine.ok:
            turn.world.refusals[engine.rule] += 1
            return engine
    rota = turn.world.kind_rota(ident)
    waiting = [kind for kind in _KINDS if queue.of(kind)]
    refusal = _NOTHING_DUE
    for kind in sorted(waiting, key=rota.tag) if len(waiting) > 1 else waiting:
        while (place := _place(turn, campaign, queue.of(kind), trunk)) is not None:
            if isinstance(place, Check):
                refusal = place if refusal is not _BETTER_ELSEWHERE else refusal
                break
            contact = queue.of(kind)[place]
            others = queue.of(kind)[:place] + queue.of(kind)[place + 1 :]
            ask = Ask(contact.phone, campaign.terms, campaign, contact, contact.timezone)
            verdict = _stale(turn, contact) or evaluate(turn.world, ask, turn.now)
            if isinstance(verdict, Passed):
                rota.took(kind, campaign.shares.of(kind))
                _take(turn, campaign, queue.put(kind, others, live=queue.live + 1))
                open_call(turn, ask, verdict, _talk(campaign))
                return None
            turn.world.refusals[verdict.rule] += 1
            if verdict.scope is not Scope.CONTACT:
                return verdict
            queue = _set_aside(turn, campaign, queue.put(kind, others), contact, verdict)
            turn.set_queue(ident, queue)
            turn.world.look_at(ident, turn.now.wall)
    return refusal


def _talk(campaign: Campaign) -> Conversation:
    return Conversation(
        campaign.language,
        campaign.script_id,
        campaign.script_version,
        agent_id=campaign.agent_id,
        voice=campaign.voice,
        engine=campaign.engine,
        stand_ins=campaign.stand_ins,
        on_machine=campaign.on_machine,
    )


def _take(turn: Turn, campaign: Campaign, rest: Queue) -> None:
    turn.set_queue(campaign.id, rest)
    if not rest.loading and is_low(turn, rest):
        turn.world.look_at(campaign.id, turn.now.wall)


def _place(
    turn: Turn, campaign: Campaign, contacts: tuple[Contact, ...], trunk: TrunkName
) -> int | Check | None:
    """The first contact that takes `trunk` now; a refusal: none does; None: there is no contact."""
    if not contacts:
        return None
    if len(turn.world.rotas) == 1 and turn.world.lines[trunk].trunk.prefixes == ("",):
        return 0
    refusal = _NOT_OVER_THIS
    terms = campaign.terms
    for place, contact in enumerate(contacts):
        best, may = preferred(turn.world, contact, terms, turn.now)
        if best == trunk:
            return place
        if trunk in may:
            refusal = _BETTER_ELSEWHERE
    return refusal


def _stale(turn: Turn, contact: Contact) -> Check | None:
    """Whether calls to its number may be unknown here: it was read from the store too long ago."""
    if not turn.world.policy.caps or contact.read_at > turn.now.wall - READ_AGAIN:
        return None
    return _READ_AGAIN


_KINDS = tuple(reversed(ContactKind))
_NOTHING_DUE = Check("nothing-due", Scope.CAMPAIGN, False, "no contact is due")
_NOT_OVER_THIS = Check("trunk", Scope.CAMPAIGN, False, "no contact in memory takes this trunk")
_BETTER_ELSEWHERE = Check("trunk", Scope.TRUNKS, False, "its contacts take a better trunk first")
_READ_AGAIN = Check("read-again", Scope.CONTACT, False, "it was read from the store too long ago")


def _set_aside(turn: Turn, campaign: Campaign, rest: Queue, contact: Contact, refusal: Check) -> Queue:
    """A contact may not be called now: it goes to where its refusal says; the queue without or behind it."""
    until = refusal.until
    if refusal is _READ_AGAIN:
        return replace(rest, exhausted=frozenset())
    if refusal.rule == "erasure":
        # The sweep that takes it out may have found this contact already.
        return replace(rest, deferred=(*rest.deferred, Deferred(after(turn.now.wall, NEAR), contact)))
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


def _wake_when_free(turn: Turn) -> None:
    """A rate that is used up wakes the planner when it is free again."""
    world, now = turn.world, turn.now.mono
    waits = [at for at, _ in world.sleepers[:1]]
    for name, rota in world.rotas.items():
        line = world.lines[name]
        if len(rota) and line.paused is None and line.in_use < line.trunk.max_channels:
            waits.append(free_again(world, line, now))
    later = [at for at in waits if at > now]
    if later:
        turn.do(WakeAt(min(later)))
