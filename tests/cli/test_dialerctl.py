"""dialerctl against a running daemon's API on a Unix socket: what a user types, sees, and gets as exit code."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from dialerd.cli.main import app, hoisted, main
from tests.control.installation import SCRIPT, call_row
from tests.control.serving import Served, served

ONE, TWO = "+919876543210", "+919123456789"


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def value(self, name: str) -> str:
        """The value of a line `name: value`."""
        return next(line for line in self.out.splitlines() if line.startswith(f"{name}: ")).partition(": ")[2]


Ctl = Callable[..., Ran]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("daemon")) as running:
        running.do(running.inside.add_script())
        yield running


@pytest.fixture
def ctl(daemon: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    monkeypatch.setenv("DIALERD_CONTROL__SOCKET", str(daemon.socket))
    monkeypatch.delenv("DIALERD_URL", raising=False)
    monkeypatch.delenv("DIALERD_KEY", raising=False)

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.csv"
    path.write_text(f"phone,name,loan_amount\n{ONE},Priya,5\n{TWO},Amit,7\n{ONE},again,9\n")
    return path


def create(ctl: Ctl, contacts: Path, *more: object) -> Ran:
    return ctl(
        "campaign",
        "create",
        "--name",
        "Loans",
        "--script",
        "loan",
        "--language",
        "en-IN",
        "--csv",
        contacts,
        *more,
    )


def test_a_campaign_from_script_to_stop(ctl: Ctl, contacts: Path, tmp_path: Path) -> None:
    script = tmp_path / "loan.yaml"
    script.write_text(SCRIPT)
    added = ctl("script", "add", script)
    assert added.code == 0, added.err
    ident = added.value("script_id")
    assert ident.startswith("scr_")
    assert ident in ctl("script", "list").out
    assert "Our Bank" in ctl("script", "show", ident).out

    made = ctl(
        *(
            "campaign",
            "create",
            "--name",
            "Loans",
            "--script",
            ident,
            "--language",
            "hi-IN",
            "--csv",
            contacts,
        ),
        *("--max-attempts", "2", "--retry-interval", "0.5", "--ring-timeout", "20"),
    )
    assert made.code == 0, made.err
    campaign = made.value("campaign_id")
    assert made.value("contacts") == "2 accepted of 3, 1 duplicates merged, 0 invalid, 0 warnings"
    assert "line 4" in made.out
    assert made.value("next") == f"dialerctl campaign start {campaign}"

    shown = ctl("campaign", "show", campaign, "--json").json
    assert (shown["status"], shown["max_attempts"], shown["retry_interval_minutes"]) == ("scheduled", 2, 0.5)
    assert (shown["ring_timeout_seconds"], shown["schedule"]["start_time"]) == (20, None)
    for verb, status in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
    ):
        done = ctl("campaign", verb, campaign)
        assert (done.code, done.value("status")) == (0, status), done.err
    assert campaign in ctl("campaign", "list", "--status", "stopped").out
    again = ctl("campaign", "resume", campaign)
    assert again.code == 1
    assert "stopped" in again.err


def test_times_without_offset_are_those_of_the_given_zone(ctl: Ctl, contacts: Path) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    made = create(
        *(ctl, contacts, "--json", "--start", f"{tomorrow} 09:00", "--end", f"{tomorrow}T18:00:00+05:30"),
        *("--timezone", "Asia/Kolkata"),
    )
    assert made.code == 0, made.err
    assert made.json["schedule"] == {
        "start_time": f"{tomorrow}T03:30:00Z",
        "end_time": f"{tomorrow}T12:30:00Z",
        "timezone": "Asia/Kolkata",
        "hours": [],
        "holidays": [],
    }
    ident = made.json["campaign_id"]
    early = ctl("campaign", "start", ident)
    assert early.code == 1
    assert "--now" in early.err
    assert ctl("campaign", "start", ident, "--now").code == 0


def test_start_now_starts_whatever_the_schedule(ctl: Ctl, contacts: Path) -> None:
    made = create(ctl, contacts, "--start-now", "--json")
    assert (made.code, made.json["status"], made.json["import"]["accepted"]) == (0, "running", 2)
    plain = create(ctl, contacts, "--start-now")
    assert plain.value("status") == "running"
    assert plain.out.count("campaign_id:") == 1


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_json_works_before_and_after_the_subcommand(place: str, ctl: Ctl) -> None:
    words = {
        "before": ("--json", "campaign", "list"),
        "between": ("campaign", "--json", "list"),
        "after": ("campaign", "list", "--json"),
    }[place]
    assert "data" in ctl(*words).json


def test_no_subcommand_has_an_option_that_is_meant_everywhere() -> None:
    waiting = [typer.main.get_command(app)]
    options = {name for option in waiting[0].params for name in option.opts}
    everywhere = {name for name in options if hoisted(["x", name, "y"])[0] == name}
    assert everywhere == {"--url", "--socket", "--key", "--key-file", "--json"}
    while waiting:
        found = waiting.pop()
        below = list(getattr(found, "commands", {}).values())
        waiting += below
        for command in below:
            own = {name for option in command.params for name in option.opts}
            assert not own & everywhere, f"{command.name}: it would be taken for that one"


def test_options_for_everywhere_are_moved_to_the_front() -> None:
    moved = hoisted(["campaign", "list", "--socket", "/a", "--url=http://b", "--limit", "3", "--", "--json"])
    assert moved == ["--socket", "/a", "--url=http://b", "campaign", "list", "--limit", "3", "--", "--json"]


def test_status_tells_what_is_wrong(ctl: Ctl) -> None:
    plain = ctl("status")
    assert plain.code == 0
    assert "dialing: not possible" in plain.out
    assert "Asterisk" in plain.out
    assert ctl("status", "--json").json["trunks"][0]["name"] == "lab"


def test_a_key_made_here_opens_the_tcp_address(
    ctl: Ctl, daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ctl("key", "create", "--scope", "read", "--name", "crm")
    key, ident = made.value("key"), made.value("key_id")
    assert ctl("--url", daemon.url, "--key", key, "campaign", "list").code == 0
    monkeypatch.setenv("DIALERD_URL", daemon.url)
    monkeypatch.setenv("DIALERD_KEY", key)
    assert ctl("campaign", "list").code == 0
    forbidden = ctl("key", "list")
    assert forbidden.code == 1
    assert "admin" in forbidden.err
    assert ctl("--socket", daemon.socket, "key", "revoke", ident).code == 0, (
        "the option beats the environment"
    )
    revoked = ctl("campaign", "list")
    assert revoked.code == 1
    assert "unknown or revoked" in revoked.err
    assert "--key-file" in revoked.err
    assert "DIALERD_KEY" in revoked.err
    listed = ctl("--socket", daemon.socket, "key", "list").out
    assert ident in listed
    assert "LAST USED" in listed
    used = ctl("--socket", daemon.socket, "--json", "key", "list").json["data"]
    last = next(found["last_used_at"] for found in used if found["key_id"] == ident)
    assert last in listed


def test_a_key_is_read_from_a_file_that_others_cannot_read(ctl: Ctl, daemon: Served, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{daemon.key('read')}\n")
    file.chmod(0o640)
    at = ("--url", daemon.url)
    assert ctl(*at, "campaign", "list", "--key-file", file).code == 0
    file.chmod(0o644)
    seen = ctl(*at, "--key-file", file, "campaign", "list")
    assert (seen.code, f"chmod 600 {file}" in seen.err) == (2, True)
    file.chmod(0o600)
    twice = ctl(*at, "--key-file", file, "--key", "dk_x", "campaign", "list")
    assert (twice.code, "twice" in twice.err) == (2, True)
    for content in ("", "dk_one dk_two", "dk_é"):
        file.write_text(content)
        wrong = ctl(*at, "--key-file", file, "campaign", "list")
        assert (wrong.code, str(file) in wrong.err) == (2, True), content
    gone = ctl(*at, "--key-file", tmp_path / "no", "campaign", "list")
    assert (gone.code, str(tmp_path / "no") in gone.err) == (2, True)


def test_lists_come_through_pipes(ctl: Ctl, contacts: Path, tmp_path: Path) -> None:
    def piped(name: str, text: str) -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(text,), daemon=True).start()
        return path

    made = create(ctl, piped("contacts", contacts.read_text()))
    assert made.code == 0, made.err
    assert made.value("contacts").startswith("2 accepted of 3")
    listed = ctl("dnc", "import", piped("numbers", "phone\n+919000000077\n"))
    assert listed.value("numbers").startswith("1 listed of 1"), listed.err
    told = ctl("--json", "campaign", "simulate", piped("simulated", contacts.read_text()))
    assert told.code == 0, told.err
    folder = ctl("dnc", "import", tmp_path)
    assert (folder.code, "is a folder" in folder.err) == (2, True)


def test_every_fault_is_printed_and_nothing_is_stored(ctl: Ctl, contacts: Path, tmp_path: Path) -> None:
    before = ctl("campaign", "list", "--json").json["total"]
    contacts.write_text(f"phone,name,loan_amount\n9.19E+11,x,1\n{ONE},y,\n\nnonsense,z,3\n")
    bad = create(
        ctl, contacts, "--max-attempts", "11", "--end", "2020-01-01T00:00:00Z", "--timezone", "Mars/Base"
    )
    assert bad.code == 2
    assert bad.out == ""
    for words in (
        "max_attempts: must be less than or equal to 10",
        "schedule.end_time: is not in the future",
        "schedule.timezone: 'Mars/Base' is not an IANA time zone",
        "contacts[line 2].phone: 9.19E+11",
        "contacts[line 3].loan_amount: the script needs it",
        "contacts[line 5].phone: is not in E.164 form",
    ):
        assert words in bad.err
    only_rows = create(ctl, contacts)
    assert only_rows.code == 2
    assert "next: correct these lines, or import the others with --on-invalid skip" in only_rows.err
    as_json = create(ctl, contacts, "--json")
    assert json.loads(as_json.err)["errors"][0]["loc"] == "contacts[line 2].phone"
    assert ctl("campaign", "list", "--json").json["total"] == before


def test_bad_rows_are_left_out_when_asked(ctl: Ctl, contacts: Path) -> None:
    contacts.write_text(f"phone,loan_amount\n{ONE},1\nbad,2\n")
    made = create(ctl, contacts, "--on-invalid", "skip")
    assert made.code == 0
    assert "1 accepted of 2" in made.out
    assert "invalid: line 3: bad" in made.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name\nPriya\n", "no column named phone"),
        (b"phone,loan_amount\n" + b"".join(b"+9198%08d,1\n" % n for n in range(10_001)), "10,001 contacts"),
        (b"phone,loan_amount\n" + b"+919876543210,1\n" * 400_000, "5,000,000 bytes"),
        (
            "phone,name,loan_amount\n+919876543210,Jos\u00e9,1\n".encode("latin-1"),
            "line 2].name: is not UTF-8",
        ),
        (b"", "empty"),
    ],
)
def test_a_bad_list_is_bad_input(content: bytes, words: str, ctl: Ctl, contacts: Path) -> None:
    contacts.write_bytes(content)
    bad = create(ctl, contacts)
    assert bad.code == 2
    assert words in bad.err


def test_unknown_script_or_language_is_bad_input(ctl: Ctl, contacts: Path) -> None:
    for option, value, words in (
        ("--script", "scr_000000000000", "script_id: there is no script"),
        ("--language", "fr-FR", "language: the script loan has no texts for fr-FR"),
    ):
        bad = create(ctl, contacts, option, value)
        assert bad.code == 2
        assert words in bad.err


def test_a_missing_file_and_a_wrong_flag_are_bad_input(ctl: Ctl, tmp_path: Path) -> None:
    for words in (
        (
            "campaign",
            "create",
            "--name",
            "x",
            "--script",
            "loan",
            "--language",
            "en-IN",
            "--csv",
            tmp_path / "no",
        ),
        ("script", "add", tmp_path / "no"),
        ("campaign", "create", "--nmae", "x"),
        ("campaign", "fly"),
        ("campaign", "stop", "cmp_0", "--calls", "kill"),
        ("--url", "nonsense", "--key", "x", "status"),
    ):
        assert ctl(*words).code == 2, words


def test_what_does_not_exist_is_refused(ctl: Ctl) -> None:
    missing = ctl("campaign", "show", "cmp_000000000000")
    assert missing.code == 1
    assert "there is no campaign 'cmp_000000000000'" in missing.err


def test_a_wrong_key_is_refused(ctl: Ctl, daemon: Served) -> None:
    wrong = ctl("--url", daemon.url, "--key", "dk_wrong", "campaign", "list")
    assert wrong.code == 1
    assert "unknown or revoked" in wrong.err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_there_is_exit_code_3_with_the_next_step(ctl: Ctl, tmp_path: Path) -> None:
    for where in (("--socket", tmp_path / "no.sock"), ("--url", "http://127.0.0.1:9")):
        missing = ctl(*where, "status")
        assert missing.code == 3, where
        assert "next: " in missing.err
    # The HTTP client leaves the socket of a refused connection to the garbage collector.
    gc.collect()


def test_calls_are_listed_and_shown(ctl: Ctl, daemon: Served) -> None:
    daemon.inside.store.rows[:] = [
        call_row(f"cal_{number:012x}", "cmp_0000000000aa") for number in range(150)
    ]
    first = ctl("call", "list", "--campaign", "cmp_0000000000aa")
    assert "cal_000000000095" in first.out
    assert "100 of 150; --limit 150 shows all" in first.out
    every = ctl("call", "list", "--campaign", "cmp_0000000000aa", "--limit", "150", "--json").json
    assert len({item["id"] for item in every["data"]}) == 150
    shown = ctl("call", "show", "cal_000000000001")
    assert shown.value("disposition") == "interested"
    assert "agent: Hello" in shown.out
    assert "gate window: open" in shown.out
    assert ctl("call", "show", "cal_000000000001", "--json").json["tries"][0]["sip_code"] == 200
    daemon.inside.store.rows.clear()


@pytest.mark.parametrize("as_json", [False, True])
def test_watch_follows_a_campaign_to_its_end(
    as_json: bool, ctl: Ctl, contacts: Path, daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = create(ctl, contacts, "--start-now", "--json").json["campaign_id"]
    read, watched = daemon.inside.service.campaigns.show, threading.Event()

    async def noting(campaign: str) -> dict[str, Any]:
        shown = await read(campaign)
        watched.set()
        return shown

    monkeypatch.setattr(daemon.inside.service.campaigns, "show", noting)

    def stop_soon() -> None:
        assert watched.wait(30)
        daemon.do(daemon.inside.service.campaigns.stop(ident, hang_up=False, cancel_ringing=False))

    stopping = threading.Thread(target=stop_soon)
    stopping.start()
    seen = ctl("campaign", "watch", ident, "--interval", "0.1", *(["--json"] if as_json else []))
    stopping.join()
    assert seen.code == 0, seen.err
    lines = seen.out.splitlines()
    if as_json:
        states = [json.loads(line)["status"] for line in lines]
        assert (states[0], states[-1], len(states)) == ("running", "stopped", 2), "one line a change"
    else:
        assert "running: called 0/2" in lines[0]
        assert any("stopped: called 0/2" in line for line in lines)
        assert "status: stopped" in lines


def test_names_from_files_cannot_move_the_cursor_but_keep_their_joiners(ctl: Ctl, daemon: Served) -> None:
    name = "\x1b[2J\u202e\u0915\u094d\u200d\u0937\nstatus: forged [red]"
    daemon.inside.store.rows[:] = [replace(call_row("cal_00000000dead"), name=name)]
    plain = ctl("call", "show", "cal_00000000dead")
    assert "\u0915\u094d\u200d\u0937 status: forged [red]" in plain.out
    assert not {"\x1b", "\u202e"} & set(plain.out)
    assert plain.value("status") == "completed"
    assert ctl("call", "show", "cal_00000000dead", "--json").json["contact"]["name"] == name
    daemon.inside.store.rows.clear()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("campaign",),
        ("campaign", "create"),
        ("campaign", "watch"),
        ("script", "add"),
        ("key", "create"),
        ("call", "list"),
    ],
)
def test_help_tells_how_and_where(words: tuple[str, ...], ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = ctl(*words, "--help")
    assert shown.code == 0
    assert "--json" in shown.out
    if len(words) == 2:
        assert "Example: dialerctl" in shown.out


def test_the_command_itself_runs_and_completes(daemon: Served) -> None:
    environment = {**os.environ, "DIALERD_CONTROL__SOCKET": str(daemon.socket)}
    command = [sys.executable, "-m", "dialerd.cli.main"]
    done = subprocess.run(
        [*command, "status"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    completing = {
        **environment,
        "_DIALERCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "dialerctl camp",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(command, env=completing, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "campaign"
