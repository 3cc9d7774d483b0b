"""What Asterisk says of the trunks: whether they answer (qualify), and whether the carrier has them registered.

A trunk that Asterisk cannot use takes no calls until it can, and begins slowly then. Nothing here looks at how calls
end: that is `dialerd.core.slowdown` and `dialerd.core.brake`.
"""

from __future__ import annotations

from dialerd.core.adaptive import begin
from dialerd.core.messages import TrunkReachability, TrunkRegistration
from dialerd.core.record import replace
from dialerd.core.telling import standing, trunk_told
from dialerd.core.turn import Turn
from dialerd.core.world import Line


def on_reachability(turn: Turn, event: TrunkReachability) -> None:
    """Asterisk's own check of an endpoint."""
    for line in list(turn.world.lines.values()):
        if line.trunk.endpoint == event.endpoint and line.reachable is not event.reachable:
            _changed(turn, line, replace(line, reachable=event.reachable), event.detail)


def on_registration(turn: Turn, event: TrunkRegistration) -> None:
    """The state of an outbound registration."""
    for line in list(turn.world.lines.values()):
        if line.trunk.registration == event.registration:
            now = replace(line, registered=event.registered, registration_detail=event.detail)
            _changed(turn, line, now, f"registration {event.registration}: {event.detail}")


def _changed(turn: Turn, before: Line, now: Line, detail: str) -> None:
    if before.down is not None and now.down is None:
        now = replace(now, pace=begin(now.trunk))
    turn.world.lines.put(now.trunk.name, now)
    kind = standing(now)
    if kind != standing(before):
        turn.announce(kind, {"trunk": now.trunk.name, "detail": detail})
    trunk_told(turn, now.trunk.name, detail)
