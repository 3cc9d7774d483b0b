"""A campaign on the simulated carrier: what dialerd records is what the carrier saw."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import all_calls, carrier_records, expected, recorded
from scripts.running import BIN, Daemon
from tests.kill.drill import until
from tests.kill.ledger import Ledger

pytestmark = pytest.mark.lab


def contact_list(folder: Path, endings: list[int]) -> Path:
    path = folder / "contacts.csv"
    rows = [f"+9198770{index:03d}{ending:02d},Asha" for index, ending in enumerate(endings)]
    path.write_text("phone,name\n" + "\n".join(rows) + "\n")
    return path


def run(process: Daemon, contacts: Path, *flags: str) -> dict[str, Any]:
    created = process.ctl(
        "campaign", "create", "--name", "e2e", "--script", "personal-loan-cross-sell", "--language", "hi-IN",
        "--csv", str(contacts), *flags,
    )  # fmt: skip
    process.ctl("campaign", "start", created["campaign_id"])
    watched = subprocess.run(
        [str(BIN / "dialerctl"), "campaign", "watch", created["campaign_id"]],
        env=process.env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert watched.returncode == 0, watched.stderr
    return process.ctl("campaign", "show", created["campaign_id"])  # type: ignore[no-any-return]


def test_every_behaviour_of_the_network_is_recorded_as_the_carrier_saw_it(
    carrier_lab: tuple[Daemon, Path], tmp_path: Path
) -> None:
    process, records = carrier_lab
    endings = [1, 12, 21, 31, 41, 51, 56, 61, 66, 71, 76, 81, 86, 91]
    flags = ("--max-attempts", "2", "--retry-interval", "0.05", "--ring-timeout", "6")
    shown = run(process, contact_list(tmp_path, endings), *flags)
    assert shown["status"] == "completed"
    calls = all_calls(process, shown["campaign_id"])
    seen = carrier_records(records)
    assert len(calls) == len(endings)
    differing = {phone: (recorded(mine), expected(seen[phone])) for phone, mine in calls.items()}
    assert all(mine == theirs for mine, theirs in differing.values()), differing
    assert shown["dispositions"]["interested"] == 3
    assert shown["dispositions"]["dnc"] == 1
    assert shown["progress"]["called"] == len(endings)
    assert shown["progress"]["in_progress"] == 0
    by_reason = defaultdict(set)
    for mine in calls.values():
        last = max(mine, key=lambda call: call["started_at"])
        by_reason[last["reason"]].add(last["contact"]["phone"][-2:])
    assert by_reason["busy"] == {"51"}
    assert by_reason["invalid_number"] == {"66"}


def test_an_answered_call_has_a_transcript_and_a_receipt(
    carrier_lab: tuple[Daemon, Path], tmp_path: Path
) -> None:
    process, _ = carrier_lab
    shown = run(process, contact_list(tmp_path, [1]))
    (calls,) = all_calls(process, shown["campaign_id"]).values()
    call = process.ctl("call", "show", calls[0]["id"])
    assert call["status"] == "completed"
    assert call["disposition"] == "interested"
    assert call["duration_seconds"] > 1
    speakers = [turn["speaker"] for turn in call["transcript"]]
    assert "agent" in speakers
    assert any(turn.get("digits") == "1" for turn in call["transcript"])
    assert call["gate"]["rules"]["window"]
    assert call["trunk"] == "lab"


def test_a_number_that_asks_for_no_more_calls_leaves_every_campaign_before_its_call_is_closed(
    carrier_lab: tuple[Daemon, Path], tmp_path: Path
) -> None:
    process, records = carrier_lab
    number = "+919877199990"
    list_of_one = tmp_path / "one.csv"
    list_of_one.write_text(f"phone\n{number}\n")
    asked, other = (
        process.ctl(
            "campaign", "create", "--name", name, "--script", "personal-loan-cross-sell", "--language", "en-IN",
            "--csv", str(list_of_one),
        )["campaign_id"]
        for name in ("asked", "other")
    )  # fmt: skip
    ledger = Ledger(Path(process.env["DIALERD_STATE_DIR"]) / "dialerd.db")
    process.ctl("campaign", "start", asked)
    until(lambda: ledger.open_attempts() > 0, 20, "the callee is not called")
    # It may dial from now on, but for the live call.
    process.ctl("campaign", "start", other)
    seen: list[tuple[str, str]] = []
    until(
        lambda: seen.append(ledger.beside(asked, other)) or seen[-1][0] != "in_progress",
        40,
        "the call goes on",
    )
    assert ("in_progress", "pending") in seen
    assert seen[-1] == ("completed", "suppressed")
    until(lambda: ledger.status(other) == "completed", 20, "the other campaign goes on")
    assert [call.digits for call in carrier_records(records)[number]] == ["9"]
    assert ledger.contacts(other)[number].calls == ()
