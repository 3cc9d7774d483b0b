"""The life of a call: what each event of Asterisk, the carrier and the voice agent does to it.

A call is one attempt. Its tries are originates, each with a channel id of its own. The only end of a try is
its terminal event (channel destroyed, originate refused) or the evidence that recovery gathers; then the
attempt either goes on over another trunk, or is closed and its contact finished, refunded or left waiting.
"""

from __future__ import annotations

from dataclasses import replace

from dialerd.core import gate, metrics, outcome, retry
from dialerd.core.clock import Instant, Millis, mono_after
from dialerd.core.journal import CallAnswered, CallClosed, CallReported, NumberFreed, TryOpened, TrySaved
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    AttachAgent,
    DetachAgent,
    HangUp,
    MediaFailed,
    Originate,
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
    OriginateWithheld,
    SeekEvidence,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.model import (
    CONNECTED,
    NOT_REACHABLE,
    Call,
    CallStatus,
    Campaign,
    ChannelId,
    ClosedCall,
    Contact,
    ContactState,
    Reason,
    Try,
    TryState,
)
from dialerd.core.outcome import Outcome
from dialerd.core.turn import Turn
from dialerd.core.world import Line, call_of, channel_id

LAST_WORD = Millis(2_000)
"""How long the record of an ended call waits for the agent's last word."""


def open_try(turn: Turn, call: Call, campaign: Campaign | None, line: Line) -> Call:
    """Commit one more try of `call` on `line`, and send its originate after the commit."""
    world, now = turn.world, turn.now
    number = len(call.tries) + 1
    trunk = line.trunk
    wanted = campaign.caller_id if campaign else None
    caller_id = wanted if wanted in trunk.caller_ids and wanted is not None else trunk.caller_ids[0]
    attempt = Try(
        channel=channel_id(world.instance, call.id, number),
        number=number,
        trunk=trunk.name,
        caller_id=caller_id,
        state=TryState.OPEN,
        boot=turn.host.boot or "",
        opened_at=now.wall,
    )
    ring_timeout = campaign.ring_timeout if campaign else Millis(30_000)
    deadline = mono_after(now.mono, Millis(ring_timeout + world.policy.backstop))
    call = replace(call, tries=(*call.tries, attempt), deadline=deadline)
    world.calls.put(call.id, call)
    turn.use_line(trunk.name, 1)
    world.trunk_meters[trunk.name].take(now.mono)
    meter = world.campaign_meters.get(campaign.id) if campaign else None
    if meter is not None:
        meter.take(now.mono)
    turn.set_host(replace(turn.host, unanswered=turn.host.unanswered + 1))
    turn.record(TryOpened(call.id, attempt))
    turn.do(
        Originate(
            channel=attempt.channel,
            campaign=call.campaign_id,
            trunk=trunk.name,
            phone=call.phone,
            endpoint=trunk.endpoint,
            number=trunk.dialed(call.phone),
            caller_id=caller_id,
            ring_timeout=ring_timeout,
            max_call=world.policy.max_call,
        )
    )
    return call


# --- replies to originates -----------------------------------------------------------------------


def on_accepted(turn: Turn, event: OriginateAccepted) -> None:
    """Asterisk has the channel: what follows are its events."""
    _originate_settled(turn)


def on_refused(turn: Turn, event: OriginateRefused) -> None:
    """Provably no INVITE: the try ends unsent, and the trunk is paused if the request itself was at fault."""
    _originate_settled(turn)
    call, attempt = _find(turn, event.channel)
    if call is None or attempt is None:
        return
    verdict = outcome.TRUNK_UNREACHABLE
    if event.ours:
        verdict = replace(outcome.NOT_SENT, pauses_trunk=f"Asterisk refuses the originate: {event.detail}")
    turn.announce("call.originate_refused", {"call": call.id, "trunk": attempt.trunk, "detail": event.detail})
    _end_try(turn, call, replace(attempt, state=TryState.NOT_SENT, ended_at=turn.now.wall), verdict)


def on_unanswered(turn: Turn, event: OriginateUnanswered) -> None:
    """No reply: the INVITE may have left. Look for the channel and its CDR row before believing anything."""
    _originate_settled(turn)
    call, attempt = _find(turn, event.channel)
    if call is not None and attempt is not None and attempt.state is TryState.OPEN:
        turn.do(SeekEvidence(attempt.boot, frozenset({event.channel}), turn.world.policy.settle))


