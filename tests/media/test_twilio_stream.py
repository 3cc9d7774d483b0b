"""Calls that a bot holds over Twilio Media Streams: what it is told, what the callee hears, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from dialerd.core.effects import AttachAgent
from dialerd.core.engine import EngineState, StandIn
from dialerd.core.model import AgentReport, InstanceId, Reason
from dialerd.core.transfer import TransferWish
from dialerd.core.twilio import call_sid, signature
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.rack import EngineRack, RackTiming
from dialerd.media.reception import Reception
from dialerd.media.remote import Kind
from dialerd.media.session import Failed, Finished, Outcome, Session, SessionTiming
from dialerd.media.twilio import TwilioStreamEngine
from dialerd.webhooks.way import GuardedWay
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME, FakeAgent, call_id, order
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, FakeLeg, fake_asterisk
from tests.media.fake_bot import FakeBot, FakeStream, echo, fake_bot

CALL = call_id()
TIMING = SessionTiming(first_audio=2.0, stall=2.0)
TONE = bytes(range(1, 161))
STAND_IN = StandIn("helper", "embedded", "s", 3, "en-IN")


@dataclass
class Talk:
    """A call that the bot holds."""

    fake: FakeAsterisk
    bot: FakeBot
    rack: EngineRack
    agent: FakeAgent
    order: AttachAgent
    outcomes: list[Outcome] = field(default_factory=list)
    reports: list[AgentReport] = field(default_factory=list)
    wishes: list[TransferWish] = field(default_factory=list)
    stood_in: list[tuple[StandIn, str]] = field(default_factory=list)
    heard: int = 0
    session: Session | None = None

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        self.stood_in.append((agent, detail))

    def on_heard(self) -> None:
        self.heard += 1

    def on_report(self, report: AgentReport) -> None:
        self.reports.append(report)

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        self.wishes.append(wish)

    async def leg(self) -> FakeLeg:
        return await self.fake.leg(CALL)

    async def outcome(self) -> Outcome:
        await until(lambda: self.outcomes)
        (only,) = self.outcomes
        return only

    async def failure(self) -> tuple[Reason, str]:
        outcome = await self.outcome()
        assert isinstance(outcome, Failed)
        return outcome.reason, outcome.detail


@asynccontextmanager
async def talking(
    timing: SessionTiming = TIMING,
    kinds: dict[str, Kind] | None = None,
    engine: dict[str, Any] | None = None,
    bot: FakeBot | None = None,
    **changes: Any,
) -> AsyncIterator[Talk]:
    async with fake_asterisk() as fake, fake_bot() as made:
        bot = bot or made
        fake.answer(CALL)
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        reception = Reception(fake.media)
        await reception.open()
        way = GuardedWay()
        way.allow(["127.0.0.1"])
        agent = FakeAgent()
        twilio: dict[str, Kind] = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, way)}
        rack = EngineRack(agent, kinds or twilio, lambda: None)
        settings = EngineSettings("bot", "twilio-stream", 2, url=made.url, account_sid="AC" + "1" * 32)
        rack.configure([replace(settings, **(engine or {}))])
        talk = Talk(fake, made, rack, agent, order(engine="bot", **changes))

        def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
            return MediaLeg(ari, reception, talk.order.channel, listener, hears=hears)

        talk.session = session = Session(talk.order, rack, make_leg, talk, timing=timing)
        task = asyncio.create_task(session.run(talk.outcomes.append))
        try:
            yield talk
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            rack.close()
            reception.close()
            await ari.close()


# --- what the bot is told ------------------------------------------------------------------------


async def test_the_bot_is_told_whose_call_it_is_as_twilio_tells_it() -> None:
    about = {
        "name": "Priya", "external_id": "crm-7", "agent_id": "bot", "campaign_id": "cmp_1",
        "caller_id": "+15550100199", "variables": {"loan": 5, "vip": True, "to_number": "nonsense"},
    }  # fmt: skip
    async with talking(
        engine={"parameters": {"bot": "loans", "loan": "0"}, "token": "hush"}, **about
    ) as talk:
        stream = await talk.bot.stream()
        assert stream.messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        (start,) = stream.of("start")
        sid = start["streamSid"]
        assert sid.startswith("MZ")
        assert len(sid) == 34
        assert start == {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": sid,
            "start": {
                "accountSid": "AC" + "1" * 32,
                "callSid": "CA" + "0" * 20 + CALL.removeprefix("cal_"),
                "streamSid": sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {
                    "bot": "loans", "loan": "5", "vip": "true",
                    "call_id": CALL, "campaign_id": "cmp_1", "agent_id": "bot", "language": "en-IN",
                    "from_number": "+15550100199", "to_number": "+15550100100", "contact_name": "Priya",
                    "external_id": "crm-7",
                },
            },
        }  # fmt: skip
        assert stream.headers["Authorization"] == "Bearer hush"
        assert "X-Twilio-Signature" not in stream.headers


async def test_the_handshake_is_signed_as_twilio_signs_it() -> None:
    async with talking(engine={"auth_token": "12345"}) as talk:
        stream = await talk.bot.stream()
        assert stream.headers["X-Twilio-Signature"] == signature(talk.bot.url, "12345")


async def test_the_callee_and_its_keys_reach_the_bot() -> None:
    async with talking() as talk:
        stream, leg = await talk.bot.stream(), await talk.leg()
        await until(
            lambda: (
                any(command["command"] == "MARK_MEDIA" or leg.audio for command in [{"command": ""}])
                or leg.socket
            )
        )
        assert leg.socket is not None
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        for number in range(5):
            await leg.socket.send_bytes(bytes([number]) * 160)
        await leg.press("5")
        await until(lambda: stream.of("dtmf") and len(stream.of("media")) == 5)
        assert bytes(stream.audio) == b"".join(bytes([number]) * 160 for number in range(5))
        assert [m["media"]["timestamp"] for m in stream.of("media")] == ["20", "40", "60", "80", "100"]
        assert [m["media"]["chunk"] for m in stream.of("media")] == ["1", "2", "3", "4", "5"]
        assert all(m["media"]["track"] == "inbound" for m in stream.of("media"))
        numbers = [int(m["sequenceNumber"]) for m in stream.messages if "sequenceNumber" in m]
        assert numbers == list(range(1, len(numbers) + 1))
        (key,) = stream.of("dtmf")
        assert key["dtmf"] == {"track": "inbound_track", "digit": "5"}
        assert talk.session is not None
        talk.session.detach()
        await until(lambda: stream.closed)
        assert stream.messages[-1]["event"] == "stop"
        assert stream.messages[-1]["stop"] == {"accountSid": "AC" + "1" * 32, "callSid": call_sid(CALL)}


# --- what the callee hears -----------------------------------------------------------------------


async def test_audio_of_any_length_reaches_the_callee_whole() -> None:
    async with talking() as talk:
        stream, leg = await talk.bot.stream(), await talk.leg()
        sent = b"".join(TONE[number:] + TONE[:number] for number in range(160))
        at = 0
        for size in (1, 7, 159, 160, 161, 1_000, 5_000, 3, 18_000):
            await stream.speak(sent[at : at + size])
            at += size
        await until(lambda: sent[at - 300 : at] in bytes(leg.audio))
        assert sent[:at] in bytes(leg.audio), "nothing is lost, doubled or out of order"
        assert talk.heard == 1


async def test_marks_come_back_when_they_were_played_and_in_their_order() -> None:
    async with talking() as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 3)
        await stream.mark("first")
        await stream.speak(TONE * 2)
        await stream.mark("second")
        await until(lambda: len(leg.marks) >= 2)
        assert stream.marks == []
        await talk.fake.play(leg)
        await until(lambda: len(stream.marks) == 2)
        assert stream.marks == ["first", "second"]
        assert all(mark["streamSid"] == stream.sid for mark in stream.of("mark"))


async def test_a_mark_with_nothing_to_wait_for_comes_back_at_once() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.mark("now")
        await until(lambda: stream.marks == ["now"])


async def test_clear_silences_at_once_and_gives_all_marks_back() -> None:
    async with talking() as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 500)
        await stream.mark("one")
        await stream.speak(TONE * 2_000)
        await stream.mark("two")
        await until(lambda: leg.marks)
        await stream.say("clear")
        await until(lambda: len(stream.marks) == 2)
        assert stream.marks == ["one", "two"]
        assert {"command": "FLUSH_MEDIA"} in leg.commands
        await asyncio.sleep(0.1)
        assert set(bytes(leg.audio)) <= {0xFF}, "nothing of what was taken back is sent any more"
        await stream.speak(FRAME * 2)
        await until(lambda: FRAME * 2 in bytes(leg.audio))


async def test_what_a_bot_says_before_the_callee_can_hear_is_heard() -> None:
    async def greet(stream: FakeStream, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            await stream.speak(TONE * 5)
            await stream.mark("greeted")

    async with talking() as talk:
        talk.bot.behave = greet
        leg = await talk.leg()
        await until(lambda: TONE * 5 in bytes(leg.audio))
        await until(lambda: talk.bot.streams[0].marks == ["greeted"])


async def test_a_flood_is_kept_within_bounds_and_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        for _ in range(20):
            await stream.speak(b"\x20" * 80_000)
        await stream.mark("after")
        await until(lambda: talk.heard)
        assert talk.session is not None
        kept: Any = talk.session._cast.conversation
        await until(lambda: kept._dropped > 0)
        assert kept._size <= 120 * 8_000
        talk.session.detach()
        await talk.outcome()
    assert "engine.flooded" in capsys.readouterr().out


# --- what the bot says of the call ---------------------------------------------------------------


async def test_a_bot_reports_labels_values_and_turns_and_asks_for_a_person() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await stream.say("dialerd", captured={"budget": 5})
        # streamSid is Twilio's, not ours: a message of ours needs none.
        await stream.socket.send_str(
            '{"event":"dialerd","disposition":"interested","captured":{"city":"Pune"},'
            '"transcript":[{"speaker":"callee","time":1.5,"text":"yes"}]}'
        )
        await stream.socket.send_str(
            '{"event":"dialerd","transfer":{"reason":"asks for a person","warm":true}}'
        )
        await until(lambda: talk.wishes or stream.of("dialerd"))
        assert stream.of("dialerd") == []
        assert talk.wishes == [TransferWish(None, True, "asks for a person")]
        last = talk.reports[-1]
        assert (last.disposition, last.positive) == ("interested", True)
        assert dict(last.captured)["city"] == "Pune"
        assert last.transcript == ({"speaker": "callee", "time": 1.5, "text": "yes"},)
        await stream.socket.send_str('{"event":"dialerd","hangup":"now"}')
        assert await talk.outcome() == Finished(last)
        await until(lambda: stream.closed)


@pytest.mark.parametrize(
    ("message", "loc"),
    [
        ('{"disposition": "not_reachable"}', "disposition"),
        ('{"disposition": "Very Good"}', "disposition"),
        ('{"disposition": 5}', "disposition"),
        ('{"hangup": true}', "hangup"),
        ('{"captured": {"x": [1]}}', "captured.x"),
        ('{"captured": {"": 1}}', "captured"),
        ('{"callback_at": "2026-01-01T00:00:00Z"}', "message"),
        ('{"disposition": "callback_requested", "callback_at": "tomorrow"}', "callback_at"),
        ('{"disposition": "paid", "positive": false}', "message"),
        ('{"mood": "good"}', "mood"),
        ('{"transfer": {"timeout_seconds": 0}}', "transfer.timeout_seconds"),
    ],
)
async def test_what_cannot_be_said_is_told_back_and_changes_nothing(message: str, loc: str) -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await stream.socket.send_str('{"event": "dialerd", ' + message[1:])
        await until(lambda: stream.of("dialerd"))
        places = [fault["loc"] for fault in stream.of("dialerd")[0]["errors"]]
        assert places
        assert all(place.startswith(loc) for place in places)
        assert talk.reports == []
        assert talk.outcomes == []


async def test_a_callback_and_a_label_of_the_bots_own() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await stream.socket.send_str(
            '{"event":"dialerd","disposition":"callback_requested","callback_at":"2026-01-02T10:00:00+05:30"}'
        )
        await until(lambda: talk.reports)
        assert talk.reports[-1].callback_at == 1_767_328_200_000
        await stream.socket.send_str('{"event":"dialerd","disposition":"site_visit","positive":true}')
        await until(lambda: len(talk.reports) == 2)
        assert (talk.reports[-1].disposition, talk.reports[-1].positive, talk.reports[-1].callback_at) == (
            "site_visit", True, None,
        )  # fmt: skip


# --- how it ends ---------------------------------------------------------------------------------


async def test_a_bot_that_closes_its_socket_has_said_all_and_is_heard_to_its_end() -> None:
    async with talking() as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 4)
        await stream.socket.close()
        await until(lambda: leg.marks)
        assert talk.outcomes == []
        assert TONE * 4 in bytes(leg.audio)
        await talk.fake.play(leg)
        assert await talk.outcome() == Finished(AgentReport())


async def test_hang_up_when_played_waits_for_what_was_said() -> None:
    async with talking() as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 4)
        await stream.socket.send_str('{"event":"dialerd","disposition":"paid","hangup":"when_played"}')
        await until(lambda: leg.marks)
        assert talk.outcomes == []
        await talk.fake.play(leg)
        assert await talk.outcome() == Finished(AgentReport("paid", True))


@pytest.mark.parametrize(
    ("garbage", "named"),
    [
        ("no json", "it sends text that is no JSON"),
        ("[1]", "it sends JSON that is no object"),
        ('{"media": {}}', "it sends a message without an event"),
        ('{"event": "media", "media": {"payload": "%%%"}}', "it sends media whose payload is no base64"),
        ('{"event": "media", "media": 5}', "it sends media whose payload is no base64"),
        ('{"event": "mark"}', "it sends a mark without a name"),
        ('{"event": "media", "streamSid": "MZother", "media": {"payload": ""}}', "it names a stream"),
        (b"\x00\x01", "it sends what is no text"),
    ],
)
async def test_garbage_costs_the_call_a_named_reason(garbage: str | bytes, named: str) -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        if isinstance(garbage, bytes):
            await stream.socket.send_bytes(garbage)
        else:
            await stream.socket.send_str(garbage)
        reason, detail = await talk.failure()
        assert reason is Reason.ENGINE_FAILED
        assert detail.startswith(f"engine bot: {named}")


async def test_an_event_that_twilio_does_not_know_is_nothing() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.say("heartbeat", anything=1)
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        assert talk.outcomes == []


async def test_a_bot_that_dies_or_breaks_off_is_named() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        assert stream.socket._writer is not None
        stream.socket._writer.transport.abort()
        assert await talk.failure() == (Reason.ENGINE_FAILED, "engine bot: it broke off the conversation")
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await until(lambda: talk.heard)
        await stream.socket.close(code=1011)
        assert (await talk.failure())[1] == "engine bot: it closed the conversation with the code 1011"


async def test_a_bot_that_gives_no_sign_of_life_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialerd.media.twilio.QUIET", 0.1)
    monkeypatch.setattr("dialerd.media.twilio.SILENT", 0.4)
    block = asyncio.Event()

    async def stuck(stream: FakeStream, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            await stream.speak(FRAME)
            await block.wait()

    async with talking() as talk:
        talk.bot.behave = stuck
        reason, detail = await talk.failure()
        assert reason is Reason.ENGINE_FAILED
        assert detail.startswith("engine bot: ws://127.0.0.1:")
        assert detail.endswith("/ws gives no sign of life")
        block.set()


async def test_a_bot_that_says_nothing_has_abandoned_the_callee() -> None:
    async with talking(SessionTiming(first_audio=0.4)) as talk:
        await talk.bot.stream()
        assert (await talk.failure())[0] is Reason.ABANDONED


async def test_a_bot_that_reads_nothing_delays_nobody() -> None:
    block = asyncio.Event()

    async def deaf(stream: FakeStream, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            await stream.speak(FRAME)
            stream.socket._req.transport.pause_reading()  # type: ignore[union-attr]
            await block.wait()

    async with talking() as talk:
        talk.bot.behave = deaf
        leg = await talk.leg()
        await until(lambda: talk.heard)
        assert leg.socket is not None
        conversation: Any = talk.session._cast.conversation  # type: ignore[union-attr]
        for _ in range(200):
            for _ in range(200):
                await leg.socket.send_bytes(FRAME)
            if conversation._lost:
                break
            await asyncio.sleep(0.01)
        assert conversation._lost > 0, "what a bot does not read is dropped and counted"
        unsent = conversation._socket.underlying_transport.get_write_buffer_size()
        assert unsent < 64 * 1024
        block.set()


# --- who cannot take the call --------------------------------------------------------------------


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
            assert await _has(talk.rack, "bot", 0), "the place at the bot is free"


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


# --- how many ------------------------------------------------------------------------------------


async def _has(rack: EngineRack, name: str, seats: int) -> bool:
    await until(lambda: len(rack._places[name].seats) == seats)
    return True


async def test_an_engine_is_looked_at_and_named_while_it_cannot_be_reached() -> None:
    quick = RackTiming(check=0.02, retry=0.02, longest_retry=0.05)
    changes: list[dict[str, EngineState]] = []
    async with fake_bot() as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: changes.append(rack.states()), quick)
        good = EngineSettings("good", "twilio-stream", 3, url=bot.url)
        bad = EngineSettings("bad", "twilio-stream", 3, url="ws://127.0.0.1:9/ws")
        new = EngineSettings("new", "telepathy", 3)
        rack.configure([good, bad, new])
        await until(lambda: rack.states()["good"].sessions == 3)
        await until(lambda: "Connection refused" in rack.states()["bad"].detail)
        assert rack.states()["bad"] == EngineState(
            0, "ws://127.0.0.1:9/ws cannot be reached: Connection refused; start it"
        )
        assert rack.states()["new"] == EngineState(0, "this version has no engines of the kind telepathy")
        rack.configure([good])
        assert list(rack.states()) == ["good"]
        rack.close()
    assert changes


async def test_an_engine_that_takes_no_calls_is_given_none_then_one_then_all() -> None:
    quick = RackTiming(check=0.02, retry=0.05, longest_retry=0.05)
    async with fake_bot(accepts=False) as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: None, quick)
        rack.configure([EngineSettings("bot", "twilio-stream", 3, url=bot.url, connect=0.05)])
        await until(lambda: rack.states()["bot"].sessions == 3)
        for number in (1, 2):
            conversation: Any = rack.converse(order(number, engine="bot"))
            with pytest.raises(Exception, match="does not take the call"):
                await conversation.connect()
            conversation.close(0)
        state = rack.states()["bot"]
        assert state.sessions == 0
        assert state.detail.startswith("it took no call 2 times running: ws://127.0.0.1:")
        await until(lambda: rack.states()["bot"].sessions == 1)
        bot.accepts = True
        conversation = rack.converse(order(3, engine="bot"))
        await conversation.connect()
        stream = await bot.stream()
        await stream.speak(FRAME)
        await until(lambda: rack.states()["bot"].sessions == 3)
        conversation.close(0)
        rack.close()


async def test_a_full_engine_takes_no_further_call() -> None:
    async with fake_bot(behave=echo) as bot:
        kinds = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, GuardedWay())}
        rack = EngineRack(FakeAgent(), kinds, lambda: None)
        rack.configure([EngineSettings("bot", "twilio-stream", 1, url=bot.url)])
        held = rack.converse(order(1, engine="bot"))
        with pytest.raises(Exception, match="all 1 sessions are taken"):
            rack.converse(order(2, engine="bot"))
        held.close(0)  # type: ignore[arg-type]
        rack.converse(order(2, engine="bot")).close(0)  # type: ignore[arg-type]
        rack.close()


# --- TwiML ---------------------------------------------------------------------------------------


def stream_to(bot: FakeBot, **parameters: str) -> str:
    inner = "".join(f'<Parameter name="{name}" value="{value}"/>' for name, value in parameters.items())
    return f'<Connect><Stream url="{bot.url}">{inner}</Stream></Connect>'


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


@asynccontextmanager
async def pages(**documents: str) -> AsyncIterator[Pages]:
    found = Pages({f"/{name}": text for name, text in documents.items()})
    app = web.Application()
    app.router.add_route("*", "/{name}", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield found
    finally:
        await runner.cleanup()


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
