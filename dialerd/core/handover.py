"""From the agent to a person: the life of a transfer, from the wish to the end of the talk.

The person's phone is a channel of its own, an originate to the user's own side: no contact is dialed, so the gate is
not asked, and it is no try. The callee stays with its agent until the person has answered and both are in one bridge;
only then the agent is let go. Whoever hangs up first ends the other. What is not journaled did not happen.
"""

from __future__ import annotations

from collections.abc import Iterable

from dialerd.core import timelimit
from dialerd.core.clock import Millis, mono_after
from dialerd.core.effects import (
    CallPerson,
    DetachAgent,
    HangUp,
    HoldForTransfer,
    JoinPerson,
    LimitCall,
    ReleaseMedia,
    ReturnCallee,
    RingCallee,
    SeekEvidence,
    TellTransferFailed,
)
from dialerd.core.identity import ChannelId, call_of, callee_of, person_id
from dialerd.core.journal import CallTransferred
from dialerd.core.messages import (
    LiveChannel,
    TransferAsked,
)
from dialerd.core.model import Call, TryState
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
    PersonJoined,
    PersonNotJoined,
    PersonRefused,
)
from dialerd.core.policy import Halt
from dialerd.core.record import replace
from dialerd.core.telling import call_told
from dialerd.core.transfer import (
    ANSWERED,
    CANCELLED,
    PATIENCE,
    Transfer,
    TransferFailure,
    TransferPlan,
    TransferState,
    TransferWish,
    resolve,
    weightier,
)
from dialerd.core.turn import Turn
from dialerd.core.webhook import EventKind

_BUSY = frozenset({17, 21})
_NO_ANSWER = frozenset({0, 16, 18, 19})
"""Q.850 causes; any other one is a fault of the way there."""


# --- asked for -----------------------------------------------------------------------------------


def on_asked(turn: Turn, event: TransferAsked) -> None:
    """The agent wants a person for its callee; what cannot be is told to it at once."""
    call = turn.world.calls.get(event.call)
    if call is None or call.answered_at is None or call.current.state is TryState.ENDED:
        return
    before = call.transfer
    if call.hangup is not None or (before is not None and event.ask and event.ask <= before.ask):
        return
    if before is not None and before.connected:
        return
    if before is not None and before.pending:
        _save(turn, call, weightier(before, event.wish, event.ask))
        return
    begin(turn, call, event.wish, ask=event.ask)


def begin(turn: Turn, call: Call, wish: TransferWish, *, ask: int | None = None) -> None:
    """Begin a transfer of an answered call that has none. `ask` None: somebody else than its agent asks for it."""
    before = call.transfer
    transfer = Transfer(
        target=wish.target or "",
        where=None,
        asked_at=turn.now.wall,
        warm=bool(wish.warm),
        reason=wish.reason,
        summary=wish.summary,
        trigger=wish.trigger,
        timeout=wish.timeout or PATIENCE,
        leg=before.leg if before is not None else 0,
        ask=ask if ask is not None else before.ask if before is not None else 0,
    )
    found = resolve(turn.world.policy.transfers, wish.target, call.terms.transfer_to)
    _announce(turn, "call.transfer_asked", call, target=wish.target, trigger=wish.trigger)
    if found is None:
        _fail(turn, call, transfer, TransferFailure.NO_TARGET)
    elif turn.host.boot is None or turn.host.halt is Halt.PANIC:
        _fail(turn, call, replace(transfer, target=found[0]), TransferFailure.FAILED)
    else:
        name, plan = found
        transfer = replace(
            transfer,
            warm=bool(plan.warm if wish.warm is None else wish.warm),
            timeout=wish.timeout or plan.patience or PATIENCE,
        )
        _call_person(turn, call, transfer, name, plan)
        if ask is None and not call.agent_done:
            turn.do(HoldForTransfer(call.id, transfer.warm))


