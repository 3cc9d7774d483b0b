"""TwiML, carried out in a call: fetched as Twilio fetches it, and sent elsewhere while it is live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from dialerd.core.disposition import Reason
from dialerd.core.engine import StandIn
from dialerd.core.model import AgentReport
from dialerd.core.twilio import call_sid, signature
from dialerd.media import twilio_program
from dialerd.media.outcome import Finished
from dialerd.media.session import SessionTiming
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME
from tests.media.fake_bot import fake_bot
from tests.media.talking import CALL, STAND_IN, TONE, stream_to, talking
from tests.web_server import web_server


@dataclass
class Pages:
    """A web server of the bot's owner."""

    documents: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        signed = request.headers.get("X-Twilio-Signature", "")
        self.asked.append((request.method, str(request.url), form, signed))
        document = self.documents.get(request.path)
        return web.Response(text=document or "", status=404 if document is None else 200)


class SecondTime(dict[str, str]):
    """Documents that are there when they are asked for again."""

    asked = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default) if self.asked > 1 else default


@asynccontextmanager
async def pages(**documents: str) -> AsyncIterator[Pages]:
    found = Pages({f"/{name}": text for name, text in documents.items()})
    app = web.Application()
    app.router.add_route("*", "/{name}", found.answer)
    async with web_server(app) as address:
        found.url = f"http://{address}"
        yield found


async def test_the_document_of_a_call_is_fetched_as_twilio_fetches_it_and_carried_out() -> None:
    async with fake_bot() as first, fake_bot() as second, pages() as site:
        site.documents["/start"] = (
            f"<Response>{stream_to(first, room='7')}<Redirect method='GET'>next?a=1</Redirect></Response>"
        )
        site.documents["/next"] = f"<Response><Pause length='0.1'/>{stream_to(second)}</Response>"
        instructions = {"url": site.url + "/start", "method": "POST"}
        engine = {"auth_token": "12345"}
        async with talking(engine=engine, instructions=instructions, caller_id="+15550100199") as talk:
            stream = await first.stream()
            assert stream.of("start")[0]["start"]["customParameters"]["room"] == "7"
            method, url, form, signed = site.asked[0]
            assert (method, url) == ("POST", site.url + "/start")
            assert form == {
                "AccountSid": "AC" + "1" * 32, "ApiVersion": "2010-04-01", "CallSid": call_sid(CALL),
                "CallStatus": "in-progress", "Direction": "outbound-api", "From": "+15550100199",
                "To": "+15550100100",
            }  # fmt: skip
            assert signed == signature(url, "12345", form.items())
            await stream.speak(TONE * 3)
            await stream.socket.close()
            other = await second.stream()
            assert other.sid != stream.sid
            method, url, form, signed = site.asked[1]
            assert (method, form) == ("GET", {})
            assert url.startswith(site.url + "/next?a=1&AccountSid=AC")
            assert signed == signature(url, "12345")
            await other.speak(FRAME * 2)
            leg = await talk.leg()
            await until(lambda: TONE * 3 in bytes(leg.audio) and FRAME * 2 in bytes(leg.audio))
            await other.socket.close()
            assert await talk.outcome() == Finished(AgentReport())


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("<Response><Say>Hello</Say></Response>", "the verb <Say> is not supported"),
        (None, "it answers 404, not 2xx"),
        ("no xml", "is no XML"),
        ("<Response><Redirect>start</Redirect></Response>", "it redirects more than 20 times"),
        ("<Response><Redirect>http://10.0.0.1/</Redirect></Response>", "cannot be reached"),
    ],
)
async def test_a_document_that_cannot_be_carried_out_costs_the_call_a_named_reason(
    document: str | None, named: str
) -> None:
    documents = {} if document is None else {"start": document}
    async with pages(**documents) as site, talking(instructions={"url": site.url + "/start"}) as talk:
        reason, detail = await talk.failure()
        assert reason is Reason.ENGINE_FAILED
        assert named in detail


async def test_a_live_call_is_sent_elsewhere() -> None:
    async with fake_bot() as other, talking() as talk:
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 500)
        await until(lambda: talk.heard)
        assert talk.session is not None
        talk.session.redirect({"twiml": f"<Response>{stream_to(other, why='manager')}</Response>"})
        again = await other.stream()
        assert again.of("start")[0]["start"]["callSid"] == call_sid(CALL)
        await until(lambda: stream.closed)
        assert stream.messages[-1]["event"] == "stop"
        assert {"command": "FLUSH_MEDIA"} in leg.commands
        await again.speak(FRAME * 2)
        await until(lambda: FRAME * 2 in bytes(leg.audio))
        talk.session.redirect({"twiml": "<Response><Hangup/></Response>"})
        assert await talk.outcome() == Finished(AgentReport())


