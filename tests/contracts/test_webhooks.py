"""The contract of the `Webhooks` port, kept by the fake and by HTTP alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from dialerd.clock import SystemClock
from dialerd.core.delivery import Reply
from dialerd.core.webhook import WebhookId
from dialerd.ports import Message, Webhooks
from dialerd.sim.webhooks import NOBODY, FakeWebhooks
from dialerd.webhooks.guard import Guard
from dialerd.webhooks.sender import HttpWebhooks
from tests.webhooks.receiver import SECRET, Receiver, receiver

HOOK = WebhookId("whk_1")


@dataclass
class Peers:
    """The port, and two URLs: of somebody who takes everything, and of nobody."""

    webhooks: Webhooks
    there: str
    nobody: str
    taken_over_http: Receiver

    def taken(self) -> list[str]:
        if isinstance(self.webhooks, FakeWebhooks):
            return [message.id for message in self.webhooks.taken]
        return [ident for ident, _ in self.taken_over_http.taken]


@pytest.fixture(params=["fake", "http"])
async def peers(request: pytest.FixtureRequest) -> AsyncIterator[Peers]:
    async with receiver() as up:
        # While the other one is there: a port that is given back may be given again.
        async with receiver() as gone:
            nobody = gone.url
        if request.param == "fake":

            def answer(message: Message) -> Reply:
                return NOBODY if message.url == nobody else Reply(204)

            refused = {"http://example.org/": "use https"}
            yield Peers(FakeWebhooks(answer, refused=refused), up.url, nobody, up)
        else:
            sender = HttpWebhooks(
                Guard.parse(["127.0.0.1"]), SystemClock(), "0", look_up=lambda *_: ["8.8.8.8"]
            )
            yield Peers(sender, up.url, nobody, up)
            await sender.close()


def message(url: str, ident: str = "msg_000000000001") -> Message:
    return Message(ident, HOOK, url, SECRET, '{"type":"dnc.added","data":{}}')


async def test_what_is_sent_is_taken_under_its_id_at_every_attempt(peers: Peers) -> None:
    for _ in range(2):
        reply = await peers.webhooks.send(message(peers.there))
        assert (reply.accepted, reply.status) == (True, 204)
    assert peers.taken() == ["msg_000000000001"] * 2


async def test_nobody_who_answers_is_a_reply_and_no_error(peers: Peers) -> None:
    reply = await peers.webhooks.send(message(peers.nobody))
    assert (reply.accepted, reply.status) == (False, None)
    assert reply.detail
    assert peers.taken() == []


async def test_an_objection_tells_why_and_an_allowed_url_has_none(peers: Peers) -> None:
    assert await peers.webhooks.objection(peers.there) is None
    assert "https" in (await peers.webhooks.objection("http://example.org/") or "")


async def test_what_is_forgotten_can_be_sent_to_again(peers: Peers) -> None:
    peers.webhooks.forget(WebhookId("whk_unknown"))
    await peers.webhooks.send(message(peers.there))
    peers.webhooks.forget(HOOK)
    assert (await peers.webhooks.send(message(peers.there))).accepted
