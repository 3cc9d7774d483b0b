"""Callees handed over to people on the real Asterisk: who hears whom, what is told, and that nobody is left alone."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from scripts.running import Daemon, daemon, lab
from tests import sipp
from tests.e2e.listening import Listener, Sound
from tests.kill.drill import until

pytestmark = pytest.mark.lab

SCRIPT = """\
name: Patient
keys: {1: {disposition: interested}}
no_input: {seconds: 60, repeats: 0}
languages:
  en-IN:
    opening: Hello, this is the bank, and I have all the time in the world for you.
    closings: {1: Thanks.}
    no_input: {closing: Goodbye.}
    invalid_key: No.
"""
TARGETS = {
    "DESK": "extension:desk@lab-people",
    "ANNOUNCED": "extension:desk@lab-people",
    "DEAF": "extension:deaf@lab-people",
    "BUSY": "extension:busy@lab-people",
    "BRIEF": "extension:brief@lab-people",
    "PHONE": "endpoint:silent-phone",
    "BUSYPHONE": "endpoint:busy-phone",
    "SOFTPHONE": "endpoint:spare",
    "QUEUE": "queue:lab-desk",
    "EMPTY": "queue:lab-empty",
    "SLOW": "queue:lab-deaf",
}
_numbers = iter(range(30, 100_000, 100))


class Exchange:
    """A daemon with people to transfer to, and who listens in."""

    def __init__(self, process: Daemon, folder: Path, facts: Any, script: str) -> None:
        self.process = process
        self.folder = folder
        self.facts = facts
        self.script = script
        self.listener = Listener(facts["ari"], folder)
        transport = httpx.HTTPTransport(uds=process.env["DIALERD_CONTROL__SOCKET"])
        self.api = httpx.Client(transport=transport, base_url="http://dialerd", timeout=10)

    def restart(self) -> None:
        """The daemon comes back."""
        self.process = Daemon(self.process.env, self.process.log)
        self.process.wait_ready()

    def close(self) -> None:
        self.process.stop()
        self.api.close()
        self.listener.close()

    def answered(self, ending: int = 30, **fields: Any) -> str:
        """A call that its callee has answered, and whose agent was heard."""
        number = f"+1555020{next(_numbers) // 100 * 100 + ending:04d}"[:12]
        placed = self.api.post(
            "/v1/calls",
            json={"phone": number, "script_id": self.script, "language": "en-IN", **fields},
        )
        assert placed.status_code == 201, placed.text
        ident: str = placed.json()["id"]
        until(lambda: self.call(ident)["answered_at"], 10, "nobody answers")
        return ident

    def call(self, ident: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.api.get(f"/v1/calls/{ident}").json()
        return shown

    def transfer(self, ident: str, target: str, **fields: Any) -> httpx.Response:
        return self.api.post(f"/v1/calls/{ident}/transfer", json={"target": target, **fields})

    def await_transfer(self, ident: str, seconds: float = 15, **expected: Any) -> dict[str, Any]:
        """The call, once its transfer is as expected."""
        found: dict[str, Any] = {}

        def is_so() -> bool:
            found.update(self.call(ident))
            transfer = found["transfer"] or {}
            return all(transfer.get(name) == value for name, value in expected.items())

        until(is_so, seconds, f"the transfer is not {expected}")
        return found

    def await_end(self, ident: str) -> dict[str, Any]:
        until(lambda: self.call(ident)["status"] != "in_progress", 15, "the call goes on")
        return self.call(ident)

    def agent_goes_on(self, ident: str) -> None:
        """Its script knows of no person: it says its line again. Then the call is ended."""
        channel = self.call(ident)["tries"][-1]["channel"]
        assert self.listener.record(channel, "out", 1.0).loudness > 200, "nobody talks to the callee"
        self.api.post(f"/v1/calls/{ident}/hangup")
        said = [turn for turn in self.await_end(ident)["transcript"] if turn["speaker"] == "agent"]
        assert len(said) == 2

    def trunk(self, name: str) -> dict[str, Any]:
        """How it is said to be."""
        trunks = self.api.get("/v1/status").json()["trunks"]
        return next(line for line in trunks if line["name"] == name)

    def in_use(self) -> int:
        return int(self.trunk("lab")["channels_in_use"])

    def sessions(self) -> int:
        """Sessions of the embedded engine that calls hold."""
        engines = self.api.get("/v1/engines").json()["data"]
        return int(next(one["sessions_in_use"] for one in engines if one["engine"] == "embedded"))

    def nothing_is_left(self) -> None:
        until(lambda: not self.listener.channels(), 10, "channels are left in Asterisk")
        until(lambda: not self.listener.bridges(), 10, "bridges are left in Asterisk")

    def records(self, like: str) -> list[str]:
        """What the pbx's call records say."""
        path = self.facts["cdr"]["pbx"]
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            rows = database.execute("SELECT userfield FROM cdr WHERE userfield LIKE ?", (like,)).fetchall()
        return [row[0] for row in rows]


