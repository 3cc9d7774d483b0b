"""Rendering and keeping of prompts, with a program in espeak-ng's place; and once with the real one."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialerd.agent.clips import FRAME, ClipCache, clip_key
from dialerd.agent.speech import Speech, encode
from dialerd.agent.voices import Voice, Voices, find_voices
from dialerd.core.errors import PortError, RequestError

# Speaks as many bytes of tone as it was given bytes of text, and notes that it was called.
FAKE = """\
#!/bin/sh
folder=$(dirname "$0")
case "$1" in
--voices) cat "$folder/voices"; exit ;;
--version) echo "eSpeak NG text-to-speech: fake  Data at: nowhere"; exit ;;
esac
echo "$*" >> "$folder/calls"
if [ -e "$folder/slow" ]; then exec sleep 5; fi
if [ -e "$folder/broken" ]; then echo "no such voice" >&2; exit 1; fi
printf 'RIFF\\044\\000\\000\\000WAVEfmt \\020\\000\\000\\000\\001\\000\\001\\000'
printf '\\042\\126\\000\\000\\104\\254\\000\\000\\002\\000\\020\\000data\\000\\000\\000\\000'
text=$(cat)
head -c $(( ${#text} * 882 )) /dev/zero | tr '\\000' '\\020'
"""
VOICES = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  hi              --/M      Hindi              inc/hi
 5  chr-US-Qaaa-x-west --/M   Cherokee_          iro/chr
"""


class Fake:
    """A program called espeak-ng."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "espeak-ng"
        program.write_text(FAKE)
        program.chmod(0o755)
        (folder / "voices").write_text(VOICES)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Fake(folder)


@asynccontextmanager
async def speaking(folder: Path, deadline: float = 5.0, **limits: int) -> AsyncIterator[tuple[Speech, Voice]]:
    speech = Speech(ClipCache(folder), deadline=deadline, **limits)
    await speech.start()
    try:
        yield speech, speech.voice("en-IN", "female")
    finally:
        await speech.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_sentence_is_rendered_once_and_kept(fake: Fake, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with speaking(cache) as (speech, voice):
        first, again, other = await asyncio.gather(
            speech.clip("Hello.", voice, personal=False),
            speech.clip("Hello.", voice, personal=False),
            speech.clip("Goodbye.", voice, personal=False),
        )
        assert first == again != other
        assert await speech.clip("Hello.", voice, personal=False) == first
    assert len(fake.calls) == 2
    assert all("Hello" not in call for call in fake.calls), "texts are not arguments"
    async with speaking(cache) as (speech, voice):
        assert await speech.clip("Hello.", voice, personal=False) == first
        assert await speech.clip("Hello.", speech.voice("en-IN", "male"), personal=False) == first
    assert len(fake.calls) == 3, "another voice is another clip"
    assert len(files(cache)) == 3
    assert all(path.suffix == ".ulaw" for path in files(cache))
    assert stat.S_IMODE(files(cache)[0].parent.stat().st_mode) == 0o700
    assert len(first) == FRAME * 6, "20 ms a letter, resampled, in whole frames"


async def test_what_is_personal_is_not_written_down(fake: Fake, tmp_path: Path) -> None:
    async with speaking(tmp_path / "cache") as (speech, voice):
        clip = await speech.clip("Hello Priya.", voice, personal=True)
        assert await speech.clip("Hello Priya.", voice, personal=True) == clip
    assert len(fake.calls) == 1
    assert files(tmp_path / "cache") == []


async def test_memory_is_bounded(fake: Fake, tmp_path: Path) -> None:
    async with speaking(tmp_path / "cache", memory=1200) as (speech, voice):
        for text in ("Hello.", "Hi.", "Bye.", "Hello."):
            await speech.clip(text, voice, personal=True)
    assert len(fake.calls) == 4


async def test_a_waiting_call_that_ends_does_not_take_the_clip_from_others(
    fake: Fake, tmp_path: Path
) -> None:
    async with speaking(tmp_path / "cache") as (speech, voice):
        leaver = asyncio.create_task(speech.clip("Hello.", voice, personal=True))
        stayer = asyncio.create_task(speech.clip("Hello.", voice, personal=True))
        await asyncio.sleep(0)
        leaver.cancel()
        assert await stayer


async def test_a_program_that_hangs_is_given_up(fake: Fake, tmp_path: Path) -> None:
    (fake.folder / "slow").touch()
    async with speaking(tmp_path / "cache", deadline=0.05) as (speech, voice):
        with pytest.raises(PortError, match=r"0\.05 s"):
            await speech.clip("Hello.", voice, personal=False)
        (fake.folder / "slow").unlink()
        speech._deadline = 5.0
        assert await speech.clip("Hello.", voice, personal=False), "a failure is not kept"


async def test_a_program_that_fails_is_quoted(fake: Fake, tmp_path: Path) -> None:
    (fake.folder / "broken").touch()
    async with speaking(tmp_path / "cache") as (speech, voice):
        with pytest.raises(PortError, match="no such voice"):
            await speech.clip("Hello.", voice, personal=False)


async def test_without_the_program_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    speech = Speech(ClipCache(tmp_path))
    with pytest.raises(PortError, match="apt install espeak-ng"):
        await speech.start()
    with pytest.raises(PortError, match="not been found"):
        speech.voice("en-IN", "female")
    assert speech.languages == ()
    await speech.close()


def test_voices_are_chosen_for_the_listener(fake: Fake) -> None:
    voices = find_voices()
    assert voices.languages == ("en-GB", "en-US", "hi")
    assert voices.choose("en-IN") == Voice("en+f3", "en-IN")
    assert voices.choose("en-US", "male") == Voice("en-us", "en-US")
    assert voices.choose("hi-IN") == Voice("hi+f3", "hi-IN")
    for unspoken in ("ta-IN", "hi-Latn"):
        with pytest.raises(RequestError) as caught:
            voices.choose(unspoken)
        assert [fault.loc for fault in caught.value.faults] == ["language"]


def test_a_program_without_voices_is_no_help(fake: Fake) -> None:
    (fake.folder / "voices").write_text("Pty Language\n")
    with pytest.raises(PortError, match="no voices"):
        find_voices()


# --- the folder ----------------------------------------------------------------------------------


def test_clips_are_whole_or_not_there(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path)
    key = clip_key("a", "b")
    assert cache.get(key) is None
    cache.put(key, b"x" * FRAME)
    assert cache.get(key) == b"x" * FRAME
    (path,) = files(tmp_path)
    path.write_bytes(b"x" * (FRAME - 1))
    assert cache.get(key) is None
    assert clip_key("ab", "") != key


def test_the_longest_unused_clips_go_first(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, limit=10 * FRAME)
    keys = [clip_key(str(number)) for number in range(11)]
    for age, key in enumerate(keys[:10]):
        cache.put(key, b"x" * FRAME)
        os.utime(cache._path(key), (1000 + age, 1000 + age))
    assert cache.get(keys[0]) is not None, "used now"
    cache.put(keys[10], b"x" * FRAME)
    assert cache.get(keys[0]) is not None
    assert cache.get(keys[10]) is not None
    assert [cache.get(key) is None for key in keys[1:4]] == [True, True, False]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10 * FRAME


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = ClipCache(tmp_path / "file")
    cache.put(clip_key("a"), b"x" * FRAME)
    assert cache.get(clip_key("a")) is None


# --- audio ---------------------------------------------------------------------------------------


def riff(samples: list[int], rate: int = 8000) -> bytes:
    data = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    return b"RIFF" + bytes(20) + rate.to_bytes(4, "little") + bytes(8) + b"data" + bytes(4) + data


def test_mu_law_is_that_of_g_711() -> None:
    # Input in 16 bits; the table of ITU-T G.711 in its usual inverted form.
    known = {0: 0xFF, -1: 0x7F, 132: 0xEF, 1000: 0xCE, -1000: 0x4E, 32767: 0x80, -32768: 0x00, 8159: 0x9F}
    clip = encode(riff(list(known)))
    assert list(clip[: len(known)]) == list(known.values())
    assert len(clip) == FRAME
    assert set(clip[len(known) :]) == {0xFF}


def test_nothing_said_is_one_frame_of_silence() -> None:
    assert encode(riff([])) == b"\xff" * FRAME
    assert encode(riff([]) + b"\0") == b"\xff" * FRAME
    with pytest.raises(PortError):
        encode(b"")


async def test_the_real_one_speaks_english_and_hindi(tmp_path: Path) -> None:
    async with speaking(tmp_path) as (speech, english):
        hindi = speech.voice("hi-IN", "male")
        hello = await speech.clip("Hello Priya, how are you?", english, personal=False)
        namaste = await speech.clip("नमस्ते प्रिया, आप कैसी हैं?", hindi, personal=False)
        assert {"en-GB", "hi", "ta"} <= set(speech.languages)
    for clip in (hello, namaste):
        assert 0.8 < len(clip) / 8000 < 4
        assert sum(byte not in (0x7F, 0xFF) for byte in clip) > len(clip) / 2


def test_voices_with_tags_that_are_none_are_left_out() -> None:
    assert Voices({"en-gb": "gmw/en", "chr-US-Qaaa-x-west": "iro/chr", "piqd": "piqd"}, "1").languages == (
        "en-GB",
    )


async def test_what_is_forgotten_is_spoken_anew(fake: Fake, tmp_path: Path) -> None:
    async with speaking(tmp_path / "cache") as (speech, voice):
        speech.forget("Hello Priya.", voice)
        for _ in range(2):
            await speech.clip("Hello Priya.", voice, personal=True)
        assert len(fake.calls) == 1
        speech.forget("Hello Priya.", voice)
        await speech.clip("Hello Priya.", voice, personal=True)
        assert len(fake.calls) == 2
        assert files(tmp_path / "cache") == []