def on_withheld(turn: Turn, event: OriginateWithheld) -> None:
    """The gate refused the committed try before it was sent: the attempt is taken back."""
    _originate_settled(turn)
    call, attempt = _find(turn, event.channel)
    if call is None or attempt is None:
        return
    unsent = replace(attempt, state=TryState.NOT_SENT, ended_at=turn.now.wall)
    if len(call.tries) > 1:
        # An earlier try of this attempt was sent: the attempt ends as its failover failed, by the usual rules.
        _end_try(turn, call, unsent, outcome.NEVER_ARRIVED)
        return
    call = _save_try(turn, call, unsent)
    turn.use_line(attempt.trunk, -1)
    _close(turn, call, None, counted=False, reason=None)


def _originate_settled(turn: Turn) -> None:
    host = turn.host
    turn.set_host(replace(host, unanswered=max(0, host.unanswered - 1)))


# --- progress ------------------------------------------------------------------------------------


def on_shown(turn: Turn, event: TryShown) -> None:
    """The dial has begun. A channel we know nothing of any more must not ring on."""
    call, attempt = _find(turn, event.channel)
    if call is None or attempt is None:
        turn.do(HangUp(event.channel))
    elif attempt.state is TryState.OPEN:
        _put_try(turn, call, replace(attempt, state=TryState.SHOWN))


def on_ringing(turn: Turn, event: TryRinging) -> None:
    """A provisional 18x: from here the attempt counts, and no other trunk may try."""
    call, attempt = _find(turn, event.channel)
    if call is not None and attempt is not None and attempt.state in (TryState.OPEN, TryState.SHOWN):
        mark_ringing(turn, call, attempt)


def mark_ringing(turn: Turn, call: Call, attempt: Try) -> None:
    """Journal that the phone rings, so that no restart forgets that the attempt counts."""
    _save_try(turn, call, replace(attempt, state=TryState.RINGING, ringing_at=turn.now.wall))


def on_answered(turn: Turn, event: TryAnswered) -> None:
    """The callee answered: give the call its agent at once."""
    call, attempt = _find(turn, event.channel)
    if call is None or attempt is None:
        turn.do(HangUp(event.channel))
        return
    if attempt.state is TryState.ANSWERED:
        return
    call = mark_answered(turn, call, attempt)
    if call.hangup is not None:
        turn.do(HangUp(event.channel))
        return
    turn.world.calls.put(call.id, replace(call, agent_attached=True))
    contact = call.contact
    turn.do(
        AttachAgent(
            call=call.id,
            channel=event.channel,
            script_id=call.script_id,
            script_version=call.script_version,
            language=call.language,
            phone=call.phone,
            name=contact.name if contact else None,
            variables=contact.variables if contact else {},
        )
    )


def mark_answered(turn: Turn, call: Call, attempt: Try) -> Call:
    """Journal the answer: the contact is in a call from now on."""
    now = turn.now
    answered = replace(attempt, state=TryState.ANSWERED, answered_at=now.wall)
    deadline = mono_after(now.mono, Millis(turn.world.policy.max_call + turn.world.policy.backstop))
    call = replace(call, tries=(*call.tries[:-1], answered), deadline=deadline)
    if call.contact is not None:
        contact = replace(
            call.contact,
            state=ContactState.IN_CALL,
            connected_attempt=call.contact.connected_attempt or call.contact.attempts,
        )
        turn.save_contact(call.contact, contact)
        call = replace(call, contact=contact)
    turn.world.calls.put(call.id, call)
    turn.record(CallAnswered(call))
    turn.announce("call.answered", {"call": call.id, "campaign": call.campaign_id}, call.phone)
    return call


def on_ended(turn: Turn, event: TryEnded) -> None:
    """The channel is gone: the terminal event."""
    call, attempt = _find(turn, event.channel)
    if call is None or attempt is None:
        return
    ended = replace(
        attempt, state=TryState.ENDED, ended_at=turn.now.wall, cause=event.cause, sip_code=event.sip_code
    )
    if attempt.answered_at is not None:
        end_answered(turn, call, ended)
    else:
        _end_try(turn, call, ended, outcome.classify(event, call.hangup is not None))


