"""Sessions of engines: nothing is dialed for an engine that holds no more calls, and only its campaigns wait."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.core import gate
from dialerd.core.commands import Done, PlaceCall, Refused
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent
from dialerd.core.engine import EngineState, StandIn, Takeover
from dialerd.core.identity import E164, NO_SCRIPT, CampaignId, ScriptId
from dialerd.core.messages import AgentStoodIn, HostUp, MediaCapacity
from dialerd.core.model import Terms
from tests.core.world_builder import ANSWERS, BUSY, Behaviour, Driver, campaign, contacts, trunk

OTHER = CampaignId("cmp_000000000002")
TALKS = Behaviour(answers=True, ring_ms=100, talk_ms=2_000)
STAND_IN = StandIn("helper", "embedded", ScriptId("s"), 1, "en-IN")


def with_engine(sessions: int, detail: str = "", **others: EngineState) -> Driver:
    driver = Driver.ready(replace(trunk(channels=50), adaptive=False))
    driver.behave = lambda order: TALKS
    tell(driver, sessions, detail, **others)
    return driver


def tell(driver: Driver, sessions: int, detail: str = "", **others: EngineState) -> None:
    driver.events(MediaCapacity(100, "", {"pipecat": EngineState(sessions, detail), **others}))


def in_flight(driver: Driver) -> Counter[str]:
    """Calls that have an agent, or will have one when they are answered."""
    calls = driver.world.calls.committed.values()
    return Counter(call.speaking_engine for call in calls if not call.agent_done)


def test_an_engine_is_given_no_more_calls_than_it_has_sessions() -> None:
    driver = with_engine(3)
    most: list[int] = []

    def behave(order: object) -> Behaviour:
        most.append(in_flight(driver)["pipecat"])
        return TALKS

    driver.behave = behave
    driver.admit(campaign(engine="pipecat"), contacts(20))
    driver.run()
    assert len(driver.sent) == 20
    assert max(most) == 3
    assert driver.world.engaged.committed["pipecat"] == 0


def test_why_names_the_engine_and_what_is_wrong_with_it() -> None:
    driver = with_engine(0, "http://127.0.0.1:7860 cannot be reached: Connection refused")
    driver.admit(campaign(engine="pipecat"), contacts(2))
    driver.run(until=3_000)
    assert driver.sent == []
    (blocked,) = gate.campaign_why(driver.world, campaign(engine="pipecat", status="running"), driver.now)
    assert blocked.rule == "engine-session"
    assert blocked.detail == "engine pipecat: http://127.0.0.1:7860 cannot be reached: Connection refused"
    tell(driver, 1)
    driver.run()
    assert len(driver.sent) == 2, "it dials on by itself once the engine is ready"


def test_an_engine_that_the_settings_do_not_have_any_more_is_named() -> None:
    driver = with_engine(5)
    driver.admit(campaign(engine="gone"), contacts(1))
    driver.run(until=3_000)
    (blocked,) = gate.campaign_why(driver.world, campaign(engine="gone", status="running"), driver.now)
    assert "engine gone: the settings have no such engine any more" in blocked.detail


def test_other_campaigns_dial_while_one_engine_is_not_ready() -> None:
    driver = with_engine(0, "it is down", other=EngineState(2))
    driver.admit(campaign(engine="pipecat"), contacts(5))
    driver.admit(campaign(id=OTHER), contacts(5, OTHER, first=100))
    third = CampaignId("cmp_000000000003")
    driver.admit(campaign(id=third, engine="other"), contacts(5, third, first=200))
    driver.run(until=30_000)
    assert Counter(order.campaign for _, order in driver.originated) == {OTHER: 5, third: 5}


def test_a_session_that_one_campaign_frees_another_one_uses() -> None:
    driver = with_engine(1)
    driver.admit(campaign(engine="pipecat"), contacts(4))
    driver.admit(campaign(id=OTHER, engine="pipecat"), contacts(4, OTHER, first=100))
    driver.run()
    assert Counter(order.campaign for _, order in driver.originated) == {
        CampaignId("cmp_000000000001"): 4,
        OTHER: 4,
    }


def test_a_single_call_for_a_full_engine_is_refused_with_the_reason() -> None:
    driver = with_engine(1)

    def order(number: int) -> PlaceCall:
        phone = E164(f"+9198765{number:05d}")
        return PlaceCall(phone, NO_SCRIPT, 0, "en-IN", Terms(), agent_id="bot", engine="pipecat")

    assert isinstance(driver.command(order(1)), Done)
    refused = driver.command(order(2))
    assert isinstance(refused, Refused)
    assert [(check.rule, check.detail) for check in refused.why] == [
        ("engine-session", "engine pipecat: 1 of 1 in use")
    ]


def test_a_call_that_was_committed_is_withheld_if_its_engine_is_gone_before_it_is_sent() -> None:
    driver = with_engine(1)
    driver.admit(campaign(engine="pipecat"), contacts(1))
    driver.run(until=1)
    (_, order) = driver.originated[0]
    assert gate.recheck(driver.world, order, driver.now.wall) is None
    tell(driver, 0, "it is down")
    assert gate.recheck(driver.world, order, driver.now.wall) == "engine-session"


def test_the_answered_call_tells_its_engine_whose_call_it_is() -> None:
    attached: list[AttachAgent] = []

    class Listening(Driver):
        def _carry_out(self, effect: object) -> None:
            if isinstance(effect, AttachAgent):
                attached.append(effect)
            super()._carry_out(effect)  # type: ignore[arg-type]

    ready = with_engine(1)
    driver = Listening(ready.world, ready.trunks, now=ready.now)
    driver.behave = lambda order: ANSWERS
    person = replace(contacts(1)[0], name="Priya", external_id="crm-7", variables={"loan": 5})
    driver.admit(campaign(engine="pipecat", agent_id="bot", stand_ins=(STAND_IN,)), [person])
    driver.run()
    (order,) = attached
    assert (order.engine, order.agent_id, order.campaign_id) == ("pipecat", "bot", "cmp_000000000001")
    assert (order.caller_id, order.external_id, order.name, order.variables) == (
        "+15550100100", "crm-7", "Priya", {"loan": 5},
    )  # fmt: skip
    assert order.stand_ins == (STAND_IN,)


def test_a_fallback_that_takes_a_call_holds_a_session_of_its_own_engine() -> None:
    driver = with_engine(1)
    driver.behave = lambda order: replace(TALKS, talk_ms=60_000)
    driver.admit(campaign(engine="pipecat", stand_ins=(STAND_IN,)), contacts(3))
    driver.run(until=1_000)
    (call,) = driver.world.calls.committed
    driver.events(AgentStoodIn(call, "helper", "embedded", "pipecat does not answer"))
    driver.run(until=2_000)
    assert len(driver.sent) == 2, "the session that was not taken is free again"
    taken = driver.world.calls.committed[call]
    assert taken.takeover == Takeover("helper", "embedded", "pipecat does not answer")
    assert dict(driver.world.engaged.committed.items()) == {"pipecat": 1, "embedded": 1}
    assert driver.disk.calls.committed[call].call.takeover == taken.takeover
    driver.run()
    assert all(used == 0 for used in driver.world.engaged.committed.values())


def test_a_call_survives_a_restart_with_its_engine() -> None:
    driver = with_engine(1)
    driver.behave = lambda order: replace(TALKS, talk_ms=60_000)
    driver.admit(campaign(engine="pipecat", stand_ins=(STAND_IN,)), contacts(3))
    driver.run(until=1_000)
    driver.restart()
    tell(driver, 1)
    driver.run(until=5_000)
    (call,) = driver.world.calls.committed.values()
    assert (call.engine, call.stand_ins) == ("pipecat", (STAND_IN,))
    assert driver.world.campaigns.committed[CampaignId("cmp_000000000001")].engine == "pipecat"
    assert driver.world.engaged.committed["pipecat"] == 1
    assert len(driver.sent) == 1


def test_a_turn_that_could_not_be_written_gives_its_sessions_back() -> None:
    driver = with_engine(1)
    driver.admit(campaign(engine="pipecat"), contacts(1))
    driver.crash_at = (driver.turns + 1, False)
    driver.run(until=50)
    tell(driver, 1)
    driver.run()
    assert len(driver.closed) == 1
    assert driver.world.engaged.committed["pipecat"] == 0


@settings(max_examples=25)
@given(
    limits=st.lists(st.integers(0, 3), min_size=2, max_size=3),
    campaigns=st.lists(st.integers(0, 2), min_size=2, max_size=5),
    talk=st.sampled_from([200, 900, 2_500]),
    turns=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=6),
    fails=st.booleans(),
)
def test_never_are_more_calls_in_flight_for_an_engine_than_it_has_sessions(
    limits: list[int], campaigns: list[int], talk: int, turns: list[tuple[int, int]], fails: bool
) -> None:
    driver = Driver.ready(replace(trunk(channels=40), adaptive=False))
    now = {f"engine{number}": limit for number, limit in enumerate(limits)}

    def say() -> None:
        driver.events(MediaCapacity(60, "", {name: EngineState(limit) for name, limit in now.items()}))

    def behave(order: object) -> Behaviour:
        for name, used in in_flight(driver).items():
            opened = [call for call in driver.world.calls.committed.values() if call.engine == name]
            fresh = [call for call in opened if call.started_at == driver.now.wall]
            assert not fresh or used <= now.get(name, 0)
        return BUSY if fails and len(driver.sent) % 3 == 0 else replace(TALKS, talk_ms=talk)

    driver.behave = behave
    say()
    for number, engine in enumerate(campaigns, start=1):
        ident = CampaignId(f"cmp_{number:012x}")
        driver.admit(campaign(id=ident, engine=f"engine{engine}"), contacts(6, ident, first=1_000 * number))
    for number, (engine, limit) in enumerate(turns, start=1):
        driver.run(until=number * 1_500)
        now[f"engine{engine}"] = limit
        say()
        counted = in_flight(driver)
        assert {name: used for name, used in driver.world.engaged.committed.items() if used} == dict(counted)
    # What was opened before a limit fell is no breach of it: let the clock move on.
    driver.run(until=driver.elapsed + 10)
    for name in [f"engine{number}" for number in range(3)]:
        now[name] = 2
    say()
    driver.run()
    assert len({phone for _, phone, _ in driver.sent}) == 6 * len(campaigns), "everybody is called in the end"
    assert all(used == 0 for used in driver.world.engaged.committed.values())


def test_an_asterisk_that_comes_back_finds_the_sessions_as_they_were() -> None:
    driver = with_engine(2)
    driver.behave = lambda order: replace(TALKS, talk_ms=3_000)
    driver.admit(campaign(engine="pipecat"), contacts(4))
    driver.run(until=1_000)
    driver.live.clear()
    driver.events(HostUp("boot-2", "22.10.1", ()))
    driver.run(until=120_000)
    assert driver.world.engaged.committed["pipecat"] == in_flight(driver)["pipecat"]
    assert {closed.reason for closed in driver.closed} <= {None, Reason.DROPPED, Reason.LOST}
