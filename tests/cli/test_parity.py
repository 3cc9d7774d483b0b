"""Whatever the API can do, dialerctl can ask for: each operation of its description is reached by a command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.cli.main import main
from tests.cli.test_dialerctl import ONE, Ran
from tests.control.installation import SCRIPT
from tests.control.relay import relayed
from tests.control.serving import Served, served

EXCEPTED = {
    "health": "for probes; `status` tells more",
    "readiness": "for probes; `status` tells more",
    "metrics": "for Prometheus",
    "list_calls_of_campaign": "`call list --campaign` tells the same",
}
_REQUEST = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) (/\S*) HTTP/1\.1\r\n")

CAMPAIGN = """\
name: Loans
script_id: loan
language: en-IN
schedule:
  start_time: 2190-01-15 09:00:00+05:30
  end_time: 2190-01-16T18:00:00+05:30
  timezone: Asia/Kolkata
max_attempts: 3
"""

COMMANDS = """
status | pause | resume | panic | resume | report --by trunk | languages | engines
script validate SCRIPT | script add SCRIPT --id other | script list | script show loan --version 1
script replace other SCRIPT | script say other | script remove other
agent create --name Priya --id priya | agent list | agent show priya | agent edit priya --voice male
agent remove priya | webhook list | webhook show whk_none
webhook remove whk_none | webhook test whk_none
campaign validate CAMPAIGN --csv LIST | campaign create CAMPAIGN --csv LIST | campaign list
campaign show ID | campaign why ID | campaign why ID +919876543210 | campaign contacts ID
campaign add-contacts ID --csv LIST | campaign edit ID --max-attempts 2 | campaign simulate ID | campaign simulate LIST
campaign clone ID --contacts all | campaign start ID --now | campaign pause ID | campaign resume ID | campaign stop ID
campaign results ID | campaign results ID --rejects | campaign delete ID
call place +919876543210 --script loan --language en-IN --variable loan_amount=5 | call list
call show CALL | call disposition CALL paid
call transfer CALL | call recording CALL | call delete-recording CALL | call hangup CALL
dnc add +919000000000 | dnc list | dnc check +919000000000 | dnc remove +919000000000 | dnc import NUMBERS
trunk list | trunk show lab | trunk pause lab | key create | key list | key revoke key_0123456789ab
events --campaign cmp_none | webhook add https://1.1.1.1/hook | webhook deliveries whk_none
webhook set whk_none --disable | webhook redeliver whk_none
audit | contact show +919876500000 | contact erase +919876500000
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("daemon")) as running:
        running.do(running.inside.add_script())
        yield running


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    """What the placeholders of the commands stand for."""
    files = {
        "SCRIPT": ("script.yaml", SCRIPT),
        "CAMPAIGN": ("loans.yaml", CAMPAIGN),
        "LIST": ("list.csv", f"phone,loan_amount\n{ONE},5\n"),
        "NUMBERS": ("numbers.csv", "phone\n+919000000001\n"),
    }
    found = {"CALL": "cal_0123456789ab"}
    for name, (file, text) in files.items():
        (tmp_path / file).write_text(text)
        found[name] = str(tmp_path / file)
    return found


