"""Words that callees say: found in their audio, recognised beside the loop, and told to the conversation."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dialerd.agent import listener as listener_process
from dialerd.agent.clips import FRAME
from dialerd.agent.embedded import EmbeddedAgent
from dialerd.agent.hearing import Ear, Listener
from dialerd.agent.keywords import Recogniser, is_word
from dialerd.agent.script import parse_script
from dialerd.agent.speech import encode, render
from dialerd.agent.utterance import Utterances
from dialerd.core.clock import Millis
from tests.agent.scripts import VISIT, good
from tests.agent.test_embedded import FakeSpeech, RecordingStage, order

QUIET = b"\xff" * FRAME
PHRASES = ("yes please", "not interested", "call me later", "stop calling", "talk to a person")
BESIDE = ("hello", "what is the interest rate", "i am in a meeting", "good morning", "mango")
VOICES = ("en-gb", "en-us", "en-us+f3")


def spoken(text: str, voice: str = "en-gb") -> bytes:
    """Somebody says it on the phone: mu-law with silence around it."""
    return 30 * QUIET + encode(render(text, voice, 10)) + 40 * QUIET


def frames(audio: bytes) -> Iterator[bytes]:
    return (audio[at : at + FRAME] for at in range(0, len(audio), FRAME))


def heard(audio: bytes, utterances: Utterances | None = None) -> list[bytes]:
    utterances = utterances or Utterances()
    return [each for frame in frames(audio) for each in utterances.feed(frame)]


# --- utterances ----------------------------------------------------------------------------------


def test_what_is_said_is_cut_out_with_a_little_around_it() -> None:
    (utterance,) = heard(spoken("yes please"))
    assert 0.5 < len(utterance) / 16_000 < 2.0
    twice = heard(spoken("yes please") + spoken("not interested"))
    assert len(twice) == 2


def test_audio_may_come_in_any_pieces() -> None:
    audio = spoken("yes please")
    whole, pieces = Utterances(), Utterances()
    odd = [each for at in range(0, len(audio), 93) for each in pieces.feed(audio[at : at + 93])]
    assert odd == whole.feed(audio)


def test_noise_of_the_line_and_clicks_are_nothing() -> None:
    noise = np.random.default_rng(1).integers(-60, 60, 80_000).astype("<i2")
    click = np.zeros(8_000, "<i2")
    click[4_000:4_200] = 20_000
    header = b"RIFF" + bytes(20) + (8_000).to_bytes(4, "little") + bytes(8) + b"data" + bytes(4)
    assert heard(encode(header + noise.tobytes())) == []
    assert heard(encode(header + click.tobytes())) == []
    assert heard(500 * QUIET) == []


def test_a_long_speech_is_told_as_none() -> None:
    story = (
        "this is a long story without any pause which nobody who wants to choose something would ever tell, "
        * 2
    )
    utterances = Utterances()
    told = heard(spoken(story.replace(",", "")), utterances)
    assert told.count(b"") >= 1
    assert all(len(each) <= 16_000 * 6 for each in told)
    assert len(heard(spoken("yes please"), utterances)) == 1, "it hears again after that"


def test_music_is_kept_nowhere_and_nobody_is_waited_for() -> None:
    utterances = Utterances()
    speech = encode(render("this goes on and on and on without any pause at all for ever", "en-gb", 10))
    loud = np.frombuffer(speech, np.uint8)
    loud = loud[(loud & 0x7F) < 0x60].tobytes()
    told = [each for _ in range(10) for each in heard(loud, utterances)]
    assert told.count(b"") <= 2
    assert sum(map(len, told)) < 16_000 * 12


def test_while_somebody_speaks_it_is_known() -> None:
    utterances = Utterances()
    assert not utterances.speaking
    utterances.feed(spoken("yes please")[: 60 * FRAME])
    assert utterances.speaking
    utterances.feed(60 * QUIET)
    assert not utterances.speaking


# --- words ---------------------------------------------------------------------------------------


def test_words_are_known_by_their_spelling() -> None:
    assert is_word("interested")
    assert not is_word("qwxyz")


def test_phrases_are_recognised_and_other_speech_mostly_is_not() -> None:
    recogniser = Recogniser()
    said = {(text, voice): heard(spoken(text, voice)) for text in (*PHRASES, *BESIDE) for voice in VOICES}
    got = {
        key: next((found for each in cut if (found := recogniser.recognise(each, PHRASES))), None)
        for key, cut in said.items()
    }
    right = sum(got[text, voice] == text for text in PHRASES for voice in VOICES)
    wrong = [key for key, found in got.items() if key[0] in PHRASES and found not in (None, key[0])]
    beside = [key for key, found in got.items() if key[0] in BESIDE and found is not None]
    assert right >= 12, got
    assert not wrong
    assert len(beside) <= 2, beside
    assert recogniser.recognise(b"", PHRASES) is None
    assert recogniser.recognise(said["yes please", "en-gb"][0], ()) is None


def test_grammars_are_forgotten_when_there_are_many() -> None:
    recogniser = Recogniser()
    (utterance,) = heard(spoken("yes please"))
    for index in range(80):
        recogniser.recognise(
            bytes(320), ("yes please", "no", "monday" if index % 2 else "friday", f"{'a ' * index}b")
        )
    assert recogniser.recognise(utterance, PHRASES) == "yes please"


def test_the_process_answers_in_turn_and_ends_with_its_input() -> None:
    (utterance,) = heard(spoken("not interested"))
    asked = b""
    for number, phrases in ((1, PHRASES), (2, ("monday", "friday"))):
        asked += (
            json.dumps({"number": number, "phrases": phrases, "size": len(utterance)}).encode()
            + b"\n"
            + utterance
        )
    answers = io.BytesIO()
    listener_process.serve(io.BytesIO(asked), answers)
    told = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert told == [{"number": 1, "phrase": "not interested"}, {"number": 2, "phrase": None}]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    yield made
    await made.close()


async def test_the_loop_goes_on_while_somebody_is_listened_to(listener: Listener) -> None:
    await listener.start()
    cut = heard(spoken("call me later"))[0]
    late = 0.0

    async def watch() -> None:
        nonlocal late
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            late = max(late, time.perf_counter() - begun - 0.005)

    watching = asyncio.create_task(watch())
    found = await asyncio.gather(*(listener.recognise(cut, PHRASES) for _ in range(10)))
    watching.cancel()
    assert found == ["call me later"] * 10
    assert late < 1.0, (
        "recognising all ten takes longer than that in one piece on a busy machine, not in slices"
    )


async def test_a_listener_that_dies_is_replaced(listener: Listener) -> None:
    cut = heard(spoken("stop calling"))[0]
    assert await listener.recognise(cut, PHRASES) == "stop calling"
    assert listener._process is not None
    os.kill(listener._process.pid, signal.SIGKILL)
    await listener._process.wait()
    assert await listener.recognise(cut, PHRASES) == "stop calling"


@pytest.mark.parametrize(
    "program",
    ["import sys; sys.exit(3)", "import time; time.sleep(60)", "print('no json at all', flush=True)"],
)
async def test_a_listener_that_fails_costs_the_words_and_nothing_else(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialerd.agent.hearing.DEADLINE", 0.5)
    failing = Listener((sys.executable, "-c", program))
    for _ in range(3):
        assert await failing.recognise(bytes(3_200), PHRASES) is None
    await failing.close()
    missing = Listener(("/nowhere/python",))
    assert await missing.recognise(bytes(3_200), PHRASES) is None
    await missing.start()
    await missing.close()


async def test_a_listener_that_is_of_no_use_is_not_started_over_and_over(tmp_path: Path) -> None:
    program = f"import sys; open({str(tmp_path / 'starts')!r}, 'a').write('x'); sys.exit(3)"
    failing = Listener((sys.executable, "-c", program))
    for _ in range(5):
        assert await failing.recognise(bytes(3_200), PHRASES) is None
    await failing.close()
    assert (tmp_path / "starts").read_text() == "x"


async def test_an_ear_tells_what_was_said_and_that_it_is_busy(listener: Listener) -> None:
    told: list[tuple[str | None, Millis]] = []
    ear = Ear(listener, lambda: PHRASES, lambda phrase, at: told.append((phrase, at)))
    audio = spoken("yes please")
    for index, frame in enumerate(frames(audio)):
        ear.hear(frame, Millis(20 * index))
    assert ear.busy
    await asyncio.wait_for(_until(lambda: bool(told)), 10)
    assert not ear.busy
    assert told[0][0] == "yes please"
    assert told[0][1] > 800
    ear.close()


async def _until(true: Any) -> None:
    while not true():
        await asyncio.sleep(0.01)


# --- the conversation ----------------------------------------------------------------------------


async def test_a_callee_answers_in_words_on_the_stage(listener: Listener) -> None:
    agent = EmbeddedAgent(FakeSpeech(), listener=listener)  # type: ignore[arg-type]
    agent.learn("visit", 1, parse_script(VISIT).body)
    await agent.prepare("visit", 1, "en-IN")
    talk = agent.converse(order(script_id="visit", variables={}))
    assert talk.hears
    stage = RecordingStage()
    talk.start(stage)
    for index, frame in enumerate(frames(spoken("stop calling"))):
        talk.heard(frame, Millis(20 * index))
    talk.silence(1, Millis(1_000))
    assert stage.told[-1] == ("listen", 1, 500), "who is speaking is heard out"
    await asyncio.wait_for(_until(lambda: talk.report.disposition is not None), 10)
    assert talk.report.disposition == "dnc"
    assert ("stop",) in stage.told, "the line was interrupted"
    assert talk.report.transcript[1]["text"] == "stop calling"
    talk.close(Millis(9_000))


async def test_only_scripts_with_words_listen_and_only_in_english() -> None:
    agent = EmbeddedAgent(FakeSpeech())  # type: ignore[arg-type]
    agent.learn("offer", 1, good().body)
    agent.learn("hindi", 1, parse_script(VISIT.replace("  en-IN:", "  hi-IN:")).body)
    for script, language in (("offer", "en-IN"), ("hindi", "hi-IN")):
        await agent.prepare(script, 1, language)
        assert not agent.converse(order(script_id=script, language=language)).hears
    assert agent._listener._process is None


def test_loading_a_script_without_words_loads_no_recogniser() -> None:
    program = "import sys, dialerd.agent.embedded; sys.exit('pocketsphinx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
