"""The embedded agent on a stage: what it does there, call by call."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest

from dialerd.agent.embedded import EmbeddedAgent
from dialerd.agent.script import parse_script
from dialerd.agent.speech import Speech
from dialerd.agent.voices import Voice
from dialerd.core.clock import Millis
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import InvariantError, PortError, RequestError
from dialerd.core.model import E164, AgentReport, CallId, ChannelId
from dialerd.core.transfer import TransferWish
from tests.agent.scripts import GOOD, good


class FakeSpeech:
    """Speaks texts as their bytes."""

    def __init__(self) -> None:
        self.spoken: list[tuple[str, bool]] = []
        self.voices: set[str] = set()
        self.broken = False

    def voice(self, language: str, character: str) -> Voice:
        return Voice(character, language)

    async def clip(self, text: str, voice: Voice, *, personal: bool) -> bytes:
        if self.broken:
            raise PortError("no voice today", retryable=True)
        self.spoken.append((text, personal))
        self.voices.add(voice.name)
        return text.encode()


class RecordingStage:
    """Notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.audio: AsyncGenerator[bytes] | None = None

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
