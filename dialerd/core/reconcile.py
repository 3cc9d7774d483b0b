"""After a restart or a cut connection: what became of every open try, from evidence, never by dialing.

The order is fixed. A live channel is adopted. A CDR row under our channel id is the true outcome. In the same
boot of Asterisk, neither of them, after a settle delay, means that the originate never arrived. Anything else
is `lost`: it may have rung, so it counts.
"""

from __future__ import annotations

from dialerd.core import call as calls
from dialerd.core import ending, handover, outcome, timelimit
from dialerd.core.clock import Instant, Millis, mono_after
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    DetachAgent,
    HangUp,
    SeekEvidence,
)
from dialerd.core.identity import ChannelId, call_of
from dialerd.core.messages import (
    CallRecord,
    DncLoaded,
    DncUnreadable,
    EvidenceFound,
    HostDown,
    HostUp,
    LiveChannel,
    ManagerDown,
    ManagerUp,
    MediaFailed,
    MediaHeld,
)
from dialerd.core.model import Call, Try, TryState
from dialerd.core.policy import Halt
from dialerd.core.record import replace
from dialerd.core.turn import Turn

SWEEP = Millis(1_000)


def on_host_down(turn: Turn, event: HostDown) -> None:
    """Asterisk is away: nothing is sent until it is back; what is live may go on there."""
    lost_at = turn.host.lost_at if turn.host.boot is None else turn.now.wall
    turn.set_host(replace(turn.host, boot=None, lost_at=lost_at, detail=event.detail))


def on_manager_up(turn: Turn, event: ManagerUp) -> None:
    """Trunk state is known again."""
    turn.set_host(replace(turn.host, manager=None))


def on_manager_down(turn: Turn, event: ManagerDown) -> None:
    """Without the manager interface a dead trunk would go unnoticed: nothing is sent until it is back."""
    turn.set_host(replace(turn.host, manager=event.detail))


def on_host_up(turn: Turn, event: HostUp) -> None:
    """Asterisk is back: adopt what lives, hang up what is nobody's, look for evidence of the rest."""
    about = replace(turn.host, boot=event.boot, detail="connected", version=event.version, audit_owed=True)
    turn.set_host(about)
    live = {found.channel: found for found in event.live}
    missing: set[ChannelId] = set()
    for call in list(turn.world.calls.values()):
        found = live.pop(call.current.channel, None)
        if call.current.state is TryState.ENDED:
            continue
        if found is None:
            missing.add(call.current.channel)
        else:
            _adopt(turn, call, found)
            handover.adopt(turn, turn.world.calls[call.id], event.persons)
    for channel in live:
        turn.do(HangUp(channel))
    # After what has become of transfers: some of these are nobody's from here on.
    awaited = {
        handover.person_of(call) for call in turn.world.calls.values() if call.current.channel not in missing
    }
    for person in event.persons:
        if person.channel not in awaited:
            turn.do(HangUp(person.channel))
    if missing:
        turn.do(SeekEvidence(event.boot, frozenset(missing), turn.world.policy.settle))
    for ident in turn.world.campaigns.committed:
        turn.world.wake(ident)


def on_evidence(turn: Turn, event: EvidenceFound) -> None:
    """Close each try asked about that is not live, as its evidence says.

    Evidence gathered for another boot than the connected one proves nothing: that reconnect asks again.
    """
    if event.boot != turn.host.boot:
        return
    records = {record.channel: record for record in event.records}
    for channel in sorted(event.asked - event.live):
        call = turn.world.calls.get(call_of(channel))
        if call is None or call.current.state is TryState.ENDED:
            continue
        record = records.get(channel)
        if call.current.channel == channel:
            _resolve(turn, call, record, event)
        elif handover.person_of(call) == channel:
            handover.on_evidence(turn, call, talked=record is not None and record.was_together)


def on_media_held(turn: Turn, event: MediaHeld) -> None:
    """A call up in Asterisk whose agent is gone would leave a person in silence: end it."""
    for call in list(turn.world.calls.values()):
        if call.id in event.calls and call.transfer is not None and call.transfer.connected:
            # It is with a person: that may not have been told to the worker.
            turn.do(DetachAgent(call.id))
        if call.agent_attached and not call.agent_done and call.id not in event.calls:
            calls.on_media_failed(
                turn, MediaFailed(call.id, Reason.DROPPED, "its agent did not outlive the daemon")
            )


def on_dnc_loaded(turn: Turn, event: DncLoaded) -> None:
    """The do-not-call list is known: dialing may begin."""
    dnc = turn.world.dnc
    dnc.load(event.patterns)
    dnc.version = max(dnc.version, event.version)
    dnc.detail = None
    for ident in turn.world.campaigns.committed:
        turn.world.wake(ident)


