"""A script tried out: by keyboard as people and as pipes do it, and what is left when a phone call is refused."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dialerd.cli.main import main
from tests.agent.scripts import EXAMPLES, VISIT, refusing_text
from tests.cli.test_dialerctl import Ran, ctl, daemon

__all__ = ["ctl", "daemon"]

Try = Callable[..., Ran]


@pytest.fixture
def tried(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Try:
    monkeypatch.setenv("DIALERD_CONTROL__SOCKET", str(tmp_path / "no-daemon.sock"))

    def run(text: str, typed: str, *options: str) -> Ran:
        path = tmp_path / "script.yaml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["script", "try", str(path), *options])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_a_conversation_is_held_from_a_pipe_without_a_daemon(tried: Try) -> None:
    ran = tried(VISIT, "yes please\n0\n\n\n1830\n", "--var", "name=Asha", "--timezone", "Asia/Kolkata")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[:3] == [
        "agent: Hello Asha. Press 1 to book, 2 for later, 3 to rate us.",
        "you: yes please",
        "agent: Which day? Four digits.",
    ]
    assert "you: (silence)" in lines
    assert "agent: I did not hear you. Which day? Four digits." in lines
    assert ran.value("disposition") == "-", "1830 is no day; the input ended, and with it the call"


def test_keys_typed_in_one_line_are_pressed_in_a_row(tried: Try) -> None:
    text = (EXAMPLES / "cross-sell.yaml").read_text(encoding="utf-8")
    ran = tried(text, "1\n1500000#\n1\n", "--language", "en-IN")
    asked = "agent: You would like 15,00,000 rupees. Press 1 if that is right, 2 to change it."
    assert ran.out.splitlines().count(asked) == 1, "the hash is part of the amount"
    assert ran.value("disposition") == "interested"


def test_callbacks_after_the_end_of_a_campaign_can_be_tried(tried: Try) -> None:
    ran = tried(refusing_text(), "2\n1830\n1830\n", "--callbacks-until", "2020-01-01 18:00")
    assert "agent: We cannot call." in ran.out.splitlines(), ran.out
    later = tried(refusing_text(), "2\n1830\n", "--callbacks-until", "2199-01-01T00:00:00Z")
    assert "agent: We will call at 6:30 pm." in later.out.splitlines()
    wrong = tried(refusing_text(), "", "--callbacks-until", "soon")
    assert (wrong.code, "--callbacks-until soon" in wrong.err) == (2, True)


def test_a_recorded_call_is_tried_with_its_notice(tried: Try) -> None:
    text = VISIT.replace("  en-IN:\n", "  en-IN:\n    recording_notice: This call is recorded.\n", 1)
    assert tried(text, "", "--record").out.startswith("agent: This call is recorded.\nagent: Hello there.")
    assert tried(text, "").out.startswith("agent: Hello there.")


def test_a_person_may_be_there_or_not(tried: Try) -> None:
    taken = tried(VISIT, "talk to an agent\n:taken\n")
    assert "person: queue:desk (keyword): there on" in taken.out
    assert taken.out.splitlines()[-3] == "disposition: -"
    failed = tried(VISIT, "*0\n:failed\n1000\n", "--json").json
    assert failed["disposition"] == "callback_requested"
    assert failed["captured"] == {"call_at": "10:00"}
    assert failed["callback_at"].endswith("T10:00:00Z")
    assert failed["transcript"][-1] == failed["transcript"][-1] | {
        "speaker": "agent",
        "text": "We will call at 10 am.",
    }


def test_what_was_captured_is_shown_as_it_comes(tried: Try) -> None:
    ran = tried(VISIT, "3\nbad\n9876543210\n")
    assert "captured: rating = 1" in ran.out
    assert "label: left_number" in ran.out
    assert ran.value("captured contact") == "9876543210"
    quit_early = tried(VISIT, "3\n:hangup\n5\n")
    assert quit_early.out.count("you:") == 2


def test_every_language_can_be_tried(tried: Try) -> None:
    text = (EXAMPLES / "survey.yaml").read_text(encoding="utf-8")
    ran = tried(text, "1\n5\n10\n", "--language", "hi-IN", "--json").json
    assert (ran["language"], ran["disposition"]) == ("hi-IN", "surveyed")
    assert ran["captured"] == {"rating": 5, "recommend": 10}
    assert all("{{" not in turn.get("text", "") for turn in ran["transcript"])


def test_what_is_wrong_is_told_with_every_fault(tried: Try) -> None:
    wrong = tried(
        VISIT.replace("goto: called_back", "goto: nowhere").replace("thanks: {end: true}", "thanks: {}"), ""
    )
    assert wrong.code == 2
    assert "states.later.goto: line " in wrong.err
    assert "states.thanks: line " in wrong.err
    unknown = tried(VISIT, "", "--language", "ta-IN")
    assert (unknown.code, "ta-IN" in unknown.err) == (2, True)
    missing = tried(VISIT.replace("fee: {type: amount, currency: INR, default: 150000}", "fee: {}"), "")
    assert (missing.code, "variables.fee" in missing.err) == (2, True)
    assert tried(VISIT, "", "--var", "fee").code == 2
    assert tried(VISIT, "", "--timezone", "Mars/North").code == 2


def test_in_a_terminal_waiting_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(VISIT.replace("seconds: 6, repeats: 1", "seconds: 1, repeats: 0"))
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "dialerd.cli.main", "script", "try", str(path)]
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, text=True) as running:
        out, _ = running.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert running.returncode == 0
    assert "(silence)" in out
    assert "agent: Goodbye." in out
    assert '[1 s; 1 (Wants a visit), 2, 3, 4, "yes", ' in out


def test_a_call_that_is_refused_leaves_no_script_behind(ctl: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(VISIT)
    before = ctl("--json", "script", "list").json["total"]
    assert ctl("dnc", "add", "+919811111111").code == 0
    refused = ctl("script", "try", path, "--call", "+919811111111")
    assert refused.code == 1
    assert "dnc" in refused.err
    assert ctl("--json", "script", "list").json["total"] == before
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\n")
    assert ctl("script", "try", wrong, "--call", "+919811111112").code == 2
