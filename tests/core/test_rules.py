"""Retry rules, callbacks, the do-not-call list and single calls, as a callee and an operator would see them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import (
    AddContacts,
    Done,
    EditCampaign,
    HangUpCall,
    ListNumbers,
    PlaceCall,
    Refused,
    UnlistNumbers,
)
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import E164, CampaignId, ScriptId
from dialerd.core.messages import AgentHeard
from dialerd.core.model import RetryRule, Terms

from .world_builder import (
    ANSWERS,
    BUSY,
    CMP,
    CONGESTED,
    RINGS_OUT,
    START,
    Behaviour,
    Driver,
    campaign,
    contacts,
    policy,
    trunk,
)

OTHER = CampaignId("cmp_000000000002")
MINUTE = 60_000


def one_off(phone: str = "+919876500001") -> PlaceCall:
    return PlaceCall(E164(phone), ScriptId("s"), 1, "en-IN", Terms(), name="Priya", variables={"loan": 5})


# --- retry rules ---------------------------------------------------------------------------------


def test_a_retry_rule_replaces_the_interval_and_has_a_limit_of_its_own() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: BUSY
    rules = {Reason.BUSY: RetryRule(Millis(5 * MINUTE), most=2)}
    driver.admit(campaign(max_attempts=9, retry_rules=rules), contacts(1))
    driver.run()
    starts = [at for at, _ in driver.placed]
    assert len(starts) == 3
    assert all(later - first >= 5 * MINUTE for first, later in pairwise(starts))
    assert driver.store[1].state is ContactState.FINISHED


def test_max_attempts_caps_every_rule() -> None:
    driver = Driver.ready()
    kinds = iter([BUSY, RINGS_OUT, BUSY, RINGS_OUT, BUSY])
    driver.behave = lambda order: next(kinds)
    rules = {Reason.BUSY: RetryRule(Millis(0), most=9), Reason.NO_ANSWER: RetryRule(Millis(0), most=9)}
    driver.admit(campaign(max_attempts=2, retry_rules=rules), contacts(1))
    driver.run()
    assert len(driver.placed) == 2


def test_a_dropped_call_is_repeated_only_where_a_rule_names_it() -> None:
    for rules, calls in (({}, 1), ({Reason.CUT: RetryRule(Millis(MINUTE))}, 2)):
        driver = Driver.ready()
        driver.behave = lambda order: Behaviour(answers=True, talk_ms=600_000)
        driver.admit(campaign(max_attempts=2, retry_rules=rules), contacts(1))
        driver.run(until=5_000)
        (call,) = driver.world.calls.committed
        driver.events(AgentHeard(call))
        driver.command(HangUpCall(call))
        driver.behave = lambda order: ANSWERS
        driver.run()
        assert len(driver.placed) == calls
        assert driver.store[1].connected_attempt == 1


def test_an_abandoned_callee_is_left_alone_for_72_hours_whatever_the_rule_says() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(answers=True, talk_ms=600_000)
    rules = {Reason.ABANDONED: RetryRule(Millis(MINUTE))}
    driver.admit(campaign(max_attempts=2, retry_rules=rules, end_at=None), contacts(1))
    driver.run(until=2_000)
    (call,) = driver.world.calls.committed
    driver.fail_media(call, Reason.ABANDONED)
    driver.behave = lambda order: ANSWERS
    driver.run()
    first, second = (at for at, _ in driver.placed)
    assert second - first >= 72 * 60 * MINUTE


# --- callbacks -----------------------------------------------------------------------------------


def test_a_callback_is_placed_at_its_time_and_is_no_attempt() -> None:
    driver = Driver.ready()
    wants = Behaviour(answers=True, disposition="callback_requested", callback_after_ms=20 * MINUTE)
    kinds = iter([wants, Behaviour(answers=True, disposition="interested")])
    driver.behave = lambda order: next(kinds)
    driver.admit(campaign(max_attempts=1), contacts(1))
    driver.run()
    first, second = (at for at, _ in driver.placed)
    assert second - first >= 20 * MINUTE
    assert driver.store[1].attempts == 1
    assert driver.store[1].disposition == "interested"


def test_an_unanswered_callback_keeps_its_label_and_is_not_repeated() -> None:
    driver = Driver.ready()
    kinds = iter(
        [Behaviour(answers=True, disposition="callback_requested", callback_after_ms=MINUTE), RINGS_OUT]
    )
    driver.behave = lambda order: next(kinds)
    driver.admit(campaign(max_attempts=3), contacts(1))
    driver.run()
    assert len(driver.placed) == 2
    assert (driver.store[1].state, driver.store[1].disposition) == ("finished", "callback_requested")


def test_a_callback_that_the_carrier_failed_is_tried_again() -> None:
    driver = Driver.ready()
    wants = Behaviour(answers=True, disposition="callback_requested", callback_after_ms=MINUTE)
    kinds = iter([wants, CONGESTED, ANSWERS])
    driver.behave = lambda order: next(kinds)
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert len(driver.placed) == 3
    assert driver.store[1].callbacks == 1


@pytest.mark.parametrize("after", [None, 3_600_000])
def test_a_callback_without_a_time_or_beyond_the_window_is_not_placed(after: int | None) -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(
        answers=True, disposition="callback_requested", callback_after_ms=after
    )
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert len(driver.placed) == 1
    assert driver.store[1].state is ContactState.FINISHED
    assert (driver.store[1].callback_unmet is not None) is (after is not None)


def test_callbacks_are_limited_by_max_callbacks() -> None:
    driver = Driver.ready()
    wants = Behaviour(answers=True, disposition="callback_requested", callback_after_ms=MINUTE)
    driver.behave = lambda order: wants
    driver.admit(campaign(max_callbacks=2), contacts(1))
    driver.run()
    assert len(driver.placed) == 3


# --- do not call ---------------------------------------------------------------------------------


def test_a_callee_who_says_stop_is_called_by_no_campaign_any_more() -> None:
    driver = Driver.ready(trunk(channels=1))
    driver.behave = lambda order: Behaviour(answers=True, disposition="dnc")
    driver.admit(campaign(), contacts(1))
    driver.admit(
        campaign(id=OTHER, start_at=Instant(START + 600_000)), contacts(1, OTHER, first=1001, phone=1)
    )
    driver.run()
    assert len(driver.placed) == 1
    assert driver.store[1].disposition == "dnc"
    assert driver.store[1001].state is ContactState.SUPPRESSED


def test_the_number_has_left_every_queue_before_its_call_is_closed() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(answers=True, disposition="dnc")
    driver.admit(campaign(), contacts(1))
    driver.admit(
        campaign(id=OTHER, start_at=Instant(START + 600_000)), contacts(1, OTHER, first=1001, phone=1)
    )
    driver.run(until=60_000)
    order = [
        kind for kind in driver.announced if kind in ("dnc.added", "contact.suppressed", "call.completed")
    ]
    assert order == ["dnc.added", "contact.suppressed", "call.completed"]


def test_a_prefix_on_the_list_empties_the_queues_of_its_numbers_and_an_expired_one_does_not() -> None:
    driver = Driver.ready()
    driver.admit(campaign(start_at=Instant(START + 10_000)), contacts(5))
    driver.command(ListNumbers((DncEntry("+9198765*", expires_at=Instant(START + 60_000)),)))
    driver.run(until=30_000)
    assert not driver.placed
    driver.run(until=120_000)
    assert len(driver.placed) == 5


def test_a_number_taken_off_the_list_may_be_called() -> None:
    driver = Driver.ready()
    driver.command(ListNumbers((DncEntry("+919876500001"),)))
    driver.command(UnlistNumbers(("+919876500001",)))
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert len(driver.placed) == 1


# --- single calls --------------------------------------------------------------------------------


def test_a_call_of_its_own_passes_every_gate_or_says_why_not() -> None:
    driver = Driver.ready()
    placed = driver.command(one_off())
    assert isinstance(placed, Done)
    assert placed.call is not None
    again = driver.command(one_off())
    assert isinstance(again, Refused)
    assert [check.rule for check in again.why] == ["live-call"]
    driver.run()
    assert len(driver.placed) == 1
    driver.command(ListNumbers((DncEntry("+919876500001"),)))
    refused = driver.command(one_off())
    assert isinstance(refused, Refused)
    assert [check.rule for check in refused.why] == ["dnc"]


def test_a_call_of_its_own_keeps_a_campaign_from_calling_that_number_meanwhile() -> None:
    driver = Driver.ready(rules=policy(min_gap=Millis(15 * MINUTE)))
    driver.behave = lambda order: Behaviour(answers=True, talk_ms=30_000)
    driver.command(one_off())
    driver.admit(campaign(), contacts(1))
    driver.run()
    first, second = (at for at, _ in driver.placed)
    assert second - first >= 30_000 + 15 * MINUTE


# --- a live campaign -----------------------------------------------------------------------------


def test_contacts_added_to_a_running_campaign_are_called() -> None:
    driver = Driver.ready()
    driver.admit(campaign(keep_open=True), contacts(2))
    driver.run(until=60_000)
    assert len(driver.placed) == 2
    more = contacts(3, first=10)
    assert isinstance(driver.command(AddContacts(CMP, driver.list_people(CMP, more), 3)), Done)
    driver.run(until=120_000)
    assert len(driver.placed) == 5


def test_an_edit_against_an_old_version_changes_nothing() -> None:
    driver = Driver.ready()
    driver.admit(campaign(start_at=Instant(START + 60_000)), contacts(1))
    assert isinstance(driver.command(EditCampaign(CMP, {"max_attempts": 3}, expected=1)), Done)
    late = driver.command(EditCampaign(CMP, {"max_attempts": 5}, expected=1))
    assert isinstance(late, Refused)
    assert late.edited
    assert driver.world.campaigns.committed[CMP].max_attempts == 3


def test_contacts_with_no_attempt_left_after_an_edit_are_finished_and_the_campaign_completes() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=5), contacts(3))
    driver.run(until=5_000)
    driver.command(EditCampaign(CMP, {"max_attempts": 1}))
    driver.run()
    assert len(driver.placed) == 3
    assert {c.state for c in driver.store.values()} == {ContactState.FINISHED}
    assert "campaign.completed" in driver.announced


def test_a_rate_edited_live_holds_from_then_on() -> None:
    driver = Driver.ready(trunk(channels=100))
    driver.admit(campaign(calls_per_second=10.0), contacts(60))
    driver.run(until=2_000)
    before = len(driver.placed)
    driver.command(EditCampaign(CMP, {"calls_per_second": 1.0}))
    driver.run(until=12_000)
    assert 8 <= len(driver.placed) - before <= 11


def test_a_caller_id_of_one_trunk_keeps_the_call_on_it() -> None:
    a, b = trunk("a"), replace(trunk("b"), caller_ids=(E164("+15550100999"),))
    driver = Driver.ready(a, b)
    driver.admit(campaign(caller_id=E164("+15550100999")), contacts(3))
    driver.run()
    assert {order.trunk for _, order in driver.originated} == {"b"}
    assert {order.caller_id for _, order in driver.originated} == {"+15550100999"}