async def test_a_call_is_sent_elsewhere_while_its_bot_is_still_being_connected() -> None:
    async with fake_bot(accepts=False) as slow, fake_bot() as other:
        instructions = {"twiml": f"<Response>{stream_to(slow)}</Response>"}
        async with talking(engine={"connect": 30.0}, instructions=instructions) as talk:
            leg = await talk.leg()
            talk.session.redirect({"twiml": f"<Response>{stream_to(other)}</Response>"})  # type: ignore[union-attr]
            stream = await other.stream()
            await stream.speak(TONE * 3)
            await until(lambda: TONE * 3 in bytes(leg.audio))
            assert (slow.streams, talk.outcomes) == ([], [])


async def test_addresses_in_capitals_are_asked_for_and_signed_in_lower_case() -> None:
    async with fake_bot() as bot, pages() as site:
        loud = bot.url.replace("ws://", "WS://")
        site.documents["/Start"] = f"<Response><Connect><Stream url='{loud}'/></Connect></Response>"
        instructions = {"url": site.url.replace("http://", "HTTP://") + "/Start"}
        async with talking(engine={"auth_token": "12345"}, instructions=instructions):
            stream = await bot.stream()
            assert stream.headers["X-Twilio-Signature"] == signature(bot.url, "12345")
            _, url, form, signed = site.asked[0]
            assert url == site.url + "/Start"
            assert signed == signature(url, "12345", form.items())


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_call_is_sent_elsewhere_before_anybody_was_asked(turns: int) -> None:
    async with fake_bot() as other, talking(instructions={"time_limit": 1}) as talk:
        for _ in range(turns):
            await asyncio.sleep(0)
        assert talk.session is not None
        talk.session.redirect({"twiml": f"<Response>{stream_to(other)}</Response>"})
        stream = await other.stream()
        await stream.speak(TONE * 500)
        assert await talk.outcome() == Finished(AgentReport()), "its time limit is kept"
        assert talk.bot.streams == []


async def test_whoever_stands_in_is_given_where_the_call_was_sent() -> None:
    helper = StandIn("helper", "bot", "", 0, "en-IN")
    async with pages() as site, fake_bot() as other, talking(stand_ins=(helper,)) as talk:
        site.documents = SecondTime({"/start": f"<Response>{stream_to(other)}</Response>"})
        assert talk.session is not None
        talk.session.redirect({"url": site.url + "/start"})
        stream = await other.stream()
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        assert talk.bot.streams == []
        assert [agent for agent, _ in talk.stood_in] == [helper]


@pytest.mark.parametrize("goodbye", ["close", "hangup"])
async def test_a_call_is_sent_elsewhere_while_a_goodbye_is_still_heard(goodbye: str) -> None:
    async with fake_bot() as other, talking() as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 150)
        await until(lambda: talk.heard)
        if goodbye == "close":
            await stream.socket.close()
        else:
            await stream.say("dialerd", hangup="when_played")
        conversation: Any = talk.session._cast.conversation  # type: ignore[union-attr]
        await until(lambda: conversation._over)
        talk.session.redirect({"twiml": f"<Response>{stream_to(other)}</Response>"})  # type: ignore[union-attr]
        again = await other.stream()
        await again.speak(FRAME * 2)
        await until(lambda: FRAME * 2 in bytes(leg.audio))
        assert talk.outcomes == []


async def test_a_document_goes_on_after_a_bot_that_had_nothing_to_say() -> None:
    async with fake_bot() as first, fake_bot() as second:
        document = f"<Response>{stream_to(first)}{stream_to(second)}</Response>"
        async with talking(instructions={"twiml": document}) as talk:
            await (await first.stream()).socket.close()
            stream, leg = await second.stream(), await talk.leg()
            await stream.speak(TONE * 3)
            await until(lambda: TONE * 3 in bytes(leg.audio))
            await stream.socket.close()
            assert await talk.outcome() == Finished(AgentReport())


async def test_a_document_whose_bots_said_nothing_has_served_nobody() -> None:
    async with fake_bot() as first, fake_bot() as second:
        document = f"<Response>{stream_to(first)}{stream_to(second)}</Response>"
        async with talking(instructions={"twiml": document}) as talk:
            await (await first.stream()).socket.close()
            await (await second.stream()).socket.close()
            assert await talk.failure() == (
                Reason.ENGINE_FAILED, "engine bot: it ended the conversation before it said anything",
            )  # fmt: skip


