"""Deliveries over real sockets: what a receiver sees, and what is made of what it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email.utils import format_datetime

import pytest
from aiohttp import web

from dialerd.clock import SystemClock
from dialerd.core.clock import to_datetime
from dialerd.core.webhook import WebhookId
from dialerd.ports import Message
from dialerd.webhooks.guard import Guard
from dialerd.webhooks.sender import HttpWebhooks

from .receiver import SECRET, Receiver, raw, receiver

LOOPBACK = Guard.parse(["127.0.0.0/8", "::1"])
BODY = '{"type":"call.completed","data":{"name":"दिव्या"}}'


def message(url: str, hook: str = "whk_1", ident: str = "msg_000000000001") -> Message:
    return Message(ident, WebhookId(hook), url, SECRET, BODY)


@pytest.fixture
async def peer() -> AsyncIterator[Receiver]:
    async with receiver() as up:
        yield up


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., HttpWebhooks]]:
    made: list[HttpWebhooks] = []

    def maker(guard: Guard = LOOPBACK, **more: object) -> HttpWebhooks:
        made.append(HttpWebhooks(guard, SystemClock(), "0.0.0", **more))  # type: ignore[arg-type]
        return made[-1]

    yield maker
    for sender in made:
        await sender.close()


@pytest.fixture
def sender(make: Callable[..., HttpWebhooks]) -> HttpWebhooks:
    return make()


async def test_a_receiver_can_verify_what_it_gets(sender: HttpWebhooks, peer: Receiver) -> None:
    reply = await sender.send(message(peer.url))
    assert (reply.status, reply.accepted) == (204, True)
    ((ident, content),) = peer.taken
    assert (ident, content) == ("msg_000000000001", {"type": "call.completed", "data": {"name": "दिव्या"}})
    (request,) = peer.requests
    assert (request.method, request.path_qs) == ("POST", "/hook?x=1")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "dialerd/0.0.0"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 10


async def test_every_attempt_has_the_same_id(sender: HttpWebhooks, peer: Receiver) -> None:
    for _ in range(2):
        await sender.send(message(peer.url))
    assert [ident for ident, _ in peer.taken] == ["msg_000000000001"] * 2


async def test_a_connection_is_used_again_and_let_go_with_its_webhook(
    sender: HttpWebhooks, peer: Receiver
) -> None:
    for _ in range(3):
        await sender.send(message(peer.url))
    assert len(peer.connections) == 1
    sender.forget(WebhookId("whk_1"))
    await sender.send(message(peer.url))
    assert len(peer.connections) == 2


async def test_another_address_is_used_from_the_next_attempt_on(sender: HttpWebhooks, peer: Receiver) -> None:
    async with receiver() as other:
        await sender.send(message(peer.url))
        await sender.send(message(other.url))
        assert (len(peer.taken), len(other.taken)) == (1, 1)


# --- what receivers do ---------------------------------------------------------------------------


async def test_a_redirect_is_not_followed(sender: HttpWebhooks, peer: Receiver) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": peer.url})

    peer.answer = elsewhere
    reply = await sender.send(message(peer.url))
    assert (reply.status, reply.accepted, len(peer.requests)) == (302, False, 1)
    assert "redirects are not followed" in (reply.detail or "")


async def test_a_receiver_that_hangs_is_given_up_in_time(make: Callable[..., HttpWebhooks]) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with raw(hang) as url:
        began = time.monotonic()
        reply = await make(deadline=0.3).send(message(url))
        assert (reply.status, reply.detail) == (None, "did not answer within 0.3 s")
        assert time.monotonic() - began < 5


async def test_a_receiver_that_answers_and_never_ends_has_answered(make: Callable[..., HttpWebhooks]) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    async with raw(drip) as url:
        reply = await make(deadline=5.0).send(message(url))
        assert (reply.status, reply.accepted) == (200, True)


async def test_an_endless_answer_is_not_read_to_its_end(sender: HttpWebhooks) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with raw(flood) as url:
        assert (await sender.send(message(url))).status == 200


async def test_a_receiver_that_drops_the_connection_has_not_answered(sender: HttpWebhooks) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw(drop) as url:
        reply = await sender.send(message(url))
    assert reply.status is None
    assert reply.detail
    nobody = await sender.send(message(url))
    assert nobody.status is None
    assert nobody.detail == "Connection refused"


async def test_what_is_no_http_is_told_in_printable_characters(sender: HttpWebhooks) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xff\x1b[31m\r\n\r\n")
        await writer.drain()

    async with raw(babble) as url:
        reply = await sender.send(message(url))
    assert reply.status is None
    assert (reply.detail or "\0").isprintable()


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("-1", None), ("soon", None), ("", None), ("99999999999", 10**6)]
)
async def test_a_receiver_says_when_it_is_to_be_tried_again(
    sender: HttpWebhooks, peer: Receiver, value: str, seconds: int | None
) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": value})

    peer.answer = busy
    reply = await sender.send(message(peer.url))
    assert reply.status == 503
    assert reply.retry_after == (None if seconds is None else seconds * 1_000)


async def test_a_date_says_so_too(sender: HttpWebhooks, peer: Receiver) -> None:
    moment = to_datetime(SystemClock().now().wall).replace(microsecond=0)

    async def busy(request: web.Request) -> web.Response:
        return web.Response(
            status=429, headers={"Retry-After": format_datetime(moment.replace(year=2099), usegmt=True)}
        )

    peer.answer = busy
    assert ((await sender.send(message(peer.url))).retry_after or 0) > 10**9


async def test_a_cookie_is_not_sent_back(sender: HttpWebhooks, peer: Receiver) -> None:
    async def bake(request: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=b"})

    peer.answer = bake
    await sender.send(message(peer.url))
    await sender.send(message(peer.url))
    assert all("Cookie" not in request.headers for request in peer.requests)


async def test_a_proxy_of_the_environment_is_not_used(
    sender: HttpWebhooks, peer: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert (await sender.send(message(peer.url))).accepted


# --- where it may be sent ------------------------------------------------------------------------


async def test_an_address_that_is_not_allowed_is_not_connected_to(
    make: Callable[..., HttpWebhooks], peer: Receiver
) -> None:
    closed = make(Guard())
    secure = peer.url.replace("http:", "https:")
    for url in (peer.url, secure, secure.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
        reply = await closed.send(message(url))
        assert (reply.status, "webhooks.allow" in (reply.detail or "")) == (None, True), url
    assert peer.connections == set()


async def test_a_name_is_judged_by_every_address_it_comes_to(
    make: Callable[..., HttpWebhooks], peer: Receiver
) -> None:
    port = peer.url.split(":")[2].split("/")[0]
    closed = make(Guard(), look_up=lambda host, port: ["127.0.0.1"])
    reply = await closed.send(message(f"https://crm.example:{port}/"))
    assert "no public address" in (reply.detail or "")
    assert peer.connections == set()
    allowed = make(Guard.parse(["crm.example"]), look_up=lambda host, port: ["127.0.0.1"])
    assert (await allowed.send(message(f"http://crm.example:{port}/"))).accepted


async def test_a_name_that_has_another_address_by_now_is_judged_again(
    make: Callable[..., HttpWebhooks], peer: Receiver
) -> None:
    addresses = [["8.8.8.8"], ["127.0.0.1"]]
    rebound = make(Guard(), look_up=lambda host, port: addresses.pop(0))
    url = peer.url.replace("http://127.0.0.1", "https://crm.example")
    assert await rebound.objection(url) is None
    reply = await rebound.send(message(url))
    assert "no public address" in (reply.detail or "")
    assert peer.connections == set()


async def test_a_host_that_is_not_found_has_not_answered(make: Callable[..., HttpWebhooks]) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    sender = make(look_up=unknown)
    reply = await sender.send(message("https://crm.example/"))
    assert (reply.status, reply.detail) == (None, "Name or service not known")
    assert await sender.objection("https://crm.example/") is None
    assert await make(Guard(), look_up=unknown).objection("http://crm.example/") is not None


@pytest.mark.parametrize(
    ("url", "addresses", "words"),
    [
        ("https://crm.example/", ["8.8.8.8", "10.0.0.1"], "10.0.0.1"),
        ("https://crm.example/", ["8.8.8.8"], None),
        ("http://crm.example/", ["8.8.8.8"], "use https"),
        ("http://crm.example/", ["127.0.0.1", "::1"], None),
        ("https://a:b@crm.example/", [], "password"),
        ("https://0x7f.1/", [], "plain IPv4"),
        ("https://10.0.0.1/", [], "10.0.0.1"),
    ],
)
async def test_an_objection_says_what_is_wrong(
    url: str, addresses: list[str], words: str | None, make: Callable[..., HttpWebhooks]
) -> None:
    said = await make(look_up=lambda host, port: addresses).objection(url)
    assert (said is None) if words is None else (words in (said or ""))


async def test_a_wrong_secret_is_not_verified(sender: HttpWebhooks, peer: Receiver) -> None:
    other = replace(message(peer.url), secret="whsec_" + "A" * 32)
    assert (await sender.send(other)).status == 500, "the receiver refuses it"
    assert peer.taken == []
