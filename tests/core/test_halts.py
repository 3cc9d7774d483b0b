"""Pause, resume and panic of the whole daemon; the watched clock; the audit."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Millis, after
from dialerd.core.commands import ChangeTrunk, Done, ListNumbers, Panic, PauseDaemon, Refused, ResumeDaemon
from dialerd.core.dnc import DncEntry
from dialerd.core.gate import campaign_why
from dialerd.core.identity import ChannelId, TrunkName
from dialerd.core.messages import ChannelsCounted, DncUnreadable
from dialerd.core.policy import Halt
from tests.core.world_builder import BUSY, CMP, Behaviour, Driver, campaign, contacts, policy, trunk

TALKS = Behaviour(answers=True, talk_ms=600_000)
HOUR = 3_600_000


def blocked(driver: Driver) -> list[str]:
    found = campaign_why(driver.world, driver.world.campaigns.committed[CMP], driver.now)
    return [check.rule for check in found]


def test_a_paused_daemon_places_nothing_until_it_is_resumed() -> None:
    driver = Driver.ready(trunk(channels=1))
    driver.admit(campaign(), contacts(5))
    driver.run(until=3_000)
    before = len(driver.placed)
    assert isinstance(driver.command(PauseDaemon()), Done)
    driver.run(until=60_000)
    assert len(driver.placed) == before
    assert blocked(driver) == ["daemon"]
    driver.command(ResumeDaemon())
    driver.run()
    assert len(driver.placed) == 5


def test_panic_hangs_up_every_call_and_only_resume_lifts_it() -> None:
    driver = Driver.ready(trunk(channels=4))
    driver.behave = lambda order: TALKS
    driver.admit(campaign(max_attempts=2), contacts(10))
    driver.run(until=3_000)
    answer = driver.command(Panic())
    assert answer == Done(changed=True)
    driver.run(until=60_000)
    assert len(driver.hung_up) == 4
    assert len(driver.placed) == 4
    assert driver.world.host.committed[""].halt is Halt.PANIC
    assert driver.command(Panic()) == Done(changed=False)
    assert {c.reason for c in driver.closed} == {"cut"}


def test_a_step_of_the_clock_stops_dialing_until_it_is_steady() -> None:
    for step in (-HOUR // 2, HOUR // 4):
        driver = Driver.ready(trunk(channels=1), rules=policy(clock_settle=Millis(60_000)))
        driver.behave = lambda order: Behaviour(answers=True, talk_ms=1_000)
        driver.admit(campaign(), contacts(30))
        driver.run(until=10_000)
        before = len(driver.placed)
        driver.step_clock(step)
        driver.run(until=60_000)
        assert len(driver.placed) <= before + 1
        # A clock set back also stands before the campaign's start: the window stays closed with it.
        assert "clock" in blocked(driver)
        driver.run()
        assert len(driver.placed) == 30


def test_a_step_forward_shortens_no_retry_interval() -> None:
    driver = Driver.ready(rules=policy(clock_settle=Millis(1_000)))
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=2, retry_interval=Millis(20 * 60_000)), contacts(3))
    driver.run(until=30_000)
    driver.step_clock(30 * 60_000)
    driver.run()
    first = {phone: at for at, phone in reversed(driver.placed)}
    again = {phone: at for at, phone in driver.placed}
    assert len(driver.placed) == 6
    assert all(again[phone] - first[phone] >= 20 * 60_000 for phone in first)


def test_a_step_forward_moves_no_time_of_day() -> None:
    driver = Driver.ready(rules=policy(clock_settle=Millis(1_000)))
    people = contacts(2)
    for person, wait in zip(people, (HOUR // 2, 2_000), strict=True):
        named = after(driver.now.wall, Millis(wait))
        driver.command(ListNumbers((DncEntry(person.phone, "until then", "a test", driver.now.wall, named),)))
    driver.admit(campaign(), people)
    driver.run(until=1_000)
    assert driver.placed == []
    driver.step_clock(HOUR // 2)
    driver.run(until=10_000)
    assert {phone for _, phone in driver.placed} == {person.phone for person in people}


def test_an_unreadable_list_stops_dialing() -> None:
    driver = Driver.ready()
    driver.events(DncUnreadable("the do-not-call list cannot be read: disk"))
    driver.admit(campaign(), contacts(1))
    driver.run(until=60_000)
    assert not driver.placed
    assert blocked(driver) == ["dnc-list"]


def test_a_trunk_is_paused_and_its_limits_changed_live() -> None:
    driver = Driver.ready(trunk(channels=10))
    driver.behave = lambda order: TALKS
    driver.command(ChangeTrunk(trunk().name, max_channels=2))
    driver.admit(campaign(), contacts(10))
    driver.run(until=5_000)
    assert len(driver.placed) == 2
    driver.command(ChangeTrunk(trunk().name, paused="maintenance"))
    driver.command(ChangeTrunk(trunk().name, max_channels=5))
    driver.run(until=10_000)
    assert len(driver.placed) == 2
    driver.command(ChangeTrunk(trunk().name, mended=True))
    driver.run(until=15_000)
    assert len(driver.placed) == 5
    assert isinstance(driver.command(ChangeTrunk(TrunkName("nope"), mended=True)), Refused)


def test_a_channel_nobody_knows_is_hung_up_after_two_audits() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: TALKS
    driver.admit(campaign(), contacts(1))
    driver.run(until=3_000)
    stray = ChannelId("d1-cal_ffffffffffff-1")
    driver.live.add(stray)
    driver.run(until=30_000)
    assert driver.hung_up == [stray]
    assert driver.world.host.committed[""].drift == 1


def test_a_call_that_asterisk_has_lost_is_closed_by_the_audit_and_its_slot_is_free() -> None:
    driver = Driver.ready(trunk(channels=1))
    driver.behave = lambda order: replace(TALKS, ring_ms=500)
    driver.admit(campaign(), contacts(2))
    driver.run(until=3_000)
    driver.live.clear()
    driver.run(until=60_000)
    assert driver.world.host.committed[""].drift >= 1
    assert len(driver.placed) == 2


def test_what_the_last_call_left_in_asterisk_is_removed_when_no_other_call_follows() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(), contacts(1))
    stray = ChannelId("d1-cal_ffffffffffff-1")
    driver.live.add(stray)
    driver.run()
    assert driver.hung_up == [stray]
    assert not driver.world.host.committed[""].audit_owed, "and then it is left alone"


def test_sessions_that_no_call_holds_are_given_back_by_the_audit() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: TALKS
    driver.admit(campaign(), contacts(1))
    driver.run(until=3_000)
    driver.world.engaged.put("embedded", 7)
    driver.world.engaged.put("gone", 1)
    driver.world.adopt()
    driver.run(until=10_000)
    assert driver.world.engaged.committed == {"embedded": 1, "gone": 0}
    assert driver.world.host.committed[""].drift == 2


def test_one_snapshot_alone_proves_nothing() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: TALKS
    driver.admit(campaign(), contacts(1))
    driver.run(until=3_000)
    driver.events(ChannelsCounted("boot-1", frozenset()))
    driver.run(until=60_000)
    assert not driver.hung_up
    assert driver.world.host.committed[""].drift == 0
