"""Which of a trunk's numbers a call shows: the one its callee knows, else the least used; worn ones rest.

A number may be shown so many times a day, and rests when callees answer it much less than the trunk's others. It
places no call. What is counted here is a hint, like the rate meters: a turn that is thrown away leaves it counted, and
a restart reads it again from the calls that are stored.
"""

from __future__ import annotations

from dialerd.core.clock import Instant, after
from dialerd.core.contact import Contact
from dialerd.core.identity import E164
from dialerd.core.journal import TrunkSaved
from dialerd.core.model import Terms, Try
from dialerd.core.record import record, replace
from dialerd.core.trunk import Trunk, TrunkChange
from dialerd.core.turn import Turn
from dialerd.core.usage import FINALS, HOUR
from dialerd.core.world import Line, World


def choose(world: World, line: Line, terms: Terms, contact: Contact | None, now: Instant) -> E164 | None:
    """The number to show over this trunk; None: it has none that may be shown now."""
    trunk = line.trunk
    if terms.caller_id is not None:
        free = terms.caller_id in trunk.caller_ids and _under_cap(world, trunk, terms.caller_id, now)
        return terms.caller_id if free else None
    if len(trunk.caller_ids) == 1:
        (only,) = trunk.caller_ids
        return only if _under_cap(world, trunk, only, now) else None
    resting = _resting(line, now)
    free_ones = [one for one in trunk.caller_ids if one not in resting and _under_cap(world, trunk, one, now)]
    if contact is not None and contact.caller_id in free_ones:
        return contact.caller_id
    return min(free_ones, key=lambda one: world.usage_of(one).count(now), default=None)


def free_again(line: Line, now: Instant) -> Instant:
    """When a number may be shown again, of a trunk that has none left: what is counted falls with each full hour."""
    rests = [until for until in _resting(line, now).values() if until > now]
    return min([*rests, Instant((now // HOUR + 1) * HOUR)])


def shown(world: World, number: E164, now: Instant) -> None:
    """A call leaves with this number."""
    world.usage_of(number).add(now)


def note_final(turn: Turn, ended: Try, *, answered: bool) -> None:
    """A call with this number has been answered, or was not by the callee's doing."""
    line = turn.world.lines.get(ended.trunk)
    if line is None:
        return
    turn.world.usage_of(ended.caller_id).end(answered=answered)
    if line.trunk.caller_id_rest and _is_worn(turn, line, ended.caller_id):
        _rest(turn, line, ended.caller_id)


@record
class Shown:
    """How one number of a trunk stands."""

    number: E164
    calls: int
    """Within the last day."""
    finals: int
    answered: int
    """Of the last calls that had an end."""
    rests_until: Instant | None


def pool(world: World, line: Line, now: Instant) -> list[Shown]:
    """How the numbers of a trunk stand."""
    resting = _resting(line, now)
    used = ((number, world.usage_of(number)) for number in line.trunk.caller_ids)
    return [Shown(one, use.count(now), len(use.finals), use.answered, resting.get(one)) for one, use in used]


def _under_cap(world: World, trunk: Trunk, number: E164, now: Instant) -> bool:
    cap = trunk.caller_id_cap
    return cap is None or world.usage_of(number).count(now) < cap


def _resting(line: Line, now: Instant) -> dict[E164, Instant]:
    resting = line.change.resting if line.change is not None else {}
    return {E164(number): Instant(until) for number, until in resting.items() if until > now}


def _is_worn(turn: Turn, line: Line, number: E164) -> bool:
    """Whether it is answered less than a set part of what the others are; at most half of a pool rests."""
    world, numbers = turn.world, line.trunk.caller_ids
    usage = world.usage_of(number)
    resting = _resting(line, turn.now.wall)
    if len(usage.finals) < FINALS or number not in numbers or number in resting:
        return False
    if 2 * (len(resting) + 1) > len(numbers):
        return False
    others = [world.usage_of(one) for one in numbers if one != number and one not in resting]
    finals = sum(len(use.finals) for use in others)
    if finals < FINALS:
        return False
    usual = sum(use.answered for use in others) / finals
    return usage.answered / FINALS < line.trunk.caller_id_rest_below * usual


def _rest(turn: Turn, line: Line, number: E164) -> None:
    now = turn.now.wall
    turn.world.usage_of(number).begin_again()
    until = after(now, line.trunk.caller_id_rest)
    resting = {str(one): int(end) for one, end in _resting(line, now).items()} | {str(number): int(until)}
    change = replace(line.change or TrunkChange(line.trunk.name), resting=resting)
    turn.world.lines.put(line.trunk.name, replace(line, change=change))
    turn.record(TrunkSaved(change))
    turn.announce("trunk.caller_id_rests", {"trunk": line.trunk.name, "until": until}, number)