# --- the agent -----------------------------------------------------------------------------------


def on_heard(turn: Turn, event: AgentHeard) -> None:
    """The callee hears the agent."""
    call = turn.world.calls.get(event.call)
    if call is not None and call.agent_audio_at is None:
        turn.world.calls.put(call.id, replace(call, agent_audio_at=turn.now.wall))


def on_reported(turn: Turn, event: AgentReported | AgentFinished) -> None:
    """The agent's label, captured values and transcript: kept at once, so that no crash forgets them."""
    call = turn.world.calls.get(event.call)
    if call is None:
        return
    call = replace(call, report=event.report)
    turn.world.calls.put(call.id, call)
    turn.record(CallReported(call))


def on_finished(turn: Turn, event: AgentFinished) -> None:
    """The agent's last word: hang up, or close the call if the callee was first."""
    on_reported(turn, event)
    call = turn.world.calls.get(event.call)
    if call is not None:
        _agent_done(turn, call)


def on_media_failed(turn: Turn, event: MediaFailed) -> None:
    """The call has no agent any more: a person must not be left in silence."""
    call = turn.world.calls.get(event.call)
    if call is None or call.agent_done:
        return
    if call.current.state is not TryState.ENDED:
        turn.announce("call.media_failed", {"call": call.id, "reason": event.reason, "detail": event.detail})
        call = replace(call, media_fault=event.reason)
    _agent_done(turn, call)


def _agent_done(turn: Turn, call: Call) -> None:
    call = replace(call, agent_done=True)
    turn.world.calls.put(call.id, call)
    if call.current.state is TryState.ENDED:
        close_answered(turn, call)
    else:
        turn.do(HangUp(call.current.channel))


def cut(turn: Turn, call: Call, reason: Reason) -> None:
    """End a running call ourselves."""
    if call.hangup is None:
        turn.world.calls.put(call.id, replace(call, hangup=reason))
    turn.do(HangUp(call.current.channel))


# --- ends ----------------------------------------------------------------------------------------


def end_answered(turn: Turn, call: Call, ended: Try, fault: Reason | None = None) -> None:
    """An answered call has ended: its channel is free, its record waits for the agent's last word.

    `fault`: why the call went wrong, if that is known.
    """
    call = _save_try(turn, call, ended)
    turn.use_line(ended.trunk, -1)
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
        close_answered(turn, call)


def close_answered(turn: Turn, call: Call) -> None:
    """Close an ended answered call with what the agent said of it."""
    reason = None
    if (call.report.disposition or CONNECTED) == CONNECTED:
        reason = call.media_fault or call.hangup
    contact = retry.after_answer(call.contact, call.report, reason) if call.contact else None
    _close(turn, call, contact, counted=True, reason=reason)


def end_unanswered(turn: Turn, call: Call, ended: Try, verdict: Outcome) -> None:
    """Close an attempt whose last try ended without an answer, as recovery found: it never dials another."""
    _end_try(turn, call, ended, replace(verdict, failover=False))


def _end_try(turn: Turn, call: Call, ended: Try, verdict: Outcome) -> None:
    call = _save_try(turn, call, ended)
    turn.use_line(ended.trunk, -1)
    if verdict.pauses_trunk:
        pause_trunk(turn, ended, verdict.pauses_trunk)
    campaign = _campaign(turn, call)
    if verdict.failover and ended.ringing_at is None and _fail_over(turn, call, campaign):
        return
    counts = outcome.counts_against_callee(call.tries, verdict)
    contact = call.contact
    if contact is None or campaign is None:
        _close(turn, call, None, counted=counts, reason=verdict.reason)
    elif not counts and retry.may_refund(contact, turn.world.policy):
        refunded = retry.after_refund(contact, turn.world.policy, turn.now.wall)
        _close(turn, call, refunded, counted=False, reason=verdict.reason)
    else:
        failed = retry.after_failure(contact, campaign, verdict, counts, turn.now.wall)
        _close(turn, call, failed, counted=True, reason=failed.reason)


def pause_trunk(turn: Turn, ended: Try, why: str) -> None:
    """Stop using a trunk until somebody has mended it and says so."""
    line = turn.world.lines.get(ended.trunk)
    if line is not None and line.paused is None:
        turn.world.lines.put(ended.trunk, replace(line, paused=why))
        turn.announce("trunk.paused", {"trunk": ended.trunk, "why": why})


