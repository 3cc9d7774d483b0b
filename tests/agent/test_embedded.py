"""The embedded agent on a stage: what it does there, call by call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest

from dialerd.agent.embedded import EmbeddedAgent
from dialerd.agent.script import parse_script
from dialerd.agent.speech import Speech
from dialerd.agent.voices import Voice
from dialerd.core.clock import Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import InvariantError, PortError, RequestError
from dialerd.core.identity import E164, CallId, ChannelId
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferWish
from tests.adapters.waiting import until
from tests.agent.scripts import GOOD, good, refusing


class FakeSpeech:
    """Speaks texts as their bytes."""

    def __init__(self) -> None:
        self.spoken: list[tuple[str, bool]] = []
        self.voices: set[str] = set()
        self.forgotten: list[str] = []
        self.broken = False

    def voice(self, language: str, character: str) -> Voice:
        return Voice(character, language)

    async def clip(self, text: str, voice: Voice, *, personal: bool) -> bytes:
        if self.broken:
            raise PortError("no voice today", retryable=True)
        self.spoken.append((text, personal))
        self.voices.add(voice.name)
        return text.encode()

    def forget(self, text: str, voice: Voice) -> None:
        self.forgotten.append(text)

    async def close(self) -> None:
        """It holds nothing."""


class RecordingStage:
    """Notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.audio: AsyncGenerator[bytes] | None = None
        self.answers = True

    def play(self, number: int, audio: AsyncGenerator[bytes]) -> None:
        self.told.append(("play", number))
        self.audio = audio

    def stop(self) -> None:
        self.told.append(("stop",))

    def listen(self, number: int, duration: Millis) -> None:
        self.told.append(("listen", number, duration))

    def report(self, report: AgentReport) -> None:
        self.told.append(("report", report.disposition))

    def escalate(self, wish: TransferWish) -> None:
        self.told.append(("escalate", wish))

    def spoken(self, *, understood: bool) -> bool:
        self.told.append(("spoken", understood))
        return self.answers

    def finish(self, report: AgentReport) -> None:
        self.told.append(("finish", report.disposition))

    async def heard(self) -> str:
        assert self.audio is not None
        return " ".join([clip.decode() async for clip in self.audio])


def order(**changes: Any) -> AttachAgent:
    fields: dict[str, Any] = {
        "call": CallId("cal_000000000001"),
        "channel": ChannelId("lab-cal_000000000001-1"),
        "script_id": "offer",
        "script_version": 1,
        "language": "en-IN",
        "phone": E164("+15550100100"),
        "name": "Priya",
        "variables": {"amount": 50000},
    }
    return AttachAgent(**{**fields, **changes})


def agent() -> tuple[EmbeddedAgent, FakeSpeech]:
    speech = FakeSpeech()
    made = EmbeddedAgent(cast(Speech, speech))
    made.learn("offer", 1, good().body)
    return made, speech


async def test_a_conversation_on_the_stage() -> None:
    made, _ = agent()
    talk = made.converse(order())
    stage = RecordingStage()
    talk.start(stage)
    assert await stage.heard() == "Hello Priya. We offer 50,000 rupees. Press 1, 2 or 9."
    talk.played(1, Millis(4000))
    talk.key_pressed("7", Millis(5000))
    assert await stage.heard() == "Not that one."
    talk.key_pressed("9", Millis(6000))
    assert await stage.heard() == "Never again."
    talk.played(4, Millis(8000))
    assert stage.told == [
        ("play", 1), ("listen", 2, 5000), ("play", 3), ("stop",), ("report", "dnc"), ("play", 4), ("finish", "dnc"),
    ]  # fmt: skip
    assert talk.close(Millis(9000)) == talk.report
    assert talk.report.disposition == "dnc"


async def test_a_call_that_is_recorded_begins_by_saying_so() -> None:
    made, _ = agent()
    made.learn("told", 1, parse_script(f"{GOOD}    recording_notice: This call is recorded.\n").body)
    for recorded, first in ((True, "This call is recorded."), (False, "Hello Priya.")):
        talk = made.converse(order(script_id="told", record=recorded))
        stage = RecordingStage()
        talk.start(stage)
        assert (await stage.heard()).startswith(first)
        talk.played(1, Millis(2000))
        assert "Hello Priya." in await stage.heard() if recorded else stage.told[-1][0] == "listen"
        talk.close(Millis(3000))


async def test_prepare_renders_what_is_said_alike_to_all() -> None:
    made, speech = agent()
    await made.prepare("offer", 1, "en-IN")
    assert ("Press 1, 2 or 9.", False) in speech.spoken
    assert all(not personal for _, personal in speech.spoken)


async def test_the_voice_that_is_asked_for_speaks_instead_of_the_scripts() -> None:
    made, speech = agent()
    await made.prepare("offer", 1, "en-IN", "male")
    talk = made.converse(order(voice="male"))
    stage = RecordingStage()
    talk.start(stage)
    await stage.heard()
    assert speech.voices == {"male"}


async def test_the_first_sentence_is_rendered_before_the_stage_is_there() -> None:
    made, speech = agent()
    talk = made.converse(order())
    assert talk._first is not None
    await talk._first
    assert speech.spoken == [("Hello Priya.", True)]
    talk.close(Millis(0))


