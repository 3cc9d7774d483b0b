"""The lab itself, with the real Asterisk: its commands, what it leaves behind, and the carrier's number plan."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytestmark = pytest.mark.lab

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "asterisk" / "lab" / "lab"
CALLER = "+15550100100"

Json = dict[str, Any]
T = TypeVar("T")


def run(*arguments: object, code: int = 0) -> str:
    """A lab command; its output, and its errors too when it is expected to fail."""
    done = subprocess.run(
        [str(LAB), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def run_json(*arguments: object) -> Json:
    found: Json = json.loads(run(*arguments, "--json"))
    return found


def eventually(look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "not seen in time"
        time.sleep(0.05)


@contextmanager
def lab_in(folder: Path, *arguments: object) -> Iterator[Json]:
    """A lab for the length of a test."""
    try:
        yield run_json("up", "--dir", folder, *arguments)
    finally:
        run("down", "--dir", folder)


def call_id(number: str) -> str:
    """A channel id; none may be the beginning of another, which Asterisk would take for the same."""
    return f"test-{number.lstrip('+')}-x"


def originate(lab: Json, channel_id: str, number: str, **more: object) -> None:
    """Call a number from the pbx; who answers hears five seconds of speech, and may press a key for `extension` (6)."""
    login = base64.b64encode(f"{lab['ari']['user']}:{lab['ari']['password']}".encode()).decode()
    call = {
        "endpoint": f"PJSIP/{number}@lab",
        "callerId": CALLER,
        "context": "lab-ask",
        "extension": "6",
        "priority": 1,
        "timeout": 15,
        "variables": {"CHANNEL(hangup_handler_push)": "dialerd-hangup,s,1"},
        **more,
    }
    request = urllib.request.Request(
        f"{lab['ari']['url']}/ari/channels/{channel_id}",
        json.dumps(call).encode(),
        {"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def cdr(lab: Json, instance: str, column: str, value: str) -> list[Json]:
    """The call records in which a column has a value."""
    with closing(sqlite3.connect(f"file:{lab['cdr'][instance]}?mode=ro", uri=True, timeout=5)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(f"SELECT * FROM cdr WHERE {column} = ?", (value,))
        return [dict(row) for row in rows]


def outcome(row: Json) -> dict[str, str]:
    """The carrier's userfield, taken apart."""
    return dict(part.split("=") for part in row["userfield"].split(";"))


def processes_of(folder: Path) -> list[str]:
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in command and "asterisk.conf" in command:
            found.append(command)
    return found


def ports_of(lab: Json) -> dict[int, socket.SocketKind]:
    """The ports a lab's processes listen on."""
    udp = [lab["sip"]["pbx"], lab["sip"]["carrier"]]
    tcp = [lab["ari"]["url"], f":{lab['ami']['port']}"]
    return {
        int(address.rsplit(":", 1)[1]): kind
        for kind, addresses in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp))
        for address in addresses
        if address
    }


def rtp_of(lab: Json, instance: str) -> set[int]:
    text = (Path(lab["folders"][instance]) / "etc" / "rtp.conf").read_text()
    first, last = (int(re.findall(rf"{name} = (\d+)", text)[0]) for name in ("rtpstart", "rtpend"))
    return set(range(first, last + 1))


def is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    with lab_in(tmp_path_factory.mktemp("lab")) as found:
        yield found


def test_up_twice_is_the_same_lab(lab: Json) -> None:
    assert run_json("up", "--dir", lab["dir"]) == lab
    assert run_json("status", "--dir", lab["dir"]) == lab
    assert lab["running"] is True


def test_up_as_something_else_is_refused(lab: Json) -> None:
    said = run("up", "--dir", lab["dir"], "--trunk", "127.0.0.1:5060", code=4)
    assert "127.0.0.1:5060" in said
    said = run("up", "--dir", lab["dir"], "--ari-port", "1", code=4)
    assert "--ari-port 1" in said
    assert run_json("status", "--dir", lab["dir"]) == lab


def test_the_text_form_can_be_evaluated(lab: Json) -> None:
    shell = f'eval "$({LAB} status --dir {lab["dir"]})"; env -0'
    output = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    environment = dict(entry.split("=", 1) for entry in output.split("\0") if entry)
    assert {name: environment.get(name) for name in lab["env"]} == lab["env"]


