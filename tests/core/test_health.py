"""What Asterisk says of trunks: unreachable or unregistered ones take no calls, and say so."""

from __future__ import annotations

from dialerd.core.gate import Ask, why
from dialerd.core.identity import E164
from dialerd.core.messages import TrunkReachability, TrunkRegistration
from dialerd.core.model import Terms
from dialerd.core.record import replace
from dialerd.core.trunk import Trunk

from .world_builder import Driver, campaign, contacts, trunk


def registered(name: str = "lab", rate: float = 100.0) -> Trunk:
    return replace(trunk(name, rate=rate), registration=f"{name}-reg")


def said(driver: Driver) -> list[str]:
    return [kind for kind in driver.announced if kind.startswith("trunk.")]


def reasons(driver: Driver) -> str:
    found = why(driver.world, Ask(E164("+919876500001"), Terms()), driver.now)
    return "; ".join(check.detail for check in found if check.rule == "trunk")


def test_a_trunk_that_needs_a_registration_takes_no_call_without_it() -> None:
    driver = Driver.ready(registered())
    driver.admit(campaign(), contacts(3))
    driver.run(until=5_000)
    assert driver.originated == []
    assert reasons(driver) == "trunk lab is not registered (lab-reg: Asterisk has not told yet)"
    driver.events(TrunkReachability("lab", True, "ok"), TrunkRegistration("lab-reg", False, "Rejected"))
    driver.run(until=10_000)
    assert driver.originated == []
    assert reasons(driver) == "trunk lab is not registered (lab-reg: Rejected)"
    driver.events(TrunkRegistration("lab-reg", True, "Registered"))
    driver.run()
    assert len(driver.originated) == 3
    assert said(driver) == ["trunk.down", "trunk.up"]


def test_a_registration_that_is_lost_stops_new_calls_and_another_trunk_takes_them() -> None:
    driver = Driver.ready(registered("a"), trunk("b"))
    driver.events(TrunkRegistration("a-reg", True, "Registered"))
    driver.admit(campaign(), contacts(2))
    driver.run()
    before = len(driver.originated)
    driver.events(TrunkRegistration("a-reg", False, "Unregistered"))
    driver.admit(replace(campaign(), id="cmp_000000000002"), contacts(2, "cmp_000000000002", 10, 50))  # type: ignore[arg-type]
    driver.run()
    trunks = [order.trunk for _, order in driver.originated]
    assert ("a" in trunks[:before], trunks[before:]) == (True, ["b", "b"])
    driver.events(TrunkRegistration("a-reg", None, "the manager connection is lost"))
    assert said(driver) == ["trunk.up", "trunk.down", "trunk.unqualified"]
    assert driver.world.lines.committed[trunk("a").name].down is not None, "unknown is not registered"


def test_a_trunk_that_needs_none_does_not_care_about_registrations() -> None:
    driver = Driver.ready(trunk())
    driver.events(TrunkRegistration("lab", False, "Rejected"), TrunkReachability("lab", True, "ok"))
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert (len(driver.originated), said(driver)) == (1, ["trunk.up"])


def test_a_trunk_is_up_only_when_it_answers_and_is_registered() -> None:
    driver = Driver.ready(registered())
    driver.events(TrunkReachability("lab", False, "gone"))
    driver.events(TrunkRegistration("lab-reg", True, "Registered"))
    assert (said(driver), reasons(driver)) == (["trunk.down"], "trunk lab is unreachable")
    driver.events(TrunkReachability("lab", True, "back"))
    assert said(driver) == ["trunk.down", "trunk.up"]


def test_a_trunk_that_is_registered_again_begins_slowly() -> None:
    driver = Driver.ready(registered(rate=40.0))
    driver.events(TrunkRegistration("lab-reg", True, "Registered"))
    driver.admit(campaign(), contacts(400))
    driver.run(until=20_000)
    line = driver.world.lines.committed
    assert line[trunk().name].rate > 30.0
    driver.events(
        TrunkRegistration("lab-reg", False, "Rejected"), TrunkRegistration("lab-reg", True, "Registered")
    )
    assert line[trunk().name].rate == 10.0
