"""The end of a call: what its last try means, what becomes of its contact, and its final record.

The only end of a try is its terminal event or the evidence that recovery gathers; then the attempt goes on over
another trunk, or is closed and its contact finished, refunded or left waiting.
"""

from __future__ import annotations

from dialerd.core import (
    abandonment,
    answering,
    brake,
    callback,
    callerid,
    gate,
    handover,
    labels,
    metrics,
    outcome,
    retry,
    sessions,
    slowdown,
    tries,
)
from dialerd.core.clock import Instant, Millis, after, mono_after
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import CONNECTED, DO_NOT_CALL, ESCALATED, NOT_REACHABLE, Reason
from dialerd.core.donotcall import list_callee
from dialerd.core.effects import DetachAgent, ForgoMedia
from dialerd.core.journal import CallClosed, NumberFreed
from dialerd.core.model import Call, CallStatus, ClosedCall, Try, TryState
from dialerd.core.outcome import FaultSide, Outcome
from dialerd.core.record import replace
from dialerd.core.telling import call_told
from dialerd.core.turn import Turn
from dialerd.core.webhook import EventKind

LAST_WORD = Millis(2_000)
"""How long the record of an ended call waits for the agent's last word."""


def end_answered(turn: Turn, call: Call, ended: Try, fault: Reason | None = None) -> None:
    """An answered call has ended: its channel is free, its record waits for the agent's last word.

    `fault`: why the call went wrong, if that is known.
    """
    call = tries.save_try(turn, handover.callee_gone(turn, call), ended)
    turn.use_line(ended.trunk, -1)
    # A number that callees' phones take for spam is answered by machines more and more.
    callerid.note_final(turn, ended, answered=not answering.reached_machine(call))
    brake.note_final(turn, ended, None, None)
    # Without a media worker the word cannot come yet: it comes with the worker, or not at all.
    patience = LAST_WORD if turn.host.sessions else turn.world.policy.backstop
    call = replace(
        call,
        media_fault=call.media_fault or fault,
        deadline=mono_after(turn.now.mono, patience),
    )
    turn.world.calls.put(call.id, call)
    if call.agent_attached and not call.agent_done:
        turn.do(DetachAgent(call.id))
    else:
        if not call.agent_attached and ended.ringing_at is not None:
            turn.do(ForgoMedia(call.id))
        close_answered(turn, call)


def close_answered(turn: Turn, call: Call, *, overdue: bool = False) -> None:
    """Close an ended answered call with what the agent said of it.

    A number that asked not to be called leaves every queue first; `overdue`: that has taken too long, and the gate
    keeps it from being dialed.
    """
    if call.report.disposition == DO_NOT_CALL and not call.swept and not overdue:
        list_callee(turn, call)
        return
    if answering.reached_machine(call):
        _close_machine(turn, call)
        return
    call, reason = _escalated(call), None
    if (call.report.disposition or CONNECTED) == CONNECTED:
        reason = call.media_fault or call.hangup
    elif call.hangup is Reason.MAX_DURATION:
        reason = call.hangup
    contact = None
    unheard = abandonment.heard_nobody(call, _ended_at(turn, call))
    if call.contact is not None:
        campaign, now = tries.campaign_of(turn, call), turn.now.wall
        contact = retry.after_answer(
            _with_person(call, call.contact),
            call.report,
            reason,
            campaign,
            _callback(turn, call),
            now,
            again=not labels.is_final(turn.world, call),
        )
        if unheard and contact.state is ContactState.RETRY_WAITING:
            contact = retry.postpone(contact, after(now, retry.ABANDONED_BAR))
    close(turn, call, contact, counted=True, reason=reason)


def _escalated(call: Call) -> Call:
    """A call that a person has taken over is labelled so, unless somebody gave it a label of its own."""
    answered = call.transfer is not None and call.transfer.answered
    if not answered or (call.report.disposition or CONNECTED) != CONNECTED:
        return call
    return replace(call, report=replace(call.report, disposition=ESCALATED))


def _with_person(call: Call, contact: Contact) -> Contact:
    answered = call.transfer is not None and call.transfer.answered
    return replace(contact, escalated=True) if answered else contact


