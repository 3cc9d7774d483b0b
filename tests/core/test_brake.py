"""A trunk that refuses nearly every number is paused, and the contacts it has burnt are held."""

from __future__ import annotations

from dialerd.core.commands import ChangeTrunk, Done
from dialerd.core.contact import ContactState
from tests.core.world_builder import BUSY, CMP, Behaviour, Driver, campaign, contacts, trunk

UNKNOWN = Behaviour(sip=404, cause=1, rings=False)
FORBIDDEN = Behaviour(sip=403, cause=21, rings=False)


def test_twenty_refusals_in_a_row_pause_the_trunk_and_give_the_contacts_back() -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.behave = lambda order: UNKNOWN
    driver.admit(campaign(max_attempts=1), contacts(100))
    driver.run(until=60_000)
    line = driver.world.lines.committed[trunk().name]
    assert line.paused is not None
    assert "403, 404 or 484" in line.paused
    assert 20 <= len(driver.placed) <= 22
    finished = [c for c in driver.store.values() if c.state is ContactState.FINISHED]
    # What was under way when the brake came down is all that stays burnt.
    assert len(finished) <= 2
    held = [c for c in driver.store.values() if c.turns and c.state.waiting]
    assert len(held) >= 20
    assert all(c.attempts == 0 and c.disposition is None for c in held)


def test_a_mended_trunk_calls_the_held_contacts() -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.behave = lambda order: FORBIDDEN
    driver.admit(campaign(max_attempts=1), contacts(40))
    driver.run(until=60_000)
    driver.behave = lambda order: Behaviour(answers=True)
    assert isinstance(driver.command(ChangeTrunk(trunk().name, mended=True)), Done)
    driver.run()
    connected = [c for c in driver.store.values() if c.disposition == "connected"]
    assert len(connected) >= 38
    assert "campaign.completed" in driver.announced


def test_an_ordinary_share_of_dead_numbers_pauses_nothing() -> None:
    driver = Driver.ready(trunk(channels=4))
    driver.behave = lambda order: UNKNOWN if int(order.phone.digits) % 4 else BUSY
    driver.admit(campaign(max_attempts=1), contacts(200))
    driver.run()
    assert driver.world.lines.committed[trunk().name].paused is None
    assert {c.state for c in driver.store.values()} == {ContactState.FINISHED}


def test_the_figures_are_those_of_the_contacts_after_the_brake() -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.behave = lambda order: UNKNOWN
    driver.admit(campaign(max_attempts=1), contacts(50))
    driver.run(until=60_000)
    assert driver.recount(CMP) == driver.kept(CMP)


def test_a_contact_that_was_given_back_waits_for_its_interval_on_another_trunk_too() -> None:
    driver = Driver.ready(trunk("a", channels=4), trunk("b", channels=4))
    driver.behave = lambda order: UNKNOWN if order.trunk == "a" else Behaviour(answers=True)
    driver.admit(campaign(max_attempts=1), contacts(60))
    driver.run()
    starts: dict[str, list[int]] = {}
    for at, phone in driver.placed:
        starts.setdefault(phone, []).append(at)
    again = [times for times in starts.values() if len(times) > 1]
    assert again
    assert all(later - first >= 60_000 for first, later in again)


def test_numbers_that_rang_are_not_given_back() -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.behave = lambda order: Behaviour(sip=403, cause=21, rings=True)
    driver.admit(campaign(max_attempts=1), contacts(60))
    driver.run()
    assert driver.world.lines.committed[trunk().name].paused is None
    assert {contact.attempts for contact in driver.store.values()} == {1}


def test_what_is_given_back_keeps_what_its_earlier_attempt_left() -> None:
    driver = Driver.ready(trunk(channels=5))
    driver.behave = lambda order: BUSY if len(driver.originated) <= 40 else UNKNOWN
    driver.admit(campaign(max_attempts=2), contacts(40))
    driver.run(until=300_000)
    assert driver.world.lines.committed[trunk().name].paused is not None
    held = [c for c in driver.store.values() if c.turns == 2 and c.state.waiting]
    assert len(held) >= 16
    assert {(c.attempts, c.disposition, c.reason) for c in held} == {(1, "not_reachable", "busy")}
    assert driver.kept(CMP) == driver.recount(CMP)
