"""What an answer will need is prepared when the phone rings, and let go of when nobody is given an agent."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.commands import Panic
from dialerd.core.effects import AttachAgent, Originate, PrepareMedia
from dialerd.core.identity import ChannelId
from dialerd.core.messages import TryAnswered
from dialerd.sim.callees import Behaviour
from tests.core.world_builder import ANSWERS, BUSY, CONGESTED, RINGS_OUT, Driver, campaign, contacts, trunk


def test_an_answered_call_has_its_media_from_the_ringing_on() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: ANSWERS
    driver.admit(campaign(), contacts(3))
    driver.run()
    assert driver.expected == [order.channel for order in driver.attached]
    assert driver.foreseen == driver.attached, "what an answer would order is known already"
    assert driver.prepared == set()


def test_the_carrier_is_offered_its_trunks_codecs_and_the_media_side_is_told_the_first() -> None:
    effects: list[object] = []

    class Listening(Driver):
        def _carry_out(self, effect: object) -> None:
            effects.append(effect)
            super()._carry_out(effect)  # type: ignore[arg-type]

    wide = replace(trunk(), codecs=("g722", "alaw"))
    ready = Driver.ready(wide)
    driver = Listening(ready.world, ready.trunks, now=ready.now)
    driver.behave = lambda order: ANSWERS
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert [each.codecs for each in effects if isinstance(each, Originate)] == [("g722", "alaw")]
    told = [each.codec for each in effects if isinstance(each, PrepareMedia | AttachAgent)]
    assert told == ["g722", "g722"]


def test_a_phone_that_rings_in_vain_leaves_nothing_prepared() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: RINGS_OUT
    driver.admit(campaign(), contacts(3))
    driver.run()
    assert len(driver.expected) == 3
    assert driver.prepared == set()


def test_for_a_phone_that_does_not_ring_nothing_is_prepared() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(), contacts(3))
    driver.run()
    assert driver.expected == []


def test_of_two_tries_only_the_one_that_rings_has_media() -> None:
    driver = Driver.ready(trunk("a"), trunk("b"))
    driver.behave = lambda order: CONGESTED if order.trunk == "a" else ANSWERS
    driver.admit(campaign(), contacts(1))
    driver.run()
    (_, second) = driver.originated
    assert driver.expected == [second[1].channel]
    assert [order.channel for order in driver.attached] == driver.expected
    assert driver.prepared == set()


def test_congestion_after_ringing_leaves_nothing_prepared() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: replace(CONGESTED, rings=True, ring_ms=500)
    driver.admit(campaign(), contacts(2))
    driver.run()
    assert driver.expected
    assert driver.prepared == set()


def test_a_panic_while_the_phone_rings_leaves_nothing_prepared() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(answers=True, ring_ms=5_000)
    driver.admit(campaign(), contacts(2))
    driver.run(until=driver.elapsed + 100)
    assert len(driver.prepared) == 2
    driver.command(Panic())
    driver.run()
    assert driver.attached == []
    assert driver.prepared == set()


def test_an_answer_to_a_call_that_is_being_ended_leaves_nothing_prepared() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(answers=True, ring_ms=5_000)
    driver.admit(campaign(), contacts(1))
    driver.run(until=driver.elapsed + 100)
    driver.command(Panic())
    driver.events(TryAnswered(ChannelId(driver.expected[0])))
    driver.run()
    assert driver.attached == []
    assert driver.prepared == set()