def _call_person(turn: Turn, call: Call, transfer: Transfer, name: str, plan: TransferPlan) -> None:
    """Have the phone of one more person ring."""
    world = turn.world
    transfer = replace(
        transfer,
        target=name,
        where=plan.target,
        leg=transfer.leg + 1,
        tried=(*transfer.tried, name),
        announcement=plan.announcement,
        state=TransferState.RINGING,
        answered_at=None,
    )
    call = _save(turn, call, transfer)
    turn.do(LimitCall(call.current.channel, Millis(transfer.timeout + world.policy.transfers.most)))
    turn.do(
        CallPerson(
            channel=person_id(call.current.channel, transfer.leg),
            call=call.id,
            target=plan.target,
            caller_id=call.current.caller_id,
            ring_timeout=transfer.timeout,
            most=world.policy.transfers.most,
            reason=transfer.reason,
            summary=transfer.summary,
            captured=call.report.captured,
        )
    )


# --- the person's phone --------------------------------------------------------------------------


def on_refused(turn: Turn, event: PersonRefused) -> None:
    """Its phone was not called at all."""
    found = _find(turn, event.channel)
    if found is not None and found[1].pending:
        _announce(turn, "call.transfer_refused", found[0], detail=event.detail)
        _go_on(turn, *found, TransferFailure.FAILED)


def on_answered(turn: Turn, event: PersonAnswered) -> None:
    """A person has answered: bring it together with the callee, unless nobody waits for it any more."""
    found = _find(turn, event.channel)
    if found is None or found[0].hangup is not None or turn.host.halt is Halt.PANIC:
        turn.do(HangUp(event.channel))
        return
    call, transfer = found
    if transfer.state is TransferState.RINGING:
        _join(
            turn,
            call,
            replace(transfer, state=TransferState.JOINING, answered_at=turn.now.wall),
            event.channel,
        )


def _join(turn: Turn, call: Call, transfer: Transfer, person: ChannelId) -> None:
    _save(turn, call, transfer)
    most = turn.world.policy.transfers.most
    turn.do(JoinPerson(call.current.channel, person, most, transfer.announcement if transfer.warm else None))


def on_joined(turn: Turn, event: PersonJoined) -> None:
    """Callee and person hear each other: the agent is done, and the call lasts as long as a transfer may."""
    found = _find(turn, event.channel)
    if found is None:
        turn.do(HangUp(event.channel))
        if turn.world.calls.get(call_of(event.channel)) is None:
            # Their bridge may have been made after the callee had left.
            turn.do(ReleaseMedia(callee_of(event.channel)))
        return
    call, transfer = found
    if transfer.connected:
        return
    if call.sought == event.channel:
        # It is gone already: they were together until then.
        on_evidence(turn, call, talked=True)
        return
    policy = turn.world.policy
    deadline = mono_after(turn.now.mono, Millis(policy.transfers.most + policy.backstop))
    call = replace(call, deadline=deadline, limit=timelimit.with_person(policy, turn.now))
    call = _connect(turn, call, transfer)
    if not call.agent_done:
        turn.do(DetachAgent(call.id))


def _connect(turn: Turn, call: Call, transfer: Transfer) -> Call:
    call = _save(turn, call, replace(transfer, state=TransferState.CONNECTED, outcome=ANSWERED))
    call_told(turn, EventKind.CALL_ESCALATED, call)
    _announce(turn, "call.escalated", call, target=transfer.target)
    return call


def on_not_joined(turn: Turn, event: PersonNotJoined) -> None:
    """They could not be brought together: the person is let go, the callee is still the agent's."""
    turn.do(HangUp(event.channel))
    found = _find(turn, event.channel)
    if found is not None and found[1].pending and found[0].sought != event.channel:
        _announce(turn, "call.transfer_refused", found[0], detail=event.detail)
        _go_on(turn, *found, TransferFailure.FAILED)


