"""The whole decision of one turn: events and commands in, a committed-or-not set of changes out.

The daemon and the simulator call exactly this; nothing here knows which of them it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dialerd.core import (
    answering,
    audit,
    call,
    campaign,
    clockwatch,
    erasure,
    handover,
    health,
    labels,
    orders,
    reconcile,
    sessions,
)
from dialerd.core.clock import Now, mono_after
from dialerd.core.commands import (
    Answer,
    Command,
)
from dialerd.core.effects import (
    WakeAt,
    WakeAtWall,
)
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    AgentStoodIn,
    AnswerJudged,
    CallShown,
    ChannelsCounted,
    DncLoaded,
    DncUnreadable,
    ErasureDone,
    ErasureDue,
    Event,
    EvidenceFound,
    HostDown,
    HostUp,
    LabelsDeclared,
    LoadFailed,
    ManagerDown,
    ManagerUp,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    MessageLeft,
    NumbersFound,
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
    OriginateWithheld,
    ReadyLoaded,
    ReadySought,
    RecordingKept,
    RecordingLost,
    Tick,
    TransferAsked,
    TrunkReachability,
    TrunkRegistration,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
    PersonJoined,
    PersonNotJoined,
    PersonRefused,
)
from dialerd.core.planner import plan
from dialerd.core.turn import Turn
from dialerd.core.world import World


def step(
    world: World, events: Sequence[Event], commands: Sequence[Command], now: Now, *, planning: bool = True
) -> tuple[Turn, list[Answer]]:
    """Run one turn: commands first (pause and stop must not wait), then events, then the planner.

    The changes are pending in `world`; the caller commits `turn.entries` and then adopts or discards them.
    """
    turn = Turn(world, now, planning=planning)
    clockwatch.watch(turn)
    answers = [orders.carry_out(turn, command) for command in commands]
    for event in events:
        _take(turn, event)
    reconcile.sweep(turn)
    audit.audit(turn)
    _tend_due(turn)
    if planning:
        plan(turn)
        _tend_due(turn)
    next_look = world.next_instant()
    if next_look is not None:
        turn.do(WakeAtWall(next_look))
    if len(world.calls) or audit.is_owed(turn):
        turn.do(WakeAt(mono_after(now.mono, reconcile.SWEEP), for_silence=True))
    return turn, answers


def _tend_due(turn: Turn) -> None:
    for ident in dict.fromkeys(turn.world.due(turn.now.wall)):
        campaign.tend(turn, ident)


def _take(turn: Turn, event: Event) -> None:
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(turn, event)


_HANDLERS: dict[type, Callable[[Turn, Any], None]] = {
    OriginateAccepted: call.on_accepted,
    OriginateRefused: call.on_refused,
    OriginateUnanswered: call.on_unanswered,
    OriginateWithheld: call.on_withheld,
    TryShown: call.on_shown,
    TryRinging: call.on_ringing,
    TryAnswered: call.on_answered,
    TryEnded: call.on_ended,
    AgentHeard: call.on_heard,
    AgentReported: call.on_reported,
    AgentFinished: call.on_finished,
    MediaFailed: call.on_media_failed,
    AgentStoodIn: sessions.on_stood_in,
    RecordingKept: call.on_recorded,
    RecordingLost: call.on_recording_lost,
    CallShown: call.on_call_shown,
    TransferAsked: handover.on_asked,
    PersonRefused: handover.on_refused,
    PersonAnswered: handover.on_answered,
    PersonJoined: handover.on_joined,
    PersonNotJoined: handover.on_not_joined,
    PersonGone: handover.on_gone,
    AnswerJudged: answering.on_judged,
    MessageLeft: answering.on_message_left,
    MediaCapacity: sessions.on_capacity,
    MediaHeld: reconcile.on_media_held,
    HostUp: reconcile.on_host_up,
    HostDown: reconcile.on_host_down,
    ManagerUp: reconcile.on_manager_up,
    ManagerDown: reconcile.on_manager_down,
    EvidenceFound: reconcile.on_evidence,
    TrunkReachability: health.on_reachability,
    TrunkRegistration: health.on_registration,
    ReadyLoaded: campaign.on_loaded,
    ReadySought: campaign.on_sought,
    LoadFailed: campaign.on_load_failed,
    NumbersFound: call.on_numbers_found,
    ErasureDue: erasure.on_due,
    ErasureDone: erasure.on_done,
    LabelsDeclared: labels.on_declared,
    DncLoaded: reconcile.on_dnc_loaded,
    DncUnreadable: reconcile.on_dnc_unreadable,
    ChannelsCounted: audit.on_counted,
    Tick: lambda turn, event: None,
}
