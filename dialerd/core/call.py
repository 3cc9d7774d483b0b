"""The life of a call: what each event of Asterisk, the carrier and the voice agent does to it.

A call is one attempt. Its tries are originates, each with a channel id of its own. The only end of a try is
its terminal event (channel destroyed, originate refused) or the evidence that recovery gathers; then the
attempt either goes on over another trunk, or is closed and its contact finished, refunded or left waiting.
"""

from __future__ import annotations

from dialerd.core import (
    abandonment,
    answering,
    callback,
    ending,
    handover,
    labels,
    outcome,
    retry,
    sessions,
    slowdown,
    timelimit,
    tries,
)
from dialerd.core.clock import Instant, Millis, mono_after
from dialerd.core.contact import ContactState
from dialerd.core.disposition import DO_NOT_CALL, Reason
from dialerd.core.donotcall import list_callee, take_out
from dialerd.core.effects import (
    AttachAgent,
    HangUp,
    PrepareMedia,
    ShowCall,
    TellCallbackUnmet,
)
from dialerd.core.fact import ShownFact
from dialerd.core.journal import (
    CallAnswered,
    CallCut,
    CallRecorded,
    CallReported,
)
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    CallShown,
    MediaFailed,
    NumbersFound,
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
    OriginateWithheld,
    RecordingKept,
    RecordingLost,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.model import MU_LAW, Call, Label, Try, TryState
from dialerd.core.record import replace
from dialerd.core.telling import call_told
from dialerd.core.turn import Turn
from dialerd.core.webhook import EventKind

# --- replies to originates -----------------------------------------------------------------------


def on_accepted(turn: Turn, event: OriginateAccepted) -> None:
    """Asterisk has the channel: what follows are its events."""
    _originate_settled(turn)


def on_refused(turn: Turn, event: OriginateRefused) -> None:
    """Provably no INVITE: the try ends unsent, and the trunk is paused if the request itself was at fault."""
    _originate_settled(turn)
    call, attempt = tries.find(turn, event.channel)
    if call is None or attempt is None:
        return
    verdict = outcome.TRUNK_UNREACHABLE
    if event.ours:
        verdict = replace(outcome.NOT_SENT, pauses_trunk=f"Asterisk refuses the originate: {event.detail}")
    turn.announce("call.originate_refused", {"call": call.id, "trunk": attempt.trunk, "detail": event.detail})
    ending.end_try(turn, call, replace(attempt, state=TryState.NOT_SENT, ended_at=turn.now.wall), verdict)


def on_unanswered(turn: Turn, event: OriginateUnanswered) -> None:
    """No reply: the INVITE may have left, or may yet, as long as Asterisk has the request to read.

    So its evidence is looked for after the next reconnect, or when its deadline comes.
    """
    _originate_settled(turn)
    call, attempt = tries.find(turn, event.channel)
    if call is not None and attempt is not None and attempt.state is TryState.OPEN:
        deadline = mono_after(turn.now.mono, turn.world.policy.backstop)
        turn.world.calls.put(call.id, replace(call, deadline=deadline))


def on_withheld(turn: Turn, event: OriginateWithheld) -> None:
    """The gate refused the committed try before it was sent: the attempt is taken back."""
    _originate_settled(turn)
    turn.world.refusals[event.rule] += 1
    call, attempt = tries.find(turn, event.channel)
    if call is None or attempt is None:
        return
    unsent = replace(attempt, state=TryState.NOT_SENT, ended_at=turn.now.wall)
    if len(call.tries) > 1:
        # An earlier try of this attempt was sent: the attempt ends as its failover failed, by the usual rules.
        ending.end_try(turn, call, unsent, outcome.NEVER_ARRIVED)
        return
    call = tries.save_try(turn, call, unsent)
    turn.use_line(attempt.trunk, -1)
    back = retry.put_back(call.contact, callback=call.callback) if call.contact else None
    ending.close(turn, call, back, counted=False, reason=None)


def _originate_settled(turn: Turn) -> None:
    flow = turn.flow
    turn.set_flow(replace(flow, unanswered=max(0, flow.unanswered - 1)))


# --- progress ------------------------------------------------------------------------------------


def on_shown(turn: Turn, event: TryShown) -> None:
    """The dial has begun. A channel we know nothing of any more must not ring on."""
    call, attempt = tries.find(turn, event.channel)
    if call is None or attempt is None:
        turn.do(HangUp(event.channel))
    elif attempt.state is TryState.OPEN:
        tries.put_try(turn, call, replace(attempt, state=TryState.SHOWN))


def on_ringing(turn: Turn, event: TryRinging) -> None:
    """A provisional 18x: from here the attempt counts, and no other trunk may try."""
    call, attempt = tries.find(turn, event.channel)
    if call is not None and attempt is not None and attempt.state in (TryState.OPEN, TryState.SHOWN):
        mark_ringing(turn, call, attempt)