def _fail_over(turn: Turn, call: Call, campaign: Campaign | None) -> bool:
    """Try the next trunk within the same attempt, each trunk at most once."""
    if campaign is None or call.hangup is not None or not turn.planning:
        return False
    if not gate.may_fail_over(turn.world, campaign, turn.now):
        return False
    tried = frozenset(attempt.trunk for attempt in call.tries)
    route = gate.trunk_check(turn.world, campaign, turn.now, tried)
    if not isinstance(route, gate.Route):
        return False
    open_try(turn, call, campaign, route.line)
    return True


def _close(turn: Turn, call: Call, contact: Contact | None, *, counted: bool, reason: Reason | None) -> None:
    """The attempt's final record; the slot and the number are free before anybody is told."""
    world = turn.world
    ended_at = call.current.ended_at if call.current.ended_at is not None else turn.now.wall
    world.calls.remove(call.id)
    world.numbers.remove(call.phone)
    answered_at = call.answered_at
    rang = any(attempt.state is not TryState.NOT_SENT for attempt in call.tries)
    if rang:
        _rest(turn, call, ended_at, reason)
    talk = Millis(max(0, ended_at - answered_at)) if answered_at is not None else Millis(0)
    disposition = (call.report.disposition or CONNECTED) if answered_at is not None else NOT_REACHABLE
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
    if call.agent_attached:
        turn.do(DetachAgent(call.id))
    if call.campaign_id is not None and call.contact is not None:
        if answered_at is not None:
            turn.count(call.campaign_id, {metrics.TALKS: 1, metrics.TALK_MILLIS: talk})
        _return_contact(turn, call, contact or retry.put_back(call.contact))
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


def _rest(turn: Turn, call: Call, ended_at: Instant, reason: Reason | None) -> None:
    """The minimum gap of the number runs; a lost call bars it for longer, in every campaign."""
    world = turn.world
    campaign = _campaign(turn, call)
    since = ended_at
    if reason is Reason.LOST and campaign is not None:
        since = Instant(ended_at + max(0, retry.lost_wait(campaign) - world.policy.min_gap))
    if world.policy.min_gap or since > ended_at:
        world.rested.put(call.phone, since)
    turn.record(NumberFreed(call.phone, since))


def _return_contact(turn: Turn, call: Call, contact: Contact) -> None:
    """The contact finishes or waits; in a campaign that dials no more, waiting becomes its final state."""
    campaign = _campaign(turn, call)
    before = call.contact
    if before is None or call.campaign_id is None:
        return
    if contact.state.waiting and (campaign is None or not campaign.status.live):
        contact = replace(contact, state=ContactState.CANCELLED)
    elif contact.state.waiting and campaign is not None and campaign.closing:
        contact = replace(contact, state=ContactState.EXPIRED)
    turn.save_contact(before, contact)
    queue = turn.queue(call.campaign_id)
    turn.set_queue(call.campaign_id, replace(queue, live=max(0, queue.live - 1)))
    if contact.state.waiting:
        turn.wait_for(contact)
    turn.world.hot[call.campaign_id] = None
    turn.world.look_at(call.campaign_id, Instant(0))


# --- finding -------------------------------------------------------------------------------------


def _find(turn: Turn, channel: ChannelId) -> tuple[Call | None, Try | None]:
    """The open call whose running try has this channel; both None if that try has ended."""
    call = turn.world.calls.get(call_of(channel))
    if call is None or call.current.channel != channel:
        return None, None
    if call.current.state in (TryState.ENDED, TryState.NOT_SENT):
        return None, None
    return call, call.current


def _campaign(turn: Turn, call: Call) -> Campaign | None:
    return turn.world.campaigns.get(call.campaign_id) if call.campaign_id else None


def _put_try(turn: Turn, call: Call, attempt: Try) -> Call:
    call = replace(call, tries=(*call.tries[:-1], attempt))
    turn.world.calls.put(call.id, call)
    return call


def _save_try(turn: Turn, call: Call, attempt: Try) -> Call:
    turn.record(TrySaved(call.id, attempt))
    return _put_try(turn, call, attempt)
