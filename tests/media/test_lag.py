"""An event loop that is late for long is told of; one late moment is not."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.media.lag import LOOKS, Lag, watch


def test_one_late_look_is_nothing_and_a_loop_that_is_always_late_is() -> None:
    lag = Lag(0.25)
    assert not lag.note(1.0)
    assert not any(lag.note(0.0) for _ in range(LOOKS))
    changes = [lag.note(0.4) for _ in range(LOOKS)]
    assert changes.count(True) == 1
    assert lag.too_late


def test_it_is_well_again_only_when_it_is_far_below_the_bound() -> None:
    lag = Lag(0.25)
    for _ in range(LOOKS):
        lag.note(0.4)
    for _ in range(3 * LOOKS):
        lag.note(0.2)
    assert lag.too_late, "no flapping about the bound"
    for _ in range(LOOKS):
        lag.note(0.01)
    assert not lag.too_late


@given(st.lists(st.floats(0, 10)), st.floats(0.01, 1))
def test_what_it_says_agrees_with_what_it_tells(looks: list[float], latest: float) -> None:
    lag, known = Lag(latest), False
    for late in looks:
        known ^= lag.note(late)
        assert lag.too_late == known
        assert lag.too_late or lag.mean <= latest


async def test_a_loop_that_stands_still_is_noticed() -> None:
    lag, told = Lag(0.2), asyncio.Event()
    watching = asyncio.create_task(watch(lag, told.set))
    await asyncio.sleep(0)
    time.sleep(1.5)  # noqa: ASYNC251 - the loop is to stand still
    async with asyncio.timeout(20):
        await told.wait()
    assert lag.too_late
    told.clear()
    async with asyncio.timeout(20):
        await told.wait()
    assert not lag.too_late
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
