"""How long a call may last: from its answer on, whatever rang before, and longer while a person is being called."""

from __future__ import annotations

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import LabelCall, TransferCall
from dialerd.core.disposition import Reason
from dialerd.core.effects import CallPerson, LimitCall, TellTransferFailed
from dialerd.core.messages import AgentHeard
from dialerd.core.model import Label
from dialerd.core.person import PersonAnswered, PersonGone, PersonJoined
from dialerd.core.timelimit import PARTING
from dialerd.core.transfer import Target, TargetKind, TransferPlan, TransferRules, TransferWish
from tests.core.test_handover import Exchange
from tests.core.world_builder import Behaviour, campaign, contacts, policy, trunk

DESK = TransferPlan(Target(TargetKind.ENDPOINT, "desk"), patience=Millis(120_000))
TRANSFERS = TransferRules({"desk": DESK}, "desk", Millis(900_000))
RULES = policy(max_call=Millis(300_000), transfers=TRANSFERS, audit=Millis(10**9))
"""The fake Asterisk counts no persons."""
LATE = Behaviour(answers=True, ring_ms=29_000)
SWEEP = 1_001
"""How late a limit may be noticed."""


def talking() -> tuple[Exchange, int]:
    """A call answered after a long ringing, and when that was; its agent talks on and on."""
    taken = (trunk(),)
    driver = Exchange.ready(*taken, rules=RULES)
    assert isinstance(driver, Exchange)
    driver.silent_agent = True
    driver.behave = lambda order: LATE
    driver.admit(campaign(end_at=Instant(driver.now.wall + 86_400_000)), contacts(1))
    while not driver.attached:
        driver.run(until=driver.elapsed + 10)
    driver.events(AgentHeard(driver.attached[0].call))
    return driver, driver.elapsed


def wait_for_end(driver: Exchange) -> int:
    while not driver.closed:
        driver.run(until=driver.elapsed + 100)
    return driver.elapsed


def ask(driver: Exchange) -> None:
    driver.command(TransferCall(driver.call.id, TransferWish(None)))


def test_it_is_counted_from_the_answer_and_the_record_says_that_it_ended_the_call() -> None:
    driver, answered = talking()
    lasted = wait_for_end(driver) - answered
    assert 300_000 <= lasted <= 300_000 + SWEEP + 200
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("connected", Reason.MAX_DURATION)
    assert 300_000 <= closed.duration <= 300_000 + SWEEP
    assert driver.announced.count("call.max_duration_reached") == 1


def test_it_says_so_beside_a_label_too() -> None:
    driver, _ = talking()
    driver.command(LabelCall(driver.call.id, Label("interested", positive=True)))
    wait_for_end(driver)
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("interested", Reason.MAX_DURATION)
    (contact,) = driver.store.values()
    assert (contact.disposition, contact.positive, contact.reason) == ("interested", True, None)


def test_a_restart_does_not_begin_it_anew() -> None:
    driver, answered = talking()
    driver.run(until=answered + 200_000)
    driver.restart()
    lasted = wait_for_end(driver) - answered
    assert 300_000 <= lasted <= 300_000 + 2 * SWEEP


def test_a_clock_that_is_stepped_ends_no_call() -> None:
    driver, answered = talking()
    driver.step_clock(3_600_000)
    driver.run(until=answered + 250_000)
    assert not driver.closed


def test_a_transfer_is_not_cut_by_the_limit_of_the_call_while_the_phone_rings() -> None:
    driver, answered = talking()
    driver.run(until=answered + 290_000)
    ask(driver)
    (limit,) = driver.of(LimitCall)
    assert (limit.channel, limit.most) == (driver.callee, DESK.patience + TRANSFERS.most)
    driver.run(until=answered + 390_000)
    assert not driver.closed
    driver.events(PersonAnswered(driver.person))
    driver.events(PersonJoined(driver.person))
    joined = driver.elapsed
    lasted = wait_for_end(driver) - joined
    assert 900_000 <= lasted <= 900_000 + SWEEP + 3_000, "a transfer has a limit of its own"
    assert driver.closed[0].reason is Reason.MAX_DURATION


@pytest.mark.parametrize(("asked", "rang", "ends"), [(100_000, 60_000, 300_000), (280_000, 60_000, 370_000)])
def test_nobody_answers_and_the_call_has_what_was_left_of_its_time(asked: int, rang: int, ends: int) -> None:
    driver, answered = talking()
    driver.run(until=answered + asked)
    ask(driver)
    driver.run(until=answered + asked + rang)
    driver.events(PersonGone(driver.person, 19))
    assert len(driver.of(TellTransferFailed)) == 1
    left = driver.of(LimitCall)[-1].most
    assert abs(left - (answered + ends - driver.elapsed)) <= 10
    lasted = wait_for_end(driver) - answered
    assert ends <= lasted <= ends + SWEEP + 200


def test_asking_for_a_person_again_and_again_does_not_keep_a_call_up_for_ever() -> None:
    driver, answered = talking()
    driver.run(until=answered + 290_000)
    for _ in range(5):
        if driver.closed:
            break
        ask(driver)
        driver.events(PersonGone(driver.person, 19))
        driver.run(until=driver.elapsed + 20_000)
    assert wait_for_end(driver) <= answered + 290_000 + PARTING + 20_000 + SWEEP
    assert len(driver.of(CallPerson)) <= 2
