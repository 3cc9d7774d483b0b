"""What an operator sees when something is not as it should be: named, retried, and nothing dialed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.demo import all_calls, carrier_records
from scripts.running import LAB, Daemon, Lab, NotRunning, await_death, lab, run_json
from tests.e2e.conftest import SCRIPT
from tests.e2e.test_campaign import contact_list

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("bad-days")) as up:
        yield up


@pytest.fixture
def start(running: Lab, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons with settings over the lab's own, each with a state directory of its own."""
    started: list[Daemon] = []

    def begin(**settings: str) -> Daemon:
        own = {
            "DIALERD_STATE_DIR": str(tmp_path / "state"),
            "DIALERD_CONTROL__SOCKET": str(tmp_path / "c.sock"),
        }
        process = Daemon({**running.env, **own, **settings}, tmp_path / "dialerd.log")
        started.append(process)
        return process

    yield begin
    for process in started:
        process.stop()


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def problems(process: Daemon) -> str:
    try:
        return "; ".join(process.ctl("status")["problems"])
    except NotRunning as error:
        return str(error)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("DIALERD_ASTERISK__ARI_PASSWORD", "wrong", ("ARI", "password")),
        ("DIALERD_ASTERISK__AMI_SECRET", "wrong", ("secret", "manager.conf")),
        ("DIALERD_ASTERISK__ARI_URL", "http://127.0.0.1:9", ("Asterisk", "127.0.0.1:9")),
        ("DIALERD_ASTERISK__AMI_PORT", "9", ("manager", "127.0.0.1:9")),
    ],
)
def test_what_is_wrong_with_asterisk_is_named_and_nothing_is_dialed(
    start: Callable[..., Daemon], tmp_path: Path, setting: str, value: str, words: tuple[str, ...]
) -> None:
    process = start(**{setting: value})
    until(lambda: all(word in problems(process) for word in words))
    process.ctl("script", "add", str(SCRIPT))
    created = process.ctl(
        "campaign", "create", "--name", "blocked", "--script", "personal-loan-cross-sell", "--language", "en-IN",
        "--csv", str(contact_list(tmp_path, [50])),
    )  # fmt: skip
    process.ctl("campaign", "start", created["campaign_id"])
    time.sleep(0.3)
    shown = process.ctl("campaign", "show", created["campaign_id"])
    assert shown["progress"]["called"] == 0
    assert any(all(word in blocker["detail"] for word in words) for blocker in shown["blocked"])
    assert process.process.poll() is None


def test_a_taken_port_is_named_and_tried_again(start: Callable[..., Daemon], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(DIALERD_HTTP__PORT=str(port))
        until(lambda: f"port {port}" in process.log.read_text())
        assert process.process.poll() is None
    process.wait_ready()


def test_a_taken_media_port_is_named_and_nothing_is_dialed_before_it_is_free(
    running: Lab, start: Callable[..., Daemon], tmp_path: Path
) -> None:
    host, _, port = running.facts["media"]["lab-media"].rpartition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, int(port)))
        taken.listen()
        process = start()
        until(lambda: f"cannot listen at {host}:{port}" in problems(process))
        process.ctl("script", "add", str(SCRIPT))
        created = process.ctl(
            "campaign", "create", "--name", "deaf", "--script", "personal-loan-cross-sell", "--language", "en-IN",
            "--csv", str(contact_list(tmp_path, [50])),
        )  # fmt: skip
        process.ctl("campaign", "start", created["campaign_id"])
        time.sleep(0.3)
        shown = process.ctl("campaign", "show", created["campaign_id"])
        assert shown["progress"]["called"] == 0
        assert any(f"cannot listen at {host}:{port}" in blocker["detail"] for blocker in shown["blocked"])
    process.wait_ready()


def test_a_second_daemon_names_the_holder_of_the_store(start: Callable[..., Daemon]) -> None:
    first = start()
    first.wait_ready()
    second = start(DIALERD_CONTROL__SOCKET=first.env["DIALERD_CONTROL__SOCKET"] + "2")
    assert second.process.wait(10) == 1
    assert str(first.process.pid) in second.log.read_text()


def test_a_killed_daemon_goes_on_without_calling_anybody_twice(
    running: Lab, start: Callable[..., Daemon], tmp_path: Path
) -> None:
    process = start()
    process.wait_ready()
    process.ctl("script", "add", str(SCRIPT))
    endings = [1, 2, 3, 4, 30, 31, 50, 51, 55, 56, 60, 65, 66, 85, 86, 5, 6, 7, 8, 9]
    contacts = tmp_path / "contacts.csv"
    contacts.write_text(
        "phone\n" + "".join(f"+9198660{index:03d}{end:02d}\n" for index, end in enumerate(endings))
    )
    created = process.ctl(
        "campaign", "create", "--name", "killed", "--script", "personal-loan-cross-sell", "--language", "en-IN",
        "--csv", str(contacts), "--ring-timeout", "6", "--calls-per-second", "4",
    )  # fmt: skip
    campaign = created["campaign_id"]
    process.ctl("campaign", "start", campaign)
    for _ in range(3):
        time.sleep(1.3)
        process.process.send_signal(signal.SIGKILL)
        process.process.wait()
        process = start()
        process.wait_ready()
    until(lambda: process.ctl("campaign", "show", campaign)["status"] == "completed", 90)
    seen = carrier_records(Path(running.facts["cdr"]["carrier"]))
    mine = all_calls(process, campaign)
    dialed = {phone: calls for phone, calls in seen.items() if phone.startswith("+9198660")}
    assert all(len(calls) == 1 for calls in dialed.values()), "one attempt each, whatever was killed"
    assert set(mine) == {f"+9198660{index:03d}{end:02d}" for index, end in enumerate(endings)}
    never = set(mine) - set(dialed)
    assert all(mine[phone][0]["reason"] == "lost" for phone in never)
    pressed = [phone for phone, calls in dialed.items() if calls[0].digits == "1"]
    # A worker keeps its calls over the daemon's death, so what was pressed meanwhile is not lost.
    otherwise = [(phone, mine[phone][0]["disposition"], mine[phone][0]["reason"]) for phone in pressed]
    assert [found for found in otherwise if found[1] != "interested"] == []


def test_asterisk_killed_and_restarted_frees_every_channel(
    running: Lab, start: Callable[..., Daemon], tmp_path: Path
) -> None:
    process = start()
    process.wait_ready()
    process.ctl("script", "add", str(SCRIPT))
    created = process.ctl(
        "campaign", "create", "--name", "asterisk", "--script", "personal-loan-cross-sell", "--language", "en-IN",
        "--csv", str(contact_list(tmp_path, [30, 31, 55, 56, 32, 33, 1, 2])), "--ring-timeout", "6",
    )  # fmt: skip
    campaign = created["campaign_id"]
    process.ctl("campaign", "start", campaign)
    until(lambda: process.ctl("status")["live_calls"] >= 6)
    os.kill(running.facts["pids"]["pbx"], signal.SIGKILL)
    until(lambda: "Asterisk" in problems(process))
    await_death(running.facts["pids"]["pbx"])
    subprocess.run([str(LAB), "up", "--dir", str(running.folder)], check=True, capture_output=True)
    process.wait_ready()
    until(lambda: process.ctl("campaign", "show", campaign)["status"] == "completed", 60)
    status = process.ctl("status")
    assert status["live_calls"] == 0
    assert all(trunk["channels_in_use"] == 0 for trunk in status["trunks"])
    facts = run_json([str(LAB), "status", "--dir", str(running.folder), "--json"])
    assert facts["running"]
