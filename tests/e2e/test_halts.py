"""After a pause, a stop or a panic has been answered no phone begins to ring, whatever happens to the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.operator import Operator
from tests.e2e.site import Site, numbers
from tests.kill.accounts import CLOCK
from tests.kill.drill import until
from tests.sipp import messages

pytestmark = pytest.mark.lab

SILENCE = 1.0
"""Seconds of listening after a halt: twenty calls' worth."""
MOMENT = 0.5
"""Seconds in which the daemon has learned, at the latest, that a phone rings."""
STOP = {"calls": "hangup"}

Halt = Callable[[Operator, str], object]


@pytest.mark.parametrize(
    ("series", "halt", "goes_on"),
    [
        (
            10,
            lambda operator, campaign: operator.post(f"/v1/campaigns/{campaign}/pause"),
            lambda operator, campaign: operator.post(f"/v1/campaigns/{campaign}/resume"),
        ),
        (
            11,
            lambda operator, campaign: operator.post("/v1/pause"),
            lambda operator, campaign: operator.post("/v1/resume"),
        ),
        (
            12,
            lambda operator, campaign: operator.post(f"/v1/campaigns/{campaign}/stop", **STOP),
            None,
        ),
    ],
    ids=["campaign-pause", "daemon-pause", "stop-and-hang-up"],
)
def test_no_phone_begins_to_ring_after_the_answer(
    standing: Site, series: int, halt: Halt, goes_on: Halt | None
) -> None:
    operator = standing.operator
    called = numbers(series, 60, 0)
    campaign = operator.campaign(called)
    standing.await_dialing(called, 8)
    halt(operator, campaign)
    answered = time.time()
    time.sleep(SILENCE)
    halted = standing.dialed(called)
    assert len(halted) < len(called)
    assert all(sight.at <= answered + CLOCK for sight in halted)
    if goes_on is None:
        assert operator.shown(campaign)["status"] == "stopped"
        until(lambda: operator.get("/v1/status")["live_calls"] == 0, 10, "calls go on after the stop")
        assert set(standing.states(campaign).values()) == {"finished", "cancelled"}
    else:
        goes_on(operator, campaign)
        standing.await_dialing(called, len(halted) + 5)


def test_a_panic_ends_every_call_outlives_the_daemon_and_only_resume_lifts_it(standing: Site) -> None:
    operator = standing.operator
    talking, ringing, never = numbers(13, 6, 30), numbers(14, 4, 70), numbers(15, 30, 0)
    operator.campaign(talking + ringing)
    standing.await_dialing(talking + ringing, len(talking) + len(ringing))
    until(
        lambda: sum(sight.answered for sight in standing.dialed(talking)) == len(talking),
        10,
        "they do not answer",
    )
    campaign = operator.campaign(never, max_concurrent_calls=5)
    standing.await_dialing(never, 3)
    operator.post("/v1/panic")
    answered = time.time()
    until(lambda: operator.get("/v1/status")["live_calls"] == 0, 10, "calls go on after the panic")
    ended = standing.dialed([*talking, *ringing])
    assert all(sight.cancelled for sight in ended if not sight.answered)
    assert _hung_up_by_callees(standing, talking) == 0

    standing.kill()
    operator = standing.open()
    operator.await_problem("panic")
    assert "panic" in operator.blockers(campaign)["daemon"]["detail"]
    # What lifts a campaign's pause does not lift this.
    operator.post(f"/v1/campaigns/{campaign}/pause")
    operator.post(f"/v1/campaigns/{campaign}/resume")
    time.sleep(SILENCE)
    panicked = standing.dialed(never)
    assert all(sight.at <= answered + CLOCK for sight in panicked)
    assert len(panicked) < len(never)

    operator.post("/v1/resume")
    operator.await_end(campaign)
    # Nobody whose phone rang is called again; of one that was about to, or just did, the daemon may not have known.
    for number in never:
        *before, _ = standing.sights()[number]
        assert len(before) <= 1
        for sight in before:
            assert sight.cancelled
            assert sight.at <= answered + CLOCK
            assert not sight.rang or (sight.ended_at is not None and sight.ended_at - sight.at < MOMENT)


def _hung_up_by_callees(site: Site, called: list[str]) -> int:
    """How many calls with these numbers ended because the callee said BYE first."""
    digits = {number.removeprefix("+") for number in called}
    who, first_bye = {}, {}
    for message in messages(site.log):
        if message.text.startswith("INVITE sip:"):
            who[message.call_id] = message.text.removeprefix("INVITE sip:").partition("@")[0].lstrip("+")
        elif message.text.startswith("BYE ") and who.get(message.call_id) in digits:
            first_bye.setdefault(message.call_id, message.received)
    return sum(not by_us for by_us in first_bye.values())
