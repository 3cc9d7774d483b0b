"""Who is let in at the address where Asterisk brings media sockets, and who is not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from picows import WSFrame
from structlog.testing import capture_logs

from dialerd.core.errors import PortError
from dialerd.media import reception as module
from dialerd.media.address import Address
from dialerd.media.reception import PATH, TOKEN, Awaited, Reception
from tests.adapters.waiting import until
from tests.media.fake_asterisk import free_address, reserved_address

LEG = "lab-cal_000000000001-1-m"


@dataclass
class Reader:
    """Remembers what it was given."""

    audio: list[bytes] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    ends: int = 0

    def take_audio(self, frame: WSFrame) -> None:
        self.audio.append(frame.get_payload_as_bytes())

    def take_text(self, text: bytes) -> None:
        self.texts.append(text)

    def take_end(self) -> None:
        self.ends += 1


@dataclass
class Open:
    """A reception that listens, and a client of it."""

    reception: Reception
    http: ClientSession

    async def connect(self, path: str = PATH) -> ClientWebSocketResponse:
        url = f"ws://{self.reception.address}{path}"
        return await self.http.ws_connect(url, protocols=["media"])


@asynccontextmanager
async def opened() -> AsyncIterator[Open]:
    reception = Reception(Address("127.0.0.1", 0))
    await reception.open()
    async with ClientSession() as http:
        try:
            yield Open(reception, http)
        finally:
            reception.close()


def start(awaited: Awaited, **changes: Any) -> str:
    """The first words of Asterisk on the socket of `awaited`."""
    words = {
        "event": "MEDIA_START",
        "channel_id": awaited.leg,
        "channel_variables": {TOKEN: awaited.token},
    }
    return json.dumps({**words, **changes})


async def turned_away(socket: ClientWebSocketResponse) -> bool:
    async with asyncio.timeout(20):
        return (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_socket_that_knows_its_token_is_the_legs() -> None:
    async with opened() as place:
        reader = Reader()
        awaited = place.reception.expect(LEG, reader)
        socket = await place.connect()
        await socket.send_str(start(awaited))
        transport = await awaited.wait(3)
        assert transport is not None
        await socket.send_bytes(b"audio")
        await socket.send_str("text")
        await until(lambda: reader.texts)
        assert (reader.audio, reader.texts) == ([b"audio"], [b"text"])
        await socket.close()
        await until(lambda: reader.ends)
        assert reader.ends == 1


async def test_each_leg_gets_its_own_however_they_arrive() -> None:
    async with opened() as place:
        readers = [Reader() for _ in range(20)]
        expected = [place.reception.expect(f"{LEG}{number}", reader) for number, reader in enumerate(readers)]
        assert len({awaited.token for awaited in expected}) == 20
        sockets = [await place.connect() for _ in readers]
        for awaited, socket in reversed(list(zip(expected, sockets, strict=True))):
            await socket.send_str(start(awaited))
            await socket.send_str(awaited.leg)
        await until(lambda: all(reader.texts for reader in readers))
        assert [reader.texts for reader in readers] == [[awaited.leg.encode()] for awaited in expected]


@pytest.mark.parametrize(
    "changes",
    [
        {"channel_variables": {TOKEN: "0" * 32}},
        {"channel_variables": {TOKEN: 5}},
        {"channel_variables": {}},
        {"channel_variables": None},
        {"channel_id": "lab-cal_000000000002-1-m"},
        {"channel_id": None},
        {"event": "MEDIA_XON"},
    ],
)
async def test_whoever_is_not_awaited_is_turned_away(changes: dict[str, Any]) -> None:
    async with opened() as place:
        reader = Reader()
        awaited = place.reception.expect(LEG, reader)
        with capture_logs() as logs:
            socket = await place.connect()
            await socket.send_str(start(awaited, **changes))
            assert await turned_away(socket)
        assert [entry["event"] for entry in logs] == ["media.socket_refused"]
        assert awaited.token not in str(logs)
        assert (reader, awaited.arrival.done()) == (Reader(), False)


@pytest.mark.parametrize("words", ["", "{", "[]", "null", "5", "\u0928" * 9])
async def test_garbage_is_turned_away(words: str) -> None:
    async with opened() as place:
        for send in (ClientWebSocketResponse.send_str, lambda s, text: s.send_bytes(text.encode())):
            socket = await place.connect()
            await send(socket, words)
            assert await turned_away(socket)


async def test_a_token_serves_once() -> None:
    async with opened() as place:
        awaited = place.reception.expect(LEG, Reader())
        first, second = await place.connect(), await place.connect()
        await first.send_str(start(awaited))
        assert await awaited.wait(3) is not None
        await second.send_str(start(awaited))
        assert await turned_away(second)


async def test_a_socket_that_comes_too_late_is_turned_away() -> None:
    async with opened() as place:
        reader = Reader()
        awaited = place.reception.expect(LEG, reader)
        assert awaited.renounce() is None
        assert await awaited.wait(3) is None
        with capture_logs() as logs:
            socket = await place.connect()
            await socket.send_str(start(awaited))
            assert await turned_away(socket)
        assert [(entry["log_level"], entry["detail"]) for entry in logs] == [("info", "its call has ended")]
        place.reception.forget(awaited)
        socket = await place.connect()
        await socket.send_str(start(awaited))
        assert await turned_away(socket)
        assert reader == Reader()


async def test_a_socket_that_has_come_is_given_back_when_it_is_renounced() -> None:
    async with opened() as place:
        awaited = place.reception.expect(LEG, Reader())
        await (await place.connect()).send_str(start(awaited))
        transport = await awaited.wait(3)
        assert awaited.renounce() is transport


async def test_what_does_not_come_is_not_waited_for() -> None:
    async with opened() as place:
        assert await place.reception.expect(LEG, Reader()).wait(0.01) is None


async def test_who_stays_silent_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTRODUCTION", 0.05)
    async with opened() as place:
        socket = await place.connect()
        await socket.ping()
        assert await turned_away(socket)


async def test_strangers_are_not_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRANGERS", 2)
    async with opened() as place:
        first, _ = await place.connect(), await place.connect()
        with pytest.raises(WSServerHandshakeError):
            await place.connect()
        await first.close()
        await until(lambda: len(place.reception._strangers) == 1)
        await place.connect()


async def test_another_path_is_not_there() -> None:
    async with opened() as place:
        with pytest.raises(WSServerHandshakeError, match="404"):
            await place.connect("/elsewhere")


async def test_closing_turns_strangers_away_and_leaves_the_calls() -> None:
    async with opened() as place:
        reader = Reader()
        awaited = place.reception.expect(LEG, reader)
        socket, stranger = await place.connect(), await place.connect()
        await socket.send_str(start(awaited))
        assert await awaited.wait(3) is not None
        place.reception.close()
        assert await turned_away(stranger)
        await socket.send_bytes(b"audio")
        await until(lambda: reader.audio)


async def test_an_address_that_is_taken() -> None:
    async with opened() as place:
        await place.reception.open()
        other = Reception(place.reception.address)
        with pytest.raises(PortError, match=r"already in use; free that address, or set media\.listen"):
            await other.open()


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(PortError, match=r"cannot listen at 192\.0\.2\.1:8790"):
        await Reception(Address("192.0.2.1", 8790)).open()


@pytest.mark.parametrize("turns", range(6))
async def test_the_address_is_free_again_whenever_it_is_given_up(turns: int) -> None:
    address = free_address()
    reception = Reception(address)
    opening = asyncio.create_task(reception.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    reception.close()
    with socket.socket() as other:
        other.bind((address.host, address.port))


async def test_an_address_that_is_taken_is_had_when_it_is_free() -> None:
    address = free_address()
    with socket.socket() as other:
        other.bind((address.host, address.port))
        other.listen()
        reception = Reception(address)
        for _ in range(2):
            with pytest.raises(PortError, match="Address already in use"):
                await reception.open()
    await reception.open()
    reception.close()


async def test_an_address_of_the_tests_is_given_to_nobody_else_and_can_be_listened_at() -> None:
    with reserved_address() as address:
        with socket.socket() as other, pytest.raises(OSError, match="already in use"):
            other.bind((address.host, address.port))
        reception = Reception(address)
        await reception.open()
        reception.close()
