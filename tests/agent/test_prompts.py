"""Recorded prompts: what can be played, what is wrong with what cannot, and that a call is not lost by either."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from dialerd.agent import rehearsal
from dialerd.agent.clips import FRAME, ClipCache
from dialerd.agent.embedded import EmbeddedAgent
from dialerd.agent.prompts import Prompts
from dialerd.agent.proofreading import proofread
from dialerd.agent.script import parse_script
from dialerd.agent.speech import Speech
from dialerd.core.errors import PortError, RequestError
from tests.agent.scripts import GOOD, VISIT
from tests.agent.test_embedded import FakeSpeech, RecordingStage, order

TONE = (np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000) * 12_000).astype("<i2")


def wav(
    path: Path, samples: np.ndarray = TONE, *, rate: int = 16_000, channels: int = 1, width: int = 2
) -> None:  # type: ignore[type-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def test_a_recording_is_read_as_one_channel(tmp_path: Path) -> None:
    wav(tmp_path / "loan" / "hello.wav")
    wav(tmp_path / "stereo.wav", np.repeat(TONE, 2), channels=2)
    prompts = Prompts(tmp_path)
    assert prompts.fault("loan/hello.wav") == ""
    samples, rate = prompts.read("loan/hello.wav")
    assert rate == 16_000
    assert (samples == TONE).all()
    assert (prompts.read("stereo.wav")[0] == TONE).all()


def test_what_cannot_be_played_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    wav(tmp_path / "outside.wav")
    wav(folder / "eight.wav", width=1)
    wav(folder / "slow.wav", rate=4_000)
    wav(folder / "long.wav", np.zeros(8_000 * 121, "<i2"), rate=8_000)
    wav(folder / "none.wav", TONE[:0])
    (folder / "text.wav").write_text("no audio at all, but long enough to be read as a header")
    (folder / "link.wav").symlink_to(tmp_path / "outside.wav")
    prompts = Prompts(folder)
    for name, words in {
        "eight.wav": "16 bits",
        "slow.wav": "4000 samples a second",
        "long.wav": "121.0 s",
        "none.wav": "must have sound",
        "text.wav": "no WAV file",
        "gone.wav": "No such file",
        "link.wav": "not within",
        "../outside.wav": "not within",
    }.items():
        assert words in prompts.fault(name), name
    assert "media.prompts_dir" in Prompts(None).fault("hello.wav")


@pytest.mark.parametrize("name", ["../x.wav", "/etc/x.wav", "a/../x.wav", ".hidden.wav", "x.mp3", "a//x.wav"])
def test_a_script_cannot_name_what_lies_elsewhere(name: str) -> None:
    text = VISIT.replace("thanks: Thank you.", f"thanks: {{text: Thank you., audio: {name!r}}}")
    with pytest.raises(RequestError) as caught:
        proofread(text)
    assert caught.value.faults[0].loc == "languages.en-IN.say.thanks.audio"


def test_a_missing_recording_and_an_unknown_word_are_told_when_the_script_is_stored(tmp_path: Path) -> None:
    wav(tmp_path / "hello.wav")
    text = VISIT.replace("thanks: Thank you.", "thanks: {text: Thank you., audio: hello.wav}")
    assert proofread(text, tmp_path).texts["en-IN"].lines["thanks"][0].audio == "hello.wav"
    with pytest.raises(RequestError) as caught:
        proofread(
            text.replace("hello.wav", "other.wav").replace("words: [no]", "words: [nope, qwxyz, zzyzx]"),
            tmp_path,
        )
    told = {fault.loc: fault.msg for fault in caught.value.faults}
    assert set(told) == {
        "languages.en-IN.say.thanks.audio",
        "states.opening.keys.2.words.2",
        "states.opening.keys.2.words.3",
    }
    assert "other.wav" in told["languages.en-IN.say.thanks.audio"]
    assert proofread(GOOD).script_id == "offer"


async def test_a_recording_becomes_frames_and_is_kept_until_it_changes(tmp_path: Path) -> None:
    folder, kept = tmp_path / "prompts", tmp_path / "cache"
    wav(folder / "hello.wav")
    speech = Speech(ClipCache(kept), Prompts(folder))
    clip = await speech.recording("hello.wav")
    assert len(clip) == 8_000
    assert len(clip) % FRAME == 0
    (stored,) = kept.glob("??/*.ulaw")
    assert stored.read_bytes() == clip
    again = Speech(ClipCache(kept), Prompts(folder))
    stored.write_bytes(bytes(FRAME))
    assert await again.recording("hello.wav") == bytes(FRAME), "read from where it is kept"
    wav(folder / "hello.wav", TONE[:8_000])
    assert len(await again.recording("hello.wav")) == 4_000
    with pytest.raises(PortError, match=r"gone\.wav"):
        await speech.recording("gone.wav")
    for each in (speech, again):
        await each.close()


class Recordings(FakeSpeech):
    """Has one recording."""

    async def recording(self, name: str) -> bytes:
        if name != "hello.wav":
            raise PortError(f"the recording {name} cannot be read", retryable=False)
        return b"<hello.wav>"


@pytest.mark.parametrize(("name", "heard"), [("hello.wav", "<hello.wav>"), ("gone.wav", "Hello.")])
async def test_a_call_hears_the_recording_or_else_the_voice(name: str, heard: str) -> None:
    text = VISIT.replace(
        'text: "Hello {{name}}. Press', f'parts: [{{text: Hello., audio: {name}}}, "Press'
    ).replace('3 to rate us."', '3 to rate us."]')
    speech = Recordings()
    agent = EmbeddedAgent(speech)  # type: ignore[arg-type]
    agent.learn("visit", 1, parse_script(text).body)
    await agent.prepare("visit", 1, "en-IN")
    stage = RecordingStage()
    talk = agent.converse(order(script_id="visit", variables={}))
    talk.start(stage)
    assert await stage.heard() == f"{heard} Press 1 to book, 2 for later, 3 to rate us."
    await agent.close()


def test_a_line_can_be_heard_with_its_recording(tmp_path: Path) -> None:
    wav(tmp_path / "hello.wav")
    body = proofread(
        VISIT.replace("thanks: Thank you.", "thanks: {text: Thank you., audio: hello.wav}"), tmp_path
    ).body
    file = rehearsal.say(body, "thanks", "en-IN", None, {}, tmp_path)
    with wave.open(io.BytesIO(file)) as opened:
        assert (opened.getframerate(), opened.getnframes()) == (8_000, 8_000)
    spoken = rehearsal.say(body, "opening.no_input", "en-IN", None, {})
    assert len(spoken) > 20_000
