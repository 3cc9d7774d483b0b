"""A running daemon and a CRM, both killed over and over: in the end every event is there, exactly as recorded."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.running import DIALERD, Daemon
from tests.e2e.operator import Operator
from tests.kill.drill import until
from tests.kill.ledger import Ledger
from tests.postgres import Server
from tests.webhooks.crm import Crm

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SETTINGS = """
[asterisk]
ari_url = "http://127.0.0.1:1"
ari_password = "x"
ami_port = 1
ami_secret = "x"
[trunks.lab]
endpoint = "lab"
caller_ids = ["+15550100100"]
[http]
port = 0
[webhooks]
allow = ["127.0.0.1"]
retries = 20
first_retry_seconds = 0.1
"""
HAMMERED = 30.0


class Installed:
    """A daemon without an Asterisk, which can be killed and started again."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        self.socket = folder / "c.sock"
        (folder / "dialerd.toml").write_text(SETTINGS)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            media = probe.getsockname()[1]
        own = {
            "DIALERD_STATE_DIR": str(folder / "state"),
            "DIALERD_CONTROL__SOCKET": str(self.socket),
            "DIALERD_MEDIA__LISTEN": f"127.0.0.1:{media}",
        }
        self.env = {**os.environ, **own} | ({"DIALERD_STORE__URL": store} if store else {})
        self.running: Daemon | None = None

    def start(self) -> Operator:
        command = (*DIALERD, "--config", str(self.folder / "dialerd.toml"))
        self.running = Daemon(self.env, self.folder / "dialerd.log", command=command)
        until(self._listens, 30, f"the daemon does not listen: {self.folder / 'dialerd.log'}")
        return Operator(str(self.socket))

    def kill(self) -> None:
        assert self.running is not None
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait()

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop(patience=5.0)

    @property
    def ledger(self) -> Ledger:
        """Its store."""
        return Ledger(self.env.get("DIALERD_STORE__URL") or self.folder / "state" / "dialerd.db")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return self.socket.exists() and probe.connect_ex(str(self.socket)) == 0


@pytest.fixture(params=["sqlite", "postgres"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installed]:
    server: Server | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    url = server.database() if server is not None else ""
    made = Installed(tmp_path, url)
    try:
        yield made
    finally:
        made.stop()
        if server is not None:
            server.give_back(url)


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    made = Crm(tmp_path / "crm.jsonl", SECRET)
    made.start()
    try:
        yield made
    finally:
        made.kill()


def test_nothing_is_lost_though_the_daemon_and_its_receiver_are_killed(
    installed: Installed, crm: Crm
) -> None:
    operator = installed.start()
    hook = operator.post("/v1/webhooks", url=crm.url, events=["dnc.added"], secret=SECRET)
    path = f"/v1/webhooks/{hook['webhook_id']}/deliveries"
    listed: list[str] = []

    def list_numbers(count: int) -> None:
        for _ in range(count):
            number = f"+919876{len(listed):06}"
            operator.post("/v1/dnc", phone=number, reason=f"asked, {number}")
            listed.append(number)

    for life in range(3):
        list_numbers(15)
        crm.kill()
        list_numbers(15)
        if life < 2:
            operator.close()
            installed.kill()
            operator = installed.start()
        crm.start()
        list_numbers(5)
    until(lambda: operator.get(f"{path}?state=waiting")["total"] == 0, HAMMERED, "some deliveries still wait")
    rows = [row for offset in (0, 100) for row in operator.get(f"{path}?limit=100&offset={offset}")["data"]]
    operator.close()
    assert sorted(row["payload"]["data"]["phone"] for row in rows) == listed, "each was queued once"
    assert {row["state"] for row in rows} == {"delivered"}
    received = crm.first_taken()
    assert set(received) == {row["delivery_id"] for row in rows}
    assert crm.deaths == 3
    assert received == installed.ledger.deliveries(), "what arrived is to the letter what was recorded"
    log = (installed.folder / "dialerd.log").read_text()
    assert "Traceback" not in log
    assert "part_died" not in log
