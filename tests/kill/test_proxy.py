"""The proxy does to a connection what its name says, so that a drill over it means something."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.kill.proxy import Proxy, Way, proxy

QUIET = 0.2
"""Seconds in which nothing may arrive."""


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that returns what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(1000):
                        connection.sendall(data)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def link(echo: int) -> Iterator[Proxy]:
    with proxy(echo) as made:
        yield made


def connect(link: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", link.port))
    connection.settimeout(5)
    return connection


def says(connection: socket.socket, words: bytes) -> bytes:
    connection.sendall(words)
    return connection.recv(1000)


def is_quiet(connection: socket.socket) -> bool:
    connection.settimeout(QUIET)
    try:
        connection.recv(1000)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def test_a_cut_resets_what_is_open_and_lets_new_ones_through(link: Proxy) -> None:
    with closing(connect(link)) as old:
        assert says(old, b"one") == b"one"
        link.cut()
        with pytest.raises(ConnectionResetError):
            old.recv(1000)
    with closing(connect(link)) as new:
        assert says(new, b"two") == b"two"


@pytest.mark.parametrize("way", list(Way))
def test_a_stall_holds_bytes_back_and_delivers_them_after(link: Proxy, way: Way) -> None:
    with closing(connect(link)) as connection:
        assert says(connection, b"one") == b"one"
        link.stall(way)
        connection.sendall(b"two")
        assert is_quiet(connection)
        link.heal()
        assert connection.recv(1000) == b"two"


def test_a_slow_answer_is_late_and_complete(link: Proxy) -> None:
    with closing(connect(link)) as connection:
        assert says(connection, b"one") == b"one"
        link.slow(2 * QUIET)
        connection.sendall(b"two")
        assert is_quiet(connection)
        assert connection.recv(1000) == b"two"
        link.heal()
        assert says(connection, b"three") == b"three"


def stranded(link: Proxy) -> socket.socket:
    """A connection of events with something held back."""
    request = b"GET /ari/events?app=lab HTTP/1.1\r\n"
    events = connect(link)
    assert says(events, b"GET /ari/asterisk/info HTTP/1.1\r\n")
    assert says(events, request) == request
    link.strand()
    events.sendall(b"held")
    return events


def test_stranded_events_leave_other_connections_alone(link: Proxy) -> None:
    with closing(connect(link)) as other, closing(stranded(link)) as events:
        assert says(other, b"more") == b"more"
        assert is_quiet(events)
        link.heal()
        assert events.recv(1000) == b"held"


@pytest.mark.parametrize(("reset", "arrives"), [(False, b"held"), (True, b"")])
def test_what_is_held_back_arrives_after_a_close_and_not_after_a_reset(reset: bool, arrives: bytes) -> None:
    got: queue.Queue[bytes] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server, proxy(server.getsockname()[1]) as link:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(ConnectionResetError):
                while data := connection.recv(1000):
                    got.put(data)
            got.put(b"")

        threading.Thread(target=serve, daemon=True).start()
        events = connect(link)
        events.sendall(b"GET /ari/events HTTP/1.1\r\n")
        got.get(timeout=5)
        link.strand()
        events.sendall(b"held")
        if reset:
            events.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        events.close()
        with pytest.raises(queue.Empty):
            got.get(timeout=QUIET)
        link.heal()
        assert got.get(timeout=5) == arrives


def test_a_half_open_connection_stays_dumb(link: Proxy) -> None:
    with closing(connect(link)) as old:
        assert says(old, b"one") == b"one"
        link.half_open()
        old.sendall(b"two")
        assert is_quiet(old)
        link.heal()
        old.sendall(b"three")
        assert is_quiet(old)
    with closing(connect(link)) as new:
        assert says(new, b"four") == b"four"