@pytest.mark.alone
def test_two_labs_share_nothing(lab: Json, tmp_path: Path) -> None:
    with lab_in(tmp_path / "second") as second:
        assert not ports_of(lab).keys() & ports_of(second).keys()
        ranges = [rtp_of(each, name) for each in (lab, second) for name in ("pbx", "carrier")]
        assert len(set().union(*ranges)) == sum(len(ports) for ports in ranges)
        assert lab["ari"]["password"] != second["ari"]["password"]
        assert lab["ami"]["secret"] != second["ami"]["secret"]
        assert len(processes_of(tmp_path)) == 2
    assert processes_of(tmp_path) == []
    assert all(is_free(port, kind) for port, kind in ports_of(second).items())
    assert run("status", "--dir", tmp_path / "second", code=3)
    assert run_json("down", "--dir", tmp_path / "second")["stopped"] == {}
    assert Path(second["cdr"]["pbx"]).exists(), "down keeps the records"
    run("down", "--dir", tmp_path / "second", "--purge")
    assert not (tmp_path / "second").exists()


def test_purge_spares_what_is_not_the_labs(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    run("down", "--dir", tmp_path, "--purge")
    with lab_in(tmp_path):
        pass
    run("down", "--dir", tmp_path, "--purge")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_died_is_started_again(tmp_path: Path) -> None:
    with lab_in(tmp_path) as before:
        os.kill(before["pids"]["pbx"], signal.SIGKILL)
        eventually(lambda: len(processes_of(tmp_path)) == 1, 5)
        assert "lab up" in run("status", "--dir", tmp_path, code=3)
        after = run_json("up", "--dir", tmp_path)
        assert after["pids"]["pbx"] != before["pids"]["pbx"]
        assert {**after, "pids": None} == {**before, "pids": None}
        os.kill(after["pids"]["pbx"], signal.SIGKILL)
        os.kill(after["pids"]["carrier"], signal.SIGKILL)
        assert run_json("up", "--dir", tmp_path)["ari"] == before["ari"]
    assert processes_of(tmp_path) == []


def test_the_ports_of_a_lab_that_has_died_wait_for_it(tmp_path: Path) -> None:
    with lab_in(tmp_path / "first") as first:
        for pid in first["pids"].values():
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not processes_of(tmp_path), 5)
        with lab_in(tmp_path / "second") as second:
            assert not ports_of(first).keys() & ports_of(second).keys()
            again = run_json("up", "--dir", tmp_path / "first")
            assert {**again, "pids": None} == {**first, "pids": None}


