"""A CRM in a process of its own, which verifies what it takes, writes it down, and can be killed.

`python -m tests.webhooks.crm PORT SECRET FILE`: what is in FILE was verified by the standardwebhooks library.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from standardwebhooks import Webhook

from scripts.running import ROOT

START_DEADLINE = 10.0


@dataclass
class Crm:
    """What a test has of it; `taken` also while it is dead."""

    file: Path
    secret: str
    port: int = 0
    deaths: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it is told of events."""
        return f"http://127.0.0.1:{self.port}/events"

    def start(self) -> None:
        """Begin to listen, at the same address as before."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.webhooks.crm", str(self.port), self.secret, str(self.file)],
            cwd=ROOT,
        )
        deadline = time.monotonic() + START_DEADLINE
        while not self._listens():
            assert time.monotonic() < deadline, "the CRM does not listen"
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """It is dead at once, whatever it was doing."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
            self.deaths += 1

    def taken(self) -> list[tuple[str, str]]:
        """Id and text of all it has taken, in order; what was sent twice is in it twice."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        # The last line may have been cut by a kill: then nobody was told that it was taken.
        whole = [line for line in lines if line.endswith("}")]
        return [(entry["id"], entry["body"]) for entry in map(json.loads, whole)]

    def first_taken(self) -> dict[str, str]:
        """The text of each id, in the order in which they came first; an id has one text."""
        found: dict[str, str] = {}
        for ident, body in self.taken():
            assert found.setdefault(ident, body) == body
        return found


def main(arguments: Sequence[str]) -> None:
    """Listen until killed."""
    port, secret, path = int(arguments[0]), arguments[1], Path(arguments[2])
    webhook, lock, file = Webhook(secret), Lock(), path.open("a")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            webhook.verify(body, dict(self.headers))
            with lock:
                file.write(json.dumps({"id": self.headers["webhook-id"], "body": body}) + "\n")
                file.flush()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
