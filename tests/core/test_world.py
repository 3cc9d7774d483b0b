"""What the world remembers of numbers that were called, and for how long."""

from __future__ import annotations

from dialerd.core.clock import Instant, Millis
from dialerd.core.identity import E164, InstanceId
from dialerd.core.world import World

from .world_builder import START, policy

GAP = 1_000
FIRST, SECOND = E164("+919876500001"), E164("+919876500002")


def world() -> World:
    """A world in which two numbers were called, half a gap apart."""
    made = World.empty(InstanceId("d1"), policy(min_gap=Millis(GAP)), ())
    made.rest(FIRST, START)
    made.rest(SECOND, Instant(START + GAP // 2))
    made.adopt()
    return made


def known(made: World) -> set[E164]:
    return set(made.rested.committed)


def test_a_gap_that_has_run_out_is_forgotten_and_no_other() -> None:
    made = world()
    made.forget_rested(Instant(START + GAP - 1))
    made.adopt()
    assert known(made) == {FIRST, SECOND}
    made.forget_rested(Instant(START + GAP))
    made.adopt()
    assert known(made) == {SECOND}
    made.forget_rested(Instant(START + 2 * GAP))
    made.adopt()
    assert known(made) == set()


def test_a_gap_that_moved_with_the_clock_is_forgotten_when_it_has_run_out() -> None:
    made = world()
    made.rested.put(FIRST, Instant(START + 10 * GAP))
    made.adopt()
    made.forget_rested(Instant(START + 2 * GAP))
    made.adopt()
    assert known(made) == {FIRST}
    made.forget_rested(Instant(START + 11 * GAP))
    made.adopt()
    assert known(made) == set()


def test_a_number_called_again_keeps_its_newer_gap() -> None:
    made = world()
    made.forget_rested(Instant(START + GAP))
    made.rest(FIRST, Instant(START + GAP))
    made.adopt()
    made.forget_rested(Instant(START + 2 * GAP - 1))
    made.adopt()
    assert known(made) == {FIRST}


def test_what_a_discarded_turn_forgot_is_forgotten_later() -> None:
    made = world()
    made.forget_rested(Instant(START + 5 * GAP))
    made.discard()
    assert known(made) == {FIRST, SECOND}
    made.forget_rested(Instant(START + 5 * GAP))
    made.adopt()
    assert known(made) == set()
