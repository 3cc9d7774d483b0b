"""The rules between campaigns, numbers and carriers, as the callees of two carriers see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.site import ON_THE_WAY, Network, Site, numbers, site_of
from tests.kill import witness
from tests.kill.drill import until

pytestmark = pytest.mark.lab

GAP = 3.0
"""Seconds between the end of a call and the next one to its number."""
BURNT, FINALS = 16, 20
"""So many refusals as unknown, of so many calls in a row, pause a trunk."""


@pytest.fixture(scope="module")
def ruled(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A daemon with a minimum gap and two carriers."""
    with site_of(network, tmp_path_factory.mktemp("ruled")) as site:
        site.open(
            DIALERD_DIALING__MIN_GAP_MINUTES=str(GAP / 60),
            DIALERD_TRUNKS__SPARE__ENDPOINT="spare",
            DIALERD_TRUNKS__SPARE__CALLER_IDS=site.env["DIALERD_TRUNKS__LAB__CALLER_IDS"],
            DIALERD_TRUNKS__SPARE__NUMBER_FORMAT="digits",
            DIALERD_TRUNKS__SPARE__CALLS_PER_SECOND="20",
        ).await_ready()
        yield site


def test_two_campaigns_never_call_one_number_at_once_nor_before_the_gap_is_over(ruled: Site) -> None:
    called = numbers(20, 12, 0, 50, 70)
    campaigns = [
        ruled.operator.campaign(listed, trunks=["lab"], ring_timeout_seconds=1.5)
        for listed in (called, list(reversed(called)))
    ]
    for campaign in campaigns:
        ruled.operator.await_end(campaign)
        assert set(ruled.states(campaign).values()) == {"finished"}
    seen = ruled.sights()
    for number in called:
        first, second = seen[number]
        assert first.ended_at is not None
        assert second.at >= first.ended_at + GAP - ON_THE_WAY, number


def test_a_carrier_that_knows_no_number_is_paused_and_its_contacts_are_held(ruled: Site) -> None:
    operator = ruled.operator
    called = numbers(21, 60, 84, 85, 86)
    campaign = operator.campaign(called, trunks=["lab"], max_concurrent_calls=1, max_attempts=2)
    until(lambda: operator.get("/v1/trunks/lab")["paused"] is not None, 30, "the trunk is not paused")
    burnt = ruled.dialed(called)
    assert BURNT <= len(burnt) <= FINALS
    assert set(ruled.states(campaign).values()) == {"pending"}
    assert operator.shown(campaign)["progress"]["called"] == 0
    assert "404" in operator.blockers(campaign)["trunk"]["detail"]

    operator.send("PATCH", "/v1/trunks/lab", {"paused": False})
    ruled.await_dialing(called, len(burnt) + 3)
    operator.post(f"/v1/campaigns/{campaign}/stop", calls="hangup")
    operator.send("PATCH", "/v1/trunks/lab", {"paused": False})


def test_a_congested_carrier_is_passed_over_for_one_that_answers(ruled: Site, network: Network) -> None:
    called = numbers(22, 8, 90, 91, 92)
    campaign = ruled.operator.campaign(called, max_concurrent_calls=1)
    shown = ruled.operator.await_end(campaign)
    assert shown["dispositions"]["connected"] == len(called)
    refused, answered = ruled.dialed(called), witness.sights(network.spare_log)
    assert refused
    assert max(Counter(sight.number for sight in refused).values()) == 1
    for number in called:
        [taken] = answered[number]
        assert taken.answered
        assert all(sight.ended_at <= taken.at for sight in refused if sight.number == number)
    for contact in ruled.ledger.contacts(campaign).values():
        assert (contact.attempts, contact.refunds) == (1, 0)
        assert [attempt.trunk for attempt in contact.calls[0].tries] in (["lab", "spare"], ["spare"])
