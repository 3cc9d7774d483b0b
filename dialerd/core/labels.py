"""What labels mean: those that everybody knows, and those that scripts and agents declare.

A call's own agent may give a label that its script, its agent or one of the agents that stand in declares. Whether it
counts as a conversion, and whether the contact is finished by it, is as it is declared; what an agent declares comes
before what a script does. How labels are asked for and told is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dialerd.core.disposition import CALLBACK_REQUESTED, CONNECTED, DO_NOT_CALL, ESCALATED, NOT_REACHABLE
from dialerd.core.identity import ScriptId
from dialerd.core.messages import LabelsDeclared
from dialerd.core.model import AgentReport, Call, Campaign, Declared
from dialerd.core.record import replace
from dialerd.core.retry import POSITIVE
from dialerd.core.turn import Turn
from dialerd.core.world import World

KNOWN = (CONNECTED, "interested", "not_interested", "paid", CALLBACK_REQUESTED, DO_NOT_CALL)
"""Labels that every voice agent may give."""
NOT_THE_AGENTS = (NOT_REACHABLE, ESCALATED)
"""Labels that the dialer sets itself."""

_AT_VERSION = "@"
SPARE = 256
"""Script versions that may declare labels before those are forgotten which no campaign and no call has: one that is
about to have them is admitted long before so many others have come."""

Labels = Mapping[str, Declared]


def in_script(body: Mapping[str, Any]) -> dict[str, Declared]:
    """The labels that a script gives or declares."""
    found: dict[str, Declared] = {}
    for about in _mappings(body.get("keys")).values():
        label = about.get("disposition")
        if isinstance(label, str):
            found[label] = Declared(bool(about.get("positive", label in POSITIVE)))
    for label, about in _mappings(body.get("dispositions")).items():
        if "positive" in about or label not in found:
            found[label] = Declared(bool(about.get("positive", label in POSITIVE)))
    return found


def _mappings(value: object) -> dict[str, Mapping[str, Any]]:
    members = value.items() if isinstance(value, Mapping) else ()
    return {str(key): about if isinstance(about, Mapping) else {} for key, about in members}


def of_agent(ident: str) -> str:
    """Where an agent's labels are kept."""
    return ident


def of_script(ident: ScriptId | str, version: int) -> str:
    """Where a script version's labels are kept; no agent can be called so."""
    return f"{ident}{_AT_VERSION}{version}"


def on_declared(turn: Turn, event: LabelsDeclared) -> None:
    """An agent or a script declares these labels from now on."""
    world = turn.world
    if not event.labels:
        world.labels.remove(event.by)
        return
    world.labels.put(event.by, event.labels)
    if _AT_VERSION in event.by:
        world.newly_declared.add(event.by)
        if len(world.newly_declared) >= SPARE:
            _forget_unused(world)


def _forget_unused(world: World) -> None:
    """Forget what scripts have declared that nothing live has, but for those that came last."""
    campaigns = (campaign for campaign in world.campaigns.values() if campaign.status.live)
    holders: list[Call | Campaign] = [*campaigns, *world.calls.values()]
    needed = {by for holder in holders for by in _scripts(holder)} | world.newly_declared
    for by in world.labels.committed:
        if _AT_VERSION in by and by not in needed:
            world.labels.remove(by)
    world.newly_declared.clear()


def own(world: World, call: Call) -> dict[str, bool]:
    """The labels that the call's agent may give beside the known ones, and whether each is positive."""
    if not len(world.labels):
        return {}
    found: dict[str, bool] = {}
    for by in (*_scripts(call), *_agents(call)):
        found |= {label: about.positive for label, about in (world.labels.get(by) or {}).items()}
    return found


def meant(world: World, call: Call, report: AgentReport) -> AgentReport:
    """What the call's agent says, as far as agents have declared what it means."""
    about = _declared(world, call, report.disposition)
    return report if about is None else replace(report, positive=about.positive)


def is_final(world: World, call: Call) -> bool:
    """Whether the call's label finishes its contact; one that nobody has declared does."""
    if call.label is not None:
        return call.label.terminal
    about = _declared(world, call, call.report.disposition)
    return about is None or about.terminal


def _declared(world: World, call: Call, label: str | None) -> Declared | None:
    """What an agent has declared; a script's own agent says itself what its labels mean."""
    if label is None or not len(world.labels):
        return None
    found = None
    for by in _agents(call):
        found = (world.labels.get(by) or {}).get(label, found)
    return found


def _agents(call: Call) -> Iterator[str]:
    """Whose labels it may have; the last one's count most."""
    yield from (of_agent(one.agent_id) for one in reversed(call.stand_ins))
    if call.agent_id is not None:
        yield of_agent(call.agent_id)


def _scripts(holder: Call | Campaign) -> Iterator[str]:
    yield from (of_script(one.script_id, one.script_version) for one in reversed(holder.stand_ins))
    yield of_script(holder.script_id, holder.script_version)
