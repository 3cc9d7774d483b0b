"""The books against Asterisk: slots, channels, media and numbers, compared again and again while calls are open, and
once more when the last one is over or Asterisk was connected: what is left then is nobody's.

A snapshot of Asterisk is older than what we know, so a difference counts only if the next snapshot shows it too.
It is healed and counted (`slot_drift`), never ignored: a slot that leaks silently is what stalls campaigns. A try of
which nothing was seen yet is left to its deadline: its originate may still be under way.
"""

from __future__ import annotations

from collections import Counter

from dialerd.core import call as calls
from dialerd.core import handover, sessions
from dialerd.core.clock import Millis, mono_after
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    CountChannels,
    HangUp,
    ReleaseMedia,
    SeekEvidence,
)
from dialerd.core.identity import ChannelId, call_of
from dialerd.core.messages import (
    ChannelsCounted,
    MediaFailed,
)
from dialerd.core.model import Call, TryState
from dialerd.core.person import (
    PersonGone,
)
from dialerd.core.record import replace
from dialerd.core.turn import Turn

_UP = (TryState.SHOWN, TryState.RINGING, TryState.ANSWERED)


def audit(turn: Turn) -> None:
    """Ask for a snapshot when one is due."""
    world, now = turn.world, turn.now
    boot = turn.host.boot
    if len(world.calls) and not turn.host.audit_owed:
        turn.set_host(replace(turn.host, audit_owed=True))
    if now.mono < world.next_audit or boot is None:
        return
    world.next_audit = mono_after(now.mono, world.policy.audit)
    if is_owed(turn):
        turn.do(CountChannels(boot))
    _balance(turn)


def is_owed(turn: Turn) -> bool:
    """Whether Asterisk is to be looked at, though nothing else may happen until then."""
    host = turn.host
    return host.boot is not None and (host.audit_owed or bool(host.suspects))


def on_counted(turn: Turn, event: ChannelsCounted) -> None:
    """Compare a snapshot with the open calls; heal what two snapshots agree on."""
    host = turn.host
    if event.boot != host.boot:
        return
    running = {call.current.channel: call for call in turn.world.calls.values()}
    persons = {person for call in running.values() if (person := handover.person_of(call)) is not None}
    suspects = {
        *(f"person {name}" for name in event.persons - persons),
        *(
            f"alone {person}"
            for call in running.values()
            if (person := _left(call)) not in {None, *event.persons}
        ),
        *(f"channel {name}" for name in event.live - running.keys()),
        *(f"media {name}" for name in event.media - running.keys()),
        *(f"try {name}" for name, call in running.items() if _is_missing(call, event)),
        *(f"agent {call.id}" for call in running.values() if _is_mute(call, event)),
    }
    confirmed = suspects & host.suspects
    still = len(turn.world.calls) > 0
    turn.set_host(replace(host, suspects=frozenset(suspects - confirmed), audit_owed=still))
    missing = set()
    for found in sorted(confirmed):
        kind, _, name = found.partition(" ")
        channel = ChannelId(name)
        if kind in ("channel", "person"):
            turn.do(HangUp(channel))
        elif kind == "alone":
            handover.on_gone(turn, PersonGone(channel, 0))
        elif kind == "media":
            turn.do(ReleaseMedia(channel))
        elif kind == "try":
            missing.add(channel)
        else:
            detail = "the media worker does not know this call"
            calls.on_media_failed(turn, MediaFailed(call_of(channel), Reason.DROPPED, detail))
        _drifted(turn, found)
    if missing:
        turn.do(SeekEvidence(event.boot, frozenset(missing), Millis(0)))


def _left(call: Call) -> ChannelId | None:
    """The person whom a callee talks with, whose end may have been missed."""
    return handover.person_of(call) if call.transfer is not None and call.transfer.connected else None


def _is_missing(call: Call, event: ChannelsCounted) -> bool:
    return call.current.state in _UP and call.current.channel not in event.live


def _is_mute(call: Call, event: ChannelsCounted) -> bool:
    if event.sessions is None or not call.agent_attached or call.agent_done:
        return False
    return call.current.state is TryState.ANSWERED and call.id not in event.sessions


def _balance(turn: Turn) -> None:
    """What is counted on the side must equal what the open calls say."""
    world = turn.world
    held = Counter(
        call.current.trunk
        for call in world.calls.values()
        if call.current.state not in (TryState.ENDED, TryState.NOT_SENT)
    )
    for line in list(world.lines.values()):
        if line.in_use != held[line.trunk.name]:
            _drifted(turn, f"trunk {line.trunk.name}: {line.in_use} counted, {held[line.trunk.name]} held")
            world.lines.put(line.trunk.name, replace(line, in_use=held[line.trunk.name]))
    live = Counter(call.campaign_id for call in world.calls.values() if call.campaign_id is not None)
    for ident in world.campaigns.committed:
        queue = turn.queue(ident)
        if queue.live != live[ident]:
            _drifted(turn, f"campaign {ident}: {queue.live} counted, {live[ident]} live")
            turn.set_queue(ident, replace(queue, live=live[ident]))
    engaged = Counter(call.speaking_engine for call in world.calls.values() if not call.agent_done)
    for engine in {*world.engaged.committed, *engaged}:
        counted = world.engaged.get(engine) or 0
        if counted != engaged[engine]:
            _drifted(turn, f"engine {engine}: {counted} sessions counted, {engaged[engine]} held")
            sessions.engage(turn, engine, engaged[engine] - counted)
    for phone in list(world.numbers.committed):
        holder = world.numbers.get(phone)
        if holder is not None and world.calls.get(holder) is None:
            _drifted(turn, f"a number held by {holder}, which is over")
            world.numbers.remove(phone)


def _drifted(turn: Turn, what: str) -> None:
    turn.set_host(replace(turn.host, drift=turn.host.drift + 1))
    turn.announce("audit.slot_drift", {"what": what})