def _close_machine(turn: Turn, call: Call) -> None:
    """Close a call that only a machine has answered: nobody was reached."""
    contact, campaign = call.contact, tries.campaign_of(turn, call)
    if contact is not None and campaign is not None:
        contact = retry.after_machine(
            contact, campaign, turn.now.wall, message_left=call.message_left, callback=call.callback
        )
    close(turn, call, contact, counted=True, reason=Reason.VOICEMAIL)


def _callback(turn: Turn, call: Call) -> Instant | None:
    """When the callee may be called back: at the time it asked for, if that can be."""
    asked = call.report.callback_at
    if asked is None or callback.unmet(call, tries.campaign_of(turn, call), asked, turn.now.wall) is not None:
        return None
    return asked


def end_unanswered(turn: Turn, call: Call, ended: Try, verdict: Outcome) -> None:
    """Close an attempt whose last try ended without an answer, as recovery found: it never dials another."""
    end_try(turn, call, ended, replace(verdict, failover=False))


def end_try(turn: Turn, call: Call, ended: Try, verdict: Outcome) -> None:
    """A try has ended without an answer: go on over another trunk, or close the attempt."""
    call = tries.save_try(turn, call, ended)
    turn.use_line(ended.trunk, -1)
    if ended.ringing_at is not None:
        turn.do(ForgoMedia(call.id))
    if verdict.pauses_trunk:
        brake.pause_trunk(turn, ended.trunk, verdict.pauses_trunk)
    slowdown.note_end(turn, call, ended, verdict)
    if verdict.failover and ended.ringing_at is None and _fail_over(turn, call):
        return
    counts = outcome.counts_against_callee(call.tries, verdict)
    if counts and verdict.fault is FaultSide.CALLEE:
        callerid.note_final(turn, ended, answered=False)
    contact, campaign = call.contact, tries.campaign_of(turn, call)
    policy, now = turn.world.policy, turn.now.wall
    if contact is None or campaign is None:
        close(turn, call, None, counted=counts, reason=verdict.reason)
        brake.note_final(turn, ended, None, None)
        return
    refunded = not counts and retry.may_refund(contact, policy)
    if refunded:
        after = retry.after_refund(contact, policy, now, callback=call.callback)
    else:
        after = retry.after_failure(contact, campaign, verdict, counts, now, callback=call.callback)
    reason = verdict.reason if counts or refunded else Reason.CONGESTION
    saved = close(turn, call, after, counted=not refunded, reason=reason)
    brake.note_final(turn, ended, contact, saved)


def _fail_over(turn: Turn, call: Call) -> bool:
    """Try the next trunk within the same attempt, each trunk at most once."""
    if call.hangup is not None or not turn.planning:
        return False
    tried = frozenset(attempt.trunk for attempt in call.tries)
    route = gate.failover_route(turn.world, ask_again(turn, call), turn.now, tried)
    if route is None:
        return False
    tries.open_try(turn, call, route.line, route.caller_id)
    return True


def ask_again(turn: Turn, call: Call) -> gate.Ask:
    """The question that a running call's further try puts to the gate."""
    timezone = call.contact.timezone if call.contact is not None else None
    return gate.Ask(call.phone, call.terms, tries.campaign_of(turn, call), call.contact, timezone)