@pytest.fixture
def exchange(running_exchange: Exchange) -> Iterator[Exchange]:
    """With no call before, and none after."""
    yield running_exchange
    live = running_exchange.api.get("/v1/calls", params={"limit": 100}).json()["data"]
    for call in live:
        if call["status"] == "in_progress":
            running_exchange.api.post(f"/v1/calls/{call['id']}/hangup")
            running_exchange.await_end(call["id"])


@pytest.fixture(scope="module")
def running_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("transfer")
    settings = {f"DIALERD_TRANSFERS__{name}__TARGET": target for name, target in TARGETS.items()}
    settings |= {
        "DIALERD_TRANSFERS__BUSY__FALLBACK": "desk",
        "DIALERD_TRANSFERS__ANNOUNCED__ANNOUNCEMENT": "vm-intro",
        "DIALERD_TRANSFERS__ANNOUNCED__WARM": "true",
        "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
        "DIALERD_DIALING__MAX_CALL_MINUTES": "1",
    }
    with (
        sipp.callee("busy", folder / "softphone", log_messages=True) as softphone,
        lab(folder, spare=softphone.address) as running,
        daemon(running, **settings) as process,
    ):
        script = folder / "patient.yaml"
        script.write_text(SCRIPT)
        added = process.ctl("script", "add", str(script))
        made = Exchange(process, folder, running.facts, added["script_id"])
        try:
            yield made
        finally:
            made.close()


def test_a_person_is_connected_hears_what_it_is_about_and_is_heard(exchange: Exchange) -> None:
    ident = exchange.answered()
    begun = time.monotonic()
    asked = exchange.transfer(
        ident, "desk", warm=True, reason="asked; for ${a} person", summary="Wants the loan,\tnow"
    )
    assert asked.status_code == 422, "control characters are refused"
    asked = exchange.transfer(ident, "desk", warm=True, reason="asked for ${a} person", summary="Wants, now")
    assert asked.status_code == 200, asked.text
    assert (asked.json()["transfer"]["state"], asked.json()["transfer"]["outcome"]) == ("ringing", None)
    again = exchange.transfer(ident, "desk")
    assert (again.status_code, again.json()["state"]) == (409, "transferring")
    exchange.await_transfer(ident, state="connected", outcome="answered")
    channel = exchange.call(ident)["tries"][-1]["channel"]
    heard = exchange.listener.record(channel, "out", 1.5)
    assert heard.level(1_000) > 20 * heard.level(700), "the callee hears the person's tone"
    assert float(exchange.listener.variable(channel, "TIMEOUT(absolute)")) > 3_000 - (
        time.monotonic() - begun
    )
    until(lambda: exchange.sessions() == 0, 10, "the agent is gone, and its session is held")
    assert exchange.in_use() == 1
    exchange.api.post(f"/v1/calls/{ident}/hangup")
    shown = exchange.await_end(ident)
    assert shown["disposition"] == "escalated"
    assert exchange.in_use() == 0
    exchange.nothing_is_left()
    (told,) = exchange.records(f"call={ident}%")
    assert told == f"call={ident};reason=asked for a person;summary=Wants now;city="


def test_the_person_hears_the_callee(exchange: Exchange) -> None:
    ident = exchange.answered(75)
    exchange.transfer(ident, "desk")
    exchange.await_transfer(ident, state="connected")
    time.sleep(1.5)
    exchange.api.post(f"/v1/calls/{ident}/hangup")
    exchange.await_end(ident)
    exchange.nothing_is_left()
    heard = Sound.mixed(exchange.folder / "pbx" / "spool" / "monitor" / f"heard-{ident}.wav")
    assert heard.loudness > 200, "a recorded greeting speaks on"


def test_a_person_hears_what_is_announced_before_the_callee(exchange: Exchange) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, "announced")
    exchange.await_transfer(ident, state="joining")
    begun = time.monotonic()
    exchange.await_transfer(ident, state="connected")
    assert 3 < time.monotonic() - begun < 10, "a sentence of five seconds"
    assert exchange.call(ident)["transfer"]["warm"] is True