def mark_ringing(turn: Turn, call: Call, attempt: Try) -> None:
    """Journal that the phone rings, so that no restart forgets that the attempt counts."""
    tries.save_try(turn, call, replace(attempt, state=TryState.RINGING, ringing_at=turn.now.wall))
    slowdown.note_taken(turn, call, attempt.trunk)
    if call.hangup is None:
        order = _attach(turn, call, attempt)
        turn.do(PrepareMedia(call.id, attempt.channel, call.engine, order.codec, order))
    if call.instructions:
        turn.announce("call.ringing", {"call": call.id, "campaign": call.campaign_id}, call.phone)


def on_answered(turn: Turn, event: TryAnswered) -> None:
    """The callee answered: give the call its agent at once."""
    call, attempt = tries.find(turn, event.channel)
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
    if call.terms.record:
        turn.world.recordings.put(call.id, True)
    turn.do(_attach(turn, call, attempt))


def _attach(turn: Turn, call: Call, attempt: Try) -> AttachAgent:
    """The order that gives the call its agent."""
    contact = call.contact
    return AttachAgent(
        call=call.id,
        channel=attempt.channel,
        script_id=call.script_id,
        script_version=call.script_version,
        language=call.language,
        phone=call.phone,
        name=contact.name if contact else call.name,
        variables=contact.variables if contact else call.variables,
        voice=call.voice,
        zone=_zone(turn, call),
        engine=call.engine,
        agent_id=call.agent_id,
        campaign_id=call.campaign_id,
        caller_id=attempt.caller_id,
        external_id=contact.external_id if contact else None,
        stand_ins=call.stand_ins,
        instructions=call.instructions,
        on_machine=answering.on_machine(turn, call),
        record=call.terms.record,
        codec=_codec(turn, attempt),
        labels=labels.own(turn.world, call),
        most=turn.world.policy.max_call,
    )


def _codec(turn: Turn, attempt: Try) -> str:
    """What the try's carrier speaks; of a trunk that was taken out of the settings it is not known."""
    line = turn.world.lines.get(attempt.trunk)
    return line.trunk.codecs[0] if line is not None else MU_LAW


def _zone(turn: Turn, call: Call) -> str | None:
    """Where the callee's clock stands: the one zone the call was allowed in, else the campaign's."""
    zones = tuple(call.gate.get("zones") or ())
    if len(zones) == 1:
        return str(zones[0])
    campaign = tries.campaign_of(turn, call)
    return campaign.timezone if campaign is not None and campaign.timezone else next(iter(zones), None)


def mark_answered(turn: Turn, call: Call, attempt: Try, at: Instant | None = None) -> Call:
    """Journal the answer, of now or of `at`: the contact is in a call from then on."""
    now = turn.now
    answered = replace(attempt, state=TryState.ANSWERED, answered_at=now.wall if at is None else at)
    deadline = mono_after(now.mono, Millis(turn.world.policy.max_call + turn.world.policy.backstop))
    limit = timelimit.begun(turn.world.policy, now)
    call = replace(call, tries=(*call.tries[:-1], answered), deadline=deadline, limit=limit)
    if attempt.ringing_at is None:
        slowdown.note_taken(turn, call, attempt.trunk)
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
    call, attempt = tries.find(turn, event.channel)
    if call is None or attempt is None:
        return
    ended = replace(
        attempt, state=TryState.ENDED, ended_at=turn.now.wall, cause=event.cause, sip_code=event.sip_code
    )
    if attempt.answered_at is not None:
        ending.end_answered(turn, call, ended)
    else:
        ending.end_try(turn, call, ended, outcome.classify(event, call.hangup is not None))


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
    said = labels.meant(turn.world, call, event.report)
    report = call.label.over(said) if call.label is not None else said
    _keep_report(turn, replace(call, report=report))
    if (
        call.label is None
        and isinstance(event, AgentReported)
        and said.callback_at != call.report.callback_at
    ):
        _check_callback(turn, call, said.callback_at)


def label(turn: Turn, call: Call, given: Label) -> None:
    """What somebody else says of a live call: it is kept, and stands over what its own agent says later."""
    _keep_report(turn, replace(call, label=given, report=given.over(call.report)))
    turn.announce(
        "call.disposition_set",
        {"call": call.id, "campaign": call.campaign_id, "disposition": given.disposition},
        call.phone,
    )


def _check_callback(turn: Turn, call: Call, asked: Instant | None) -> None:
    """An agent whose callee asks for a time that cannot be is told at once: it may ask for another one.

    What was asked for is kept all the same: it is to be seen afterwards.
    """
    if asked is None or call.current.state is TryState.ENDED:
        return
    unmet = callback.unmet(call, tries.campaign_of(turn, call), asked, turn.now.wall)
    if unmet is not None:
        about = {"call": call.id, "campaign": call.campaign_id, "detail": unmet.detail}
        turn.announce("call.callback_unmet", about, call.phone)
        turn.do(TellCallbackUnmet(call.id, asked, unmet))