def on_gone(turn: Turn, event: PersonGone) -> None:
    """The person's channel is destroyed: who was connected with it is not left alone."""
    found = _find(turn, event.channel)
    if found is None:
        return
    call, transfer = found
    if transfer.connected:
        _save(turn, call, _over(turn, transfer))
        turn.do(HangUp(call.current.channel))
    elif transfer.state is TransferState.JOINING and turn.host.boot is not None:
        _seek(turn, call, event.channel, turn.host.boot)
    elif event.cause in _BUSY:
        _go_on(turn, call, transfer, TransferFailure.BUSY)
    elif event.cause in _NO_ANSWER:
        _go_on(turn, call, transfer, TransferFailure.NO_ANSWER)
    else:
        _go_on(turn, call, transfer, TransferFailure.FAILED)


def _find(turn: Turn, channel: ChannelId) -> tuple[Call, Transfer] | None:
    """The call whose transfer waits for this person, or has it; None: nobody does any more."""
    call = turn.world.calls.get(call_of(channel))
    transfer = call.transfer if call is not None else None
    if call is None or transfer is None or not (transfer.pending or transfer.connected):
        return None
    if call.current.state is TryState.ENDED or person_of(call) != channel:
        return None
    return call, transfer


def _go_on(turn: Turn, call: Call, transfer: Transfer, failure: TransferFailure) -> None:
    """Nobody under this target: the next one, if there is one."""
    plan = turn.world.policy.transfers.plans.get(transfer.target)
    name = plan.fallback if plan is not None else None
    following = turn.world.policy.transfers.plans.get(name) if name is not None else None
    may = call.hangup is None and turn.host.boot is not None and turn.host.halt is not Halt.PANIC
    if transfer.state is TransferState.JOINING and call.hangup is None:
        _take_back(turn, call)
    if may and name is not None and following is not None and name not in transfer.tried:
        patience = following.patience or transfer.timeout
        _call_person(turn, call, replace(transfer, timeout=patience), name, following)
    else:
        _fail(turn, call, transfer, failure)


def _take_back(turn: Turn, call: Call) -> None:
    """The callee may be in the bridge with a person already who is gone, or never came."""
    channel = call.current.channel
    if call.agent_done:
        turn.do(RingCallee(channel))
    else:
        turn.do(ReturnCallee(channel))


def _fail(turn: Turn, call: Call, transfer: Transfer, failure: TransferFailure) -> None:
    """Nobody will come: the agent goes on, or the call ends if there is none any more."""
    cut = call.hangup is not None
    outcome = CANCELLED if cut else failure.value
    call = _save(turn, call, replace(_over(turn, transfer), outcome=outcome, answered_at=None))
    _announce(turn, "call.transfer_failed", call, target=transfer.target, outcome=outcome)
    if cut:
        return
    if call.agent_done:
        turn.do(HangUp(call.current.channel))
    else:
        if transfer.leg and call.limit is not None:
            call = timelimit.back_with_agent(call, turn.now)
            turn.world.calls.put(call.id, call)
            turn.do(LimitCall(call.current.channel, timelimit.left(call, turn.now)))
        turn.do(TellTransferFailed(call.id, failure.value))


# --- the callee's side ---------------------------------------------------------------------------


def person_of(call: Call) -> ChannelId | None:
    """The channel of the person whom a call's transfer waits for or has; None: of nobody."""
    transfer = call.transfer
    if transfer is None or not (transfer.pending or transfer.connected):
        return None
    return person_id(call.current.channel, transfer.leg)


def callee_gone(turn: Turn, call: Call) -> Call:
    """The callee's channel is destroyed: the person's goes too, whether it has answered or not."""
    person, transfer = person_of(call), call.transfer
    if transfer is not None and transfer.leg:
        # The bridge of the two outlives whoever was in it.
        turn.do(ReleaseMedia(call.current.channel))
    if person is None or transfer is None:
        return call
    turn.do(HangUp(person))
    outcome = transfer.outcome or CANCELLED
    answered_at = transfer.answered_at if outcome == ANSWERED else None
    return _save(turn, call, replace(_over(turn, transfer), outcome=outcome, answered_at=answered_at))


