"""Callees who heard nobody: judged by share and number, a brake that lets one call through, and goes again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core import abandonment, metrics
from dialerd.core.abandonment import RULE, SPAN, tally
from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.disposition import Reason
from dialerd.core.gate import campaign_why
from dialerd.core.messages import MediaFailed
from dialerd.core.turn import Turn
from tests.core.world_builder import CMP, START, Behaviour, Driver, campaign, contacts, policy, trunk

TALKS = Behaviour(answers=True, ring_ms=100, talk_ms=20_000)
HOUR = 3_600_000


def answering(people: int, least: int = 10, share: float = 0.03, channels: int = 20) -> Driver:
    rules = policy(abandoned_least=least, abandoned_share=share)
    driver = Driver.ready(trunk(channels=channels), rules=rules)
    driver.behave = lambda order: TALKS
    # The brake is not about contacts: who was abandoned is not called again in this campaign.
    driver.admit(campaign(end_at=Instant(START + 100 * HOUR)), contacts(people))
    return driver


def abandon(driver: Driver, count: int) -> None:
    """The next calls that answer hear nobody."""
    for order in driver.attached[-count:]:
        driver.events(MediaFailed(order.call, Reason.ABANDONED, "no agent audio"))


def test_too_many_abandoned_calls_brake_the_campaign_and_good_ones_lift_it() -> None:
    driver = answering(400)
    driver.run(until=30_000)
    assert driver.world.braked.get(CMP) is None
    abandon(driver, 5)
    driver.run(until=driver.elapsed + 10)
    assert driver.world.braked.get(CMP) == 1
    assert driver.announced.count("campaign.braked") == 1
    assert RULE in {
        check.rule for check in campaign_why(driver.world, driver.world.campaigns.committed[CMP], driver.now)
    }
    live = len(driver.world.calls.committed)
    while "campaign.unbraked" not in driver.announced and driver.elapsed < 10 * HOUR:
        driver.run(until=driver.elapsed + 100)
        before, live = live, len(driver.world.calls.committed)
        allowed = driver.world.braked.get(CMP)
        assert allowed is None or live <= max(before, allowed)
    driver.run()
    assert len(driver.placed) == 400, "never a stop"
    assert driver.world.braked.get(CMP) is None
    live, lost = tally(driver.counters[CMP], driver.now.wall)
    assert (live, lost) == (400, 5)


def test_few_answers_are_not_judged() -> None:
    driver = answering(60, least=100)
    driver.run(until=5_000)
    abandon(driver, 10)
    driver.run()
    assert "campaign.braked" not in driver.announced


def test_one_more_abandoned_call_takes_the_brake_back_to_one() -> None:
    driver = answering(400, share=0.0)
    driver.run(until=30_000)
    abandon(driver, 3)
    driver.run(until=driver.elapsed + 200_000)
    grown = driver.world.braked.get(CMP)
    assert grown is not None
    assert grown > 3
    abandon(driver, 1)
    driver.run(until=driver.elapsed + 10)
    assert driver.world.braked.get(CMP) == 1


def test_another_campaign_is_not_braked() -> None:
    driver = answering(400)
    other = campaign(id="cmp_000000000002", end_at=Instant(START + 100 * HOUR))
    driver.admit(other, contacts(40, other.id, first=1_000))
    driver.run(until=30_000)
    abandon(driver, 8)
    driver.run(until=driver.elapsed + 10)
    braked = [name for name in (CMP, other.id) if driver.world.braked.get(name) is not None]
    for name in braked:
        live, lost = tally(driver.counters[name], driver.now.wall)
        assert lost > 0.03 * live


def test_a_restart_keeps_the_brake_on() -> None:
    driver = answering(400, share=0.0)
    driver.run(until=30_000)
    abandon(driver, 3)
    driver.run(until=driver.elapsed + 100)
    driver.restart()
    assert driver.world.braked.get(CMP) == 1


def test_what_is_older_than_thirty_days_does_not_count() -> None:
    old, new = Instant(START), Instant(START + SPAN + 2 * HOUR)
    counters = {}
    for at, answered, abandoned in ((old, 50, 50), (new, 100, 1)):
        counters[metrics.HOUR + metrics.hour_name(at) + metrics.ANSWERED] = answered
        counters[metrics.HOUR + metrics.hour_name(at) + metrics.ABANDONED] = abandoned
    assert tally(counters, new) == (100, 1)
    assert tally(counters, old) == (150, 51)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 20), st.floats(0, 0.5))
def test_whoever_is_abandoned_the_campaign_goes_on_to_its_end(
    heard: list[bool], least: int, share: float
) -> None:
    driver = answering(len(heard), least=least, share=share, channels=4)
    driver.world.policy = replace(driver.world.policy, min_gap=Millis(0))
    done = 0
    for _ in range(400):
        driver.run(until=driver.elapsed + 1_000)
        for order in driver.attached[done:]:
            if not heard[done]:
                driver.events(MediaFailed(order.call, Reason.ABANDONED, "no agent audio"))
            done += 1
        if not driver.world.campaigns.committed or len(driver.closed) == len(heard):
            break
        allowed = driver.world.braked.get(CMP)
        assert allowed is None or allowed >= 1
    driver.run()
    assert len(driver.placed) == len(heard)


def answer(driver: Driver, at: int, *, abandoned: bool) -> None:
    """One more live answer, `at` milliseconds after the start."""
    now = Now(Instant(START + at), Mono(at * 1_000))
    turn = Turn(driver.world, now)
    hour = metrics.HOUR + metrics.hour_name(now.wall)
    counted = {hour + metrics.ANSWERED: 1} | ({hour + metrics.ABANDONED: 1} if abandoned else {})
    turn.count(CMP, counted)
    abandonment.note_live_answer(turn, CMP, abandoned=abandoned)
    driver.world.adopt()


SHARES = st.sampled_from([0.0, 0.03, 0.25, 0.29, 0.5, 0.57])
ANSWERS = st.tuples(st.booleans(), st.sampled_from([0, 0, 0, HOUR, SPAN // 3]))


@given(st.lists(ANSWERS, min_size=10, max_size=60), st.integers(2, 12), SHARES)
def test_a_campaign_is_braked_exactly_as_long_as_its_figures_say_so(
    answers: list[tuple[bool, int]], least: int, share: float
) -> None:
    driver = answering(1, least=least, share=share)
    told: list[tuple[int, bool]] = []
    at, allowed = 0, None
    for abandoned, later in answers:
        at += later
        answer(driver, at, abandoned=abandoned)
        told.append((at, abandoned))
        since = (START + at - SPAN) // HOUR
        counted = [lost for when, lost in told if (START + when) // HOUR >= since]
        too_many = len(counted) >= least and sum(counted) > Fraction(str(share)) * len(counted)
        again = 1 if allowed is None or abandoned else allowed + 1
        allowed = again if too_many and any(counted) else None
        assert driver.world.braked.get(CMP) == allowed


@pytest.mark.parametrize(("share", "lost", "braked"), [(0.29, 29, False), (0.29, 30, True), (0.03, 3, False)])
def test_exactly_the_share_is_not_too_many(share: float, lost: int, braked: bool) -> None:
    driver = answering(1, least=100, share=share)
    for number in range(100):
        answer(driver, 0, abandoned=number < lost)
    assert (driver.world.braked.get(CMP) is not None) is braked


def test_the_answer_that_makes_them_enough_may_be_a_good_one() -> None:
    driver = answering(1, least=100)
    for number in range(100):
        assert driver.world.braked.get(CMP) is None
        answer(driver, 0, abandoned=number < 30)
    assert driver.world.braked.get(CMP) == 1