def test_the_callee_hears_it_ring_while_nobody_is_there(exchange: Exchange) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, "deaf", warm=False)
    exchange.await_transfer(ident, state="ringing")
    time.sleep(0.5)
    channel = exchange.call(ident)["tries"][-1]["channel"]
    heard = exchange.listener.record(channel, "out", 3.0)
    assert heard.level(400) > 20 * heard.level(700)
    assert heard.level(450) > 20 * heard.level(700)


def test_a_recording_ends_where_the_person_takes_over_and_is_served_in_parts(exchange: Exchange) -> None:
    ident = exchange.answered(75, recording=True)
    time.sleep(1)
    exchange.transfer(ident, "desk")
    exchange.await_transfer(ident, state="connected")
    until(lambda: exchange.call(ident)["recording_url"], 10, "there is no recording")
    time.sleep(1.5)
    exchange.api.post(f"/v1/calls/{ident}/hangup")
    shown = exchange.await_end(ident)
    assert 1 < shown["recording"]["duration_seconds"] < shown["duration_seconds"] - 1.5
    whole = exchange.api.get(shown["recording_url"])
    assert (whole.status_code, len(whole.content)) == (200, shown["recording"]["bytes"])
    part = exchange.api.get(shown["recording_url"], headers={"Range": "bytes=44-99"})
    assert (part.status_code, part.content) == (206, whole.content[44:100])
    file = exchange.folder / "served.wav"
    exchange.process.ctl("call", "recording", ident, "-o", str(file))
    assert file.read_bytes() == whole.content
    callee, agent = Sound.read(file), Sound.read(file, 1)
    assert callee.loudness > 200, "the greeting of who was called"
    assert agent.loudness > 200, "and what the agent says"
    (kept,) = (Path(exchange.process.env["DIALERD_STATE_DIR"]) / "recordings").rglob(f"{ident}.wav")
    assert kept.stat().st_mode & 0o777 == 0o640
    exchange.process.ctl("call", "delete-recording", ident)
    until(lambda: not kept.exists(), 10, "its file is there still")
    assert exchange.api.get(shown["recording_url"] or "").status_code == 404


@pytest.mark.parametrize(("target", "outcome"), [("busyphone", "busy"), ("deaf", "no_answer")])
def test_nobody_comes_and_the_callee_is_not_lost_by_it(exchange: Exchange, target: str, outcome: str) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, target, timeout_seconds=1)
    shown = exchange.await_transfer(ident, state="ended", outcome=outcome)
    assert shown["transfer"]["answered_at"] is None
    exchange.agent_goes_on(ident)
    assert exchange.await_end(ident)["disposition"] == "connected"
    exchange.nothing_is_left()


def test_a_phone_is_told_in_sip_headers_whom_it_rings_for(exchange: Exchange) -> None:
    ident = exchange.answered()
    captured = {"city": "पुणे", "loan_amount": 50_000} | {f"long {n}": "ж" * 500 for n in range(20)}
    labelled = exchange.api.post(
        f"/v1/calls/{ident}/disposition", json={"disposition": "interested", "captured": captured}
    )
    assert labelled.status_code == 200, labelled.text
    summary = "Wants 50% off,\u2028now"
    exchange.transfer(ident, "softphone", reason="asked for ${a} person", summary=summary)
    exchange.await_transfer(ident, state="ended", outcome="busy")
    log = exchange.folder / "softphone" / "messages.log"
    until(lambda: "INVITE sip:" in log.read_text(errors="replace"), 5, "the phone was not called")
    (invite, *_) = [each.text for each in sipp.messages(log) if each.text.startswith("INVITE ")]
    told = {
        name: unquote(value) for name, value in re.findall(r"^X-Dialerd-([^:]+): (.*?)\r?$", invite, re.M)
    }
    assert [told.pop(f"Var-Long-{n}", None) for n in range(3)] == ["ж" * 85, "ж" * 85, None]
    assert told == {
        "Call": ident, "Reason": "asked for a person", "Summary": "Wants 50% off now", "Var-City": "पुणे",
        "Var-Loan-Amount": "50000",
    }  # fmt: skip
    exchange.agent_goes_on(ident)