def hang_up(turn: Turn, call: Call) -> None:
    """The call is being cut: so is the person's phone."""
    person = person_of(call)
    if person is not None:
        turn.do(HangUp(person))


def without_agent(turn: Turn, call: Call) -> bool:
    """Whether a call whose agent is done goes on all the same: with a person, or until one comes."""
    transfer = call.transfer
    if transfer is None or call.hangup is not None:
        return False
    if transfer.pending:
        # Its agent's audio is gone, and with it the ringing.
        turn.do(RingCallee(call.current.channel))
    return transfer.pending or transfer.connected


# --- after a restart or a cut connection ---------------------------------------------------------


def adopt(turn: Turn, call: Call, persons: Iterable[LiveChannel]) -> None:
    """A live call after a reconnect: what became of its transfer meanwhile, by the person's channel."""
    person, transfer = person_of(call), call.transfer
    if person is None or transfer is None:
        return
    found = next((live for live in persons if live.channel == person), None)
    if found is None and transfer.connected:
        on_gone(turn, PersonGone(person, 0))
    elif found is None and transfer.state is TransferState.JOINING and turn.host.boot is not None:
        _seek(turn, call, person, turn.host.boot)
    elif found is None:
        _go_on(turn, call, transfer, TransferFailure.FAILED)
    elif transfer.state is TransferState.JOINING:
        _join(turn, call, transfer, person)
    elif found.answered and not transfer.connected:
        on_answered(turn, PersonAnswered(person))


def _seek(turn: Turn, call: Call, person: ChannelId, boot: str) -> None:
    """The person is gone, and the two may have talked before anybody was told: its call record tells."""
    turn.world.calls.put(call.id, replace(call, sought=person))
    turn.do(SeekEvidence(boot, frozenset({person}), Millis(0)))


def was_together(turn: Turn, call: Call) -> Call:
    """The callee's record tells that it was with a person, of which nobody could be told."""
    transfer = call.transfer
    if transfer is None or transfer.state is not TransferState.JOINING:
        return call
    return _connect(turn, call, transfer)


def on_evidence(turn: Turn, call: Call, talked: bool) -> None:
    """The person with whom the callee was to be connected is gone; `talked`: the two were together."""
    transfer = call.transfer
    if transfer is None or transfer.state is not TransferState.JOINING:
        return
    if talked:
        _connect(turn, call, transfer)
        on_gone(turn, PersonGone(person_id(call.current.channel, transfer.leg), 0))
    else:
        _go_on(turn, call, transfer, TransferFailure.NO_ANSWER)


def give_up_overdue(turn: Turn) -> None:
    """A phone that rings for longer than Asterisk should let it, or of which nothing was heard, is given up."""
    for call in list(turn.world.calls.values()):
        transfer = call.transfer
        if transfer is None or not transfer.pending or call.transfer_deadline > turn.now.mono:
            continue
        person = person_of(call)
        if person is not None and call.current.state is not TryState.ENDED:
            turn.do(HangUp(person))
            _go_on(turn, call, transfer, TransferFailure.NO_ANSWER)


def _over(turn: Turn, transfer: Transfer) -> Transfer:
    return replace(transfer, state=TransferState.ENDED, ended_at=turn.now.wall)


def _save(turn: Turn, call: Call, transfer: Transfer) -> Call:
    deadline = mono_after(turn.now.mono, Millis(transfer.timeout + turn.world.policy.backstop))
    call = replace(call, transfer=transfer, transfer_deadline=deadline)
    turn.world.calls.put(call.id, call)
    turn.record(CallTransferred(call))
    return call


def _announce(turn: Turn, kind: str, call: Call, **fields: str | None) -> None:
    turn.announce(kind, {"call": call.id, "campaign": call.campaign_id, **fields}, call.phone)
