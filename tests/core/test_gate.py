"""The gate: one order of rules, a receipt, and the same words for why nothing is dialed."""

from __future__ import annotations

from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.commands import PauseCampaign
from dialerd.core.gate import Ask, Passed, campaign_why, evaluate
from dialerd.core.messages import HostDown
from dialerd.core.verdict import Check

from .world_builder import CMP, START, Driver, campaign, contacts, trunk


def driver_with_campaign(**changes: object) -> Driver:
    driver = Driver.ready(trunk(channels=2))
    driver.admit(campaign(**changes), contacts(5))
    driver.run(until=1)
    return driver


def verdict(driver: Driver, number: int = 4) -> Passed | Check:
    return evaluate(driver.world, ask(driver, number), driver.now)


def ask(driver: Driver, number: int) -> Ask:
    live = driver.world.campaigns.committed[CMP]
    contact = contacts(5)[number]
    return Ask(contact.phone, live.terms, live, contact)


def test_the_receipt_names_every_rule_in_order_with_the_local_time() -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.admit(campaign(), contacts(1))
    driver.run(until=3)
    receipt = next(iter(driver.world.calls.committed.values())).gate
    assert list(receipt["rules"]) == [
        "daemon", "asterisk", "manager", "clock", "dnc-list", "tzdata", "campaign", "window", "legal-hours", "dnc",
        "attempts", "not-before", "live-call", "min-gap", "engine-session", "trunk",
    ]  # fmt: skip
    assert receipt["rules"]["window"].endswith("+05:30 Asia/Kolkata")
    assert receipt["at"] >= START


def test_the_first_refusal_in_order_is_the_answer() -> None:
    driver = driver_with_campaign()
    busy = verdict(driver)
    assert isinstance(busy, Check)
    assert busy.rule == "trunk"
    assert "2 of 2 channels" in busy.detail
    driver.command(PauseCampaign(CMP))
    paused = verdict(driver)
    assert isinstance(paused, Check)
    assert (paused.rule, paused.detail) == ("campaign", "paused")
    driver.events(HostDown("connection refused"))
    away = verdict(driver)
    assert isinstance(away, Check)
    assert away.rule == "asterisk"


def test_why_lists_everything_that_stands_in_the_way() -> None:
    driver = driver_with_campaign()
    driver.command(PauseCampaign(CMP))
    driver.events(HostDown("connection refused"))
    found = campaign_why(driver.world, driver.world.campaigns.committed[CMP], driver.now)
    assert [check.rule for check in found] == ["asterisk", "campaign", "trunk"]


def test_a_closed_window_says_when_it_opens_in_the_campaign_zone() -> None:
    driver = Driver.ready()
    driver.admit(
        campaign(start_at=Instant(START + 3_600_000), end_at=Instant(START + 7_200_000)), contacts(1)
    )
    early = Now(Instant(START), Mono(0))
    found = campaign_why(driver.world, driver.world.campaigns.committed[CMP], early)
    window = next(check for check in found if check.rule == "window")
    assert window.until == START + 3_600_000
    assert "Asia/Kolkata" in window.detail


def test_a_number_in_a_call_is_not_called_again_meanwhile() -> None:
    driver = Driver.ready(trunk(channels=9))
    driver.admit(campaign(), contacts(5))
    driver.run(until=1)
    refused = verdict(driver, 0)
    assert isinstance(refused, Check)
    assert refused.rule == "live-call"
