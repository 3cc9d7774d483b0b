"""Back into memory after a restart: what the store says was going on. It dials nothing and asks nobody.

What became of the open calls is settled later, by evidence, when Asterisk is connected
(`dialerd.core.reconcile`).
"""

from __future__ import annotations

from dataclasses import replace

from dialerd.core import abandonment, timelimit
from dialerd.core.clock import Instant, Millis, Now, mono_after
from dialerd.core.identity import call_number
from dialerd.core.model import Call, TryState
from dialerd.core.orders import changed_line
from dialerd.core.queue import Queue
from dialerd.core.usage import Usage
from dialerd.core.world import World
from dialerd.ports import OpenState


def restore(world: World, state: OpenState, now: Now) -> None:
    """Put live campaigns and open calls into `world`, and adopt them."""
    for campaign in state.campaigns:
        world.campaigns.put(campaign.id, campaign)
        world.counters.put(campaign.id, dict(state.counters.get(campaign.id, {})))
        abandonment.restore(world, campaign.id, now)
        world.look_at(campaign.id, Instant(0))
    for call in state.calls:
        _restore_call(world, call, now)
    for number in state.erasing:
        world.erasing.put(number, now.wall)
    for number, ended in state.rested.items():
        world.rest(number, ended)
    for caller_id, hours in state.shown.items():
        world.usage[caller_id] = Usage(hours)
    for change in state.trunks:
        line = world.lines.get(change.trunk)
        if line is not None:
            world.lines.put(change.trunk, changed_line(line, change))
    for webhook in state.webhooks:
        world.webhooks.put(webhook.id, webhook)
    last = call_number(state.last_call) if state.last_call is not None else 0
    world.host.put("", replace(world.host[""], halt=state.halt))
    world.flow.put("", replace(world.flow[""], last_call=last))
    world.adopt()


def _restore_call(world: World, call: Call, now: Now) -> None:
    campaign = world.campaigns.get(call.campaign_id) if call.campaign_id is not None else None
    if campaign is not None:
        call = replace(call, terms=campaign.terms, stand_ins=campaign.stand_ins)
    deadline = mono_after(now.mono, world.policy.backstop)
    if call.transfer is not None:
        rings = Millis(call.transfer.timeout + world.policy.backstop)
        call = replace(call, transfer_deadline=mono_after(now.mono, rings))
    # When the agent was first heard is not kept at once. Who had heard nobody by then was hung up on.
    unheard = False if abandonment.overdue(call, now.wall) else None
    answered = call.answered_at is not None
    limit = timelimit.again(world.policy, call, now)
    call = replace(call, deadline=deadline, agent_attached=answered, unheard=unheard, limit=limit)
    world.calls.put(call.id, call)
    if answered and call.terms.record and call.recording is None:
        world.recordings.put(call.id, True)
    world.numbers.put(call.phone, call.id)
    world.engaged.put(call.speaking_engine, (world.engaged.get(call.speaking_engine) or 0) + 1)
    line = world.lines.get(call.current.trunk)
    if line is not None and call.current.state is not TryState.ENDED:
        world.lines.put(line.trunk.name, replace(line, in_use=line.in_use + 1))
    if call.campaign_id is not None:
        queue = world.queues.get(call.campaign_id) or Queue()
        world.queues.put(call.campaign_id, replace(queue, live=queue.live + 1))
