"""What somebody else than its own agent says of a live call, as the contact and the operator see it afterwards."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant
from dialerd.core.commands import Done, LabelCall, Refused, Unmet
from dialerd.core.engine import StandIn
from dialerd.core.identity import CallId
from dialerd.core.labels import SPARE
from dialerd.core.messages import AgentReported, LabelsDeclared
from dialerd.core.model import AgentReport, Declared, Label
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


# --- what the call's own agent says ---------------------------------------------------------------

BUSY_NOW = {"busy_now": Declared(positive=True, terminal=False)}


def declaring(*declared: LabelsDeclared, **changes: object) -> Driver:
    """A campaign whose only contact is in a call with an agent that says `busy_now` after a minute."""
    driver = Driver.ready()
    driver.events(*declared)
    driver.behave = lambda order: Behaviour(answers=True, disposition="busy_now", talk_ms=60_000)
    driver.admit(campaign(**{"agent_id": "bot", "max_attempts": 2, **changes}), contacts(1))
    driver.run(until=10_000)
    return driver


def test_a_label_of_the_calls_own_agent_means_what_was_declared() -> None:
    driver = declaring(LabelsDeclared("bot", BUSY_NOW))
    assert driver.attached[0].labels == {"busy_now": True}
    driver.run(until=100_000)
    assert (driver.store[1].state, driver.store[1].positive) == ("retry_waiting", True)
    driver.run()
    assert len(driver.placed) == 2
    assert driver.store[1].state == "finished"


def test_a_label_that_nobody_has_declared_finishes_the_contact() -> None:
    driver = declaring(LabelsDeclared("another", BUSY_NOW))
    assert driver.attached[0].labels == {}
    driver.run()
    assert (driver.store[1].state, driver.store[1].positive, len(driver.placed)) == ("finished", False, 1)


def test_what_an_agent_declares_is_what_it_declared_last() -> None:
    driver = declaring(LabelsDeclared("bot", BUSY_NOW), LabelsDeclared("bot", {}))
    assert driver.attached[0].labels == {}
    driver.events(LabelsDeclared("bot", {"busy_now": Declared(terminal=False)}))
    driver.run(until=100_000)
    assert (driver.store[1].state, driver.store[1].positive) == ("retry_waiting", False)


def test_labels_of_its_script_and_of_who_stands_in_may_be_given_too() -> None:
    helper = StandIn("helper", "pipecat", "other", 3, "en-IN")
    driver = declaring(
        LabelsDeclared("s@1", {"confirmed": Declared(True), "visit": Declared(False)}),
        LabelsDeclared("s@2", {"newer": Declared(True)}),
        LabelsDeclared("other@3", {"theirs": Declared(False)}),
        LabelsDeclared("helper", BUSY_NOW),
        LabelsDeclared("bot", {"visit": Declared(True)}),
        stand_ins=(helper,),
    )
    assert driver.attached[0].labels == {"confirmed": True, "visit": True, "theirs": False, "busy_now": True}
    driver.run(until=100_000)
    assert driver.store[1].state == "retry_waiting"


def test_labels_of_old_script_versions_are_forgotten_and_those_in_use_are_not() -> None:
    visit, helper = {"visit": Declared(True)}, StandIn("helper", "pipecat", "other", 3, "en-IN")
    driver = Driver.ready()
    driver.events(LabelsDeclared("bot", BUSY_NOW))
    for script in ("s@1", "other@3"):
        driver.events(LabelsDeclared(script, visit))
    driver.admit(campaign(agent_id="bot", max_attempts=2, stand_ins=(helper,)), contacts(1))
    for version in range(2, 5 * SPARE):
        driver.events(LabelsDeclared(f"s@{version}", visit))
    kept = driver.world.labels.committed
    assert {"bot", "s@1", "other@3", f"s@{5 * SPARE - 1}", f"s@{4 * SPARE}"} <= kept.keys()
    assert "s@2" not in kept
    assert len(kept) <= 2 * SPARE + 3


def test_a_label_from_outside_counts_before_the_agents_own() -> None:
    driver = declaring(LabelsDeclared("bot", BUSY_NOW))
    (call,) = driver.world.calls.committed
    driver.events(AgentReported(call, AgentReport("busy_now")))
    labelled(driver, call, Label("not_interested"))
    driver.run()
    assert (driver.store[1].disposition, driver.store[1].state) == ("not_interested", "finished")
    assert len(driver.placed) == 1


def refusals(driver: Driver) -> list[tuple[Instant, Unmet]]:
    return [(told.asked, told.unmet) for told in driver.unmet]


def wishing(asked: Instant) -> AgentReport:
    return AgentReport("callback_requested", callback_at=asked)


def test_an_agent_is_told_of_a_callback_that_cannot_be_and_may_correct_it() -> None:
    end = START + 60 * MINUTE
    driver, call = talking(end_at=Instant(end))
    late, later, fine = (Instant(START + minutes * MINUTE) for minutes in (90, 100, 30))
    driver.events(AgentReported(call, wishing(late)))
    ((asked, unmet),) = refusals(driver)
    ring = driver.world.campaigns.committed[campaign().id].ring_timeout
    assert (asked, unmet.latest, unmet.next) == (late, end - ring, None)
    driver.events(AgentReported(call, replace(wishing(late), captured={"a": 1})))
    assert len(refusals(driver)) == 1, "it was told already"
    driver.events(AgentReported(call, wishing(later)), AgentReported(call, wishing(fine)))
    assert [asked for asked, _ in refusals(driver)] == [late, later]
    assert driver.world.calls.committed[call].report.callback_at == fine


def test_no_agent_is_told_of_a_callback_that_somebody_else_asked_for_or_that_can_be() -> None:
    driver, call = talking(end_at=Instant(START + 60 * MINUTE))
    driver.events(AgentReported(call, wishing(Instant(START + 30 * MINUTE))))
    labelled(driver, call, Label("callback_requested", callback_at=Instant(START + 90 * MINUTE)))
    driver.events(AgentReported(call, wishing(Instant(START + 95 * MINUTE))))
    assert refusals(driver) == []


def test_a_time_that_has_passed_is_refused_with_the_next() -> None:
    driver, call = talking(end_at=Instant(START + 60 * MINUTE))
    driver.events(AgentReported(call, wishing(Instant(START - MINUTE))))
    ((_, unmet),) = refusals(driver)
    assert "has passed" in unmet.detail
    assert unmet.next is not None
    assert unmet.latest is not None
