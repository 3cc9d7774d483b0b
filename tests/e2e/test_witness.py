"""SIPp as the callee and the witness: who was dialed, when, and that a pause is kept."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.running import BIN, Daemon, daemon, lab
from tests.e2e.conftest import SCRIPT
from tests.sipp import callee, invites

pytestmark = pytest.mark.lab

COUNT = 200


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose trunk leads to a SIPp that answers and waits for the caller to hang up."""
    folder = tmp_path / "sipp"
    with (
        callee("answer", folder, log_messages=True) as sipp,
        lab(tmp_path / "lab", trunk=sipp.address) as running,
        daemon(
            running, DIALERD_TRUNKS__LAB__CALLS_PER_SECOND="40", DIALERD_TRUNKS__LAB__MAX_CHANNELS="100"
        ) as process,
    ):
        process.ctl("script", "add", str(SCRIPT))
        yield process, folder / "messages.log"


def numbers() -> list[str]:
    return [f"+91987650{index:04d}" for index in range(COUNT)]


def created(process: Daemon, folder: Path) -> str:
    contacts = folder / "contacts.csv"
    contacts.write_text("phone\n" + "\n".join(numbers()) + "\n")
    campaign = process.ctl(
        "campaign", "create", "--name", "witness", "--script", "personal-loan-cross-sell", "--language", "en-IN",
        "--csv", str(contacts),
    )  # fmt: skip
    process.ctl("campaign", "start", campaign["campaign_id"])
    return str(campaign["campaign_id"])


def finished(process: Daemon, campaign: str) -> dict[str, Any]:
    watched = subprocess.run(
        [str(BIN / "dialerctl"), "--json", "campaign", "watch", campaign],
        env=process.env, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert watched.returncode == 0, watched.stderr
    return json.loads(watched.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_each_number_gets_one_invite_and_a_pause_is_followed_by_none(
    witnessed: tuple[Daemon, Path], tmp_path: Path
) -> None:
    process, log = witnessed
    campaign = created(process, tmp_path)
    deadline = time.monotonic() + 30
    while len(invites(log)) < 30:
        assert time.monotonic() < deadline, "no calls are placed"
    process.ctl("campaign", "pause", campaign)
    returned = time.time()
    paused_at = len(invites(log))
    assert paused_at < COUNT
    settled = time.monotonic() + 2
    while time.monotonic() < settled:
        assert all(invite.at <= returned for invite in invites(log))
    process.ctl("campaign", "resume", campaign)
    shown = finished(process, campaign)
    assert shown["status"] == "completed"
    assert shown["dispositions"]["connected"] == COUNT
    dialed = Counter(invite.user for invite in invites(log))
    assert dialed == Counter(number.removeprefix("+") for number in numbers())
