"""Bots that are left for another one in the same call: whatever becomes of their sockets, the call goes on."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialerd.media import twilio_socket
from dialerd.media.outcome import Finished
from tests.adapters.waiting import until
from tests.media.certificate import trusted_server
from tests.media.fake_agent import FRAME
from tests.media.fake_bot import FakeBot, fake_bot
from tests.media.raw_bot import CLOSE, RawBot, frame, media, raw_bot
from tests.media.talking import TONE, Talk, talking


def to(bot: RawBot | FakeBot) -> str:
    return f'<Connect><Stream url="{bot.url}"/></Connect>'


@asynccontextmanager
async def left(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Talk, RawBot, FakeBot]]:
    """A call whose bot was heard, and another bot."""
    async with (
        raw_bot(tls) as first,
        fake_bot() as second,
        talking(instructions={"twiml": f"<Response>{to(first)}</Response>"}) as talk,
    ):
        await (await first.stream()).send(media(FRAME))
        await until(lambda: talk.heard)
        yield talk, first, second


async def leave(talk: Talk, second: FakeBot) -> twilio_socket.BotSocket:
    """Send the call to another bot, and hear that one; returns the socket of the bot that was left."""
    assert talk.session is not None
    conversation: Any = talk.session._cast.conversation
    old: twilio_socket.BotSocket = conversation._socket
    talk.session.redirect({"twiml": f"<Response>{to(second)}</Response>"})
    stream, leg = await second.stream(), await talk.leg()
    await stream.speak(TONE * 3)
    await until(lambda: TONE * 3 in bytes(leg.audio))
    return old


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_bot_that_does_not_answer_its_leave_is_let_go_and_ends_nothing(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_socket, "GOODBYE", 0.1)
    context = trusted_server(tmp_path, monkeypatch) if tls else None
    async with left(context) as (talk, first, second):
        stream = await first.stream()
        stream.deafen()
        leg = await talk.leg()
        conversation: Any = talk.session._cast.conversation  # type: ignore[union-attr]
        while not conversation._socket.unread:
            await leg.speak(*[FRAME] * 500)
        old = await leave(talk, second)
        await until(lambda: old._transport is not None and old._transport.is_disconnected)
        assert talk.outcomes == []
        await second.streams[0].speak(FRAME * 7)
        await until(lambda: FRAME * 7 in bytes(leg.audio))


async def test_a_bot_that_dies_after_it_was_left_ends_nothing() -> None:
    async with left() as (talk, first, second):
        stream = await first.stream()
        old = await leave(talk, second)
        stream.abort()
        await until(lambda: old._transport is not None and old._transport.is_disconnected)
        await second.streams[0].mark("still there")
        await until(lambda: second.streams[0].marks == ["still there"])
        assert talk.outcomes == []


async def test_two_streams_of_one_document_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = trusted_server(tmp_path, monkeypatch)
    async with raw_bot(context) as first, raw_bot(context) as second:
        document = f"<Response>{to(first)}{to(second)}</Response>"
        async with talking(instructions={"twiml": document}) as talk:
            stream, leg = await first.stream(), await talk.leg()
            assert (await stream.message("start"))["start"]["tracks"] == ["inbound"]
            await stream.send(media(TONE * 3))
            await until(lambda: talk.heard)
            await leg.speak(FRAME)
            assert (await stream.message("media"))["media"]["chunk"] == "1"
            await stream.send(frame(b"\x03\xe8", CLOSE))
            other = await second.stream()
            assert (await other.message("start"))["sequenceNumber"] == "1"
            stream.abort()
            await other.send(media(FRAME * 3), frame({"event": "dialerd", "hangup": "when_played"}))
            await until(lambda: talk.outcomes)
            assert isinstance(talk.outcomes[0], Finished)
            assert TONE * 3 in bytes(leg.audio)
            assert FRAME * 3 in bytes(leg.audio)


async def test_a_bot_over_tls_that_breaks_off_or_cannot_be_trusted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = trusted_server(tmp_path, monkeypatch)
    async with raw_bot(context) as bot, talking(engine={"url": bot.url}) as talk:
        stream = await bot.stream()
        await stream.send(media(FRAME))
        await until(lambda: talk.heard)
        stream.abort()
        assert (await talk.failure())[1] == "engine bot: it broke off the conversation"
    monkeypatch.delenv("SSL_CERT_FILE")
    async with raw_bot(context) as bot, talking(engine={"url": bot.url}) as talk:
        assert "self-signed certificate" in (await talk.failure())[1]
