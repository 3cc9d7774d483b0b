"""What the fate of a try tells of its trunk's pace: taken by the carrier, or turned away for want of capacity.

A congested carrier gets a short rest, doubled while it stays congested, and a lower rate behind it. It places and
ends no call.
"""

from __future__ import annotations

from dialerd.core import adaptive
from dialerd.core.clock import Millis, mono_after
from dialerd.core.identity import TrunkName
from dialerd.core.model import Call, Try, TryState
from dialerd.core.outcome import Outcome
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.core.world import Line

FIRST_REST = Millis(200)
LONGEST_REST = Millis(2_000)
MOSTLY = 0.5
"""A carrier that turns away more than this part of the tries is congested, whatever a number did before."""
_FORBIDDEN = 403


def note_taken(turn: Turn, call: Call, trunk: TrunkName) -> None:
    """The carrier has taken a try: it rings, or was answered at once."""
    line = turn.world.lines.get(trunk)
    if line is None:
        return
    pace = adaptive.accepted(line.pace, line.trunk, turn.now.mono, known=_is_known(call))
    if pace is not line.pace or line.congestions:
        turn.world.lines.put(trunk, replace(line, pace=pace, congestions=0))


def note_end(turn: Turn, call: Call, ended: Try, verdict: Outcome) -> None:
    """A try has ended without an answer."""
    line = turn.world.lines.get(ended.trunk)
    if line is None or ended.state is not TryState.ENDED or ended.ringing_at is not None:
        return
    if verdict.congested:
        _turned_away(turn, line, known=_is_known(call))
    elif ended.sip_code == _FORBIDDEN:
        # Of a number, or of how many calls the carrier takes: a run of them tells.
        if sum(line.pace.turned_away) + 1 >= adaptive.RUN_OF_403:
            _turned_away(turn, line, known=False)
        else:
            pace = adaptive.turned_away(line.pace, line.trunk, turn.now.mono, known=False, cut=False)
            turn.world.lines.put(line.trunk.name, replace(line, pace=pace))
    else:
        note_taken(turn, call, ended.trunk)


def _is_known(call: Call) -> bool:
    """Whether its number has been turned away before."""
    return call.contact is not None and call.contact.refunds > 0


def _turned_away(turn: Turn, line: Line, *, known: bool) -> None:
    now = turn.now.mono
    # What comes in during a rest tells of starts before it; a known number may well be turned away for its own sake.
    cut = now >= line.rest_until and (not known or line.pace.share > MOSTLY)
    pace = adaptive.turned_away(line.pace, line.trunk, now, known=known, cut=cut)
    line = replace(line, pace=pace)
    if pace.cut_at == now:
        rest = min(LONGEST_REST, FIRST_REST << min(line.congestions, 16))
        line = replace(line, congestions=line.congestions + 1, rest_until=mono_after(now, Millis(rest)))
    turn.world.lines.put(line.trunk.name, line)
