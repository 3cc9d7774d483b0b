"""A person who is to be forgotten: barred at once, out of every queue, and nothing brings them back."""

from __future__ import annotations

import pytest

from dialerd.core.clock import Millis
from dialerd.core.commands import (
    Done,
    EraseNumber,
    HangUpCall,
    ListNumbers,
    PauseCampaign,
    PauseDaemon,
    Refused,
    ResumeDaemon,
)
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import CampaignId
from dialerd.core.messages import ErasureDone, ErasureDue, NumbersFound, ReadyLoaded
from dialerd.core.model import CampaignStatus
from dialerd.core.record import replace
from dialerd.sim.callees import Behaviour
from tests.core.world_builder import CMP, START, Driver, campaign, contacts, policy, trunk

TALKS = Behaviour(answers=True, talk_ms=7_200_000)


def waiting(people: list[Contact], **changes: object) -> Driver:
    """A campaign whose contacts are held in memory, while nothing is dialed."""
    driver = Driver.ready()
    driver.command(PauseDaemon())
    driver.admit(campaign(**changes), people)
    driver.run(until=10)
    return driver


def in_step(driver: Driver, ident: CampaignId = CMP) -> bool:
    return driver.kept(ident) == driver.recount(ident)


def test_who_waits_is_cancelled_and_never_called_until_everything_is_erased() -> None:
    person, other = contacts(2)
    driver = waiting([person, other])
    assert isinstance(driver.command(EraseNumber(person.phone)), Done)
    assert driver.disk.erasures[person.phone] == driver.now.wall
    driver.command(ResumeDaemon())
    driver.run()
    assert [phone for _, phone in driver.placed] == [other.phone]
    assert driver.store[person.id].state is ContactState.CANCELLED
    assert in_step(driver)
    again = campaign(id=CampaignId("cmp_000000000002"), end_at=None, keep_open=True)
    late = replace(person, id=contacts(1, first=9)[0].id, campaign_id=again.id)
    driver.admit(again, [late])
    driver.run(until=driver.elapsed + 60_000)
    assert len(driver.placed) == 1, "barred though it came after the order"
    driver.events(ErasureDone(person.phone))
    driver.run(until=driver.elapsed + 60_000)
    assert len(driver.placed) == 2


def test_who_waits_in_a_paused_campaign_is_found_too_also_after_a_restart() -> None:
    (person,) = contacts(1)
    driver = waiting([person])
    driver.command(PauseCampaign(CMP))
    driver.command(EraseNumber(person.phone))
    driver.due.clear()
    driver.restart()
    assert person.phone in driver.world.erasing.committed
    driver.events(ErasureDue(person.phone))
    driver.run(until=driver.elapsed + 100)
    assert driver.store[person.id].state is ContactState.CANCELLED
    assert in_step(driver)


def test_nobody_is_erased_while_somebody_speaks_with_them() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: TALKS
    (person,) = contacts(1)
    driver.admit(campaign(), [person])
    driver.run(until=1_000)
    refused = driver.command(EraseNumber(person.phone))
    assert isinstance(refused, Refused)
    assert refused.state == "in-call"
    assert person.phone not in driver.world.erasing
    (call,) = driver.world.calls.committed
    driver.command(HangUpCall(call))
    driver.run(until=60_000)
    assert isinstance(driver.command(EraseNumber(person.phone)), Done)


def test_the_brake_brings_nobody_back() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(sip=404, cause=1, rings=False)
    people = contacts(21)
    driver.admit(campaign(), people[:10])
    driver.run(until=30_000)
    driver.command(EraseNumber(people[0].phone))
    other = CampaignId("cmp_000000000002")
    driver.admit(campaign(id=other), [replace(person, campaign_id=other) for person in people[10:]])
    driver.run(until=90_000)
    assert any(line.paused for line in driver.world.lines.committed.values())
    states = [driver.store[person.id].state for person in people[:10]]
    assert states[0] is ContactState.FINISHED
    assert in_step(driver)


# --- what was read before, and arrives behind ----------------------------------------------------


@pytest.mark.parametrize("erased", [True, False])
def test_a_contact_that_was_taken_out_is_not_brought_back_by_an_earlier_reading(erased: bool) -> None:
    (person,) = contacts(1)
    driver = waiting([person], keep_open=True)
    queue = driver.world.queues.committed[CMP]
    driver.world.queues.put(CMP, replace(queue, fresh=(), loading=True))
    driver.world.queues.adopt()
    driver.command(EraseNumber(person.phone) if erased else ListNumbers((DncEntry(person.phone),)))
    driver.run(until=driver.elapsed + 100)
    gone = ContactState.CANCELLED if erased else ContactState.SUPPRESSED
    assert driver.store[person.id].state is gone
    driver.events(ReadyLoaded(CMP, (person,), frozenset(), frozenset(ContactKind), None))
    driver.events(ErasureDone(person.phone))
    driver.command(ResumeDaemon())
    driver.run(until=driver.elapsed + 60_000)
    assert driver.placed == []
    assert driver.store[person.id].state is gone
    assert in_step(driver)


def test_a_contact_that_expired_is_not_taken_out_by_an_earlier_look() -> None:
    driver = Driver.ready(trunk(channels=1), rules=policy(max_call=Millis(14_400_000)))
    driver.behave = lambda order: TALKS
    people = contacts(2)
    driver.admit(campaign(), people)
    driver.run(until=3_700_000)
    held = driver.world.campaigns.committed[CMP]
    assert (held.status, held.closing) == (CampaignStatus.RUNNING, True)
    left = next(person for person in people if driver.store[person.id].state is ContactState.EXPIRED)
    driver.command(ListNumbers((DncEntry(left.phone),)))
    driver.events(NumbersFound(left.phone, (left,), more=False))
    assert driver.store[left.id].state is ContactState.EXPIRED
    assert in_step(driver)
    assert held.end_at == START + 3_600_000
