"""Persons who are to be forgotten: barred at once, taken out of the queues, and kept nowhere in memory.

What is stored of them is erased outside the engine, once nothing waits any more; the bar holds until that is done.
"""

from __future__ import annotations

from dialerd.core.clock import Instant
from dialerd.core.commands import Answer, Done, EraseNumber, Refused
from dialerd.core.donotcall import sweep
from dialerd.core.identity import E164
from dialerd.core.journal import NumberDoomed
from dialerd.core.messages import ErasureDone, ErasureDue
from dialerd.core.record import replace
from dialerd.core.turn import Turn
from dialerd.core.world import Final


def erase(turn: Turn, command: EraseNumber) -> Answer:
    """Bar a number for good of its person; not while somebody speaks with them."""
    live = turn.world.numbers.get(command.phone)
    if live is not None:
        return Refused(f"call {live} to this number is live: hang it up, or wait", "in-call")
    turn.record(NumberDoomed(command.phone, turn.now.wall))
    _bar(turn, command.phone)
    for line in list(turn.world.lines.values()):
        kept = tuple(_forgotten(final, command.phone) for final in line.finals)
        if kept != line.finals:
            turn.world.lines.put(line.trunk.name, replace(line, finals=kept))
    return Done(changed=True)


def on_due(turn: Turn, event: ErasureDue) -> None:
    """Take its contacts out of the queues once more."""
    _bar(turn, event.phone)


def on_done(turn: Turn, event: ErasureDone) -> None:
    """The number is like any other from here on."""
    turn.world.erasing.remove(event.phone)
    turn.world.recent.remove(event.phone)


def _bar(turn: Turn, phone: E164) -> None:
    turn.world.erasing.put(phone, Instant(turn.now.wall))
    sweep(turn, str(phone))


def _forgotten(final: Final, phone: E164) -> Final:
    """What the brake may take back must not bring the person back."""
    if final.before is None or final.before.phone != phone:
        return final
    return Final(final.burnt, answered=final.answered)
