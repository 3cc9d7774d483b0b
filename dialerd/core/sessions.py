"""Sessions of engines: how many calls each holds or is about to be given, and whether it can take one more.

A call holds its engine's session from the turn that opens it, long before anybody answers: so no answer finds its
engine full. It gives it back with its agent's last word, though callee and a person may talk on for an hour. Campaigns
that found theirs full are looked at again when one of its sessions is free.
"""

from __future__ import annotations

from dialerd.core.engine import EMBEDDED, EngineState, Takeover
from dialerd.core.identity import CampaignId
from dialerd.core.journal import AgentReplaced
from dialerd.core.messages import AgentStoodIn, MediaCapacity
from dialerd.core.model import Call
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.core.verdict import Check, Scope
from dialerd.core.world import Host, World

RULE = "engine-session"


def state(host: Host, engine: str) -> EngineState:
    """What an engine can hold."""
    if engine == EMBEDDED or not host.sessions:
        return EngineState(host.sessions, host.media_detail)
    unknown = EngineState(0, "the settings have no such engine any more")
    return host.engines.get(engine, unknown)


def in_use(world: World) -> int:
    """Sessions of all engines that calls hold."""
    return sum(world.engaged.values())


def check(world: World, engine: str) -> Check:
    """Whether an engine can take one more call."""
    found, used = state(world.host[""], engine), world.engaged.get(engine) or 0
    said = f"{used} of {found.sessions} in use" if found.sessions else found.detail
    return Check(RULE, Scope.CAMPAIGN, used < found.sessions, f"engine {engine}: {said}")


def engage(turn: Turn, engine: str, delta: int) -> None:
    """A call takes a session of `engine`, or gives it back."""
    world = turn.world
    world.engaged.put(engine, max(0, (world.engaged.get(engine) or 0) + delta))
    if delta < 0:
        wake_waiting(world, engine)


def release(turn: Turn, call: Call) -> None:
    """The agent of `call` has gone, or will never come; its session is given back once."""
    if not call.agent_done:
        engage(turn, call.speaking_engine, -1)


def wait(world: World, engine: str, campaign: CampaignId) -> None:
    """The campaign dials on when `engine` has a session for it."""
    world.engine_waits.setdefault(engine, set()).add(campaign)


def wake_waiting(world: World, engine: str) -> None:
    """Look again at the campaigns that wait for a session of `engine`."""
    for campaign in sorted(world.engine_waits.pop(engine, ())):
        world.wake(campaign, changed=False)


def on_capacity(turn: Turn, event: MediaCapacity) -> None:
    """The media workers say what they and their engines can hold."""
    turn.set_host(
        replace(turn.host, sessions=event.sessions, media_detail=event.detail, engines=event.engines)
    )
    for engine in list(turn.world.engine_waits):
        wake_waiting(turn.world, engine)


def on_stood_in(turn: Turn, event: AgentStoodIn) -> None:
    """Another agent has taken the call: it holds a session of that one's engine from now on."""
    call = turn.world.calls.get(event.call)
    takeover = Takeover(event.agent_id, event.engine, event.detail)
    if call is None or call.takeover == takeover:
        return
    former, call = call, replace(call, takeover=takeover)
    if not call.agent_done:
        engage(turn, former.speaking_engine, -1)
        engage(turn, call.speaking_engine, 1)
    turn.world.calls.put(call.id, call)
    turn.record(AgentReplaced(call))
    turn.announce(
        "call.agent_replaced",
        {"call": call.id, "agent": event.agent_id, "engine": event.engine, "detail": event.detail},
    )
