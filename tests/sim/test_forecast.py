"""What a forecast tells: the end, the limits that bind, what would change it, and where it stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact, ContactState
from dialerd.core.errors import PortError, RequestError
from dialerd.core.identity import E164, CampaignId, TrunkName
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.core.trunk import Trunk
from dialerd.core.windows import Slot
from dialerd.engine.case import Assumptions, Bulk, Case, Rival, contact_line, past_line, read_bulk
from dialerd.intake.process import Helper
from dialerd.numbering import Rules, compliance
from dialerd.ports import PastCall
from dialerd.sim import forecast
from dialerd.sim.experience import learn
from dialerd.sim.forecast import in_child, tell
from dialerd.sim.run import Budget, Setting, run
from dialerd.sim.scale import Scale, divisible
from tests.core.world_builder import START, campaign, contacts, policy, trunk

ANYWHERE = Compliance()
HOUR = 3_600_000


def case(*trunks: Trunk, of: Campaign | None = None, sessions: int = 100, **assumed: Any) -> Case:
    running = of or campaign(status=CampaignStatus.RUNNING, end_at=None, start_at=None, started_at=START)
    return Case(
        campaign=running,
        file=Path("unused"),
        now=START,
        trunks=trunks or (trunk(channels=10, rate=50.0),),
        paused={},
        policy=policy(),
        sessions=sessions,
        rivals=(),
        assumed=Assumptions(**{"answer_rate": 1.0, "talk_seconds": 20, **assumed}),
    )


def told(about: Case, people: list[Contact], rules: Compliance = ANYWHERE, **bulk: Any) -> dict[str, Any]:
    budget = Budget(until=float("inf"))
    return tell(about, Bulk(people, bulk.get("samples", {}), [], []), rules, budget)


def running(**changes: Any) -> Campaign:
    plain = {"status": CampaignStatus.RUNNING, "end_at": None, "start_at": None, "started_at": START}
    return campaign(**{**plain, **changes})


@pytest.mark.parametrize(
    ("about", "rule", "change"),
    [
        (case(trunk(channels=2)), "trunk-channels", "trunk lab: 3 channels instead of 2"),
        (case(trunk(channels=100, rate=1.0)), "trunk-rate", "trunk lab: 2 calls a second instead of 1"),
        (
            case(trunk(channels=100), of=running(calls_per_second=0.5)),
            "campaign-rate",
            "without the campaign's limit of 0.5 calls a second",
        ),
        (
            case(of=running(max_concurrent_calls=2)),
            "campaign-concurrency",
            "without the campaign's limit of 2 calls at a time",
        ),
        (case(sessions=2), "engine-session", "media workers for 3 calls instead of 2"),
        (
            replace(case(of=running(engine="pipecat")), engines={"pipecat": 2}),
            "engine-session",
            "engine pipecat: 3 sessions instead of 2",
        ),
        (
            case(
                trunk(channels=100),
                of=running(max_attempts=3, retry_interval=Millis(600_000)),
                answer_rate=0.0,
            ),
            "retry-interval",
            "retries after 5 minutes instead of 10",
        ),
    ],
)
def test_the_limit_that_binds_is_named_and_lifting_it_helps(about: Case, rule: str, change: str) -> None:
    found = told(about, contacts(60))
    most = next(limit for limit in found["limits"] if limit["rule"] != "nothing-left")
    assert most["rule"] == rule
    assert 0 < most["share"] <= 1
    assert sum(hour["seconds"] for hour in most["by_hour"]) == pytest.approx(most["seconds"], abs=1)
    assert {"change": change, "rule": rule}.items() <= found["changes"][0].items()
    assert found["changes"][0]["sooner_seconds"] > 0


def test_hours_that_are_closed_are_waited_for_and_told() -> None:
    hours = (Slot(frozenset(range(7)), 9 * 60, 10 * 60),)
    found = told(
        case(trunk(channels=1), of=running(hours=hours, timezone="UTC"), talk_seconds=120), contacts(60)
    )
    assert found["ends_by"] == "done"
    assert found["limits"][0]["rule"] == "window"
    assert {hour["hour"][11:13] for hour in found["calls_per_hour"]} == {"09"}
    change = next(one for one in found["changes"] if one["rule"] == "window")
    assert change["change"] == "calling at every hour and on every day of the window"
    assert change["sooner_seconds"] > HOUR / 1_000


def test_legal_hours_of_the_callees_are_kept_and_told() -> None:
    night = Instant(START - START % (24 * HOUR) + 20 * HOUR)
    about = replace(case(of=running(created_at=night)), now=night)
    found = told(about, contacts(10), compliance(Rules(True, {}, {}), night))
    assert found["limits"][0]["rule"] == "legal-hours"
    assert found["calls_per_hour"][0]["hour"].endswith("T03:00:00Z")


def test_numbers_of_which_nobody_can_tell_the_hours_are_left_out() -> None:
    rules = compliance(Rules(True, {"DE": {"hours": ["mon-sun 09:00-18:00"]}}, {}), START)
    people = [
        *contacts(3),
        replace(contacts(1, first=50)[0], phone=E164("+12025550100"), timezone=None),
        replace(contacts(1, first=51)[0], phone=E164("+18005550100")),
    ]
    found = told(case(), people, rules)
    assert found["contacts"]["zone_unknown"] == sum(
        rules.callee(one.phone, one.timezone).fault is not None for one in people
    )
    assert found["contacts"]["total"] == 5


def test_what_the_end_leaves_uncalled_is_counted_and_a_day_more_is_tried() -> None:
    ending = running(end_at=Instant(START + 120_000), max_attempts=2)
    found = told(case(trunk(channels=1), of=ending), contacts(50))
    assert found["ends_by"] == "end_time"
    left = found["contacts"]
    assert left["never_called"] > 30
    assert left["never_called"] + left["retries_cut_off"] + left["finished"] == 50
    assert found["changes"][0]["change"] == "ending a day later"
    assert found["changes"][0]["never_called"] == 0


def test_a_campaign_that_is_never_done_says_so() -> None:
    about = replace(case(trunk(channels=5)), paused={"lab": "by order"})
    found = told(about, contacts(5))
    assert (found["finishes_at"], found["ends_by"], found["seconds"]) == (None, "never", None)
    assert found["calls"]["total"] == 0
    assert any("not done" in note for note in found["notes"])


def test_a_campaign_that_stays_open_is_done_when_nobody_is_left() -> None:
    found = told(case(of=running(keep_open=True, end_at=Instant(START + 30 * 24 * HOUR))), contacts(5))
    assert found["ends_by"] == "done"
    assert found["seconds"] < 300


def test_a_list_of_dead_numbers_has_its_trunk_paused_on_the_way() -> None:
    about = case(answer_rate=0.0)
    past = [
        PastCall(
            f"cal_{n:012x}", contacts(1, first=n)[0].phone, None, START, 500, None, "not_reachable", reason
        )
        for n, reason in enumerate(["invalid_number"] * 60, 1)  # type: ignore[arg-type]
    ]
    found = tell(about, Bulk(contacts(60), {}, past, []), ANYWHERE, Budget(until=float("inf")))
    assert found["finishes_at"] is None
    assert found["assumptions"]["failures"] == {
        "value": {"invalid_number": 1.0},
        "source": "campaign",
        "calls": 60,
    }
    assert any("paused on the way" in note for note in found["notes"])


def test_contacts_go_on_from_where_they_stand() -> None:
    later = Instant(START + 2 * HOUR)
    waits = replace(contacts(1)[0], state=ContactState.RETRY_WAITING, attempts=1, turns=1, not_before=later)
    found = told(case(of=running(max_attempts=2), answer_rate=0.0), [waits])
    assert found["calls"]["total"] == 1
    assert found["seconds"] > 2 * HOUR / 1_000
    assert found["limits"][0]["rule"] == "retry-interval"


def test_a_rival_with_three_times_the_weight_takes_three_quarters() -> None:
    rival = running(id=CampaignId("cmp_000000000002"), name="Other", weight=3.0)
    about = case(trunk(channels=4))
    alone = told(about, contacts(60))
    shared = replace(about, rivals=(Rival(rival, 5_000),))
    beside = told(shared, contacts(60), samples={rival.id: contacts(20, rival.id, first=500)})
    assert 3 < beside["seconds"] / alone["seconds"] < 5
    assert beside["campaigns_included"] == [
        {"campaign_id": rival.id, "name": "Other", "waiting_contacts": 5_000}
    ]
    assert beside["calls"]["total"] == 60
    assert beside["trunks"][0]["peak_channels"] == 4


def test_channels_can_be_assumed_for_the_trunks_that_the_campaign_uses() -> None:
    trunks = (trunk("a", 5), trunk("b", 5))
    found = told(case(*trunks, of=running(trunks=(TrunkName("b"),)), trunk_channels=2), contacts(20))
    assert [(one["name"], one["max_channels"]) for one in found["trunks"]] == [("a", 5), ("b", 2)]
    assert [(one["peak_channels"], one["tries"]) for one in found["trunks"]] == [(0, 0), (2, 20)]


@pytest.mark.parametrize("budget", [Budget(calls=10, until=float("inf")), Budget(until=0, clock=lambda: 1.0)])
def test_what_is_too_large_is_refused_with_how_far_it_came(budget: Budget) -> None:
    with pytest.raises(RequestError) as refused:
        tell(case(), Bulk(contacts(2_000), {}, [], []), ANYWHERE, budget)
    assert (refused.value.status, refused.value.code) == (422, "simulation-too-large")
    assert "calls" in refused.value.detail


def test_a_change_for_which_there_is_no_time_is_named() -> None:
    ticks = iter(range(10_000))
    budget = Budget(until=4, clock=lambda: float(next(ticks)))
    found = tell(case(trunk(channels=2)), Bulk(contacts(20), {}, [], []), ANYWHERE, budget)
    assert found["changes"] == []
    assert found["changes_not_tried"] == ["trunk lab: 3 channels instead of 2"]


def test_a_smaller_world_takes_as_long_with_as_many_times_fewer_contacts() -> None:
    about = case(trunk(channels=40, rate=20.0), of=running(max_attempts=2), answer_rate=0.5)
    habits = learn([], [], about.assumed, lambda *_: None).habits
    setting = Setting(about.campaign, about.trunks, about.sessions)
    people = contacts(800)
    assert divisible(setting, 80_000, 4_000) == Scale(10)

    def seconds(parts: int) -> float:
        part = Bulk(people[::parts], {}, [], [])
        seen = run(about, part, habits, ANYWHERE, Scale(parts).setting(setting), Budget(until=float("inf")))
        assert seen.finished_at is not None
        return (seen.finished_at - START) / 1_000

    assert seconds(10) == pytest.approx(seconds(1), rel=0.15)


def test_a_long_list_is_simulated_in_a_smaller_world_unless_everybody_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecast, "QUICK_CALLS", 300)
    people = contacts(1_603)
    about = case(trunk(channels=40, rate=40.0), of=running(max_attempts=2), answer_rate=0.5)
    quick = told(about, people)
    exact = told(replace(about, assumed=about.assumed.model_copy(update={"exact": True})), people)
    assert (quick["simulated_on"], exact["simulated_on"]) == ("1/8", "all")
    assert quick["seconds"] == pytest.approx(exact["seconds"], rel=0.15)
    for found in (quick, exact):
        parts = {key: count for key, count in found["contacts"].items() if key != "total"}
        assert found["contacts"]["total"] == sum(parts.values()) == 1_603
    assert quick["calls"]["total"] == pytest.approx(exact["calls"]["total"], rel=0.1)
    assert quick["calls"]["answer_rate"] == pytest.approx(exact["calls"]["answer_rate"], abs=0.1)
    assert quick["dispositions"]["connected"] == pytest.approx(exact["dispositions"]["connected"], rel=0.1)
    assert sum(hour["calls"] for hour in quick["calls_per_hour"]) == quick["calls"]["total"]
    (line,) = quick["trunks"]
    assert line["max_channels"] == line["peak_channels"] == 40
    assert quick["limits"][0]["rule"] == exact["limits"][0]["rule"]
    assert told(about, people) == quick


@pytest.mark.parametrize(("counted", "total"), [({"a": 3, "b": 1}, 29), ({"a": 0, "b": 2}, 15), ({}, 0)])
def test_counts_of_a_smaller_world_come_to_the_whole(counted: dict[str, int], total: int) -> None:
    assert sum(Scale(8).shares(total, counted).values()) == total


def test_the_changes_of_a_large_campaign_are_tried_in_a_smaller_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecast, "ENOUGH_CALLS", 100)
    found = told(case(trunk(channels=16, rate=40.0)), contacts(400))
    (change,) = (one for one in found["changes"] if one["rule"] == "trunk-channels")
    assert change["tried_on"] == "1/4"
    assert 0.15 * found["seconds"] < change["sooner_seconds"] < 0.5 * found["seconds"]


def test_a_case_comes_through_its_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "case"
    mine = replace(
        contacts(1)[0],
        timezone="Asia/Kolkata",
        state=ContactState.CALLBACK_WAITING,
        attempts=2,
        turns=4,
        refunds=1,
        not_before=START,
        connected_attempt=2,
        retries={"busy": 1},
        callbacks=1,
        caller_id=E164("+15550100100"),
        recent=(Instant(5),),
    )
    other = contacts(1, CampaignId("cmp_000000000002"), first=9)
    past = PastCall("cal_1", mine.phone, None, START, 5, None, "not_reachable", None)  # type: ignore[arg-type]
    file.write_bytes(
        contact_line([mine])
        + contact_line(other)
        + past_line([past], of_all=False)
        + past_line([past], of_all=True)
    )
    found = read_bulk(replace(case(), file=file))
    assert found == Bulk([mine], {other[0].campaign_id: other}, [past], [past])
    assert orjson.loads(in_child(replace(case(), file=file), Rules(False, {}, {})))["contacts"]["total"] == 1


def test_callees_who_ask_not_to_be_called_are_not_called_by_the_rival_either() -> None:
    past = [
        PastCall(f"cal_{n:012x}", contacts(1, first=n)[0].phone, None, START, 500, 9_000, "dnc", None)  # type: ignore[arg-type]
        for n in range(1, 61)
    ]
    found = tell(case(), Bulk(contacts(10), {}, past, []), ANYWHERE, Budget(until=float("inf")))
    assert found["dispositions"]["dnc"] == 10
    assert found["assumptions"]["dispositions"]["value"] == {"dnc": 1.0}


async def test_a_forecast_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "case"
    file.write_bytes(contact_line(contacts(20)))
    helper = Helper()
    try:
        told_there = await helper.call(in_child, replace(case(), file=file), Rules(True, {}, {}))
        with pytest.raises(PortError, match="working file"):
            await helper.call(in_child, replace(case(), file=tmp_path / "none"), Rules(True, {}, {}))
    finally:
        await helper.close()
    assert orjson.loads(told_there)["contacts"]["finished"] == 20
