"""The wall clock, watched by the monotonic one: a step stops dialing until the clock is steady again.

Which reading was right nobody here can tell, so a step only ever makes a wait longer: after a step forward, every
interval that was counted from the old reading moves with it. Times of day that people named do not move.
"""

from __future__ import annotations

from dialerd.core.clock import MICROS_PER_MILLI, SECOND, Instant, Millis, Mono, mono_after
from dialerd.core.effects import WakeAt
from dialerd.core.journal import WaitingShifted
from dialerd.core.record import replace
from dialerd.core.turn import Turn

TOLERANCE = 1_000_000
"""Microseconds of difference between two looks that are no step."""
SLEW = 1_000
"""A clock that is being corrected gently may gain or lose one part in this."""
_LOOK = 1_000_000


def watch(turn: Turn) -> None:
    """Compare both clocks with the last look; called first in every turn."""
    host, now = turn.host, turn.now
    offset = now.wall * MICROS_PER_MILLI - now.mono
    if host.clock_offset is None:
        turn.set_host(replace(host, clock_offset=offset, clock_read=now.mono))
        return
    moved = offset - host.clock_offset
    elapsed = now.mono - host.clock_read
    if abs(moved) > TOLERANCE + elapsed // SLEW:
        _stepped(turn, Millis(moved // MICROS_PER_MILLI), offset)
    elif elapsed >= _LOOK:
        turn.set_host(replace(host, clock_offset=offset, clock_read=now.mono))
    _settle(turn)


def _stepped(turn: Turn, by: Millis, offset: int) -> None:
    now = turn.now
    direction = "forward" if by > 0 else "back"
    detail = (
        f"the wall clock was stepped {direction} by {abs(by) / SECOND:.1f} s; dialing goes on once it has been "
        f"steady for {turn.world.policy.clock_settle / SECOND:g} s"
    )
    turn.set_host(
        replace(turn.host, clock=detail, clock_since=now.mono, clock_offset=offset, clock_read=now.mono)
    )
    turn.announce("clock.stepped", {"seconds": by / SECOND})
    if by > 0:
        _shift(turn, Instant(now.wall - by), by)


def _shift(turn: Turn, since: Instant, by: Millis) -> None:
    """No interval is shortened: what was counted from the old reading ends that much later."""
    world = turn.world
    turn.record(WaitingShifted(since, by))
    for number, ended in list(world.rested.committed.items()):
        world.rested.put(number, Instant(ended + by))
    for ident, queue in list(world.queues.committed.items()):
        # The store's instants have moved or not, by what they mean: it is asked again. Whoever was set aside in memory
        # meets the gate again, which knows what has moved.
        world.queues.put(ident, replace(queue, next_due=None, exhausted=frozenset()))


def _settle(turn: Turn) -> None:
    host = turn.host
    if host.clock is None:
        return
    steady_at = mono_after(host.clock_since, turn.world.policy.clock_settle)
    if turn.now.mono < steady_at:
        turn.do(WakeAt(Mono(steady_at)))
        return
    turn.set_host(replace(host, clock=None))
    turn.announce("clock.steady", {})
    for campaign in turn.world.campaigns.values():
        turn.world.wake(campaign.id)
        turn.world.look_at(campaign.id, Instant(0))
