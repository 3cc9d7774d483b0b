"""The sockets themselves: who gets in, what is left behind, what is said when a place is taken."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dialerd.control.auth import Peer, PeerPolicy, load_secret
from dialerd.control.listeners import bind_tcp, bind_unix
from dialerd.core.errors import PortError, RequestError
from dialerd.core.messages import HostDown
from tests.control.serving import Served, served

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users can only be played by root")
NOBODY = 65_534
GROUP = "games"
"""Any group that every Debian has and nobody is in."""

_ASK = """
import http.client, os, socket, sys
path, user, *groups = sys.argv[1:]
os.setgroups([int(group) for group in groups])
os.setgid(int(user))
os.setuid(int(user))
connection = http.client.HTTPConnection("dialerd")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(path)
connection.request("GET", "/v1/status")
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def over_unix(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://dialerd")


async def _down(daemon: Served, detail: str) -> None:
    engine = daemon.inside.engine
    engine.post(HostDown(detail))
    async with asyncio.timeout(10):
        while engine.memory.status().asterisk != detail:
            await asyncio.sleep(0)


def test_the_same_api_on_both_sockets_with_a_key_on_tcp_only(tmp_path: Path) -> None:
    with (
        served(tmp_path) as daemon,
        over_unix(daemon.socket) as local,
        httpx.Client(base_url=daemon.url) as tcp,
    ):
        mode = daemon.socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        assert local.get("/v1/status").status_code == 200
        refused = tcp.get("/v1/status")
        assert refused.status_code == 401
        assert "dialerctl key create" in refused.json()["detail"]
        key = local.post("/v1/keys", json={"scope": "read"}).json()["key"]
        answer = tcp.get("/v1/status", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["instance"]) == (200, "test")
        assert "date" in answer.headers
        assert tcp.get("/healthz").status_code == 200
        daemon.do(_down(daemon, "Asterisk at http://10.1.2.3:8088 is not there"))
        assert "10.1.2.3" in local.get("/readyz").text, "who may use the socket may know"
        assert "10.1.2.3" not in tcp.get("/readyz").text
        assert tcp.get("/readyz").status_code == 503
        wrong = tcp.get("/v1/status", headers={"Authorization": "Bearer dk_wrong"})
        assert (wrong.status_code, wrong.json()["detail"]) == (401, "the key is unknown or revoked")
    assert not daemon.socket.exists(), "the socket file goes with the daemon"


def _ask_as(user: int, groups: list[int], path: Path) -> str:
    # The child drops its rights itself: another user might not be able to run this interpreter at all.
    arguments = [sys.executable, "-c", _ASK, str(path), str(user), *map(str, groups)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout or done.stderr


@as_root
def test_the_unix_socket_is_for_root_and_the_group(open_dir: Path) -> None:
    with served(open_dir, GROUP) as daemon:
        group = grp.getgrnam(GROUP).gr_gid
        assert daemon.socket.stat().st_gid == group
        assert "PermissionError" in _ask_as(NOBODY, [], daemon.socket), "the file's mode keeps others out"
        assert _ask_as(NOBODY, [group], daemon.socket).startswith("200"), "supplementary groups count"
        daemon.socket.chmod(0o666)
        answer = _ask_as(NOBODY, [], daemon.socket)
        assert answer.startswith("403"), "and so does the kernel's word, should the mode be widened"
        assert f"group {GROUP}" in answer


def test_a_peer_is_judged_by_user_and_groups() -> None:
    policy = PeerPolicy(GROUP)
    group = grp.getgrnam(GROUP).gr_gid
    for peer in (
        Peer(1, 0, frozenset()),
        Peer(1, os.geteuid(), frozenset()),
        Peer(1, 4242, frozenset({7, group})),
    ):
        assert policy.principal(peer).scope == "admin"
    with pytest.raises(RequestError) as caught:
        policy.principal(Peer(1, 4242, frozenset({4242})))
    assert caught.value.status == 403
    with pytest.raises(RequestError):
        PeerPolicy("no-such-group").principal(Peer(1, 4242, frozenset({4242})))


def test_a_taken_port_names_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortError) as caught:
            bind_tcp("127.0.0.1", port)
    assert f"port {port}" in str(caught.value)
    assert f"pid {os.getpid()}" in str(caught.value)
    assert "DIALERD_HTTP__PORT" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "word"), [("203.0.113.7", "no address of this machine"), ("no host", "no address")]
)
def test_a_wrong_host_is_named(host: str, word: str) -> None:
    with pytest.raises(PortError, match=word):
        bind_tcp(host, 0)


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    bind_unix(path, "no-such-group").close()
    assert path.exists(), "left behind by a daemon that was killed"
    again = bind_unix(path, "no-such-group")
    try:
        with pytest.raises(PortError, match=f"pid {os.getpid()}"):
            bind_unix(path, "no-such-group")
    finally:
        again.close()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(PortError, match="no socket"):
        bind_unix(path, "no-such-group")
    assert path.read_text() == "precious"


def test_a_path_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"DIALERD_CONTROL__SOCKET"):
        bind_unix(tmp_path / ("x" * 200) / "control.sock", "no-such-group")


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key.secret"
    secret = load_secret(path)
    assert load_secret(path) == secret
    assert len(secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(PortError, match="damaged"):
        load_secret(path)


def test_a_client_that_goes_away_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as daemon:
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(daemon.socket))
            rude.sendall(
                b"POST /v1/campaigns HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n{"
            )
        with over_unix(daemon.socket) as local:
            assert local.get("/v1/campaigns").json()["total"] == 0


def test_a_request_in_progress_is_finished_when_the_daemon_stops(tmp_path: Path) -> None:
    head = (
        b"POST /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
    )
    with socket.socket(socket.AF_UNIX) as client, served(tmp_path) as daemon:
        client.settimeout(10)
        client.connect(str(daemon.socket))
        client.sendall(head)
        with over_unix(daemon.socket) as local:
            assert local.get("/healthz").status_code == 200, "the request above is in progress"
        daemon.stop()
        client.sendall(b"}")
        assert client.recv(100).startswith(b"HTTP/1.1 201")
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(FileNotFoundError):
        late.connect(str(daemon.socket))
