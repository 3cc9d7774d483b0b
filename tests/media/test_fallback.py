"""Who takes a call that its engine cannot take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dialerd.core.disposition import Reason
from dialerd.media.outcome import Finished
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME
from tests.media.fake_bot import FakeStream, fake_bot
from tests.media.talking import STAND_IN, has_seats, stream_to, talking


async def test_a_bot_that_cannot_be_reached_is_named() -> None:
    async with talking(engine={"url": "ws://127.0.0.1:9/ws?secret=1"}) as talk:
        reason, detail = await talk.failure()
        assert reason is Reason.ENGINE_FAILED
        assert detail == "engine bot: ws://127.0.0.1:9/ws cannot be reached: Connection refused"


async def test_a_bot_that_does_not_answer_in_time_is_replaced_by_the_fallback() -> None:
    async with fake_bot(accepts=False) as slow:
        engine = {"url": slow.url, "connect": 0.2}
        async with talking(engine=engine, stand_ins=(STAND_IN,)) as talk:
            leg = await talk.leg()
            await until(lambda: talk.heard)
            await until(lambda: FRAME * 10 in bytes(leg.audio))
            ((agent, detail),) = talk.stood_in
            assert agent == STAND_IN
            assert "does not take the call within 0.2 s" in detail
            assert await has_seats(talk.rack, "bot", 0), "the place at the bot is free"


async def test_a_bot_that_breaks_off_before_it_was_heard_is_replaced_too() -> None:
    async def leave(stream: FakeStream, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            await stream.socket.close()

    async with talking(stand_ins=(STAND_IN,)) as talk:
        talk.bot.behave = leave
        leg = await talk.leg()
        await until(lambda: FRAME * 10 in bytes(leg.audio))
        assert [agent for agent, _ in talk.stood_in] == [STAND_IN]
        await leg.press("9")
        assert isinstance(await talk.outcome(), Finished)


async def test_who_was_heard_already_is_not_replaced() -> None:
    async with talking(stand_ins=(STAND_IN,)) as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        await stream.socket.send_str("garbage")
        assert (await talk.failure())[0] is Reason.ENGINE_FAILED
        assert talk.stood_in == []


async def test_where_nobody_can_take_the_call_the_last_reason_is_told() -> None:
    last = replace(STAND_IN, engine="nowhere")
    async with talking(engine={"url": "ws://127.0.0.1:9/"}, stand_ins=(last,)) as talk:
        assert await talk.failure() == (Reason.ENGINE_FAILED, "there is no engine 'nowhere'")


async def test_a_call_may_bring_its_own_address_where_the_guard_lets_it_lead() -> None:
    async with fake_bot() as other:
        twiml = f"<Response>{stream_to(other, room='7')}</Response>"
        instructions = {"twiml": twiml}
        async with talking(instructions=instructions) as talk:
            stream = await other.stream()
            assert stream.of("start")[0]["start"]["customParameters"]["room"] == "7"
            await stream.speak(FRAME)
            await until(lambda: talk.heard)
    twiml = '<Response><Connect><Stream url="ws://10.1.2.3/ws"/></Connect></Response>'
    async with talking(instructions={"twiml": twiml}) as talk:
        assert "ws://10.1.2.3/ws cannot be reached" in (await talk.failure())[1]
