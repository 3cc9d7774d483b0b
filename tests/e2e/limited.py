"""A carrier that takes so many calls a second and answers 503 to what is above; every callee of it is busy.

It speaks just enough SIP over UDP (RFC 3261: INVITE, its final answer and the ACK), and notes each INVITE.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

_NUMBER = re.compile(r"^INVITE sip:\+?([0-9]+)@")
_ECHOED = ("via", "from", "to", "call-id", "cseq")


@dataclass(frozen=True)
class Invite:
    """One INVITE as it arrived."""

    at: float
    number: str
    code: int


@dataclass
class LimitedCarrier:
    """What has come in so far."""

    address: str
    per_second: int
    invites: list[Invite] = field(default_factory=list)
    closing: bool = False
    _answered: dict[str, bytes] = field(default_factory=dict)
    _taken: deque[float] = field(default_factory=deque)

    def serve(self, server: socket.socket) -> None:
        """Answer until told to stop."""
        server.settimeout(0.2)
        while not self.closing:
            try:
                data, sender = server.recvfrom(65_535)
            except TimeoutError:
                continue
            request = data.decode("utf-8", "replace")
            if request.startswith("INVITE "):
                server.sendto(self._answer(request), sender)

    def _answer(self, request: str) -> bytes:
        lines = request.split("\r\n\r\n", 1)[0].split("\r\n")
        echoed = [line for line in lines[1:] if line.partition(":")[0].strip().lower() in _ECHOED]
        # A request that comes again gets the same answer, and is no second call.
        key = "".join(line for line in echoed if line.lower().startswith(("call-id", "cseq")))
        if key not in self._answered:
            self._answered[key] = self._decide(request, echoed)
        return self._answered[key]

    def _decide(self, request: str, echoed: list[str]) -> bytes:
        now = time.time()
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        free = len(self._taken) < self.per_second
        if free:
            self._taken.append(now)
        found = _NUMBER.match(request)
        self.invites.append(Invite(now, found[1] if found else "", 486 if free else 503))
        tagged = [line + ";tag=limited" if line.lower().startswith("to:") else line for line in echoed]
        status = "486 Busy Here" if free else "503 Service Unavailable"
        return "\r\n".join([f"SIP/2.0 {status}", *tagged, "Content-Length: 0", "", ""]).encode()


@contextmanager
def limited_carrier(per_second: int) -> Iterator[LimitedCarrier]:
    """A carrier on loopback until the block ends."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    host, port = server.getsockname()
    carrier = LimitedCarrier(f"{host}:{port}", per_second)
    thread = Thread(target=carrier.serve, args=(server,), daemon=True)
    thread.start()
    try:
        yield carrier
    finally:
        carrier.closing = True
        thread.join()
        server.close()
