"""When the callees' phones ring: the window, weekly hours over a change of the clocks, legal hours, a stepped clock."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.faked_clock import FakedClock
from tests.e2e.site import ON_THE_WAY, Site, numbers
from tests.kill.accounts import CLOCK
from tests.kill.drill import until

pytestmark = pytest.mark.lab

SETTLE = 2.0
"""Seconds for which the lab's daemon must find the clock steady after a step."""
HOUR = 3_600


@pytest.fixture
def clock(site: Site, tmp_path: Path) -> FakedClock:
    """The clock of the site's daemon."""
    made = FakedClock(tmp_path / "clock")
    site.within = made.within
    return made


def test_no_phone_begins_to_ring_that_could_ring_beyond_the_end_of_the_window(site: Site) -> None:
    operator = site.open()
    operator.await_ready()
    called = numbers(1, 40, 30)
    ring = 2.0
    end = datetime.now(UTC) + timedelta(seconds=6)
    campaign = operator.campaign(
        called,
        schedule={
            "start_time": (end - timedelta(minutes=1)).isoformat(),
            "end_time": end.isoformat(),
            "timezone": "Asia/Kolkata",
        },
        ring_timeout_seconds=ring,
        calls_per_second=2,
    )
    until(lambda: time.time() > end.timestamp(), 10, "the window does not end")
    still = operator.shown(campaign)
    shown = operator.await_end(campaign)
    seen = site.dialed(called)
    assert seen
    assert all(sight.at <= end.timestamp() - ring + ON_THE_WAY for sight in seen)
    last = max(sight.ended_at or 0 for sight in seen)
    assert last > end.timestamp(), "a call outlives the window"
    assert still["status"] == "running"
    assert datetime.fromisoformat(shown["finished_at"]).timestamp() >= last - CLOCK
    assert Counter(site.states(campaign).values()) == {
        "finished": len(seen),
        "expired": len(called) - len(seen),
    }


def test_weekly_hours_open_at_the_exact_instant_after_the_clocks_change(
    site: Site, clock: FakedClock
) -> None:
    # New York goes from 02:00 to 03:00 on this Sunday. Five hours behind UTC, as it was, 03:00 would be 08:00 UTC.
    opens = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    clock.set(opens - timedelta(minutes=20))
    operator = site.open()
    operator.await_ready()
    called = numbers(2, 3, 0)
    campaign = operator.campaign(
        called,
        schedule={
            "timezone": "America/New_York",
            "hours": [{"days": ["sun"], "from": "03:00", "to": "04:00"}],
        },
    )
    assert operator.blockers(campaign)["window"]["until"] == "2026-03-08T07:00:00Z"
    clock.set(opens - timedelta(seconds=6))
    operator.await_end(campaign)
    seen = site.dialed(called)
    assert len(seen) == len(called)
    assert opens.timestamp() <= clock.read(seen[0].at) <= opens.timestamp() + 10


def test_nobody_is_called_before_the_legal_hours_of_the_callees_own_zone(
    site: Site, clock: FakedClock
) -> None:
    # A Tuesday in summer: 08:00 in London, the first legal minute, is 07:00 UTC; in New York it is the night.
    opens = datetime(2026, 6, 9, 7, 0, tzinfo=UTC)
    clock.set(opens - timedelta(minutes=30))
    operator = site.open(DIALERD_DIALING__LEGAL_HOURS="on")
    operator.await_ready()
    london, new_york = "+442079460100", "+12125550100"
    campaign = operator.campaign([london, new_york])
    for number, until_then in ((london, "2026-06-09T07:00:00Z"), (new_york, "2026-06-09T12:00:00Z")):
        assert operator.reasons(campaign, number)["legal-hours"]["until"] == until_then
    assert operator.ready().ready
    assert site.dialed([london, new_york]) == []
    clock.set(opens + timedelta(minutes=1))
    until(lambda: site.states(campaign)[london] == "finished", 20, "London is not called in its legal hours")
    assert len(site.dialed([london])) == 1
    assert site.dialed([new_york]) == []


def test_a_clock_stepped_forward_stops_dialing_and_shortens_no_interval(
    site: Site, clock: FakedClock
) -> None:
    operator = site.open()
    operator.await_ready()
    called, interval = numbers(3, 24, 50), 4.0
    campaign = operator.campaign(
        called, max_attempts=2, retry_interval_minutes=interval / 60, calls_per_second=8
    )
    site.await_dialing(called, 8)
    stepped = clock.step(HOUR)
    operator.await_problem("clock", "forward")
    assert "clock" in operator.blockers(campaign)
    operator.await_ready()
    operator.await_end(campaign)
    seen = site.sights()
    _dialing_stopped(site, called, stepped)
    assert all(len(seen[number]) == 2 for number in called)
    for number in called:
        first, second = seen[number]
        assert first.ended_at is not None
        assert second.at >= first.ended_at + interval - CLOCK, number
    assert set(site.states(campaign).values()) == {"finished"}


def test_a_clock_stepped_back_stops_dialing_and_nobody_is_called_twice_or_forgotten(
    site: Site, clock: FakedClock
) -> None:
    operator = site.open()
    operator.await_ready()
    called = numbers(4, 24, 0, 1, 50)
    campaign = operator.campaign(called, calls_per_second=8)
    site.await_dialing(called, 8)
    stepped = clock.step(-HOUR)
    operator.await_problem("clock", "back")
    assert "clock" in operator.blockers(campaign)
    operator.await_ready()
    operator.await_end(campaign)
    _dialing_stopped(site, called, stepped)
    assert Counter(sight.number for sight in site.dialed(called)) == Counter(called)
    assert set(site.states(campaign).values()) == {"finished"}


def _dialing_stopped(site: Site, called: list[str], stepped: float) -> None:
    """No call was placed between the step and the end of the settle time after it."""
    moments = [sight.at for sight in site.dialed(called)]
    after = [at for at in moments if at > stepped + ON_THE_WAY]
    assert after, "dialing goes on after the step"
    assert min(after) >= stepped + SETTLE
    assert any(later - earlier >= SETTLE - ON_THE_WAY for earlier, later in pairwise(moments))