async def test_marks_come_back_to_the_bot_alone_that_set_them() -> None:
    async with fake_bot() as first, fake_bot() as second:
        document = f"<Response>{stream_to(first)}{stream_to(second)}</Response>"
        async with talking(instructions={"twiml": document}) as talk:
            talk.fake.holds_marks = True
            stream, leg = await first.stream(), await talk.leg()
            await stream.speak(TONE * 5)
            await stream.mark("first")
            await until(lambda: leg.marks)
            await stream.socket.close()
            other = await second.stream()
            await other.speak(TONE * 5)
            await other.mark("second")
            await until(lambda: len(leg.marks) > 1)
            await talk.fake.play(leg)
            await until(lambda: other.marks)
            assert other.marks == ["second"]


# --- what a program has the callee wait for ---------------------------------------------------------


async def test_a_callee_who_is_told_to_wait_hears_silence_and_then_the_bot() -> None:
    async with fake_bot() as bot:
        document = f"<Response><Pause length='2.1'/>{stream_to(bot)}</Response>"
        async with talking(bot=bot, instructions={"twiml": document}) as talk:
            leg = await talk.leg()
            await until(lambda: FRAME * 50 in bytes(leg.audio).replace(b"\xff" * 160, FRAME))
            assert (talk.heard, bot.streams) == (0, [])
            stream = await bot.stream()
            await stream.speak(TONE * 3)
            await until(lambda: TONE * 3 in bytes(leg.audio))
            await stream.socket.close()
            assert await talk.outcome() == Finished(AgentReport())


async def test_a_bot_that_says_nothing_after_a_pause_leaves_its_callee_alone() -> None:
    async with fake_bot() as bot:
        document = f"<Response><Pause length='0.2'/><Pause length='0.1'/>{stream_to(bot)}</Response>"
        timing = SessionTiming(first_audio=0.2)
        async with talking(timing=timing, bot=bot, instructions={"twiml": document}) as talk:
            assert await talk.failure() == (
                Reason.ABANDONED, "no agent audio within 0.2 s beside 0.3 s of pauses",
            )  # fmt: skip
            assert len(bot.streams) == 1


async def test_no_program_has_a_callee_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_program, "MOST_SILENCE", 0.1)
    document = "<Response><Pause length='60'/></Response>"
    async with talking(timing=SessionTiming(first_audio=0.1), instructions={"twiml": document}) as talk:
        reason, detail = await talk.failure()
        assert (reason, detail) == (Reason.ABANDONED, "no agent audio within 0.1 s beside 0.1 s of pauses")


async def test_a_call_that_is_sent_elsewhere_waits_no_longer() -> None:
    document = "<Response><Pause length='50'/></Response>"
    async with talking(timing=SessionTiming(first_audio=0.3), instructions={"twiml": document}) as talk:
        leg = await talk.leg()
        await until(lambda: bool(leg.audio))
        assert talk.session is not None
        talk.session.redirect({"twiml": f"<Response>{stream_to(talk.bot)}</Response>"})
        reason, detail = await talk.failure()
        assert reason is Reason.ABANDONED
        assert "50 s" not in detail


async def test_who_cannot_be_reached_after_a_pause_is_replaced() -> None:
    nobody = '<Connect><Stream url="ws://127.0.0.1:9/ws"/></Connect>'
    document = f"<Response><Pause length='0.1'/>{nobody}</Response>"
    async with talking(stand_ins=(STAND_IN,), instructions={"twiml": document}) as talk:
        leg = await talk.leg()
        await until(lambda: FRAME * 10 in bytes(leg.audio))
        ((agent, detail),) = talk.stood_in
        assert agent == STAND_IN
        assert "127.0.0.1:9/ws cannot be reached" in detail


@pytest.mark.parametrize("verbs", ["", "<Hangup/>", "<Pause length='0.1'/>", "<Pause length='0'/><Hangup/>"])
async def test_a_program_without_a_bot_ends_its_call(verbs: str) -> None:
    async with talking(instructions={"twiml": f"<Response>{verbs}</Response>"}) as talk:
        assert await talk.outcome() == Finished(AgentReport(), unheard=True)


async def test_a_call_lasts_no_longer_than_its_time_limit() -> None:
    async with talking(instructions={"time_limit": 0.3}) as talk:
        stream = await talk.bot.stream()
        await stream.speak(TONE * 500)
        await until(lambda: talk.heard)
        assert await talk.outcome() == Finished(AgentReport())
        await until(lambda: stream.closed)
        assert stream.messages[-1]["event"] == "stop"
