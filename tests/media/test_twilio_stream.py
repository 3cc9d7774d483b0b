"""Calls that a bot holds over Twilio Media Streams: what it is told, what the callee hears, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialerd.core.clock import Instant
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.model import AgentReport, AnsweredBy, OnMachine
from dialerd.core.transfer import TransferWish
from dialerd.core.twilio import call_sid, signature
from dialerd.media import stream_talk
from dialerd.media.outcome import Finished
from dialerd.media.playout import SILENCE
from dialerd.media.session import SessionTiming
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME
from tests.media.fake_bot import FakeStream
from tests.media.sounds import frames, silence, voice
from tests.media.talking import CALL, TONE, talking


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
        await until(lambda: {"command": "FLUSH_MEDIA"} in leg.commands)
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
        ('{"disposition": "intrested"}', "disposition"),
        ('{"disposition": "site_visit", "positive": true}', "disposition"),
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


async def test_mistakes_are_told_in_the_words_of_the_message_one_a_place() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.socket.send_str(
            '{"event": "dialerd", "mood": 1, "captured": {"x": [1]}, "transcript": [{"speaker": "callee", "time": 1}]}'
        )
        await until(lambda: stream.of("dialerd"))
        assert {fault["loc"]: fault["msg"] for fault in stream.of("dialerd")[0]["errors"]} == {
            "captured.x": "must be text of at most 2,000 characters, a number, true, false or null",
            "transcript.0.text": "required",
            "mood": "unknown field",
        }
        assert len(stream.of("dialerd")[0]["errors"]) == 3


async def test_a_callback_and_a_label_of_the_agents_own() -> None:
    async with talking(labels={"site_visit": True, "call_later": False}) as talk:
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
        await stream.socket.send_str('{"event":"dialerd","disposition":"call_later"}')
        await until(lambda: len(talk.reports) == 3)
        assert (talk.reports[-1].disposition, talk.reports[-1].positive) == ("call_later", False)
        for wrong in ('"call_later","positive":true', '"site_visit","positive":false', '"sight_visit"'):
            await stream.socket.send_str(f'{{"event":"dialerd","disposition":{wrong}}}')
        await until(lambda: len(stream.of("dialerd")) == 3)
        faults = [fault for told in stream.of("dialerd") for fault in told["errors"]]
        assert [fault["loc"] for fault in faults] == ["message", "message", "disposition"]
        assert "declared as not positive" in faults[0]["msg"]
        assert "there are: connected, interested" in faults[2]["msg"]
        assert "site_visit, call_later" in faults[2]["msg"]
        assert talk.reports[-1].disposition == "call_later"


async def test_a_callback_that_cannot_be_is_told_to_the_bot_whenever_it_asks_for_it() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        wish = (
            '{"event":"dialerd","disposition":"callback_requested","callback_at":"2026-01-02T10:00:00+05:30"}'
        )
        await stream.socket.send_str(wish)
        await until(lambda: talk.reports)
        assert talk.session is not None
        asked, latest = Instant(1_767_328_200_000), Instant(1_767_324_600_000)
        talk.session.callback_unmet(asked, Unmet("the window is over", None, latest))
        await until(lambda: stream.of("dialerd"))
        told = {
            "event": "dialerd",
            "callback_unmet": {
                "asked": "2026-01-02T04:30:00Z",
                "next": None,
                "latest": "2026-01-02T03:30:00Z",
                "detail": "the window is over",
            },
        }
        assert stream.of("dialerd") == [told]
        await stream.socket.send_str(wish)
        await until(lambda: len(stream.of("dialerd")) == 2)
        assert stream.of("dialerd")[1] == told
        await stream.socket.send_str(wish.replace("10:00:00", "09:00:00").replace("}", ',"hangup":"now"}'))
        await talk.outcome()
        assert len(stream.of("dialerd")) == 2


async def test_what_comes_soon_after_a_report_is_told_together_and_nothing_is_lost() -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        for number in range(50):
            await stream.say("dialerd", captured={"n": number})
        await until(lambda: talk.reports and talk.reports[-1].captured == {"n": 49})
        assert len(talk.reports) < 10
        await stream.say("dialerd", disposition="paid", hangup="now")
        assert await talk.outcome() == Finished(AgentReport("paid", True, {"n": 49}))


@pytest.mark.parametrize("year", ["1900", "9999"])
async def test_a_callback_at_no_time_of_ours_is_refused(year: str) -> None:
    async with talking() as talk:
        stream = await talk.bot.stream()
        await stream.speak(FRAME)
        await stream.say(
            "dialerd", disposition="callback_requested", callback_at=f"{year}-12-31T23:59:59-14:00"
        )
        await until(lambda: stream.of("dialerd"))
        assert stream.of("dialerd")[0]["errors"][0]["loc"] == "callback_at"
        assert talk.reports == []


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
        # What came late was handed over in a second piece, with a mark of its own.
        talk.fake.holds_marks = False
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
        assert stream.socket._writer is not None
        stream.socket._writer.transport.abort()
        assert (await talk.failure())[1] == (
            "engine bot: it broke off the conversation before it said anything: look at its log"
        )
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
        unsent = conversation._socket.unread
        assert unsent < 64 * 1024
        block.set()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes within a second is late, and within its speech."""
    monkeypatch.setattr(stream_talk, "LINGER", 1.0)


@pytest.mark.usefixtures("_patient")
async def test_a_bot_whose_audio_comes_late_is_given_more_time_each_time_it_does() -> None:
    async with talking() as talk:
        stream, leg = await talk.bot.stream(), await talk.leg()
        for _ in range(3):
            await stream.speak(TONE)
            await asyncio.sleep(0.3)
        await until(lambda: bytes(leg.audio).count(TONE) == 3)
        heard = bytes(leg.audio)
        first = heard.index(TONE)
        second = heard.index(TONE, first + 160)
        third = heard.index(TONE, second + 160)
        frames = [gap // 160 - 1 for gap in (second - first, third - second)]
        assert frames == [5, 11], "60 ms of silence at first, then 120, then 240"


@pytest.mark.usefixtures("_patient")
async def test_a_bot_that_was_late_once_is_not_held_back_for_the_rest_of_the_call() -> None:
    resting = SILENCE * 500
    before = []
    async with talking() as talk:
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE)
        await asyncio.sleep(0.3)
        for _ in range(3):
            await stream.speak(TONE)
            await until(lambda: bytes(leg.audio).endswith(TONE + resting))
            before.append(len(bytes(leg.audio).split(TONE)[-2]) // 160)
            leg.audio.clear()
    assert before == [5, 5, 2], "120 ms where it was late, and for caution before the next one; then 60 again"


async def test_a_bot_that_was_silenced_for_a_machine_is_heard_by_the_person() -> None:
    async with talking(on_machine=OnMachine.MESSAGE) as talk:
        talk.fake.holds_marks = True
        stream, leg = await talk.bot.stream(), await talk.leg()
        await stream.speak(TONE * 50)
        await stream.mark("greeted")
        await until(lambda: talk.heard)
        await leg.speak(*frames(voice(5.0)))
        await until(lambda: talk.judged)
        await stream.speak(TONE * 5)
        await leg.speak(*frames(silence(0.7), voice(0.4), silence(1.4)))
        await until(lambda: [answer for answer, _ in talk.judged] == [AnsweredBy.MACHINE, AnsweredBy.HUMAN])
        await until(lambda: stream.marks == ["greeted"])
        await stream.speak(FRAME * 2)
        await until(lambda: FRAME * 2 in bytes(leg.audio))
