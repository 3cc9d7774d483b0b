"""Calls that a bot holds over WebRTC: what it is told, what the callee hears, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent
from dialerd.core.engine import EngineState, StandIn
from dialerd.core.identity import InstanceId
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferWish
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.outcome import Finished
from dialerd.media.playout import FRAME
from dialerd.media.rack import EngineRack
from dialerd.media.reception import Reception
from dialerd.media.samples import to_linear
from dialerd.media.session import Session, SessionTiming
from dialerd.media.webrtc_engine import WebRtcEngine
from tests.adapters.waiting import until
from tests.media.fake_agent import FakeAgent, call_id, order
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, FakeLeg, fake_asterisk
from tests.media.lo_address import usable_address
from tests.media.told import Told
from tests.media.webrtc_bench import TONE, frequency_and_level
from tests.media.webrtc_engine import Engine

CALL = call_id()
STAND_IN = StandIn("helper", "embedded", "s", 3, "en-IN")
PATIENT = SessionTiming(first_audio=20.0, stall=20.0)


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


@dataclass
class Talk(Told):
    """A call that the bot holds."""

    fake: FakeAsterisk
    bot: Engine
    rack: EngineRack
    agent: FakeAgent
    order: AttachAgent
    session: Session | None = None

    async def leg(self) -> FakeLeg:
        return await self.fake.leg(CALL)

    async def spoken(self) -> None:
        """The callee hears the bot, and the bot can be told things."""
        await until(lambda: self.heard and self.bot.channel is not None, 20.0)


@asynccontextmanager
async def talking(
    bot: Engine | None = None,
    timing: SessionTiming = PATIENT,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[Talk]:
    async with fake_asterisk() as fake, (bot or Engine()).serving() as serving:
        fake.answer(CALL)
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        reception = Reception(fake.media)
        await reception.open()
        agent = FakeAgent()
        rack = EngineRack(agent, {"webrtc": WebRtcEngine}, lambda: None)
        given = {"url": serving.url + "/api/offer", "connect": 20.0, **(settings or {})}
        rack.configure([EngineSettings("bot", "webrtc", 2, **given)])
        talk = Talk(fake, serving, rack, agent, order(engine="bot", **changes))

        def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
            return MediaLeg(ari, reception, talk.order.channel, listener, hears=hears)

        talk.session = session = Session(talk.order, rack, make_leg, talk, timing=timing)
        task = asyncio.create_task(session.run(talk.outcomes.append))
        try:
            yield talk
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: not links(), 20.0)
            rack.close()
            reception.close()
            await ari.close()


def links() -> list[str]:
    """What still works for a link."""
    names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return [name for name in names if "WebRtcTalk" in name or "WebRtcLink" in name]


async def test_audio_keys_and_facts_travel_both_ways() -> None:
    about = {"name": "Priya", "external_id": "crm-7", "agent_id": "bot", "variables": {"loan": 5}}
    async with talking(settings={"parameters": {"bot": "loans"}}, **about) as talk:
        leg = await talk.leg()
        await talk.spoken()
        assert leg.socket is not None
        for _ in range(60):
            await leg.socket.send_bytes(TONE)
            await asyncio.sleep(0.02)
        await leg.press("5")
        await until(lambda: len(talk.bot.messages) == 2, 20.0)
        told, key = talk.bot.messages
        assert told["type"] == "dialerd"
        assert told["call"] == {
            "bot": "loans", "loan": 5, "call_id": CALL, "agent_id": "bot", "language": "en-IN",
            "to_number": "+15550100100", "contact_name": "Priya", "external_id": "crm-7",
        }  # fmt: skip
        assert key == {"type": "dialerd", "dtmf": "5"}
        heard = np.concatenate(talk.bot.heard)
        loud = heard[np.argmax(np.abs(heard) > 1_000) :]
        assert frequency_and_level(loud[:6_400], 8_000)[0] == pytest.approx(1_000, abs=10)
        said = to_linear(bytes(leg.audio))
        spoken = said[np.argmax(np.abs(said) > 1_000) :][: 50 * FRAME]
        frequency, level = frequency_and_level(spoken, 8_000)
        assert frequency == pytest.approx(1_000, abs=5)
        assert abs(level) < 1
        assert talk.heard == 1


async def test_a_silent_bot_has_not_been_heard() -> None:
    def silence(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return numbers * 0

    timing = SessionTiming(first_audio=1.5, stall=20.0)
    async with talking(Engine(silence), timing) as talk:
        reason, detail = await talk.failure()
        assert (reason, detail) == (Reason.ABANDONED, "no agent audio within 1.5 s")
        assert talk.heard == 0


async def test_what_a_bot_says_of_the_call_is_taken_strictly() -> None:
    async with talking() as talk:
        await talk.spoken()
        talk.bot.say({"type": "rtvi", "label": "rtvi-ai", "disposition": "paid"})
        talk.bot.say({"type": "dialerd", "captured": {"budget": 5}})
        talk.bot.say({"event": "dialerd", "disposition": "interested"})
        talk.bot.say({"type": "dialerd", "transfer": {"reason": "asks for a person"}})
        talk.bot.say({"type": "dialerd", "mood": "good"})
        await until(lambda: any("errors" in message for message in talk.bot.messages), 20.0)
        (refusal,) = [message["errors"] for message in talk.bot.messages if "errors" in message]
        assert [fault["loc"] for fault in refusal] == ["mood"]
        assert talk.wishes == [TransferWish(None, None, "asks for a person")]
        last = talk.reports[-1]
        assert (last.disposition, dict(last.captured)) == ("interested", {"budget": 5})
        talk.bot.say({"type": "dialerd", "hangup": "now"})
        assert await talk.outcome() == Finished(last)
        await until(lambda: all(peer.connectionState == "closed" for peer in talk.bot.peers), 20.0)


async def test_nobody_was_connected_is_told_to_the_bot() -> None:
    async with talking() as talk:
        await talk.spoken()
        assert talk.session is not None
        talk.session.transfer_failed("busy")
        await until(lambda: {"type": "dialerd", "transfer_failed": "busy"} in talk.bot.messages, 20.0)


async def test_a_callback_that_cannot_be_is_told_to_the_bot() -> None:
    async with talking() as talk:
        await talk.spoken()
        assert talk.session is not None
        talk.session.callback_unmet(Instant(1_767_328_200_000), Unmet("the window is over"))
        told = {"asked": "2026-01-02T04:30:00Z", "next": None, "latest": None, "detail": "the window is over"}
        await until(lambda: {"type": "dialerd", "callback_unmet": told} in talk.bot.messages, 20.0)


async def test_a_bot_that_hangs_up_ends_the_call() -> None:
    async with talking() as talk:
        await talk.spoken()
        await talk.bot.hang_up()
        assert await talk.outcome() == Finished(AgentReport())


async def test_a_bot_that_leaves_without_a_word_has_failed() -> None:
    def silence(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return numbers * 0

    async with talking(Engine(silence)) as talk:
        await until(lambda: talk.bot.channel is not None and talk.bot.heard, 20.0)
        await talk.bot.hang_up()
        assert await talk.failure() == (
            Reason.ENGINE_FAILED, "engine bot: it ended the conversation before it said anything",
        )  # fmt: skip


async def test_the_call_ends_and_the_bot_is_left() -> None:
    async with talking() as talk:
        await talk.spoken()
        assert talk.session is not None
        talk.session.detach()
        await talk.outcome()
        await until(lambda: all(peer.connectionState == "closed" for peer in talk.bot.peers), 20.0)


async def test_an_sdp_bot_has_its_session_deleted() -> None:
    async with Engine().serving() as serving:
        settings = EngineSettings(
            "bot", "webrtc", 2, url=serving.url + "/whip", dialect="sdp", connect=20.0, token="s3cret"
        )
        engine = WebRtcEngine(settings)
        seat = FakeSeat()
        talk = engine.converse(order(engine="bot"), seat)
        await talk.connect()
        talk.close(Millis(0))
        await until(lambda: serving.deleted == ["/whip/calls/7"], 20.0)
        await until(lambda: not links(), 20.0)
        assert seat.left == 1


async def test_a_refusal_costs_the_call_its_reason_or_the_fallback_takes_it() -> None:
    bot = Engine()
    bot.status, bot.body = 503, "no session is free"
    async with talking(bot) as talk:
        assert await talk.failure() == (
            Reason.ENGINE_FAILED, "engine bot: the engine refused the offer: HTTP 503: no session is free",
        )  # fmt: skip
    bot = Engine()
    bot.status, bot.body = 503, "no session is free"
    async with talking(bot, stand_ins=(STAND_IN,)) as talk:
        await until(lambda: talk.stood_in, 20.0)
        ((agent, detail),) = talk.stood_in
        assert agent == STAND_IN
        assert "HTTP 503" in detail
        assert talk.outcomes == []


async def test_whether_a_bot_can_be_reached_is_known_without_giving_it_a_call() -> None:
    async with Engine().serving() as bot:
        engine = WebRtcEngine(EngineSettings("bot", "webrtc", 2, url=bot.url + "/api/offer"))
        await engine.check()
        assert bot.requests == []
        rack = EngineRack(FakeAgent(), {"webrtc": WebRtcEngine}, lambda: None)
        rack.configure(
            [
                EngineSettings("bot", "webrtc", 2, url=bot.url + "/api/offer"),
                EngineSettings("gone", "webrtc", 2, url="http://127.0.0.1:9/api/offer"),
                EngineSettings("ill", "webrtc", 2, url=bot.url, health_url=bot.url + "/health"),
            ]
        )
        await until(lambda: rack.states()["bot"] == EngineState(2), 20.0)
        await until(lambda: "answers 404, not 2xx" in rack.states()["ill"].detail, 20.0)
        await until(lambda: "Connection refused" in rack.states()["gone"].detail, 20.0)
        rack.close()


class FakeSeat:
    """Counts."""

    def __init__(self) -> None:
        self.left = 0

    def taken(self) -> None:
        """See `Seat`."""

    def failed(self, detail: str) -> None:
        """See `Seat`."""

    def leave(self) -> None:
        """See `Seat`."""
        self.left += 1
