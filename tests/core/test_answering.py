"""Answering machines: nobody is reached, the verdict may change, and no contact gets two messages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core import metrics
from dialerd.core.clock import Millis
from dialerd.core.commands import LabelCall
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import CallId
from dialerd.core.messages import AgentHeard, AnswerJudged, MessageLeft
from dialerd.core.model import AnsweredBy, Label, OnMachine, RetryRule
from tests.core.world_builder import CMP, Behaviour, Driver, campaign, contacts

TALKS = Behaviour(answers=True, ring_ms=100, talk_ms=20_000)
HUMAN, MACHINE = AnsweredBy.HUMAN, AnsweredBy.MACHINE


def talking(behaviour: Behaviour = TALKS, **changes: object) -> tuple[Driver, CallId]:
    """A campaign of one contact that has answered."""
    driver = Driver.ready()
    driver.behave = lambda order: behaviour
    driver.admit(campaign(**changes), contacts(1))
    driver.run(until=5_000)
    (call,) = driver.world.calls.committed
    return driver, call


def contact(driver: Driver) -> Contact:
    (found,) = driver.store.values()
    return found


def shown(driver: Driver) -> dict[str, int]:
    return dict(metrics.figures(driver.counters[CMP]).dispositions)


def test_who_reaches_a_machine_has_reached_nobody() -> None:
    driver, call = talking(max_attempts=2, retry_interval=Millis(60_000))
    assert shown(driver)["connected"] == 1
    driver.events(AnswerJudged(call, MACHINE, "heard"))
    driver.run(until=30_000)
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason, closed.counted) == ("not_reachable", Reason.VOICEMAIL, True)
    assert closed.duration > 15_000
    assert contact(driver).state is ContactState.RETRY_WAITING
    assert shown(driver)["connected"] == 0
    assert driver.counters[CMP].get(metrics.TALKS, 0) == 0
    assert driver.kept(CMP) == driver.recount(CMP)


def test_the_verdict_may_change_as_long_as_the_call_lasts() -> None:
    driver, call = talking()
    driver.events(AnswerJudged(call, MACHINE, "heard"))
    driver.events(AnswerJudged(call, HUMAN, "a key was pressed"))
    driver.run()
    (closed,) = driver.closed
    assert closed.disposition == "connected"
    assert driver.announced.count("call.answered_by") == 2


@pytest.mark.parametrize("by", ["agent", "somebody"])
def test_a_label_says_that_somebody_was_there_after_all(by: str) -> None:
    driver, call = talking(replace(TALKS, disposition="interested") if by == "agent" else TALKS)
    driver.events(AnswerJudged(call, MACHINE, "heard"))
    if by == "somebody":
        driver.command(LabelCall(call, Label("interested", positive=True)))
    driver.run()
    (closed,) = driver.closed
    assert closed.reason is None
    assert closed.disposition != "not_reachable"
    assert contact(driver).connected_attempt == 1


def test_a_message_is_left_once_and_then_voicemail_is_final() -> None:
    driver, call = talking(max_attempts=3, on_machine=OnMachine.MESSAGE)
    assert driver.attached[0].on_machine is OnMachine.MESSAGE
    driver.events(AnswerJudged(call, MACHINE, "heard"), MessageLeft(call))
    driver.run()
    assert len(driver.placed) == 1
    assert contact(driver).state is ContactState.FINISHED
    assert contact(driver).message_left
    assert contact(driver).reason is Reason.VOICEMAIL


def test_a_retry_rule_calls_again_but_leaves_no_second_message() -> None:
    rules = {Reason.VOICEMAIL: RetryRule(Millis(60_000))}
    driver, call = talking(max_attempts=2, on_machine=OnMachine.MESSAGE, retry_rules=rules)
    driver.events(AnswerJudged(call, MACHINE, "heard"), MessageLeft(call))
    driver.run(until=100_000)
    assert len(driver.placed) == 2
    assert [order.on_machine for order in driver.attached] == [OnMachine.MESSAGE, OnMachine.HANG_UP]


def test_a_machine_without_message_is_called_again_by_the_usual_rules() -> None:
    driver, call = talking(max_attempts=2, on_machine=OnMachine.MESSAGE)
    driver.events(AnswerJudged(call, MACHINE, "heard"))
    driver.run(until=100_000)
    assert [order.on_machine for order in driver.attached] == [OnMachine.MESSAGE, OnMachine.MESSAGE]


def test_who_was_reached_once_stays_reached() -> None:
    rules = {Reason.DROPPED: RetryRule(Millis(60_000))}
    driver, call = talking(max_attempts=2, retry_rules=rules)
    driver.events(AgentHeard(call))
    driver.fail_media(call, Reason.DROPPED)
    driver.run(until=75_000)
    (again,) = driver.world.calls.committed
    driver.events(AnswerJudged(again, MACHINE, "heard"))
    driver.run()
    assert [closed.disposition for closed in driver.closed] == ["connected", "not_reachable"]
    assert contact(driver).connected_attempt == 1
    assert contact(driver).disposition == "connected"
    assert shown(driver)["connected"] == 1


@given(
    verdicts=st.lists(st.sampled_from([HUMAN, MACHINE]), max_size=4),
    left=st.booleans(),
    restart=st.booleans(),
    attempts=st.integers(1, 3),
)
def test_whatever_is_heard_the_books_agree(
    verdicts: list[AnsweredBy], left: bool, restart: bool, attempts: int
) -> None:
    driver, call = talking(max_attempts=attempts, on_machine=OnMachine.MESSAGE)
    for verdict in verdicts:
        driver.events(AnswerJudged(call, verdict, "heard"))
    if left:
        driver.events(MessageLeft(call))
    if restart:
        driver.restart()
    driver.run()
    assert driver.kept(CMP) == driver.recount(CMP)
    machine = bool(verdicts) and verdicts[-1] is MACHINE
    first = driver.closed[0]
    assert first.disposition == ("not_reachable" if machine else "connected")
    assert contact(driver).state is ContactState.FINISHED
    if machine and left:
        assert len(driver.placed) == 1