def test_every_operation_is_reached_by_a_command(
    daemon: Served, words: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALERD_CONTROL__SOCKET", raising=False)
    sent = bytearray()
    with relayed(daemon.socket, sent.extend) as url:
        monkeypatch.setenv("DIALERD_URL", url)
        for command in re.split(r"[|\n]", COMMANDS.strip()):
            arguments = [words.get(word, word) for word in command.split()]
            code = main(arguments)
            told = capfd.readouterr()
            assert code in (0, 1), f"{command}: {told.err}"
            if made := re.search(r"campaign_id: (cmp_\w+)", told.out):
                words.setdefault("ID", made[1])
        _follow(url, sent)
        document = httpx.get(f"{url}/openapi.json").json()
    reached = {operation(document, *asked) for asked in _REQUEST.findall(bytes(sent))}
    everything = {
        about["operationId"] for methods in document["paths"].values() for about in methods.values()
    }
    assert everything - reached - EXCEPTED.keys() == set()


def _follow(url: str, sent: bytearray) -> None:
    """Follow all events, which does not end, until the request was seen."""
    command = [sys.executable, "-m", "dialerd.cli.main", "events"]
    with subprocess.Popen(command, env={**os.environ, "DIALERD_URL": url}) as running:
        try:
            for _ in range(3_000):
                if b"GET /v1/events " in sent:
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    running.wait(0.01)
        finally:
            running.terminate()


def operation(document: dict[str, Any], method: bytes, target: bytes) -> str | None:
    """Which operation a request is; plain paths come before those with names in them."""
    path = target.decode().partition("?")[0]
    for template in sorted(document["paths"], key=lambda known: known.count("{")):
        about = document["paths"][template].get(method.decode().lower())
        pattern = "/".join("[^/]+" if part[:1] == "{" else re.escape(part) for part in template.split("/"))
        if about is not None and re.fullmatch(pattern, path):
            return str(about["operationId"])
    return None


# --- campaigns and scripts as files ------------------------------------------------------------------


Ctl = Callable[..., Ran]


@pytest.fixture
def ctl(daemon: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    monkeypatch.setenv("DIALERD_CONTROL__SOCKET", str(daemon.socket))

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_a_campaign_comes_from_a_file_and_options_come_first(ctl: Ctl, words: dict[str, str]) -> None:
    made = ctl(
        *("--json", "campaign", "create", words["CAMPAIGN"], "--csv", words["LIST"]),
        *("--max-attempts", 5, "--end", "2190-01-17 18:00"),
    )
    assert made.code == 0, made.err
    found = made.json
    assert (found["name"], found["max_attempts"]) == ("Loans", 5)
    assert found["schedule"]["start_time"] == "2190-01-15T03:30:00Z"
    assert found["schedule"]["timezone"] == "Asia/Kolkata"
    assert found["schedule"]["end_time"].startswith("2190-01-17")


def test_contacts_may_stand_in_the_file(ctl: Ctl, tmp_path: Path) -> None:
    path = tmp_path / "whole.yaml"
    path.write_text(CAMPAIGN + f'contacts:\n  - {{phone: "{ONE}", loan_amount: 5}}\n')
    made = ctl("campaign", "create", path)
    assert (made.code, made.value("status")) == (0, "scheduled")
    twice = ctl("campaign", "create", path, "--csv", path)
    assert (twice.code, "given twice" in twice.err) == (2, True)
    nobody = ctl("campaign", "create", "--name", "x")
    assert (nobody.code, "--csv" in nobody.err) == (2, True)


def test_what_is_validated_is_not_stored_and_every_fault_is_said(
    ctl: Ctl, words: dict[str, str], tmp_path: Path
) -> None:
    before = ctl("--json", "campaign", "list").json["total"]
    fine = ctl("campaign", "validate", words["CAMPAIGN"], "--csv", words["LIST"])
    assert (fine.code, fine.out.splitlines()[0]) == (0, "valid")
    bad = tmp_path / "bad.csv"
    bad.write_text("phone\n12\n")
    wrong = ctl("campaign", "validate", words["CAMPAIGN"], "--csv", bad, "--script", "none")
    assert wrong.code == 2
    assert "script_id" in wrong.err
    assert "contacts" in wrong.err
    assert ctl("--json", "campaign", "list").json["total"] == before
    script = tmp_path / "bad.yaml"
    script.write_text("languages: [en-IN]\n")
    refused = ctl("script", "validate", script)
    assert (refused.code, "name" in refused.err) == (2, True)


def test_agents_are_shown_with_their_labels(ctl: Ctl) -> None:
    made = ctl(
        *("agent", "create", "--name", "Asha", "--id", "asha"),
        *("--disposition", "site_visit=positive", "--disposition", "later=again"),
    )
    assert made.code == 0, made.err
    assert made.value("disposition site_visit") == "positive"
    assert made.value("disposition later") == "again"
    assert ctl("agent", "edit", "asha", "--reset", "dispositions").out.count("disposition ") == 0
    unknown = ctl("agent", "create", "--name", "x", "--disposition", "a=b")
    assert (unknown.code, "--disposition" in unknown.err) == (2, True)
    assert ctl("agent", "remove", "asha").code == 0
    assert ctl("agent", "show", "asha").code == 1
