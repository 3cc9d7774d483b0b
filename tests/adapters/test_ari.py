"""The ARI client against a fake: replies, deadlines, and every way in which a connection fails."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from aiohttp import ClientWebSocketResponse

from dialerd.asterisk.ari import AriAccess, AriError, AriHttp, AriTiming, NoReply, Reply, Trouble
from dialerd.asterisk.ari_socket import AriSocket
from dialerd.core.identity import InstanceId
from tests.adapters.fake_ari import INSTANCE, PASSWORD, FakeAri, Request, fake_ari
from tests.adapters.waiting import until
from tests.listening import serve

# A busy machine may take long for any answer: only a test of silence has a short deadline.
PATIENT = AriTiming(connect=20.0, request=20.0, heartbeat=20.0)
HASTY = AriTiming(connect=20.0, request=0.3, heartbeat=20.0, sweep=0.02)
Event = dict[str, Any]


class Session:
    """A socket being run, and what came of it."""

    def __init__(self, socket: AriSocket, events: list[Any]) -> None:
        self.socket = socket
        self.events = events
        self.replies: list[Reply | NoReply] = []
        self.task = asyncio.get_running_loop().create_task(socket.run())

    def ask(self, method: str = "GET", uri: str = "channels", **more: Any) -> None:
        self.socket.request(method, uri, self.replies.append, **more)

    async def loss(self) -> AriError:
        with pytest.raises(AriError) as caught:
            await asyncio.wait_for(asyncio.shield(self.task), 3)
        return caught.value


def access_of(fake: FakeAri, password: str = PASSWORD) -> AriAccess:
    return AriAccess(f"{fake.url}/", "dialerd", password)


@asynccontextmanager
async def connected(fake: FakeAri, timing: AriTiming = PATIENT) -> AsyncIterator[Session]:
    http = AriHttp(access_of(fake), timing)
    events: list[Any] = []
    session = Session(await AriSocket.connect(http, InstanceId(INSTANCE), events.append), events)
    try:
        yield session
    finally:
        session.task.cancel()
        with suppress(asyncio.CancelledError, AriError):
            await session.task
        await http.close()


@asynccontextmanager
async def client(
    fake: FakeAri, password: str = PASSWORD, timing: AriTiming = PATIENT
) -> AsyncIterator[AriHttp]:
    http = AriHttp(access_of(fake, password), timing)
    try:
        yield http
    finally:
        await http.close()


async def test_a_request_is_answered_by_its_id() -> None:
    held: list[Request] = []

    def answer(request: Request) -> None:
        held.append(request)

    async with fake_ari(answer=answer) as fake, connected(fake) as session:
        session.ask("POST", "channels/x", body=b'{"a":1}')
        session.ask("DELETE", "channels/y", query={"reason_code": "16"})
        await until(lambda: len(held) == 2)
        for request, status in ((held[1], 404), (held[0], 200)):
            await fake.say(
                type="RESTResponse",
                request_id=request["request_id"],
                status_code=status,
                message_body='{"message":"m"}',
            )
        await until(lambda: len(session.replies) == 2)
        first, second = session.replies
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (first.status, second.status, second.message) == (404, 200, "m")
    assert held[0] | {"request_id": ""} == {
        "type": "RESTRequest",
        "transaction_id": "",
        "request_id": "",
        "method": "POST",
        "uri": "channels/x",
        "content_type": "application/json",
        "message_body": '{"a":1}',
    }
    assert held[1]["query_strings"] == [{"name": "reason_code", "value": "16"}]
    assert "message_body" not in held[1]


async def test_events_come_in_order_and_rubbish_is_passed_over() -> None:
    async with fake_ari() as fake, connected(fake) as session:
        await fake.say(type="A")
        await fake.socket.send_str("not JSON")
        await fake.socket.send_str("[1]")
        await fake.socket.send_bytes(b"binary")
        await fake.say(type="RESTResponse", request_id="77", status_code=200)
        await fake.say(type="B")
        await until(lambda: len(session.events) == 2)
    assert [event["type"] for event in session.events] == ["A", "B"]
    assert fake.queries == [f"app={INSTANCE}&subscribeAll=false"]


async def test_a_reply_without_status_is_none() -> None:
    async with fake_ari(answer=lambda _request: None) as fake, connected(fake) as session:
        session.ask()
        await until(lambda: fake.requests)
        await fake.say(type="RESTResponse", request_id=["1"], status_code=200)
        await fake.say(type="RESTResponse", request_id="1")
        await until(lambda: session.replies)
    assert session.replies == [NoReply.UNANSWERED]


async def test_a_request_without_reply_loses_the_socket() -> None:
    """Only after a reconnect may anybody believe that it never arrived."""
    async with fake_ari(answer=lambda _request: None) as fake, connected(fake, HASTY) as session:
        session.ask()
        error = await session.loss()
    assert error.trouble is Trouble.SILENT
    assert session.replies == [NoReply.UNANSWERED]


async def test_what_is_on_its_way_when_the_socket_is_lost_goes_no_further() -> None:
    """A connection that is reset takes back what its kernel still holds; one that is closed delivers it late."""
    ends: list[str] = []

    async def go_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(handshake(head))
        try:
            while await reader.read(1_000):
                pass
            ends.append("closed")
        except ConnectionResetError:
            ends.append("reset")

    async with serve(go_silent) as port, connected(FakeAri(url=f"http://127.0.0.1:{port}"), HASTY) as session:
        session.ask()
        await session.loss()
        await until(lambda: ends)
    assert ends == ["reset"]


def handshake(head: bytes) -> bytes:
    """The reply with which a server takes up a WebSocket (RFC 6455 §4.2.2)."""
    (key,) = re.findall(rb"(?i)sec-websocket-key: (\S+)", head)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""])


async def test_a_cut_answers_what_was_asked() -> None:
    async with fake_ari(answer=lambda _request: None) as fake, connected(fake) as session:
        session.ask()
        await until(lambda: fake.requests)
        fake.cut()
        error = await session.loss()
        session.ask()
    assert error.trouble is Trouble.LOST
    assert session.replies == [NoReply.UNANSWERED, NoReply.UNSENT]


class StuckSocket:
    """A socket whose peer has stopped reading: the first frame never leaves."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def send_frame(self, _frame: bytes, _kind: object) -> None:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()

    async def receive(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        return None


def stuck(error: Exception | None = None) -> Session:
    websocket = cast(ClientWebSocketResponse, StuckSocket(error))
    return Session(AriSocket(websocket, AriAccess("http://a", "u", "p"), HASTY, lambda _event: None), [])


@pytest.mark.parametrize("ended_by", ["deadline", "loss"])
async def test_what_was_not_written_is_known_not_to_be_sent(ended_by: str) -> None:
    session = stuck()
    session.ask()
    session.ask()
    await asyncio.sleep(0.01)
    if ended_by == "deadline":
        await until(lambda: len(session.replies) == 2)
    session.task.cancel()
    with suppress(asyncio.CancelledError, AriError):
        await session.task
    assert session.replies == [NoReply.UNANSWERED, NoReply.UNSENT]


async def test_a_socket_that_cannot_be_written_is_lost() -> None:
    session = stuck(ConnectionResetError("Cannot write to closing transport"))
    session.ask()
    assert (await session.loss()).trouble is Trouble.LOST
    assert session.replies == [NoReply.UNANSWERED]


async def test_a_half_open_connection_is_noticed() -> None:
    timing = replace(PATIENT, heartbeat=0.1)
    async with fake_ari(pongs=False) as fake, connected(fake, timing) as session:
        error = await session.loss()
    assert error.trouble is Trouble.SILENT
    assert "pings" in str(error)


async def test_pongs_keep_an_idle_connection() -> None:
    timing = replace(PATIENT, heartbeat=0.3)
    async with fake_ari() as fake, connected(fake, timing) as session:
        for _ in range(4):
            await asyncio.sleep(0.3)
        assert not session.task.done()


async def test_an_orderly_close_is_a_loss() -> None:
    async with fake_ari() as fake, connected(fake) as session:
        await fake.socket.close(code=1011)
        error = await session.loss()
    assert error.trouble is Trouble.LOST
    assert "1011" in str(error)


async def test_the_password_is_neither_shown_nor_in_the_address() -> None:
    async with fake_ari(password="another") as fake:
        access = access_of(fake, "hunter2 secret")
        async with client(fake, "hunter2 secret") as http:
            with pytest.raises(AriError) as caught:
                await AriSocket.connect(http, InstanceId(INSTANCE), lambda _event: None)
    assert caught.value.trouble is Trouble.WRONG_PASSWORD
    assert "'dialerd'" in str(caught.value)
    assert "ari.conf" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {access!r} {fake.queries}"


async def test_nobody_listens() -> None:
    async with fake_ari() as fake:
        gone = FakeAri(url=fake.url)
    async with client(gone) as http:
        with pytest.raises(AriError) as caught:
            await http.get("channels")
        with pytest.raises(AriError) as caught_too:
            await AriSocket.connect(http, InstanceId(INSTANCE), lambda _event: None)
    assert caught.value.trouble is caught_too.value.trouble is Trouble.UNREACHABLE
    assert gone.url in str(caught.value)
    assert "http.conf" in str(caught.value)


async def test_a_server_that_accepts_and_says_nothing() -> None:
    async def swallow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    timing = AriTiming(connect=0.3, request=0.3)
    async with serve(swallow) as port, client(FakeAri(url=f"http://127.0.0.1:{port}"), timing=timing) as http:
        with pytest.raises(AriError) as caught:
            await http.get("channels")
        with pytest.raises(AriError) as caught_too:
            await AriSocket.connect(http, InstanceId(INSTANCE), lambda _event: None)
    assert caught.value.trouble is caught_too.value.trouble is Trouble.SILENT


async def test_replies_over_http() -> None:
    async with fake_ari() as fake, client(fake) as http:
        reply = await http.get("asterisk/info", only="status")
        assert (reply.status, reply.body["system"]["version"]) == (200, fake.version)
        fake.failures = [404, 503]
        assert (await http.get("asterisk/info")).message is None
        assert (await http.get("asterisk/info")).message == "Asterisk not booted"
        assert (await http.put(f"applications/{INSTANCE}/eventFilter", b"{}")).status == 200
        assert (await http.delete("channels/x", reason_code="16")).status == 204
    assert fake.deleted == ["/ari/channels/x?reason_code=16"]
    assert fake.filters == [{}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"message":"m"}', "m"),
        ('{"error":"e"}', "e"),
        ("<html>", None),
        ("", None),
        ("[1]", None),
        ('{"message":1}', None),
        (json.dumps({"x": 1}), None),
    ],
)
def test_what_a_reply_explains(text: str, message: str | None) -> None:
    assert Reply(500, text).message == message
