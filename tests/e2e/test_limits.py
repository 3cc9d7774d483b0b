"""What ends a call of itself on the real Asterisk: its time, and audio that does not run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from scripts.running import Lab, daemon, lab
from tests import sipp
from tests.e2e.test_transfer import SCRIPT, TARGETS, Exchange
from tests.kill.drill import until

pytestmark = pytest.mark.lab

MOST = 15.0
"""Seconds of a call."""
LATE = 3.0
"""A limit is noticed once a second; the machine may be busy."""
QUALIFIED = 15
"""Seconds until Asterisk has asked a trunk again whether it is there; the lab's asks every ten."""
SILENT, GREETS = 30, 75


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The second trunk leads to callees who answer, and never send any audio."""
    folder = tmp_path_factory.mktemp("limits")
    with sipp.callee("answer", folder / "mute") as mute, lab(folder, spare=mute.address) as up:
        yield up


def exchange_of(running: Lab, **settings: str) -> Iterator[Exchange]:
    about = {
        "DIALERD_TRANSFERS__DEAF__TARGET": TARGETS["DEAF"],
        "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
        "DIALERD_TRUNKS__MUTE__ENDPOINT": "spare",
        "DIALERD_TRUNKS__MUTE__CALLER_IDS": running.env["DIALERD_TRUNKS__LAB__CALLER_IDS"],
        "DIALERD_TRUNKS__MUTE__NUMBER_FORMAT": "digits",
        "DIALERD_TRUNKS__MUTE__CALLS_PER_SECOND": "20",
    }
    with daemon(running, **about, **settings) as process:
        script = running.folder / "patient.yaml"
        script.write_text(SCRIPT)
        added = process.ctl("script", "add", str(script))
        made = Exchange(process, running.folder, running.facts, added["script_id"])
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def brief(running: Lab) -> Iterator[Exchange]:
    """A daemon whose calls may last for fifteen seconds, and are watched for audio that does not come."""
    yield from exchange_of(
        running, DIALERD_DIALING__MAX_CALL_MINUTES=str(MOST / 60), DIALERD_MEDIA__ONE_WAY_SECONDS="5"
    )


@pytest.fixture
def quiet(running: Lab) -> Iterator[Exchange]:
    """A daemon that ends calls in which nobody says anything."""
    yield from exchange_of(
        running, DIALERD_MEDIA__MAX_SILENCE_SECONDS="5", DIALERD_MEDIA__ONE_WAY_SECONDS="0"
    )


def test_calls_that_have_lasted_for_long_enough_and_callees_of_whom_nothing_comes(brief: Exchange) -> None:
    plain = brief.answered(SILENT, trunks=["lab"])
    transferred = brief.answered(SILENT, trunks=["lab"])
    answered = time.monotonic()
    mute = brief.answered(SILENT, recording=True, trunks=["mute"])

    shown = brief.await_end(mute)
    assert (shown["disposition"], shown["reason"]) == ("connected", "dropped")
    assert 5 <= shown["duration_seconds"] <= 5 + 2 * LATE
    assert "none has come from the callee for 5 s" in brief.process.log.read_text() or (
        "no audio either way for 5 s" in brief.process.log.read_text()
    )

    time.sleep(max(0.0, MOST - 3 - (time.monotonic() - answered)))
    assert brief.transfer(transferred, "deaf", timeout_seconds=15).status_code == 200
    shown = brief.await_end(plain)
    assert (shown["disposition"], shown["reason"]) == ("connected", "max_duration")
    assert MOST <= shown["duration_seconds"] <= MOST + LATE

    # The other one's person is still being called, and its channel may last as long as a transfer may.
    time.sleep(max(0.0, MOST + LATE + 1 - (time.monotonic() - answered)))
    found = brief.call(transferred)
    assert (found["status"], found["transfer"]["state"]) == ("in_progress", "ringing")
    channel = found["tries"][-1]["channel"]
    assert float(brief.listener.variable(channel, "TIMEOUT(absolute)")) > 3_000
    brief.await_transfer(transferred, outcome="no_answer")
    until(
        lambda: float(brief.listener.variable(channel, "TIMEOUT(absolute)")) < 60, 5, "it has its old limit"
    )
    assert brief.call(transferred)["status"] == "in_progress", "its agent has the last words"
    brief.api.post(f"/v1/calls/{transferred}/hangup")
    brief.await_end(transferred)
    brief.nothing_is_left()


def test_a_callee_whose_audio_stops(brief: Exchange, running: Lab) -> None:
    ident = brief.answered(GREETS, recording=True, trunks=["lab"])
    time.sleep(1.5)
    carrier = int((running.folder / "carrier.pid").read_text())
    os.kill(carrier, signal.SIGSTOP)
    try:
        until(lambda: "no audio either way for 5 s" in brief.process.log.read_text(), 15, "nobody notices")
    finally:
        os.kill(carrier, signal.SIGCONT)
    assert brief.await_end(ident)["reason"] == "dropped"
    brief.nothing_is_left()
    until(lambda: brief.trunk("lab")["state"] == "up", QUALIFIED, "the carrier is back, and counts as away")


def test_a_call_in_which_nobody_says_anything(quiet: Exchange) -> None:
    ident = quiet.answered(SILENT, trunks=["lab"])
    shown = quiet.await_end(ident)
    assert (shown["disposition"], shown["reason"]) == ("connected", "dropped")
    assert "max silence: neither side was audible for 5 s" in quiet.process.log.read_text()
    quiet.nothing_is_left()