def on_dnc_unreadable(turn: Turn, event: DncUnreadable) -> None:
    """Without the do-not-call list nothing may be dialed."""
    turn.world.dnc.detail = event.detail


def sweep(turn: Turn) -> None:
    """Ask about every call whose terminal event is overdue; drop minimum gaps that have run out."""
    world, now = turn.world, turn.now
    if now.mono < world.next_sweep:
        return
    world.next_sweep = mono_after(now.mono, SWEEP)
    world.forget_rested(now.wall)
    world.forget_called(now.wall)
    handover.give_up_overdue(turn)
    _end_overlong(turn)
    overdue = [call for call in world.calls.values() if call.deadline <= now.mono]
    for call in overdue:
        if call.current.state is TryState.ENDED:
            ending.close_answered(turn, call, overdue=True)
    overdue = [call for call in overdue if call.current.state is not TryState.ENDED]
    boot = turn.host.boot
    if overdue and boot is not None:
        again = mono_after(now.mono, world.policy.backstop)
        for call in overdue:
            world.calls.put(call.id, replace(call, deadline=again))
        asked = frozenset(call.current.channel for call in overdue)
        turn.do(SeekEvidence(boot, asked, Millis(0)))


def _end_overlong(turn: Turn) -> None:
    for call in list(turn.world.calls.values()):
        if timelimit.is_over(call, turn.now):
            about = {"call": call.id, "campaign": call.campaign_id}
            turn.announce("call.max_duration_reached", about, call.phone)
            calls.cut(turn, call, Reason.MAX_DURATION)


def _adopt(turn: Turn, call: Call, found: LiveChannel) -> None:
    attempt = call.current
    if found.answered and attempt.answered_at is None:
        # It answered while nobody here could give it an agent: silence by now.
        call = calls.mark_answered(turn, call, attempt)
        calls.cut(turn, call, Reason.ABANDONED)
        return
    if attempt.answered_at is None and attempt.ringing_at is None:
        # Its 18x may have been missed while nobody listened: what may have rung counts.
        calls.mark_ringing(turn, call, attempt)
    if call.hangup is not None or (call.agent_done and handover.person_of(call) is None):
        # We had asked for its end, and the request may have been lost with the connection.
        turn.do(HangUp(found.channel))
    elif turn.host.halt is Halt.PANIC:
        calls.cut(turn, turn.world.calls[call.id], Reason.CUT)


def _resolve(turn: Turn, call: Call, record: CallRecord | None, event: EvidenceFound) -> None:
    attempt = call.current
    ended_at = record.ended_at if record is not None and record.ended_at is not None else turn.now.wall
    if attempt.answered_at is not None:
        # An Asterisk that died took the call down. In the same boot somebody hung up, as calls end; if our side
        # was at fault, the media worker says so.
        fault = Reason.DROPPED if attempt.boot != event.boot else None
        lost_at = turn.host.lost_at
        if fault is not None and record is None and lost_at is not None and lost_at > attempt.answered_at:
            # However long Asterisk was away: nobody talked meanwhile.
            ended_at = lost_at
        if record is not None and record.was_together:
            call = handover.was_together(turn, call)
        ending.end_answered(turn, call, _ended(attempt, ended_at, record), fault)
    elif record is not None and record.answered:
        answered = calls.mark_answered(turn, call, attempt, Instant(ended_at - record.talk))
        ending.end_answered(turn, answered, _ended(answered.current, ended_at, record), Reason.ABANDONED)
    elif record is not None:
        ending.end_unanswered(turn, call, _ended(attempt, ended_at, record), _unseen(record))
    elif attempt.boot == event.boot and event.records_readable and attempt.state is TryState.OPEN:
        unsent = replace(attempt, state=TryState.NOT_SENT, ended_at=turn.now.wall)
        ending.end_unanswered(turn, call, unsent, outcome.NEVER_ARRIVED)
    else:
        ending.end_unanswered(turn, call, _ended(attempt, turn.now.wall, None), outcome.LOST)


def _unseen(record: CallRecord) -> outcome.Outcome:
    """What a record says of a try that nobody watched. It does not tell of an 18x: what may have rung counts.

    A refusal of our own making (credentials, codecs) comes before any phone rings.
    """
    verdict = outcome.from_record(record)
    return verdict if verdict.pauses_trunk else replace(verdict, fault=outcome.FaultSide.CALLEE)


def _ended(attempt: Try, at: Instant, record: CallRecord | None) -> Try:
    if record is None:
        return replace(attempt, state=TryState.ENDED, ended_at=at)
    return replace(attempt, state=TryState.ENDED, ended_at=at, cause=record.cause, sip_code=record.sip_code)
