"""Callees who were left without having heard anybody: whoever was at fault, and however soon it was."""

from __future__ import annotations

import pytest

from dialerd.core import metrics
from dialerd.core.abandonment import tally
from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import HangUpCall
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import CallId
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AnswerJudged,
    EvidenceFound,
    HostDown,
    HostUp,
    MediaFailed,
    MediaHeld,
    TryEnded,
)
from dialerd.core.model import AgentReport, AnsweredBy, RetryRule
from tests.core.world_builder import CMP, START, Behaviour, Driver, campaign, contacts

ANSWERS = Behaviour(answers=True, ring_ms=100, talk_ms=600_000)
HOUR = 3_600_000
OURS = (Reason.ABANDONED, Reason.DROPPED, Reason.ENGINE_FAILED)


def answered(after: int = 300, **changes: object) -> tuple[Driver, CallId]:
    """A call that is `after` milliseconds past its answer, and nobody was heard yet."""
    driver = Driver.ready()
    driver.silent_agent = True
    driver.behave = lambda order: ANSWERS
    driver.admit(campaign(end_at=Instant(START + 200 * HOUR), **changes), contacts(1))
    while not driver.attached:
        driver.run(until=driver.elapsed + 10)
    driver.run(until=driver.elapsed + after)
    return driver, driver.attached[0].call


def abandoned(driver: Driver) -> int:
    """How many were, as the brake and the figures of the campaign agree."""
    counters = driver.counters[CMP]
    live, lost = tally(counters, driver.now.wall)
    shown = metrics.figures(counters)
    assert sum(hour["abandoned"] for hour in shown.by_hour.values()) == lost
    assert shown.metrics["abandoned_rate"] == metrics.ratio(lost, live)
    return lost


def leaves(driver: Driver, call: CallId) -> None:
    """The callee hangs up; the worker is stuck and says nothing."""
    driver.events(TryEnded(driver.world.calls[call].current.channel, 16, None))
    driver.due.clear()
    driver.run(until=driver.elapsed + 5_000)


@pytest.mark.parametrize("reason", OURS)
def test_who_is_hung_up_on_before_the_agent_was_heard_is_abandoned(reason: Reason) -> None:
    driver, call = answered(after=300)
    driver.events(MediaFailed(call, reason, "it broke"))
    driver.run()
    assert driver.closed[0].reason is reason
    assert abandoned(driver) == 1


@pytest.mark.parametrize("reason", [Reason.DROPPED, Reason.ENGINE_FAILED])
def test_who_has_heard_the_agent_is_not(reason: Reason) -> None:
    driver, call = answered()
    driver.events(AgentHeard(call))
    driver.events(MediaFailed(call, reason, "it broke"))
    driver.run()
    assert abandoned(driver) == 0


def test_an_agent_that_hangs_up_before_it_was_heard_abandons_too() -> None:
    driver, call = answered()
    driver.events(AgentFinished(call, AgentReport("interested"), unheard=True))
    driver.run()
    assert (driver.closed[0].disposition, abandoned(driver)) == ("interested", 1)


@pytest.mark.parametrize("by_agent", [True, False])
def test_whoever_orders_the_hang_up_the_callee_has_heard_nobody(by_agent: bool) -> None:
    driver, call = answered()
    driver.command(HangUpCall(call, by_agent=by_agent))
    driver.run()
    assert abandoned(driver) == 1


@pytest.mark.parametrize(("after", "lost"), [(1_500, 0), (2_500, 1)])
def test_a_callee_who_hangs_up_himself_is_abandoned_only_once_the_agent_was_due(
    after: int, lost: int
) -> None:
    driver, call = answered(after)
    leaves(driver, call)
    assert abandoned(driver) == lost


def test_a_callee_who_hangs_up_in_a_pause_that_the_agent_meant_is_not() -> None:
    driver, call = answered(after=4_000)
    channel = driver.world.calls[call].current.channel
    driver.events(TryEnded(channel, 16, None))
    driver.events(AgentFinished(call, AgentReport(), unheard=False))
    assert abandoned(driver) == 0


def test_whoever_hangs_up_first_counts() -> None:
    driver, call = answered(after=800)
    driver.events(TryEnded(driver.world.calls[call].current.channel, 16, None))
    driver.events(MediaFailed(call, Reason.ENGINE_FAILED, "it broke", unheard=True))
    assert (driver.closed[0].reason, abandoned(driver)) == (None, 0)


def test_a_machine_is_nobody_to_be_abandoned() -> None:
    driver, call = answered()
    driver.events(AnswerJudged(call, AnsweredBy.MACHINE, "heard"))
    driver.events(MediaFailed(call, Reason.ENGINE_FAILED, "it broke"))
    driver.run()
    assert abandoned(driver) == 0


def test_an_asterisk_that_dies_before_the_agent_was_heard_has_abandoned() -> None:
    driver, call = answered()
    channel = driver.world.calls[call].current.channel
    driver.events(HostDown("cut"), HostUp("boot-2", "22.10.1", ()))
    driver.events(EvidenceFound("boot-2", frozenset({channel}), frozenset(), (), records_readable=True))
    driver.events(AgentFinished(call, AgentReport()))
    assert (driver.closed[0].reason, abandoned(driver)) == (Reason.DROPPED, 1)


def test_who_heard_the_agent_before_a_restart_has_heard_it() -> None:
    driver, call = answered(after=5_000)
    driver.events(AgentHeard(call))
    driver.restart()
    driver.events(MediaHeld(frozenset()))
    driver.run()
    assert (driver.closed[0].reason, abandoned(driver)) == (Reason.DROPPED, 0)


def test_a_worker_that_outlived_its_daemon_knows_who_had_heard_nobody() -> None:
    driver, call = answered(after=1_900)
    driver.restart()
    driver.events(MediaFailed(call, Reason.ENGINE_FAILED, "it broke", unheard=True))
    driver.run()
    assert abandoned(driver) == 1


@pytest.mark.parametrize(("heard", "waits"), [(False, 72 * HOUR), (True, 60_000)])
def test_who_was_abandoned_is_left_alone_for_72_hours_whatever_the_retry_rule_says(
    heard: bool, waits: int
) -> None:
    rules = {Reason.ENGINE_FAILED: RetryRule(Millis(60_000))}
    driver, call = answered(max_attempts=2, retry_rules=rules)
    if heard:
        driver.events(AgentHeard(call))
    driver.events(MediaFailed(call, Reason.ENGINE_FAILED, "it broke"))
    driver.run(until=driver.elapsed + 1_000)
    (contact,) = driver.store.values()
    assert contact.state is ContactState.RETRY_WAITING
    assert contact.not_before - driver.closed[0].ended_at >= waits
    assert contact.not_before - driver.closed[0].ended_at < waits + 2_000
