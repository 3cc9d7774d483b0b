"""Two media workers behind a daemon: calls are spread over both, and the death of one is no more than that."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import all_calls
from scripts.running import Daemon, daemon, lab
from tests.e2e.conftest import SCRIPT
from tests.e2e.test_bad_days import until
from tests.e2e.test_campaign import contact_list

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers take two cores"),
]
SILENT = list(range(30, 40))
"""Callees who answer and say nothing."""


def workers(process: Daemon) -> dict[int, int]:
    """The pid of each worker, by its number."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == process.process.pid and "dialerd.worker" in words:
            found[int(words[words.index("--number") + 1])] = int(entry.name)
    return found


def test_a_worker_that_is_killed_costs_its_own_calls_and_dialing_goes_on(tmp_path: Path) -> None:
    settings = {"DIALERD_MEDIA__WORKERS": "2", "DIALERD_MEDIA__MAX_SESSIONS": "20"}
    with lab(tmp_path / "lab") as running, daemon(running, **settings) as process:
        until(lambda: process.ctl("status")["media"]["sessions"] == 20)
        before = workers(process)
        assert set(before) == {1, 2}
        process.ctl("script", "add", str(SCRIPT))
        created = process.ctl(
            "campaign", "create", "--name", "two", "--script", "personal-loan-cross-sell", "--language", "en-IN",
            "--csv", str(contact_list(tmp_path, SILENT)),
        )  # fmt: skip
        campaign = created["campaign_id"]
        process.ctl("campaign", "start", campaign)
        until(
            lambda: process.ctl("campaign", "show", campaign)["dispositions"]["connected"] == len(SILENT), 30
        )
        time.sleep(1)
        os.kill(before[2], signal.SIGKILL)
        status: dict[str, Any] = {}

        def is_one_short() -> bool:
            status.update(process.ctl("status"))
            return bool(status["media"]["sessions"] == 10)

        until(is_one_short)
        assert status["dialing"], status["problems"]
        assert "media worker 2 of 2" in status["media"]["state"]
        first, second = status["media"]["workers"]
        assert (first["worker"], first["state"], first["sessions_limit"]) == (1, "ready", 10)
        assert (second["worker"], second["sessions_limit"]) == (2, 10)
        assert second["state"] in ("gone", "unready"), "the next one may be there already"
        assert first["sessions"] == 5
        until(lambda: process.ctl("status")["media"]["sessions"] == 20)
        shown = process.ctl("status")["media"]
        assert (shown["state"], [worker["state"] for worker in shown["workers"]]) == ("ok", ["ready"] * 2)
        after = workers(process)
        assert after[1] == before[1]
        assert after[2] != before[2]
        until(lambda: process.ctl("campaign", "show", campaign)["status"] == "completed", 60)
        reasons = [calls[0]["reason"] for calls in all_calls(process, campaign).values()]
        assert sorted(reasons, key=str) == sorted([None] * 5 + ["dropped"] * 5, key=str)
        status = process.ctl("status")
        assert status["live_calls"] == 0
        assert all(trunk["channels_in_use"] == 0 for trunk in status["trunks"])
