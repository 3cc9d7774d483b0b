"""Clients that are slow, break off, or speak something else: told what was wrong, and let go."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.control import bodies, connection
from tests.control.installation import MAX_BYTES
from tests.control.serving import Served, served

DEADLINE = 10.0
SOON = 0.2
"""Deadlines of the daemon's, shortened: that they are kept is tested, not how long they are."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        running.do(running.inside.add_script())
        yield running


@pytest.fixture
def wire(daemon: Served) -> Iterator[socket.socket]:
    """A connection over which anything may be sent; over the Unix socket, so that no key is needed."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(daemon.socket))
        yield client


def answered(wire: socket.socket) -> tuple[int, dict[str, Any], bytes]:
    """Status, problem, and the head of what comes until the daemon closes."""
    received = bytearray()
    while part := wire.recv(65536):
        received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head else 0
    return status, json.loads(body) if body else {}, head


def request(path: str, *headers: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: dialerd", *headers, "", ""]).encode()


def still_answers(daemon: Served) -> bool:
    transport = httpx.HTTPTransport(uds=str(daemon.socket))
    with httpx.Client(transport=transport, base_url="http://dialerd") as client:
        found = client.get("/v1/campaigns").json()
    return bool(found["total"] == 0) and not list(daemon.inside.spool.iterdir())


def test_headers_that_never_end_are_given_up(
    daemon: Served, wire: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_DEADLINE", SOON)
    wire.sendall(b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\nX-Slow: ")
    status, problem, head = answered(wire)
    assert (status, problem["title"]) == (408, "Request Timeout")
    assert b"application/problem+json" in head
    assert still_answers(daemon)


def test_headers_that_come_byte_by_byte_are_given_up_too(
    daemon: Served, wire: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_DEADLINE", SOON)
    wire.sendall(b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\nX-Slow: ")
    wire.settimeout(0.01)
    received = b""
    for _ in range(1_000):
        try:
            wire.sendall(b"x")
            received += wire.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if received:
            break
    assert received.startswith(b"HTTP/1.1 408 ")


def test_a_connection_over_which_nothing_is_asked_is_closed(
    daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_DEADLINE", SOON)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(daemon.socket))
        assert client.recv(1) == b""


def test_headers_without_end_fill_no_memory(daemon: Served, wire: socket.socket) -> None:
    wire.sendall(b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\n")
    line = b"X-Many: " + b"a" * 8_000 + b"\r\n"
    try:
        for _ in range(1_000):
            wire.sendall(line)
    except OSError:
        pass
    assert still_answers(daemon)
    received = b""
    try:
        received = wire.recv(65536)
    except ConnectionResetError:
        return
    assert received.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/v1/campaigns", "application/json"),
        ("/v1/campaigns", "multipart/form-data; boundary=b"),
        ("/v1/scripts", "application/yaml"),
        ("/v1/dnc/import", "text/csv"),
        ("/v1/keys", "application/json"),
    ],
)
def test_a_body_that_never_ends_is_given_up_and_leaves_nothing(
    path: str, media_type: str, daemon: Served, wire: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IDLE_DEADLINE", SOON)
    monkeypatch.setattr(connection, "LINGER", SOON)
    begun = b"--b\r\n" if "multipart" in media_type else b'{"name": "'
    wire.sendall(request(path, f"Content-Type: {media_type}", "Content-Length: 1000") + begun)
    status, problem, _ = answered(wire)
    assert (status, problem["detail"]) == (408, "the body did not arrive in time")
    assert still_answers(daemon)


def test_a_form_in_twilios_terms_that_never_ends_is_given_up_too(
    daemon: Served, wire: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IDLE_DEADLINE", SOON)
    monkeypatch.setattr(connection, "LINGER", SOON)
    form = "Content-Type: application/x-www-form-urlencoded"
    path = f"/2010-04-01/Accounts/{'AC' + '1' * 32}/Calls.json"
    wire.sendall(request(path, form, "Content-Length: 1000") + b"To=%2B9198")
    status, told, _ = answered(wire)
    assert (status, told["status"], told["message"]) == (408, 408, "the body did not arrive in time")
    assert told["code"] > 0
    assert still_answers(daemon)


def test_a_client_that_goes_in_the_middle_of_its_list_leaves_nothing(
    daemon: Served, wire: socket.socket
) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="contacts"; filename="l.csv"\r\n\r\nphone\n+919876543210\n'
    wire.sendall(
        request("/v1/campaigns", "Content-Type: multipart/form-data; boundary=b", "Content-Length: 90000")
        + part
    )
    wire.shutdown(socket.SHUT_WR)
    wire.close()
    for _ in range(1_000):
        if still_answers(daemon):
            return
    pytest.fail("the half list is still there")


@pytest.mark.parametrize(
    ("path", "media_type", "limit"),
    [
        ("/v1/campaigns", "application/json", MAX_BYTES),
        ("/v1/dnc/import", "text/csv", MAX_BYTES),
        ("/v1/scripts", "application/yaml", 256 * 1024),
        ("/v1/scripts", "application/json", 256 * 1024),
        ("/v1/agents", "application/json", bodies.SMALL),
        ("/v1/calls", "application/json", bodies.SMALL),
        ("/v1/dnc", "application/json", bodies.SMALL),
        ("/v1/keys", "application/json", bodies.SMALL),
        ("/v1/pause", "application/json", bodies.SMALL),
        ("/v1/trunks/lab", "application/json", bodies.SMALL),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused_with_the_limit(
    path: str, media_type: str, limit: int, declared: bool, daemon: Served
) -> None:
    def parts() -> Iterator[bytes]:
        left = limit + 1
        while left > 0:
            yield b" " * min(left, 65536)
            left -= 65536

    transport = httpx.HTTPTransport(uds=str(daemon.socket))
    method = "PATCH" if "trunks" in path else "POST"
    content: Any = b" " * (limit + 1) if declared else parts()
    with httpx.Client(transport=transport, base_url="http://dialerd", timeout=DEADLINE) as client:
        answer = client.request(method, path, content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 413, answer.text
    assert f"{limit:,} bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/campaigns HTTP/1.1\r\nHost: dialerd\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/keys HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST /v1/keys HTTP/1.1\r\nHost: dialerd\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/campaigns\xff HTTP/1.1\r\nHost: dialerd\r\n\r\n",
        b"GET /v1/campaigns HTTP/1.1\r\nX-A: a\x00b\r\n\r\n",
        b"GET /v1/campaigns HTTP/1.1\r\nX A: a\r\n\r\n",
    ],
)
def test_what_is_not_http_is_told_so(sent: bytes, daemon: Served, wire: socket.socket) -> None:
    wire.sendall(sent)
    wire.shutdown(socket.SHUT_WR)
    status, problem, head = answered(wire)
    assert status in (0, 400), head
    if status:
        assert problem["status"] == 400
        assert b"application/problem+json" in head
    assert still_answers(daemon)


def test_a_second_request_is_not_smuggled_in_a_body(daemon: Served, wire: socket.socket) -> None:
    inner = request("/v1/panic", "Content-Length: 0")
    wire.sendall(
        request("/v1/nothing", f"Content-Length: {len(inner)}", "Content-Type: application/json") + inner
    )
    wire.sendall(request("/healthz", "Connection: close", method="GET"))
    received = b""
    while part := wire.recv(65536):
        received += part
    assert received.count(b"HTTP/1.1 ") == 2
    assert daemon.inside.engine.memory.status().halt is None
