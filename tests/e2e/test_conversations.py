"""The example scripts on the phone: a callee hears each line out and presses keys, or says words, and what the call
object tells is what was said."""

from __future__ import annotations

import io
import subprocess
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import soxr

from dialerd.agent.answer import Clock
from dialerd.agent.proofreading import proofread
from dialerd.agent.speech import render, samples
from dialerd.core.clock import Instant
from scripts.demo import carrier_records
from scripts.running import LAB, ROOT, Daemon
from tests.agent.talk import Talk
from tests.e2e.operator import Operator
from tests.kill.drill import until

pytestmark = pytest.mark.lab

EXAMPLES = ROOT / "config" / "scripts"
DEADLINE = 150.0
INDIA = ZoneInfo("Asia/Kolkata")
SOON = datetime.now(INDIA).date() + timedelta(days=6)
DAY, DATE = SOON.strftime("%d%m"), SOON.isoformat()


@dataclass(frozen=True)
class Case:
    """A call: what its callee does (keys, `say:words`), and what is to come of it."""

    script: str
    language: str
    steps: tuple[str, ...]
    disposition: str
    captured: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def ident(self) -> str:
        return f"{self.script}-{self.language}-{'-'.join(self.steps)}"


CASES = (
    Case(
        "appointment",
        "en-IN",
        ("2", DAY, "1030", "1"),
        "rescheduled",
        {"new_date": DATE, "new_time": "10:30"},
    ),
    Case("appointment", "hi-IN", ("3", "1"), "cancelled", variables={"name": "मीरा"}),
    Case("cross-sell", "en-IN", ("1", "150000#", "1"), "interested", {"wanted": 150_000}, {"name": "Asha"}),
    Case("cross-sell", "hi-IN", ("3", "1830"), "callback_requested", {"call_at": "18:30"}),
    Case("emi-reminder", "en-IN", ("3", "1"), "dispute", {"reason": "amount"}, {"emi_amount": "125000"}),
    Case("emi-reminder", "hi-IN", ("1", "7731"), "paid", {"reference": "7731"}, {"name": "रवि"}),
    Case(
        "survey",
        "en-IN",
        ("1", "2", "3", "2", "0#"),
        "surveyed",
        {"rating": 2, "cause": "fees", "recommend": 0},
    ),
    Case("survey", "hi-IN", ("1", "5", "10"), "surveyed", {"rating": 5, "recommend": 10}),
    Case("opt-out", "en-IN", ("say:only my account",), "account_only"),
    Case("opt-out", "hi-IN", ("9",), "dnc"),
    Case("emi-reminder", "en-IN", ("say:stop calling",), "dnc"),
    Case("cross-sell", "hi-IN", ("1", "*9"), "dnc"),
    Case("appointment", "hi-IN", ("0", "1"), "confirmed"),
)


RECORDED = """\
script_id: recorded
name: A line that was recorded
no_input: {then: bye}
do_not_call: {goto: stop}
states:
  opening: {keys: {1: bye}}
  bye: {end: true}
  stop: {end: dnc}
languages:
  en-IN:
    no_input: Sorry.
    no_match: Sorry.
    say:
      opening: {text: This call is recorded., audio: tone.wav}
      bye: Goodbye.
      stop: Goodbye.
"""


def number(index: int) -> str:
    return f"+9198761{index:05d}"


@dataclass
class Held:
    """All calls, held side by side."""

    calls: list[dict[str, Any]]
    digits: list[str]
    """What the carrier's callees pressed."""
    begun: Instant


def spoken(folder: Path, text: str) -> str:
    """A sound file of the carrier's in which `text` is said; returns its name."""
    name = text.replace(" ", "")
    said, rate = samples(render(text, "en-gb", 10))
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(np.asarray(soxr.resample(said, rate, 8_000), "<i2").tobytes())
    return name


