"""Campaigns that share a trunk by weight, and a carrier that takes fewer calls than agreed: as callees see it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from scripts.running import lab
from tests.e2e.limited import Invite, LimitedCarrier, limited_carrier
from tests.e2e.site import Network, Site, numbers, site_of
from tests.kill.drill import until

pytestmark = pytest.mark.lab

TAKES = 10
"""Calls a second that the limited carrier takes."""


@pytest.fixture(scope="module")
def carrier() -> Iterator[LimitedCarrier]:
    with limited_carrier(1_000) as up:
        yield up


@pytest.fixture(scope="module")
def shared(carrier: LimitedCarrier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A daemon whose trunk leads to that carrier."""
    folder = tmp_path_factory.mktemp("shared")
    with lab(folder / "lab", trunk=carrier.address) as running:
        network = Network(running, folder / "none", folder / "none")
        with site_of(network, folder) as site:
            site.open(
                DIALERD_TRUNKS__LAB__CALLS_PER_SECOND="20",
                DIALERD_TRUNKS__LAB__MAX_CHANNELS="100",
                DIALERD_DIALING__REFUND_MINUTES="[0.1, 0.2, 0.3]",
            ).await_ready()
            yield site


def between(carrier: LimitedCarrier, first: float, last: float) -> list[Invite]:
    return [invite for invite in carrier.invites if first <= invite.at < last]


def by_campaign(invites: Sequence[Invite], heavy: Sequence[str]) -> tuple[int, int]:
    """How many of them were for the first campaign, and how many not."""
    own = {number.removeprefix("+") for number in heavy}
    first = sum(1 for invite in invites if invite.number in own)
    return first, len(invites) - first


def test_three_to_one_on_one_trunk_and_what_one_leaves_the_other_takes(
    shared: Site, carrier: LimitedCarrier
) -> None:
    operator = shared.operator
    of_the_heavy, of_the_light = numbers(41, 900, 50), numbers(42, 900, 50)
    operator.post("/v1/pause")
    heavy = operator.campaign(of_the_heavy, weight=3)
    light = operator.campaign(of_the_light)
    operator.post("/v1/resume")
    until(lambda: len(carrier.invites) >= 60, 30, "nothing is dialed")
    began = time.time()
    time.sleep(8)
    first, second = by_campaign(between(carrier, began, time.time()), of_the_heavy)
    assert first + second >= 0.8 * 8 * 20
    assert abs(first / (first + second) - 0.75) <= 0.05

    operator.post(f"/v1/campaigns/{heavy}/pause")
    paused = time.time()
    time.sleep(4)
    first, second = by_campaign(between(carrier, paused, time.time()), of_the_heavy)
    assert first == 0
    assert second >= 0.8 * 4 * 20

    operator.post(f"/v1/campaigns/{heavy}/resume")
    resumed = time.time()
    time.sleep(6)
    first, second = by_campaign(between(carrier, resumed, time.time()), of_the_heavy)
    assert abs(first / (first + second) - 0.75) <= 0.07, "nothing was saved up"
    for campaign in (heavy, light):
        operator.post(f"/v1/campaigns/{campaign}/stop")


def test_the_rate_settles_near_what_the_carrier_takes_and_no_contact_is_burnt(
    shared: Site, carrier: LimitedCarrier
) -> None:
    operator = shared.operator
    carrier.per_second = TAKES
    begun = len(carrier.invites)
    campaign = operator.campaign(numbers(43, 380, 50))
    until(lambda: len(carrier.invites) >= begun + 120, 60, "nothing is dialed")
    steady = time.time()
    shown = operator.get("/v1/trunks/lab")
    assert shown["rate_now"] < 20
    done = operator.await_end(campaign, 120)
    seen = between(carrier, steady, time.time() - 8)
    seconds = seen[-1].at - seen[0].at
    taken = Counter(invite.code for invite in seen)
    assert 0.75 * TAKES <= taken[486] / seconds <= TAKES
    assert taken[503] <= 0.1 * len(seen)
    assert done["reasons"] == {"busy": 380}, "a 503 costs no attempt"
