"""Commands, carried out: those of a campaign are its own (`dialerd.core.campaign`), the others are here.

A command is carried out whole in one turn or refused with the reason; refusing changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dialerd.core import call as calls
from dialerd.core import callback, erasure, gate, handover
from dialerd.core import campaign as campaigns
from dialerd.core.adaptive import begin
from dialerd.core.brake import pause_trunk
from dialerd.core.clock import Instant
from dialerd.core.commands import (
    AddContacts,
    AddWebhook,
    AdmitCampaign,
    Answer,
    ChangeTrunk,
    ChangeWebhook,
    Command,
    DeleteCampaign,
    Done,
    DropRecording,
    EditCampaign,
    EraseNumber,
    HangUpCall,
    LabelCall,
    ListNumbers,
    Panic,
    PauseCampaign,
    PauseDaemon,
    PlaceCall,
    Refused,
    RemoveWebhook,
    ResumeCampaign,
    ResumeDaemon,
    StartCampaign,
    StopCampaign,
    TransferCall,
    UnlistNumbers,
)
from dialerd.core.disposition import Reason
from dialerd.core.donotcall import sweep
from dialerd.core.effects import HangUp
from dialerd.core.journal import DaemonSaved, RecordingDoomed, TrunkSaved, WebhookRemoved, WebhookSaved
from dialerd.core.model import TryState
from dialerd.core.planner import Conversation, open_call
from dialerd.core.policy import Halt
from dialerd.core.record import replace
from dialerd.core.telling import trunk_told
from dialerd.core.transfer import resolve
from dialerd.core.tries import campaign_of
from dialerd.core.trunk import TrunkChange
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope
from dialerd.core.webhook import EventKind, Webhook
from dialerd.core.world import Line


def carry_out(turn: Turn, command: Command) -> Answer:
    """Carry out a command, or say why the state of things does not allow it."""
    return _ORDERS[type(command)](turn, command)


# --- the daemon ----------------------------------------------------------------------------------


def _pause_daemon(turn: Turn, command: PauseDaemon) -> Answer:
    running = list(turn.world.calls.values())
    changed = turn.host.halt is None
    if changed:
        _halt(turn, Halt.PAUSE)
    if command.cancel_ringing:
        campaigns.cut(turn, [call for call in running if call.answered_at is None])
    return Done(changed, campaigns.unshown(running))


def _panic(turn: Turn, command: Panic) -> Answer:
    running = list(turn.world.calls.values())
    changed = turn.host.halt is not Halt.PANIC
    if changed:
        _halt(turn, Halt.PANIC)
    campaigns.cut(turn, running)
    return Done(changed, campaigns.unshown(running))


def _resume_daemon(turn: Turn, command: ResumeDaemon) -> Answer:
    if turn.host.halt is None:
        return Done(changed=False)
    _halt(turn, None)
    wake_all(turn)
    return Done(changed=True)


def _halt(turn: Turn, halt: Halt | None) -> None:
    turn.set_host(replace(turn.host, halt=halt))
    turn.record(DaemonSaved(halt))
    turn.announce("daemon.resumed" if halt is None else f"daemon.{halt}", {})


def wake_all(turn: Turn) -> None:
    """What kept everything from dialing is gone: look at every campaign."""
    for campaign in turn.world.campaigns.values():
        turn.world.wake(campaign.id)
        turn.world.look_at(campaign.id, Instant(0))


# --- trunks --------------------------------------------------------------------------------------


def _change_trunk(turn: Turn, command: ChangeTrunk) -> Answer:
    line = turn.world.lines.get(command.trunk)
    if line is None:
        return Refused(f"there is no trunk {command.trunk!r}", None, unknown=True)
    if command.paused is not None:
        pause_trunk(turn, command.trunk, command.paused)
        line = turn.world.lines[command.trunk]
    before = line.change or TrunkChange(command.trunk)
    limits = {"max_channels": command.max_channels, "calls_per_second": command.calls_per_second}
    change = replace(before, **{name: limit for name, limit in limits.items() if limit is not None})
    if command.mended:
        change = replace(change, paused=None)
    if change != before:
        turn.record(TrunkSaved(change))
        turn.world.lines.put(command.trunk, changed_line(replace(line, finals=()), change))
        turn.announce("trunk.changed", {"trunk": command.trunk, "paused": change.paused})
        trunk_told(turn, command.trunk, "resumed", mended=command.mended)
        wake_all(turn)
    return Done(changed=change != before or command.paused is not None)


def changed_line(line: Line, change: TrunkChange) -> Line:
    """A line with what was decided beside its configuration."""
    trunk = line.trunk
    if change.max_channels is not None:
        trunk = replace(trunk, max_channels=change.max_channels)
    if change.calls_per_second is not None:
        trunk = replace(trunk, calls_per_second=change.calls_per_second)
    resumed = line.paused is not None and change.paused is None
    pace = begin(trunk) if resumed else line.pace
    return replace(line, trunk=trunk, paused=change.paused, change=change, pace=pace)


# --- the do-not-call list ------------------------------------------------------------------------


_SOUGHT = 20


def _list_numbers(turn: Turn, command: ListNumbers) -> Answer:
    turn.change_dnc(command.entries, ())
    lasting = [entry for entry in command.entries if entry.expires_at is None]
    # A long list is not looked for in the queues: the planner takes its numbers out when it meets them.
    for entry in lasting if len(lasting) <= _SOUGHT else ():
        sweep(turn, entry.pattern)
    return Done(changed=True)


def _unlist_numbers(turn: Turn, command: UnlistNumbers) -> Answer:
    turn.change_dnc((), command.patterns)
    return Done(changed=True)


# --- webhooks ------------------------------------------------------------------------------------


MOST_WEBHOOKS = 50
"""Every event is written once for each webhook that takes it."""


def _add_webhook(turn: Turn, command: AddWebhook) -> Answer:
    if len(turn.world.webhooks) >= MOST_WEBHOOKS:
        return Refused(f"there are {MOST_WEBHOOKS} webhooks, no more are taken: remove one", "full")
    _save_webhook(turn, command.webhook)
    return Done(changed=True)


def _change_webhook(turn: Turn, command: ChangeWebhook) -> Answer:
    before = turn.world.webhooks.get(command.webhook)
    if before is None:
        return Refused(f"there is no webhook {command.webhook}", unknown=True)
    webhook = replace(before, **command.changes)
    if webhook != before:
        _save_webhook(turn, webhook)
    return Done(changed=webhook != before)


def _save_webhook(turn: Turn, webhook: Webhook) -> None:
    turn.world.webhooks.put(webhook.id, webhook)
    turn.record(WebhookSaved(webhook))
    if webhook.takes(EventKind.CAMPAIGN_BLOCKED):
        for campaign in turn.world.campaigns.values():
            turn.world.look_at(campaign.id, Instant(0))


def _remove_webhook(turn: Turn, command: RemoveWebhook) -> Answer:
    if command.webhook not in turn.world.webhooks:
        return Refused(f"there is no webhook {command.webhook}", unknown=True)
    turn.world.webhooks.remove(command.webhook)
    turn.record(WebhookRemoved(command.webhook))
    return Done(changed=True)


# --- single calls --------------------------------------------------------------------------------


def _place_call(turn: Turn, command: PlaceCall) -> Answer:
    """One call of its own: through every gate now, never queued."""
    world, now = turn.world, turn.now
    ask = gate.Ask(command.phone, command.terms, None, None, command.timezone, command.recent, command.engine)
    free = turn.planning and turn.flow.unanswered < world.policy.max_unanswered_originates
    verdict = gate.evaluate(world, ask, now) if free else _NOT_NOW
    if isinstance(verdict, Check):
        return Refused("the call may not be placed now", why=tuple(gate.why(world, ask, now)) or (verdict,))
    talk = Conversation(
        command.language,
        command.script_id,
        command.script_version,
        command.name,
        command.variables,
        command.agent_id,
        command.voice,
        command.engine,
        command.stand_ins,
        command.instructions,
        command.on_machine,
    )
    call = open_call(turn, ask, verdict, talk)
    if call.instructions:
        turn.announce("call.placed", {"call": call.id, "campaign": None}, call.phone)
    return Done(changed=True, call=call.id)


_NOT_NOW = Check("daemon", Scope.DAEMON, False, "the daemon places no calls at this moment; try again")


def _hang_up(turn: Turn, command: HangUpCall) -> Answer:
    call = turn.world.calls.get(command.call)
    if call is None:
        return Refused(f"there is no live call {command.call}", unknown=True)
    if command.by_agent and call.answered_at is not None:
        if call.agent_audio_at is None and call.unheard is None:
            turn.world.calls.put(call.id, replace(call, unheard=True))
        turn.do(HangUp(call.current.channel))
        return Done(changed=True)
    calls.cut(turn, call, Reason.CUT)
    return Done(changed=True)


def _label_call(turn: Turn, command: LabelCall) -> Answer:
    """The label is kept though its callback cannot be: what the callee asked for is to be seen afterwards."""
    call, label = turn.world.calls.get(command.call), command.label
    if call is None:
        return Refused(f"there is no live call {command.call}", unknown=True)
    if call.answered_at is None:
        return Refused("nobody has answered this call yet", "not-answered")
    unmet = None
    if label.callback_at is not None:
        unmet = callback.unmet(call, campaign_of(turn, call), label.callback_at, turn.now.wall)
    calls.label(turn, call, label)
    return Done(changed=True, unmet=unmet)


def _transfer_call(turn: Turn, command: TransferCall) -> Answer:
    call = turn.world.calls.get(command.call)
    if call is None or call.current.state is TryState.ENDED or call.hangup is not None:
        return Refused(f"there is no live call {command.call}", unknown=True)
    if call.answered_at is None:
        return Refused("nobody has answered this call yet", "not-answered")
    if call.transfer is not None and (call.transfer.pending or call.transfer.connected):
        done = "is with a person already" if call.transfer.connected else "is being transferred already"
        return Refused(f"the call {done}: {call.transfer.target}", _TRANSFERS[call.transfer.connected])
    if resolve(turn.world.policy.transfers, command.wish.target, call.terms.transfer_to) is None:
        return Refused(
            "there is nowhere to transfer to: name a target, or set transfer.default", "no-transfer"
        )
    if turn.host.halt is Halt.PANIC:
        return Refused("every call is being hung up", "panic")
    if turn.host.boot is None:
        return Refused("Asterisk is not connected", "not-connected")
    handover.begin(turn, call, command.wish)
    return Done(changed=True)


def _drop_recording(turn: Turn, command: DropRecording) -> Answer:
    """Whether there is one stands in the store: whoever asks has looked. One that grows yet goes once it is whole."""
    turn.record(RecordingDoomed(command.call, turn.now.wall))
    if turn.world.recordings.get(command.call) is not None:
        turn.world.recordings.put(command.call, False)
    call = turn.world.calls.get(command.call)
    if call is not None:
        turn.world.calls.put(call.id, replace(call, recording=None))
    return Done(changed=True)


_TRANSFERS = {False: "transferring", True: "transferred"}


_ORDERS: dict[type, Callable[[Turn, Any], Answer]] = {
    AdmitCampaign: campaigns.admit,
    AddContacts: campaigns.add_contacts,
    EditCampaign: campaigns.edit,
    StartCampaign: campaigns.start,
    PauseCampaign: campaigns.pause,
    ResumeCampaign: campaigns.resume,
    StopCampaign: campaigns.stop,
    DeleteCampaign: campaigns.delete,
    PlaceCall: _place_call,
    HangUpCall: _hang_up,
    LabelCall: _label_call,
    TransferCall: _transfer_call,
    DropRecording: _drop_recording,
    ListNumbers: _list_numbers,
    UnlistNumbers: _unlist_numbers,
    EraseNumber: erasure.erase,
    PauseDaemon: _pause_daemon,
    ResumeDaemon: _resume_daemon,
    Panic: _panic,
    ChangeTrunk: _change_trunk,
    AddWebhook: _add_webhook,
    ChangeWebhook: _change_webhook,
    RemoveWebhook: _remove_webhook,
}