def direct(process: Daemon, variable: str, value: str) -> None:
    """Tell the carrier a global variable."""
    folder = Path(process.log).parent
    done = subprocess.run(
        [str(LAB), "rx", "--dir", str(folder), "carrier", f"dialplan set global {variable} {value}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def held(carrier_lab: tuple[Daemon, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    process, records = carrier_lab
    folder = tmp_path_factory.mktemp("said")
    direct(process, "SPEECH", str(folder))
    operator = Operator(process.env["DIALERD_CONTROL__SOCKET"])
    for name in sorted({case.script for case in CASES}):
        operator.add_script(EXAMPLES / f"{name}.yaml")
    for index, case in enumerate(CASES):
        steps = [
            f"s{spoken(folder, step.removeprefix('say:'))}" if step.startswith("say:") else step
            for step in case.steps
        ]
        direct(process, f"SCENARIO_{number(index)[1:]}", "-".join(steps))
    begun = Instant(time.time_ns() // 1_000_000)
    campaigns = [
        operator.post(
            "/v1/campaigns",
            name=case.ident,
            script_id=case.script,
            language=case.language,
            contacts=[{"phone": number(index), **case.variables}],
        )["campaign_id"]
        for index, case in enumerate(CASES)
    ]
    for campaign in campaigns:
        operator.post(f"/v1/campaigns/{campaign}/start")
    ended: dict[str, dict[str, Any]] = {}

    def all_over() -> bool:
        for campaign in campaigns:
            if campaign not in ended:
                found = operator.get(f"/v1/calls?campaign_id={campaign}")["data"]
                if found and found[0]["status"] != "in_progress":
                    ended[campaign] = operator.get(f"/v1/calls/{found[0]['id']}")
        return len(ended) == len(campaigns)

    try:
        until(all_over, DEADLINE, "calls go on")
    except AssertionError:
        missing = [
            case.ident for case, campaign in zip(CASES, campaigns, strict=True) if campaign not in ended
        ]
        pytest.fail(f"calls go on: {missing}")
    seen = carrier_records(records)
    yield Held(
        [ended[campaign] for campaign in campaigns],
        [seen[number(index)][0].digits for index in range(len(CASES))],
        begun,
    )
    operator.close()


def rehearsed(case: Case, begun: Instant) -> list[str]:
    """The same conversation, held without a phone."""
    script = proofread((EXAMPLES / f"{case.script}.yaml").read_text(encoding="utf-8"))
    talk = Talk(script, case.language, {"phone": "+91", **case.variables}, Clock(begun, "Asia/Kolkata"))
    for step in case.steps:
        if step.startswith("say:"):
            talk.say(step.removeprefix("say:"))
        elif step == "0":
            talk.press(step).refuse()
        else:
            talk.press(step)
    return talk.hear().turns


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.ident for case in CASES])
def test_a_conversation_on_the_phone_is_the_scripts(held: Held, index: int) -> None:
    case, call = CASES[index], held.calls[index]
    turns = [
        f"{'A' if turn['speaker'] == 'agent' else 'C'}: {turn.get('text', turn.get('digits'))}"
        for turn in call["transcript"]
    ]
    assert turns == rehearsed(case, held.begun)
    assert (call["status"], call["disposition"], call["reason"]) == ("completed", case.disposition, None)
    assert call["captured"] == case.captured
    assert held.digits[index] == "".join(step for step in case.steps if not step.startswith("say:"))
    times = [turn["time"] for turn in call["transcript"]]
    assert times == sorted(times)
    assert times[-1] <= call["duration_seconds"]


def test_the_callee_who_asked_is_called_back_at_the_time_on_its_own_clock(
    held: Held, carrier_lab: tuple[Daemon, Path]
) -> None:
    process, _ = carrier_lab
    (index,) = [index for index, case in enumerate(CASES) if case.disposition == "callback_requested"]
    call = held.calls[index]
    contacts = process.ctl("campaign", "contacts", call["campaign_id"])["data"]
    due = datetime.fromisoformat(contacts[0]["next_attempt_at"]).astimezone(INDIA)
    assert contacts[0]["state"] == "callback_waiting"
    assert (due.hour, due.minute) == (18, 30)
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(days=1)


def test_a_script_is_tried_on_the_phone_and_leaves_nothing_behind(carrier_lab: tuple[Daemon, Path]) -> None:
    process, _ = carrier_lab
    phone = "+919876200001"
    direct(process, f"SCENARIO_{phone[1:]}", "2")
    before = process.ctl("script", "list")["total"]
    call = process.ctl(
        "script", "try", str(EXAMPLES / "opt-out.yaml"), "--call", phone, "--language", "en-IN"
    )
    assert (call["status"], call["disposition"]) == ("completed", "account_only")
    assert call["transcript"][-1]["text"].startswith("Thank you. From now on")
    assert process.ctl("script", "list")["total"] == before


def test_a_recorded_prompt_is_what_the_callee_hears(carrier_lab: tuple[Daemon, Path], tmp_path: Path) -> None:
    process, _ = carrier_lab
    script = tmp_path / "recorded.yaml"
    script.write_text(RECORDED)
    refused = subprocess.run(
        [*process.dialerctl, "script", "add", str(script)],
        env=process.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "tone.wav cannot be read" in refused.stderr
    tone = (np.sin(np.arange(4 * 16_000) * 2 * np.pi * 1_000 / 16_000) * 8_000).astype("<i2")
    with wave.open(str(Path(process.env["DIALERD_MEDIA__PROMPTS_DIR"]) / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone.tobytes())
    process.ctl("script", "add", str(script))
    phone = "+919876200002"
    direct(process, f"SCENARIO_{phone[1:]}", "1")
    operator = Operator(process.env["DIALERD_CONTROL__SOCKET"])
    call = operator.post("/v1/calls", phone=phone, script_id="recorded", language="en-IN", recording=True)[
        "id"
    ]
    until(lambda: operator.get(f"/v1/calls/{call}")["recording_url"] is not None, 60, "nothing was recorded")
    sound = operator.send("GET", f"/v1/calls/{call}/recording").content
    operator.close()
    with wave.open(io.BytesIO(sound)) as file:
        sides = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    agent = sides[:, 1].astype(np.float64)
    loud = np.flatnonzero(np.abs(agent) > 2_000)
    heard = agent[loud[0] : loud[0] + 3 * 8_000]
    spectrum = np.abs(np.fft.rfft(heard)) ** 2
    near = np.abs(np.fft.rfftfreq(len(heard), 1 / 8_000) - 1_000) < 5
    assert spectrum[near].sum() / spectrum.sum() > 0.95
