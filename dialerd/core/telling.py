"""What webhooks are told, where it comes about: a fact is made only if somebody is to be told of it.

A fact holds what is true at that moment of its turn; what the turn does afterwards is in later facts. It decides
nothing about calls, campaigns or trunks.
"""

from __future__ import annotations

from dialerd.core import gate
from dialerd.core.fact import CallFact, CampaignFact, TrunkFact
from dialerd.core.identity import TrunkName
from dialerd.core.model import Call, Campaign, ClosedCall
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.core.webhook import EventKind
from dialerd.core.world import Line

_KINDS = {kind.value: kind for kind in EventKind}


def call_told(turn: Turn, kind: EventKind, call: Call, closed: ClosedCall | None = None) -> None:
    """Something has become of a call; `closed`: its final record."""
    if turn.wants(kind):
        turn.tell(CallFact(kind, call, closed))


def campaign_told(turn: Turn, event: str, campaign: Campaign) -> None:
    """A campaign was changed; events that are no webhook's are left out."""
    kind = _KINDS.get(event)
    if kind is not None and turn.wants(kind):
        counters = dict(turn.world.counters.get(campaign.id) or {})
        why = gate.campaign_why(turn.world, campaign, turn.now) if campaign.status.live else ()
        turn.tell(CampaignFact(kind, campaign, counters, tuple(why)))


def trunk_told(turn: Turn, trunk: TrunkName, detail: str, *, mended: bool = False) -> None:
    """A trunk was changed: told if it can be used again, or no longer, and at first as soon as that is known.

    `mended`: somebody says that it can be used, where Asterisk says nothing.
    """
    line = turn.world.lines[trunk]
    kind = EventKind.TRUNK_DOWN if line.paused is not None else _KINDS.get(standing(line))
    if kind is None and mended and line.down is None:
        kind = EventKind.TRUNK_UP
    if kind is None or kind is line.told:
        return
    line = replace(line, told=kind)
    turn.world.lines.put(trunk, line)
    if turn.wants(kind):
        turn.tell(TrunkFact(kind, line, line.paused or detail))


def standing(line: Line) -> str:
    """The event that tells of what Asterisk says of a trunk; what is not known yet is no fault to be told."""
    registers = line.trunk.registration is not None
    if line.reachable is False or (registers and line.registered is False):
        return "trunk.down"
    if line.registered if registers else line.reachable:
        return "trunk.up"
    return "trunk.unqualified"
