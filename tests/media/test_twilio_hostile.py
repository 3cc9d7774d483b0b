"""Bots that do what no library does: their own call ends by name, and nothing else is held up."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dialerd.core.disposition import Reason
from dialerd.media import asterisk_ws, ration, reception, twilio_socket
from dialerd.media.formats import ULAW
from dialerd.media.stream_talk import REST
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME
from tests.media.raw_bot import CONTINUATION, PING, PONG, TEXT, RawStream, frame, media, raw_bot
from tests.media.talking import Talk, talking


@asynccontextmanager
async def held() -> AsyncIterator[tuple[Talk, RawStream]]:
    """A call that such a bot holds, and in which it was heard to its end."""
    async with raw_bot() as bot, talking(engine={"url": bot.url}) as talk:
        stream = await bot.stream()
        await stream.send(media(FRAME))
        await until(lambda: talk.heard)
        assert talk.session is not None
        conversation: Any = talk.session._cast.conversation
        await until(lambda: conversation._playing is None)
        yield talk, stream


def in_pieces(message: bytes, size: int) -> list[bytes]:
    """A message in frames of `size` bytes."""
    starts = range(0, len(message), size)
    return [
        frame(message[at : at + size], CONTINUATION if at else TEXT, fin=at + size >= len(message))
        for at in starts
    ]


async def test_a_message_in_pieces_is_taken_whole_with_pings_in_between() -> None:
    async with held() as (talk, stream):
        message = b'{"event":"mark","mark":{"name":"' + b"n" * 200 + b'"}}'
        first, *others = in_pieces(message, 1)
        await stream.send(first, frame(b"there?", PING), *others)
        told = None
        while told is None:
            kind, payload = await stream.next()
            told = payload if kind == PONG else None
        assert told == b"there?"
        assert (await stream.message("mark"))["mark"] == {"name": "n" * 200}
        assert talk.outcomes == []


async def test_a_message_in_a_million_pieces_costs_its_call_alone() -> None:
    async with held() as (talk, stream):
        piece = frame(b"x", CONTINUATION, fin=False)
        sending = asyncio.create_task(stream.send(frame(b"{", fin=False), piece * 1_000_000))
        assert await talk.failure() == (
            Reason.ENGINE_FAILED, "engine bot: it sends a message in more than 1,000 pieces",
        )  # fmt: skip
        sending.cancel()


@pytest.mark.parametrize(
    "frames",
    [
        (frame(b"{}", CONTINUATION),),
        (frame(b'{"event":', fin=False), frame(b'{"event":"clear"}')),
    ],
)
async def test_pieces_out_of_their_order_are_named(frames: tuple[bytes, ...]) -> None:
    async with held() as (talk, stream):
        await stream.send(*frames)
        assert (await talk.failure())[1] == (
            "engine bot: it sends the pieces of its messages out of their order"
        )


@pytest.mark.parametrize("pieces", [1, 4])
async def test_a_message_that_is_too_long_is_named_and_leaves_no_fault_to_nobody(pieces: int) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    size = twilio_socket.LONGEST_MESSAGE + 1
    async with held() as (talk, stream):
        await stream.send(*in_pieces(b"x" * size, -(-size // pieces)))
        assert (await talk.failure())[1] == "engine bot: it sends a message of more than 1,048,576 bytes"
        session: Any = talk.session
        await until(lambda: session._cast.conversation is None)
    gc.collect()
    assert faults == []


async def test_what_is_no_frame_is_named() -> None:
    async with held() as (talk, stream):
        await stream.send(b"\x83\x00")
        assert (await talk.failure())[1].startswith("engine bot: it breaks WebSocket's rules: ")


@pytest.mark.parametrize(
    "flood",
    [
        frame({"event": "mark", "mark": {"name": "n" * 250}}),
        frame({"event": "dialerd", **{f"k{number}": 1 for number in range(20)}}),
        frame(b"p" * 125, PING),
    ],
    ids=["marks", "mistakes", "pings"],
)
async def test_a_bot_that_reads_nothing_of_much_ends_its_call(
    flood: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the kernels keep for it comes on top.
    monkeypatch.setattr(twilio_socket, "MOST_UNREAD", 64 * 1024)
    async with held() as (talk, stream):
        stream.deafen()

        async def pour() -> None:
            while True:
                await stream.send(flood * 100)

        pouring = asyncio.create_task(pour())
        reason, detail = await talk.failure()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        assert reason is Reason.ENGINE_FAILED
        assert detail == "engine bot: it reads nothing: 65,536 bytes wait for it"


async def test_others_have_their_turn_while_a_bot_sends_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ration, "AT_ONCE", 0.0)
    async with held() as (talk, stream):
        turns = 0
        over = False

        async def turn() -> None:
            nonlocal turns
            while not over:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        names = [f"m{number}" for number in range(200)]
        await stream.send(*(frame({"event": "mark", "mark": {"name": name}}) for name in names))
        turns = 0
        assert [(await stream.message("mark"))["mark"]["name"] for _ in names] == names
        over = True
        await turning
        assert turns >= len(names), "each message waits for a turn of its own"
        assert talk.outcomes == []


async def test_what_a_bot_said_before_it_was_gone_counts_though_it_had_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ration, "AT_ONCE", 0.0)
    async with held() as (talk, stream):
        said = [frame({"event": "dialerd", "captured": {"n": number}}) for number in range(20)]
        await stream.send(*said, frame({"event": "dialerd", "disposition": "paid"}))
        stream.writer.close()
        assert (await talk.failure())[1].startswith("engine bot: it broke off the conversation")
        report = talk.outcomes[0].report
        assert (report.disposition, dict(report.captured)) == ("paid", {"n": 19})


async def test_a_clear_with_nothing_queued_costs_nothing() -> None:
    async with held() as (talk, stream):
        leg = await talk.leg()
        await until(lambda: bytes(leg.audio).endswith(ULAW.silence * (REST // 20)))
        sent, told = len(leg.audio), len(leg.commands)
        await stream.send(
            *[frame({"event": "clear"})] * 1_000, frame({"event": "mark", "mark": {"name": "n"}})
        )
        await stream.message("mark")
        await leg.speak(FRAME)
        await stream.message("media")
        assert (len(leg.audio), len(leg.commands)) == (sent, told)


async def test_what_is_taken_back_over_and_over_has_little_sent_to_asterisk() -> None:
    async with held() as (talk, stream):
        leg = await talk.leg()
        sent = 0
        for number in range(50):
            leg.audio.clear()
            await stream.send(media(b"\x20"), frame({"event": "mark", "mark": {"name": f"{number}"}}))
            await stream.send(frame({"event": "clear"}))
            assert (await stream.message("mark"))["mark"] == {"name": f"{number}"}
            await until(lambda told=number: leg.commands.count({"command": "FLUSH_MEDIA"}) > told)
            sent += len(leg.audio)
        assert sent < 50 * 5_000


async def test_what_asterisk_does_not_read_is_bounded_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asterisk_ws, "MOST_UNSENT", 100_000)
    monkeypatch.setattr(reception, "GOODBYE", 0.1)
    stuck = asyncio.Event()

    async def read_nothing(*_: object) -> None:
        await stuck.wait()

    async with held() as (talk, stream):
        leg = await talk.leg()
        session: Any = talk.session
        transport = session._leg._socket
        ours = transport.underlying_transport.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        assert leg.socket is not None
        theirs = leg.socket.get_extra_info("socket")
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        monkeypatch.setattr(talk.fake, "_take", read_nothing)

        async def interrupt_oneself() -> None:
            while True:
                await stream.send(media(b"\x20" * 16_000))
                await asyncio.sleep(0.005)
                await stream.send(frame({"event": "clear"}))

        interrupting = asyncio.create_task(interrupt_oneself())
        outcome = await talk.failure()
        interrupting.cancel()
        await asyncio.gather(interrupting, return_exceptions=True)
        assert outcome == (Reason.DROPPED, "Asterisk reads no audio: 100,000 bytes wait for it")
        await until(lambda: transport.is_disconnected)
        stuck.set()


async def test_a_log_has_a_line_for_some_mistakes_and_one_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    async with held() as (talk, stream):
        await stream.send(*[frame({"event": "dialerd", "mood": "good"})] * 300)
        for _ in range(300):
            assert (await stream.message("dialerd"))["errors"][0]["loc"] == "mood"
        assert talk.session is not None
        talk.session.detach()
        await talk.outcome()
    lines = [line for line in capsys.readouterr().out.splitlines() if "engine.misspoke" in line]
    assert len(lines) == 21
    assert "300 messages in all" in lines[-1]


@pytest.mark.parametrize(
    "message",
    [
        {f"k{number}": 1 for number in range(50_000)},
        {"captured": {f"k{number}": [1] for number in range(50_000)}},
        {"transcript": [{f"k{number}": 1 for number in range(500)}] * 90},
    ],
)
async def test_a_message_of_too_many_values_is_refused_without_looking_at_each(
    message: dict[str, Any],
) -> None:
    async with held() as (talk, stream):
        await stream.send(frame({"event": "dialerd", **message}))
        assert (await stream.message("dialerd"))["errors"] == [
            {"loc": "message", "msg": "has more than 1,000 values"}
        ]
        assert talk.outcomes == []