def _keep_report(turn: Turn, call: Call) -> None:
    before = turn.world.calls[call.id]
    turn.world.calls.put(call.id, call)
    turn.record(CallReported(call))
    if call.report.disposition not in (None, before.report.disposition):
        call_told(turn, EventKind.CALL_DISPOSITION_SET, call)
    if call.report.disposition == DO_NOT_CALL:
        list_callee(turn, call)


def on_finished(turn: Turn, event: AgentFinished) -> None:
    """The agent's last word: hang up, or close the call if the callee was first."""
    on_reported(turn, event)
    call = turn.world.calls.get(event.call)
    if call is not None:
        _agent_done(turn, _with_word(call, event.unheard))


def on_media_failed(turn: Turn, event: MediaFailed) -> None:
    """The call has no agent any more: a person must not be left in silence."""
    call = turn.world.calls.get(event.call)
    if call is None or call.agent_done:
        return
    talks = call.transfer is not None and call.transfer.connected
    if call.current.state is not TryState.ENDED and not talks:
        turn.announce("call.media_failed", {"call": call.id, "reason": event.reason, "detail": event.detail})
        call = replace(call, media_fault=event.reason)
    known = event.unheard if event.unheard is not None else call.unheard
    _agent_done(turn, _with_word(call, known if known is not None else call.agent_audio_at is None))


def _with_word(call: Call, unheard: bool) -> Call:
    """A call whose agent is done: whether that leaves a callee who has heard nobody. The first word counts."""
    ended_at = call.current.ended_at
    if call.agent_done or call.unheard:
        return call
    if call.current.state is TryState.ENDED and ended_at is not None:
        if call.hangup is not None or call.media_fault is not None:
            return call
        # The callee was first.
        unheard = unheard and abandonment.overdue(call, ended_at)
    return replace(call, unheard=unheard)


def _agent_done(turn: Turn, call: Call) -> None:
    sessions.release(turn, call)
    call = replace(call, agent_done=True)
    turn.world.calls.put(call.id, call)
    if call.current.state is TryState.ENDED:
        ending.close_answered(turn, call)
    elif not handover.without_agent(turn, call):
        turn.do(HangUp(call.current.channel))


def on_recorded(turn: Turn, event: RecordingKept) -> None:
    """The recording of a call is whole; the call itself may be over long since."""
    turn.record(CallRecorded(event.call, event.recording))
    wanted = turn.world.recordings.get(event.call) is not False
    turn.world.recordings.remove(event.call)
    if not wanted:
        turn.announce("call.recording_discarded", {"call": event.call})
        return
    call = turn.world.calls.get(event.call)
    if call is not None:
        turn.world.calls.put(call.id, replace(call, recording=event.recording))
    about = {"seconds": event.recording.length // 1_000, "bytes": event.recording.size}
    campaign = None if call is None else call.campaign_id
    turn.announce("call.recording_ready", {"call": event.call, "campaign": campaign, **about})
    if turn.wants(EventKind.CALL_RECORDING_READY):
        turn.do(ShowCall(event.call, EventKind.CALL_RECORDING_READY))


def on_recording_lost(turn: Turn, event: RecordingLost) -> None:
    """A call was not recorded though it should have been: it goes on all the same."""
    turn.world.recordings.remove(event.call)
    turn.announce("call.recording_lost", {"call": event.call, "detail": event.detail})


def on_call_shown(turn: Turn, event: CallShown) -> None:
    """A call as it is stored, for whoever is to be told of it."""
    turn.tell(ShownFact(event.kind, event.call, event.shown))


def cut(turn: Turn, call: Call, reason: Reason) -> None:
    """End a running call ourselves; that it must end is journaled, so that a restart goes on with it."""
    if call.hangup is None:
        call = replace(call, hangup=reason)
        turn.world.calls.put(call.id, call)
        turn.record(CallCut(call))
    handover.hang_up(turn, call)
    turn.do(HangUp(call.current.channel))


def on_numbers_found(turn: Turn, event: NumbersFound) -> None:
    """Contacts whose number has been listed leave the queues; then the call that listed it may close."""
    if not take_out(turn, event):
        return
    waiting = [call for call in turn.world.calls.values() if call.sweeping and call.phone == event.pattern]
    for call in waiting:
        call = replace(call, sweeping=False, swept=True)
        turn.world.calls.put(call.id, call)
        if call.current.state is TryState.ENDED and (call.agent_done or not call.agent_attached):
            ending.close_answered(turn, call)