def close(
    turn: Turn, call: Call, contact: Contact | None, *, counted: bool, reason: Reason | None
) -> Contact | None:
    """The attempt's final record; the slot and the number are free before anybody is told.

    Returns the contact as it was saved.
    """
    world = turn.world
    ended_at = _ended_at(turn, call)
    world.calls.remove(call.id)
    sessions.release(turn, call)
    world.numbers.remove(call.phone)
    if call.agent_audio_at is None and world.recordings.get(call.id):
        # Of most such calls there is none, and nobody would say so.
        world.recordings.remove(call.id)
    answered_at = call.answered_at
    rang = any(attempt.state is not TryState.NOT_SENT for attempt in call.tries)
    if rang:
        _rest(turn, call, ended_at, reason)
    if counted and world.policy.caps:
        world.called(call.phone, call.started_at, turn.now.wall)
    talk = Millis(max(0, ended_at - answered_at)) if answered_at is not None else Millis(0)
    reached = answered_at is not None and not answering.reached_machine(call)
    disposition = (call.report.disposition or CONNECTED) if reached else NOT_REACHABLE
    closed = ClosedCall(
        id=call.id,
        status=CallStatus.COMPLETED if answered_at is not None else CallStatus.FAILED,
        disposition=disposition,
        reason=reason,
        counted=counted,
        ended_at=ended_at,
        duration=talk,
    )
    turn.record(CallClosed(call, closed))
    call_told(turn, EventKind.CALL_COMPLETED, call, closed)
    if call.agent_attached:
        turn.do(DetachAgent(call.id))
    abandoned = reached and (reason is Reason.ABANDONED or abandonment.heard_nobody(call, ended_at))
    _count_call(turn, call, talk if reached else None, abandoned=abandoned)
    saved = _return_contact(turn, call, contact) if contact is not None else None
    turn.announce(
        "call.completed",
        {
            "call": call.id,
            "campaign": call.campaign_id,
            "disposition": disposition,
            "reason": reason,
            "attempt": call.attempt,
            "counted": counted,
            "sip_code": call.current.sip_code,
            "cause": call.current.cause,
        },
        call.phone,
    )
    return saved


def _ended_at(turn: Turn, call: Call) -> Instant:
    return call.current.ended_at if call.current.ended_at is not None else turn.now.wall


def _count_call(turn: Turn, call: Call, talk: Millis | None, *, abandoned: bool) -> None:
    """Figures that are counted per call: by trunk and hour; `talk` None: it was not answered."""
    if call.campaign_id is None or turn.world.campaigns.get(call.campaign_id) is None:
        return
    answered = {} if talk is None else {metrics.TALKS: 1, metrics.TALK_MILLIS: talk}
    per_call = metrics.per_call(call, answered=talk is not None, abandoned=abandoned)
    turn.count(call.campaign_id, answered | per_call)
    if talk is not None:
        abandonment.note_live_answer(turn, call.campaign_id, abandoned=abandoned)


def _rest(turn: Turn, call: Call, ended_at: Instant, reason: Reason | None) -> None:
    """The minimum gap of the number runs; a lost call bars it for longer, in every campaign."""
    world = turn.world
    since = ended_at
    if reason is Reason.LOST:
        campaign = tries.campaign_of(turn, call)
        interval = campaign.retry_interval if campaign is not None else Millis(0)
        bar = retry.lost_wait(call.terms.ring_timeout, interval)
        since = Instant(ended_at + max(0, bar - world.policy.min_gap))
    if world.policy.min_gap or since > ended_at:
        world.rest(call.phone, since)
    turn.record(NumberFreed(call.phone, since))


def _return_contact(turn: Turn, call: Call, contact: Contact) -> Contact:
    """The contact finishes or waits; in a campaign that dials no more, waiting becomes its final state."""
    campaign = tries.campaign_of(turn, call)
    before = call.contact
    if before is None or call.campaign_id is None:
        return contact
    listed = turn.world.dnc.match(call.phone, turn.now.wall)
    if contact.state.waiting and listed is not None and listed.expires_at is None:
        contact = replace(contact, state=ContactState.SUPPRESSED)
    if contact.state.waiting and (campaign is None or not campaign.status.live):
        contact = replace(contact, state=ContactState.CANCELLED)
    elif contact.state.waiting and campaign is not None and campaign.closing:
        contact = replace(contact, state=ContactState.EXPIRED)
    turn.save_contact(before, contact)
    queue = turn.queue(call.campaign_id)
    live = max(0, queue.live - 1)
    turn.set_queue(call.campaign_id, replace(queue, live=live))
    if contact.state.waiting:
        turn.wait_for(contact)
    turn.world.wake(call.campaign_id, changed=False)
    counters = turn.world.counters.get(call.campaign_id) or {}
    going_on = campaign is not None and campaign.status.live and not campaign.closing
    if not live and not (going_on and metrics.unfinished(counters)):
        # It may have been the last: its campaign is looked at for its end.
        turn.world.look_at(call.campaign_id, Instant(0))
    return contact