def test_the_fallback_answers_where_the_target_is_busy(exchange: Exchange) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, "busy")
    shown = exchange.await_transfer(ident, state="connected")
    assert (shown["transfer"]["target"], shown["transfer"]["where"]) == ("desk", "extension:desk@lab-people")
    exchange.api.post(f"/v1/calls/{ident}/hangup")
    exchange.await_end(ident)


def test_a_phone_answers_and_the_call_ends_with_the_person(exchange: Exchange) -> None:
    phone, brief = exchange.answered(), exchange.answered()
    exchange.transfer(phone, "phone", warm=False)
    exchange.await_transfer(phone, state="connected")
    until(lambda: exchange.sessions() == 1, 10, "a session is held for a callee who was handed over cold")
    exchange.transfer(brief, "brief")
    shown = exchange.await_end(brief)
    assert (shown["disposition"], shown["transfer"]["outcome"]) == ("escalated", "answered")
    exchange.api.post(f"/v1/calls/{phone}/hangup")
    exchange.await_end(phone)
    exchange.nothing_is_left()


@pytest.mark.parametrize(
    ("target", "outcome"), [("queue", "answered"), ("empty", "busy"), ("slow", "no_answer")]
)
def test_a_queue_tells_when_a_member_answered_and_when_nobody_is_free(
    exchange: Exchange, target: str, outcome: str
) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, target, timeout_seconds=2, reason="loan")
    exchange.await_transfer(ident, outcome=outcome)
    if outcome != "answered":
        exchange.agent_goes_on(ident)
    else:
        channel = exchange.call(ident)["tries"][-1]["channel"]
        heard = exchange.listener.record(channel, "out", 1.0)
        assert heard.level(1_000) > 20 * heard.level(700)
        exchange.api.post(f"/v1/calls/{ident}/hangup")
        until(lambda: any("reason=loan" in said for said in exchange.records(f"call={ident}%")), 5, "untold")
    exchange.await_end(ident)
    exchange.nothing_is_left()


@pytest.mark.alone  # A worker waits ten seconds for another daemon.
def test_a_daemon_that_is_killed_leaves_callee_and_person_talking_and_knows_the_end(
    exchange: Exchange,
) -> None:
    talking, ringing = exchange.answered(), exchange.answered()
    exchange.transfer(talking, "desk")
    exchange.await_transfer(talking, state="connected")
    exchange.transfer(ringing, "deaf", timeout_seconds=20)
    exchange.await_transfer(ringing, state="ringing")
    os.kill(exchange.process.process.pid, signal.SIGKILL)
    exchange.process.process.wait()
    people = [name for name in exchange.listener.channels() if "-h" in name and not name.endswith(";2")]
    assert len(people) == 2
    exchange.restart()
    assert exchange.call(talking)["transfer"]["state"] == "connected"
    assert exchange.call(ringing)["transfer"]["state"] == "ringing"
    callee = exchange.call(talking)["tries"][-1]["channel"]
    exchange.listener.hang_up(f"{callee}-h1")
    assert exchange.await_end(talking)["disposition"] == "escalated"
    exchange.api.post("/v1/panic")
    shown = exchange.await_end(ringing)
    assert (shown["disposition"], shown["transfer"]["outcome"]) == ("connected", "cancelled")
    exchange.api.post("/v1/resume")
    exchange.nothing_is_left()


@pytest.mark.parametrize("first", ["callee", "person"])
def test_a_talk_that_began_and_ended_while_no_daemon_was_there_is_known_by_its_call_records(
    exchange: Exchange, first: str
) -> None:
    ident = exchange.answered()
    exchange.transfer(ident, "announced")
    exchange.await_transfer(ident, state="joining")
    os.kill(exchange.process.process.pid, signal.SIGKILL)
    exchange.process.process.wait()
    callee = next(name for name in exchange.listener.channels() if re.fullmatch(rf".*{ident}-\d+", name))
    person = f"{callee}-h1"
    # As far as the daemon had come with Asterisk when it died.
    exchange.listener.connect(f"{callee}-t", callee, person)
    until(lambda: len(exchange.listener.members(f"{callee}-t")) == 2, 5, "they are not together")
    gone = callee if first == "callee" else person
    exchange.listener.hang_up(gone)
    until(lambda: gone not in exchange.listener.channels(), 5, f"the {first} does not leave")
    exchange.restart()
    shown = exchange.await_end(ident)
    assert (shown["disposition"], shown["transfer"]["outcome"]) == ("escalated", "answered")
    exchange.nothing_is_left()
