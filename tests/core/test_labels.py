"""What somebody else than its own agent says of a live call, as the contact and the operator see it afterwards."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant
from dialerd.core.commands import Done, LabelCall, Refused, Unmet
from dialerd.core.model import CallId, Label
from dialerd.core.windows import Slot

from .world_builder import START, Behaviour, Driver, campaign, contacts

MINUTE = 60_000
TALKS = Behaviour(answers=True, disposition="not_interested", talk_ms=60_000)


def talking(**changes: object) -> tuple[Driver, CallId]:
    """A campaign whose only contact has answered."""
    driver = Driver.ready()
    driver.behave = lambda order: TALKS
    driver.admit(campaign(**changes), contacts(1))
    driver.run(until=10_000)
    (call,) = driver.world.calls.committed.values()
    assert call.answered_at is not None
    return driver, call.id


def labelled(driver: Driver, call: CallId, label: Label) -> Unmet | None:
    answer = driver.command(LabelCall(call, label))
    assert isinstance(answer, Done)
    return answer.unmet


def test_a_label_stands_whatever_the_calls_own_agent_says_later() -> None:
    driver, call = talking()
    labelled(driver, call, Label("site_visit", positive=True))
    driver.run()
    assert (driver.store[1].disposition, driver.store[1].positive) == ("site_visit", True)
    assert driver.store[1].state == "finished"


def test_a_label_stands_over_a_restart() -> None:
    driver, call = talking()
    labelled(driver, call, Label("site_visit"))
    driver.restart()
    driver.run()
    assert driver.store[1].disposition == "site_visit"


def test_a_label_that_is_not_terminal_lets_the_contact_be_called_again() -> None:
    driver, call = talking(max_attempts=2)
    labelled(driver, call, Label("call_later", terminal=False))
    driver.run(until=100_000)
    assert (driver.store[1].state, driver.store[1].disposition) == ("retry_waiting", "call_later")
    driver.run()
    assert len(driver.placed) == 2
    assert (driver.store[1].state, driver.store[1].disposition) == ("finished", "not_interested")


def test_a_contact_asked_off_is_listed_at_once() -> None:
    driver, call = talking()
    labelled(driver, call, Label("dnc"))
    assert driver.world.dnc.match(driver.store[1].phone, START) is not None
    driver.run()
    assert driver.store[1].disposition == "dnc"


def test_a_callback_within_the_window_is_placed() -> None:
    driver, call = talking()
    assert (
        labelled(driver, call, Label("callback_requested", callback_at=Instant(START + 20 * MINUTE))) is None
    )
    driver.run()
    assert [at for at, _ in driver.placed][1] >= 20 * MINUTE


def test_a_callback_beyond_the_window_is_refused_with_the_last_possible_instant_and_told_afterwards() -> None:
    end = START + 60 * MINUTE
    driver, call = talking(end_at=Instant(end))
    asked = Instant(end + MINUTE)
    unmet = labelled(driver, call, Label("callback_requested", callback_at=asked))
    ring = driver.world.campaigns.committed[campaign().id].ring_timeout
    assert unmet is not None
    assert (unmet.latest, unmet.next) == (end - ring, None)
    driver.run()
    assert len(driver.placed) == 1
    assert (driver.store[1].disposition, driver.store[1].callback_unmet) == ("callback_requested", asked)


def test_a_callback_outside_the_hours_is_refused_with_the_next_and_the_last_time() -> None:
    opens = (START // MINUTE) % 1_440
    slot = Slot(frozenset(range(7)), opens, (opens + 60) % 1_440)
    day = 1_440 * MINUTE
    driver, call = talking(end_at=Instant(START + 3 * day), hours=(slot,), timezone="UTC")
    unmet = labelled(driver, call, Label("callback_requested", callback_at=Instant(START + 120 * MINUTE)))
    begin = START - START % MINUTE
    ring = driver.world.campaigns.committed[campaign().id].ring_timeout
    assert unmet is not None
    assert unmet.next == begin + day
    assert unmet.latest == min(begin + 2 * day + 60 * MINUTE, START + 3 * day) - ring


def test_what_was_refused_may_be_corrected() -> None:
    driver, call = talking(end_at=Instant(START + 60 * MINUTE))
    wish = Label("callback_requested", callback_at=Instant(START + 90 * MINUTE))
    assert labelled(driver, call, wish) is not None
    assert labelled(driver, call, replace(wish, callback_at=Instant(START + 30 * MINUTE))) is None
    driver.run()
    assert len(driver.placed) == 2
    assert driver.store[1].callback_unmet is None


def test_only_a_call_that_somebody_has_answered_can_be_labelled() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(ring_ms=20_000)
    driver.admit(campaign(), contacts(1))
    driver.run(until=5_000)
    (call,) = driver.world.calls.committed
    refused = driver.command(LabelCall(call, Label("interested")))
    assert isinstance(refused, Refused)
    assert refused.state == "not-answered"
    driver.run()
    gone = driver.command(LabelCall(call, Label("interested")))
    assert isinstance(gone, Refused)
    assert gone.unknown
