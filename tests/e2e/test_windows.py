"""When the callees' phones ring: the window, weekly hours over a change of the clocks, legal hours, a stepped clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.e2e.faked_clock import FakedClock
from tests.e2e.operator import Operator
from tests.e2e.site import ON_THE_WAY, Network, Site, numbers, site_of
from tests.kill.accounts import CLOCK
from tests.kill.drill import until

pytestmark = pytest.mark.lab

SETTLE = 2.0
"""Seconds for which the lab's daemon must find the clock steady after a step."""
NOON = datetime(2026, 6, 9, 6, 30, tzinfo=UTC)
"""In India, where everybody may be called then."""
HOUR = 3_600


@dataclass(frozen=True)
class Timed:
    """A daemon under a clock that tests set."""

    site: Site
    clock: FakedClock

    def at(self, instant: datetime) -> Operator:
        """Who works with the daemon, once its clock shows `instant` and it has found it steady."""
        self.clock.set(instant)
        operator = self.site.operator
        # Any order makes it look at the clock.
        operator.post("/v1/resume")
        operator.await_ready()
        return operator


@pytest.fixture(scope="module")
def timed(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timed]:
    folder = tmp_path_factory.mktemp("timed")
    clock = FakedClock(folder / "clock")
    clock.set(NOON)
    with site_of(network, folder) as site:
        site.within = clock.within
        site.open(DIALERD_DIALING__LEGAL_HOURS="on").await_ready()
        yield Timed(site, clock)


def test_no_phone_begins_to_ring_that_could_ring_beyond_the_end_of_the_window(timed: Timed) -> None:
    operator = timed.at(NOON)
    called = numbers(1, 40, 30)
    ring = 2.0
    end = timed.clock.read(time.time()) + 6
    campaign = operator.campaign(
        called,
        schedule={
            "start_time": NOON.isoformat(),
            "end_time": datetime.fromtimestamp(end, UTC).isoformat(),
            "timezone": "Asia/Kolkata",
        },
        ring_timeout_seconds=ring,
        calls_per_second=2,
    )
    until(lambda: timed.clock.read(time.time()) > end, 10, "the window does not end")
    still = operator.shown(campaign)
    shown = operator.await_end(campaign)
    seen = timed.site.dialed(called)
    assert seen
    assert all(timed.clock.read(sight.at) <= end - ring + ON_THE_WAY for sight in seen)
    last = max(timed.clock.read(sight.ended_at or 0) for sight in seen)
    assert last > end, "a call outlives the window"
    assert still["status"] == "running"
    assert datetime.fromisoformat(shown["finished_at"]).timestamp() >= last - CLOCK
    assert Counter(timed.site.states(campaign).values()) == {
        "finished": len(seen),
        "expired": len(called) - len(seen),
    }


def test_weekly_hours_open_at_the_exact_instant_after_the_clocks_change(timed: Timed) -> None:
    # New York goes from 02:00 to 03:00 on this Sunday. Five hours behind UTC, as it was, 03:00 would be 08:00 UTC.
    opens = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    operator = timed.at(opens - timedelta(minutes=20))
    called = numbers(2, 3, 0)
    campaign = operator.campaign(
        called,
        schedule={
            "timezone": "America/New_York",
            "hours": [{"days": ["sun"], "from": "03:00", "to": "04:00"}],
        },
    )
    assert operator.blockers(campaign)["window"]["until"] == "2026-03-08T07:00:00Z"
    timed.clock.set(opens - timedelta(seconds=6))
    operator.await_end(campaign)
    seen = timed.site.dialed(called)
    assert len(seen) == len(called)
    assert opens.timestamp() <= timed.clock.read(seen[0].at) <= opens.timestamp() + 10


def test_nobody_is_called_before_the_legal_hours_of_the_callees_own_zone(timed: Timed) -> None:
    # A Tuesday in summer: 08:00 in London, the first legal minute, is 07:00 UTC; in New York it is the night.
    opens = datetime(2026, 6, 9, 7, 0, tzinfo=UTC)
    operator = timed.at(opens - timedelta(minutes=30))
    london, new_york = "+442079460100", "+12125550100"
    campaign = operator.campaign([london, new_york])
    for number, lifts in ((london, "2026-06-09T07:00:00Z"), (new_york, "2026-06-09T12:00:00Z")):
        assert operator.reasons(campaign, number)["legal-hours"]["until"] == lifts
    assert operator.ready().ready
    assert timed.site.dialed([london, new_york]) == []
    timed.clock.set(opens + timedelta(minutes=1))
    until(
        lambda: timed.site.states(campaign)[london] == "finished",
        20,
        "London is not called in its legal hours",
    )
    assert len(timed.site.dialed([london])) == 1
    assert timed.site.dialed([new_york]) == []


def test_a_clock_stepped_forward_stops_dialing_and_shortens_no_interval(timed: Timed) -> None:
    operator = timed.at(NOON)
    called, interval = numbers(3, 24, 50), 4.0
    campaign = operator.campaign(
        called, max_attempts=2, retry_interval_minutes=interval / 60, calls_per_second=8
    )
    timed.site.await_dialing(called, 8)
    stepped = timed.clock.step(HOUR)
    operator.await_problem("clock", "forward by 3600")
    assert "clock" in operator.blockers(campaign)
    operator.await_end(campaign)
    _assert_dialing_stopped(timed.site, called, stepped)
    seen = timed.site.sights()
    for number in called:
        first, second = seen[number]
        assert first.ended_at is not None
        assert second.at >= first.ended_at + interval - CLOCK, number
    assert set(timed.site.states(campaign).values()) == {"finished"}


def test_a_clock_stepped_back_stops_dialing_and_nobody_is_called_twice_or_forgotten(timed: Timed) -> None:
    operator = timed.at(NOON + timedelta(seconds=HOUR))
    called = numbers(4, 24, 0, 1, 50)
    campaign = operator.campaign(called, calls_per_second=8)
    timed.site.await_dialing(called, 8)
    stepped = timed.clock.step(-HOUR)
    operator.await_problem("clock", "back by 3600")
    assert "clock" in operator.blockers(campaign)
    operator.await_end(campaign)
    _assert_dialing_stopped(timed.site, called, stepped)
    assert Counter(sight.number for sight in timed.site.dialed(called)) == Counter(called)
    assert set(timed.site.states(campaign).values()) == {"finished"}


def _assert_dialing_stopped(site: Site, called: list[str], stepped: float) -> None:
    """No call was placed between the step and the end of the settle time after it."""
    moments = [sight.at for sight in site.dialed(called)]
    after = [at for at in moments if at > stepped + ON_THE_WAY]
    assert after, "dialing does not go on"
    assert min(after) >= stepped + SETTLE
    assert any(later - earlier >= SETTLE - ON_THE_WAY for earlier, later in pairwise(moments))
