"""Which trunk a call takes: the longest prefix of its number, then the configured order, then what is free.

It chooses and takes nothing: whoever opens the try takes the channel and the start.
"""

from __future__ import annotations

from dialerd.core import callerid
from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.contact import Contact
from dialerd.core.identity import E164, TrunkName
from dialerd.core.model import Terms
from dialerd.core.record import record
from dialerd.core.verdict import Check, Scope
from dialerd.core.world import Line, World

NO_CALLER_ID = "has no caller id left: each is at its daily cap, or rests"


@record
class Route:
    """The trunk a call may take now, and the number it shows there."""

    line: Line
    caller_id: E164


def trunk_check(
    world: World,
    phone: E164 | None,
    terms: Terms,
    now: Now,
    exclude: frozenset[TrunkName],
    contact: Contact | None = None,
) -> Check | Route:
    """The best trunk for `phone` with a free channel and a rate token, or why there is none.

    `phone` None: for any number, as a campaign asks why nothing is dialed.
    """
    refusals: list[str] = []
    until: list[Instant] = []
    for line in candidates(world, phone, terms):
        if line.trunk.name in exclude:
            continue
        caller_id = callerid.choose(world, line, terms, contact, now.wall)
        fault = _fault(line, terms, caller_id)
        if fault is not None:
            refusals.append(f"trunk {line.trunk.name} {fault}")
            if fault == NO_CALLER_ID:
                until.append(callerid.free_again(line, now.wall))
            continue
        free_at = free_again(world, line, now.mono)
        if caller_id is None or free_at > now.mono:
            refusals.append(f"trunk {line.trunk.name}: {_waits_for(line, now.mono)}")
            until.append(Instant(now.wall + (free_at - now.mono + 999) // 1000))
        else:
            return Route(line, caller_id)
    refusals += [f"trunk {name} is not configured" for name in terms.trunks if world.lines.get(name) is None]
    detail = "; ".join(refusals) or f"no trunk takes {phone.masked if phone else 'any number'}"
    return Check("trunk", Scope.TRUNKS, False, detail, min(until, default=None))


def candidates(world: World, phone: E164 | None, terms: Terms) -> list[Line]:
    """Trunks that take the number, best first."""
    if terms.trunks:
        listed = [line for name in terms.trunks if (line := world.lines.get(name)) is not None]
    else:
        listed = list(world.lines.values())
    if phone is None:
        return listed
    matched = [(match, line) for line in listed if (match := line.trunk.match(phone)) is not None]
    if len(matched) > 1:
        matched.sort(key=lambda found: -found[0])
    return [line for _, line in matched]


def free_again(world: World, line: Line, now: Mono) -> Mono:
    """When the trunk's rate and its rest after congestion allow the next start."""
    return max(world.trunk_meter(line).free_at(now), line.rest_until)


def is_free(world: World, line: Line, now: Mono) -> bool:
    """Whether any call at all could take the trunk now."""
    return (
        line.paused is None
        and line.down is None
        and line.in_use < line.trunk.max_channels
        and free_again(world, line, now) <= now
    )


def preferred(
    world: World, contact: Contact, terms: Terms, now: Now
) -> tuple[TrunkName | None, set[TrunkName]]:
    """The trunk that a contact would take now (None: none is free), and all that it ever may."""
    lines = candidates(world, contact.phone, terms)
    free = (line.trunk.name for line in lines if is_free(world, line, now.mono))
    return next(free, None), {line.trunk.name for line in lines}


def _fault(line: Line, terms: Terms, caller_id: E164 | None) -> str | None:
    """What no waiting of a moment mends."""
    if line.paused is not None:
        return f"is paused: {line.paused}"
    if line.down is not None:
        return line.down
    if terms.caller_id is not None and terms.caller_id not in line.trunk.caller_ids:
        return f"does not carry the caller id {terms.caller_id}"
    if line.in_use >= line.trunk.max_channels:
        return f"has {line.in_use} of {line.trunk.max_channels} channels in use"
    if caller_id is None:
        return NO_CALLER_ID
    return None


def _waits_for(line: Line, now: Mono) -> str:
    if line.rest_until > now:
        return f"rests after congestion ({line.congestions} in a row)"
    rate, full = f"{line.rate:.3g} calls a second reached", line.trunk.calls_per_second
    if line.rate >= full:
        return rate
    why = "the carrier takes no more" if line.pace.share else "it begins slowly"
    return f"{rate} (slowed from {full:g}: {why})"