def test_chosen_ports_and_deep_folders(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        said = run("up", "--dir", tmp_path / "busy", "--ari-port", port, code=1)
        assert f"--ari-port {port} is in use" in said
    deep = tmp_path / ("deep" * 20)
    with lab_in(deep, "--ari-port", port) as found:
        assert found["ari"]["url"].endswith(f":{port}")
        control = Path(found["env"]["DIALERD_CONTROL__SOCKET"])
        assert len(os.fsencode(control)) <= 107
        assert control.parent.is_dir()
        assert control.parent != deep
    assert not control.parent.exists()


def test_secrets_are_private(lab: Json) -> None:
    for path in Path(lab["dir"]).rglob("*"):
        if path.is_file() and not path.is_symlink() and path.suffix in (".secret", ".json", ".conf"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_manager_user_can_do_what_the_daemon_needs(lab: Json) -> None:
    with socket.create_connection((lab["ami"]["host"], lab["ami"]["port"]), timeout=5) as manager:
        endpoint = "PJSIPShowEndpoint\r\nEndpoint: lab"
        actions = (endpoint, "PJSIPShowEndpoints", "CoreStatus", "Originate", "Command", "Logoff")
        login = f"Action: Login\r\nUsername: {lab['ami']['user']}\r\nSecret: {lab['ami']['secret']}\r\n\r\n"
        manager.sendall((login + "".join(f"Action: {action}\r\n\r\n" for action in actions)).encode())
        said = b"".join(iter(lambda: manager.recv(65536), b"")).decode()
    assert "Event: FullyBooted" in said
    assert "Status: Reachable" in said
    assert "CoreStartupTime" in said
    assert said.count("Permission denied") == 2, "Originate and Command"


BEHAVIOURS = [
    # number, behaviour, SIP, digits, heard; what the pbx saw: answered, digit, cause
    ("15550100000", "press-1", "200", "1", "yes", True, "1", "16 SIP 200"),
    ("+15550100019", "press-1", "200", "1", "yes", True, "1", "16 SIP 200"),
    ("7", "press-1", "200", "1", "yes", True, "1", "16 SIP 200"),
    ("15550100020", "press-2", "200", "2", "yes", True, "2", "16 SIP 200"),
    ("+15550100035", "silent", "200", "", "yes", True, "", "16 SIP 200"),
    ("15550100040", "hang-up", "200", "", "yes", True, None, "0 SIP 200"),
    ("15550100050", "busy", "486", "", "", False, None, "17 SIP 486"),
    ("15550100059", "no-answer", "487", "", "", False, None, "19 SIP 180"),
    ("15550100060", "reject", "603", "", "", False, None, "21 SIP 603"),
    ("15550100065", "unknown", "404", "", "", False, None, "1 SIP 404"),
    ("15550100070", "congested", "503", "", "", False, None, "34 SIP 503"),
    ("15550100075", "voicemail", "200", "", "no", True, "", "16 SIP 200"),
    ("15550100080", "early", "200", "1", "yes", True, "1", "16 SIP 200"),
    ("15550100085", "late", "200", "2", "yes", True, "2", "16 SIP 200"),
    ("15550100099", "press-9", "200", "9", "yes", True, "9", "16 SIP 200"),
]


@pytest.fixture(scope="module")
def calls(lab: Json) -> dict[str, tuple[Json, Json]]:
    """Every number called, all at once: its record in the carrier and in the pbx."""
    for number, *_ in BEHAVIOURS:
        timeout = 3 if number.endswith("59") else 15
        # Who is recorded after the beep is heard, or not, for eight seconds more.
        patience = "16" if number.endswith("75") else "6"
        originate(lab, call_id(number), number, timeout=timeout, extension=patience)

    def ended(number: str) -> tuple[list[Json], list[Json]] | None:
        rows = cdr(lab, "carrier", "dst", number), cdr(lab, "pbx", "uniqueid", call_id(number))
        return rows if all(rows) else None

    found = {number: eventually(lambda n=number: ended(n), 30) for number, *_ in BEHAVIOURS}  # type: ignore[misc]
    assert all(len(carrier) == len(pbx) == 1 for carrier, pbx in found.values()), "one row for each call"
    return {number: (carrier[0], pbx[0]) for number, (carrier, pbx) in found.items()}


@pytest.mark.parametrize(
    ("number", "behaviour", "sip", "digits", "heard", "answered", "digit", "cause"), BEHAVIOURS
)
def test_number_plan(
    calls: dict[str, tuple[Json, Json]],
    number: str,
    behaviour: str,
    sip: str,
    digits: str,
    heard: str,
    answered: bool,
    digit: str | None,
    cause: str,
) -> None:
    carrier, pbx = calls[number]
    assert outcome(carrier) == {"behaviour": behaviour, "sip": sip, "digits": digits, "heard": heard}
    assert carrier["src"] == CALLER
    assert carrier["start"] <= carrier["end"]
    assert (carrier["answer"] > 0) == answered
    assert (pbx["answer"] > 0) == answered
    assert abs(pbx["start"] - carrier["start"]) < 1
    assert pbx["cause"].startswith(cause)
    if digit is not None:
        assert pbx["userfield"] == f"digit={digit}"


def test_the_plan_covers_every_ending_once_and_the_readme_shows_it(lab: Json) -> None:
    plan = json.loads(run("plan", "--json"))
    endings = [ending for row in plan for ending in range(row["first"], row["last"] + 1)]
    assert sorted(endings) == list(range(100))
    assert {row["behaviour"] for row in plan} == {behaviour for _, behaviour, *_ in BEHAVIOURS}
    assert run("plan") in (LAB.parent / "README.md").read_text()


def test_an_outside_trunk_gets_the_invite_and_nothing_else(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.bind(("127.0.0.1", 0))
        trunk.settimeout(5)
        address = f"127.0.0.1:{trunk.getsockname()[1]}"
        with lab_in(tmp_path, "--trunk", address) as found:
            assert found["pids"]["carrier"] is None
            originate(found, "test-out", "15550100000")
            request, sender = trunk.recvfrom(65536)
            message = request.decode()
            assert message.startswith(f"INVITE sip:15550100000@{address} SIP/2.0")
            assert re.search(rf"(?m)^From: <sip:{re.escape(CALLER)}@", message)
            assert re.search(rf"(?m)^P-Asserted-Identity: <sip:{re.escape(CALLER)}@", message)
            trunk.sendto(_refusal(message), sender)
            row = eventually(lambda: cdr(found, "pbx", "uniqueid", "test-out"), 5)[0]
            assert row["cause"] == "17 SIP 486 Busy Here"


def _refusal(invite: str) -> bytes:
    """486 to an INVITE."""
    kept = [
        line + (";tag=lab" if line.startswith("To:") else "")
        for line in invite.split("\r\n\r\n")[0].split("\r\n")
        if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
    ]
    return "\r\n".join(["SIP/2.0 486 Busy Here", *kept, "Content-Length: 0", "", ""]).encode()
