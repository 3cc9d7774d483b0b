"""One originate of a call: opened before it is sent, found by its channel, saved as it gets on.

A try is committed with its channel id before anything leaves for Asterisk. What its end means is decided elsewhere
(`dialerd.core.ending`).
"""

from __future__ import annotations

from dialerd.core import callerid
from dialerd.core.clock import Millis, mono_after
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ChannelId, call_of, channel_id
from dialerd.core.journal import TryOpened, TrySaved
from dialerd.core.model import Call, Campaign, Try, TryState
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.core.world import Line


def open_try(turn: Turn, call: Call, line: Line, caller_id: E164) -> Call:
    """Commit one more try of `call` on `line`, and send its originate after the commit.

    It takes a channel and a start of the trunk, and a start of the campaign's turn on it.
    """
    world, now = turn.world, turn.now
    number = len(call.tries) + 1
    trunk = line.trunk
    attempt = Try(
        channel=channel_id(world.instance, call.id, number),
        number=number,
        trunk=trunk.name,
        caller_id=caller_id,
        state=TryState.OPEN,
        boot=turn.host.boot or "",
        opened_at=now.wall,
    )
    ring_timeout = call.terms.ring_timeout
    deadline = mono_after(now.mono, Millis(ring_timeout + world.policy.backstop))
    contact = replace(call.contact, caller_id=caller_id) if call.contact is not None else None
    call = replace(call, tries=(*call.tries, attempt), deadline=deadline, contact=contact)
    world.calls.put(call.id, call)
    turn.use_line(trunk.name, 1)
    world.trunk_meter(line).take(now.mono)
    world.started[trunk.name] += 1
    callerid.shown(world, caller_id, now.wall)
    campaign = campaign_of(turn, call)
    if campaign is not None:
        world.rotas[trunk.name].took(campaign.id, campaign.weight)
        if len(world.stalls):
            world.stalls.remove(campaign.id)
    turn.set_flow(replace(turn.flow, unanswered=turn.flow.unanswered + 1))
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
            codecs=trunk.codecs,
        )
    )
    return call


def find(turn: Turn, channel: ChannelId) -> tuple[Call | None, Try | None]:
    """The open call whose running try has this channel; both None if that try has ended."""
    call = turn.world.calls.get(call_of(channel))
    if call is None or call.current.channel != channel:
        return None, None
    if call.current.state in (TryState.ENDED, TryState.NOT_SENT):
        return None, None
    return call, call.current


def campaign_of(turn: Turn, call: Call) -> Campaign | None:
    """The call's campaign, as long as it is in memory."""
    return turn.world.campaigns.get(call.campaign_id) if call.campaign_id else None


def put_try(turn: Turn, call: Call, attempt: Try) -> Call:
    """Replace the call's running try, in memory only."""
    call = replace(call, tries=(*call.tries[:-1], attempt))
    turn.world.calls.put(call.id, call)
    return call


def save_try(turn: Turn, call: Call, attempt: Try) -> Call:
    """Replace the call's running try, and journal it."""
    turn.record(TrySaved(call.id, attempt))
    return put_try(turn, call, attempt)