async def test_a_rendering_that_fails_fails_when_it_is_played() -> None:
    made, speech = agent()
    speech.broken = True
    talk = made.converse(order())
    stage = RecordingStage()
    talk.start(stage)
    with pytest.raises(PortError, match="no voice today"):
        await stage.heard()


async def test_what_cannot_be_held() -> None:
    made, _ = agent()
    with pytest.raises(PortError, match="never prepared"):
        made.converse(order(script_version=2))
    with pytest.raises(RequestError):
        made.converse(order(language="hi-IN"))
    with pytest.raises(RequestError):
        made.converse(order(variables={}))
    with pytest.raises(RequestError):
        await made.prepare("offer", 1, "hi-IN")
    with pytest.raises(PortError):
        await made.prepare("other", 1, "en-IN")
    with pytest.raises(InvariantError):
        made.learn("other", 1, {"name": "x"})


async def test_a_name_is_a_variable_and_its_absence_takes_the_default() -> None:
    made, _ = agent()
    talk = made.converse(order(name=None))
    stage = RecordingStage()
    talk.start(stage)
    assert (await stage.heard()).startswith("Hello there.")


async def test_events_before_the_stage_are_our_mistake() -> None:
    made, _ = agent()
    with pytest.raises(InvariantError):
        made.converse(order()).key_pressed("1", Millis(0))


async def test_caching_keeps_prompts_where_it_is_told(tmp_path: Path) -> None:
    made = EmbeddedAgent.caching(tmp_path)
    assert made.languages == ()
    await made.close()


async def test_a_callback_that_cannot_be_is_said_on_the_stage() -> None:
    made, _ = agent()
    made.learn("visit", 1, refusing().body)
    talk = made.converse(order(script_id="visit", variables={}, zone="Asia/Kolkata"))
    stage = RecordingStage()
    talk.start(stage)
    for digit in "21830":
        talk.key_pressed(digit, Millis(5_000))
    asked = talk.report.callback_at
    assert asked is not None
    assert stage.told[-2:] == [("report", "callback_requested"), ("listen", stage.told[-1][1], Millis(300))]
    talk.callback_unmet(asked, Unmet("the window is over", None, asked), Millis(5_050))
    assert (await stage.heard()).startswith("Not at 6:30 pm, but ")


async def test_a_line_that_was_silenced_is_said_again() -> None:
    made, _ = agent()
    talk = made.converse(order())
    stage = RecordingStage()
    talk.start(stage)
    talk.resume(Millis(3000))
    assert stage.told == [("play", 1), ("play", 2)]
    assert await stage.heard() == "Hello Priya. We offer 50,000 rupees. Press 1, 2 or 9."
    talk.played(1, Millis(3100))
    assert stage.told[2:] == [], "the first one was not heard to its end"


@pytest.mark.parametrize("answers", [True, False])
async def test_words_are_answered_where_the_stage_lets_it(answers: bool) -> None:
    made, _ = agent()
    made.learn("words", 1, parse_script(GOOD.replace("label: Interested", "words: ['yes']")).body)
    talk = made.converse(order(script_id="words"))
    assert talk.knows_words
    stage = RecordingStage()
    stage.answers = answers
    talk.start(stage)
    talk._said("yes", Millis(2000))
    assert stage.told[:2] == [("play", 1), ("spoken", True)]
    assert (("report", "interested") in stage.told) is answers
    talk.close(Millis(3000))


async def test_what_is_heard_first_is_spoken_while_the_phone_rings() -> None:
    made, speech = agent()
    made.foresee(order(voice="male"))
    await until(lambda: speech.spoken)
    assert speech.spoken == [("Hello Priya.", True)]
    assert speech.voices == {"male"}
    talk = made.converse(order(voice="male"))
    made.forgo(order().call)
    assert speech.forgotten == [], "it is the call's own from its answer on"
    talk.close(Millis(0))


async def test_the_notice_of_a_recording_does_not_stand_in_the_way_of_it() -> None:
    made, speech = agent()
    noticed = GOOD.replace("    opening:", "    recording_notice: This is recorded.\n    opening:", 1)
    made.learn("noticed", 1, parse_script(noticed).body)
    made.foresee(order(script_id="noticed", record=True))
    await until(lambda: speech.spoken)
    assert speech.spoken == [("Hello Priya.", True)]


async def test_what_rings_in_vain_is_forgotten() -> None:
    made, speech = agent()
    made.foresee(order())
    await until(lambda: speech.spoken)
    made.forgo(order().call)
    assert speech.forgotten == ["Hello Priya."]


async def test_what_everybody_hears_alike_is_not_spoken_again() -> None:
    made, speech = agent()
    made.learn("alike", 1, parse_script(GOOD.replace("Hello {{name}}.", "Hello.")).body)
    made.foresee(order(script_id="alike"))
    await asyncio.sleep(0)
    assert speech.spoken == []
    with pytest.raises(PortError, match="never prepared"):
        made.foresee(order(script_id="unknown"))
    with pytest.raises(RequestError):
        made.foresee(order(variables={}))
