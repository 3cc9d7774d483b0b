"""Recordings: what is heard is where it was heard, whatever the disk does, and whole after any death."""

from __future__ import annotations

import asyncio
import os
import wave
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.mulaw import decode_sample, encode_sample, interleave
from dialerd.media import recordings
from dialerd.media.recordings import NOTE, PARTS, Kept, Lost, Outcome, RecordingWriter
from dialerd.media.tracks import AHEAD, RATE, SLACK, Tracks
from dialerd.media.wavefile import HEADER_BYTES
from tests.adapters.waiting import until
from tests.media.test_session import answered, held

LOUD, QUIET = b"\x80", b"\xff"
FRAME = 160


def sides(stereo: bytes) -> tuple[list[int], list[int]]:
    samples = memoryview(stereo).cast("h")
    return list(samples[0::2]), list(samples[1::2])


def heard(samples: list[int]) -> list[tuple[int, int]]:
    """From where to where something is heard."""
    found: list[tuple[int, int]] = []
    for at, sample in enumerate(samples):
        if sample == 0:
            continue
        if found and found[-1][1] == at:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


# --- the timeline ---------------------------------------------------------------------------------


def test_every_mu_law_byte_is_the_nearest_to_its_value() -> None:
    assert all(
        decode_sample(encode_sample(decode_sample(code))) == decode_sample(code) for code in range(256)
    )
    assert (encode_sample(0), decode_sample(0xFF), decode_sample(0x80)) == (0xFF, 0, 32_124)


def test_the_callee_is_on_the_left_and_the_agent_on_the_right() -> None:
    assert interleave(b"\x80\xff", b"\xff\x00") == b"\x7c\x7d\x00\x00" + b"\x00\x00\x84\x82"
    with pytest.raises(ValueError, match="length"):
        interleave(b"1", b"22")


def test_what_is_sent_ahead_is_heard_one_after_the_other_and_what_is_flushed_is_not() -> None:
    tracks = Tracks()
    tracks.hear_agent(800, LOUD * 8_000)
    tracks.hear_agent(900, LOUD * 8_000)
    tracks.cut_agent(10_000)
    tracks.hear_agent(12_000, LOUD * 160)
    left, right = sides(tracks.take(20_000))
    assert heard(right) == [(800, 10_000), (12_000, 12_160)]
    assert heard(left) == []
    assert len(right) == 20_000


def test_a_gap_is_silence_and_jitter_is_none() -> None:
    tracks = Tracks()
    tracks.hear_callee(1_600, LOUD * FRAME)
    tracks.hear_callee(1_600 + FRAME + SLACK - 1, LOUD * FRAME)
    tracks.hear_callee(16_000, LOUD * FRAME)
    left, _ = sides(tracks.take(20_000))
    assert heard(left) == [(1_440, 1_760), (15_840, 16_000)]


callee_frames = st.lists(st.integers(0, 4_000), min_size=1, max_size=60)


@given(callee_frames, st.lists(st.integers(1, 9_000), max_size=20))
def test_nothing_is_ever_heard_far_from_its_time(waits: list[int], takes: list[int]) -> None:
    tracks, at, arrived = Tracks(), 0, []
    taken, parts = 0, b""
    for number, wait in enumerate(waits):
        at += wait
        arrived.append(at)
        tracks.hear_callee(at, LOUD * FRAME)
        if number < len(takes) and taken + takes[number] <= at - RATE // 2:
            taken += takes[number]
            parts += tracks.take(taken)
    parts += tracks.take(at + RATE)
    left, _ = sides(parts)
    assert len(left) == at + RATE
    for start, end in heard(left):
        assert any(start >= when - FRAME - SLACK for when in arrived)
        assert end <= at + AHEAD + FRAME


# --- the files ------------------------------------------------------------------------------------


class Told:
    """What became of recordings."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    async def wait(self, count: int = 1) -> Outcome:
        await until(lambda: len(self.outcomes) >= count)
        return self.outcomes[count - 1]


async def test_a_recording_is_a_wav_file_in_the_folder_of_its_day(tmp_path: Path) -> None:
    told = Told()
    writer = RecordingWriter(tmp_path / "recordings", told)
    recording = writer.begin("cal_000000000001")
    recording.write(interleave(LOUD * 8_000, QUIET * 8_000))
    recording.write(interleave(QUIET * 4_000, LOUD * 4_000))
    recording.finish()
    recording.finish()
    kept = await told.wait()
    assert isinstance(kept, Kept)
    assert (kept.call, kept.length, kept.size) == ("cal_000000000001", 1_500, HEADER_BYTES + 48_000)
    path = tmp_path / "recordings" / kept.path
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_size == kept.size
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8_000)
        left, right = sides(file.readframes(file.getnframes()))
    assert (heard(left), heard(right)) == ([(0, 8_000)], [(8_000, 12_000)])
    assert list((tmp_path / "recordings" / PARTS).glob("*.wav")) == []
    await writer.stop()
    assert len(told.outcomes) == 1


async def test_a_recording_of_which_nobody_could_be_told_is_told_by_the_next_worker(tmp_path: Path) -> None:
    told = Told()
    first = RecordingWriter(tmp_path, told)
    for number in (1, 2, 3):
        recording = first.begin(f"cal_00000000000{number}")
        recording.write(interleave(LOUD * 8_000, LOUD * 8_000))
        recording.finish()
    kept = [await told.wait(count) for count in (1, 2, 3)]
    first.known("cal_000000000002")
    await first.stop()
    assert isinstance(kept[2], Kept)
    (tmp_path / kept[2].path).unlink()
    again = Told()
    second = RecordingWriter(tmp_path, again)
    second.start()
    await second.stop()
    assert again.outcomes == [kept[0]], "the second is known, the third was deleted since"
    second = RecordingWriter(tmp_path, again)
    second.start()
    second.known("cal_000000000001")
    await second.stop()
    assert list((tmp_path / PARTS).iterdir()) == []


async def test_a_note_that_cannot_be_removed_costs_no_other_recording(tmp_path: Path) -> None:
    told = Told()
    writer = RecordingWriter(tmp_path, told)
    (tmp_path / PARTS / f"cal_000000000001{NOTE}").mkdir(parents=True)
    writer.start()
    writer.known("cal_000000000001")
    recording = writer.begin("cal_000000000002")
    recording.write(interleave(LOUD * 8_000, LOUD * 8_000))
    recording.finish()
    assert isinstance(await told.wait(), Kept)
    await writer.stop()


async def test_a_worker_that_died_leaves_a_recording_that_the_next_one_makes_whole(tmp_path: Path) -> None:
    told = Told()
    first = RecordingWriter(tmp_path, told)
    recording = first.begin("cal_000000000001")
    recording.write(interleave(LOUD * 8_000, LOUD * 8_000))
    part = tmp_path / PARTS / "cal_000000000001.wav"
    await until(lambda: part.exists() and part.stat().st_size > 32_000)
    with part.open("ab") as torn:
        torn.write(b"\x01\x02\x03")
    beside = RecordingWriter(tmp_path, told)
    beside.start()
    await beside.stop()
    assert (told.outcomes, part.exists()) == ([], True), "a worker that lives is left to its work"
    # Its process dies: what it has open is closed.
    assert recording._file is not None
    os.close(recording._file)
    recording._file = None
    again = RecordingWriter(tmp_path, told)
    again.start()
    kept = await told.wait()
    assert isinstance(kept, Kept)
    assert kept.length == 1_000
    with wave.open(str(tmp_path / kept.path)) as file:
        assert file.getnframes() == 8_000
    await again.stop()
    await first.stop()


async def test_a_full_disk_costs_the_recording_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, written = Told(), 0
    writer = RecordingWriter(tmp_path, told)

    def full(file: int, data: Any) -> int:
        nonlocal written
        written += len(data)
        if written > 100_000:
            raise OSError(28, "No space left on device")
        return len(data)

    monkeypatch.setattr(recordings.os, "write", full)
    recording = writer.begin("cal_000000000001")
    for _ in range(10):
        recording.write(bytes(32_000))
    recording.finish()
    lost = await told.wait()
    assert isinstance(lost, Lost)
    assert "No space left on device" in lost.detail
    assert list((tmp_path / PARTS).glob("*.wav")) == []
    monkeypatch.undo()
    fine = writer.begin("cal_000000000002")
    fine.write(bytes(32_000))
    fine.finish()
    assert isinstance(await told.wait(2), Kept)
    await writer.stop()


async def test_a_disk_on_which_little_is_left_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    writer = RecordingWriter(tmp_path, told)
    monkeypatch.setattr(recordings, "LEAVES", 2**62)
    recording = writer.begin("cal_000000000001")
    recording.write(bytes(4))
    recording.finish()
    lost = await told.wait()
    assert isinstance(lost, Lost)
    assert "left on the disk" in lost.detail
    assert list((tmp_path / PARTS).glob("*.wav")) == []
    await writer.stop()


async def test_a_folder_that_cannot_be_written_costs_the_recording_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file")
    told = Told()
    writer = RecordingWriter(tmp_path / "recordings", told)
    recording = writer.begin("cal_000000000001")
    recording.write(bytes(4))
    recording.finish()
    lost = await told.wait()
    assert isinstance(lost, Lost)
    assert str(tmp_path) in lost.detail
    await writer.stop()


async def test_a_disk_that_is_too_slow_never_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MOST_WAITING", 100_000)
    told, read, slow = Told(), *os.pipe()
    writer = RecordingWriter(tmp_path, told)
    monkeypatch.setattr(RecordingWriter, "_open", lambda self, call: os.read(read, 1) and -1)
    recording = writer.begin("cal_000000000001")
    for _ in range(10):
        recording.write(bytes(32_000))
    assert writer._waiting <= 132_000
    recording.finish()
    os.write(slow, b"x")
    lost = await told.wait()
    assert isinstance(lost, Lost)
    await writer.stop()
    os.close(read)
    os.close(slow)


# --- beside a call --------------------------------------------------------------------------------


class Tape:
    """A sink in memory."""

    def __init__(self) -> None:
        self.audio = b""
        self.finished = 0

    def write(self, audio: bytes) -> None:
        self.audio += audio

    def finish(self) -> None:
        self.finished += 1


async def test_a_call_is_recorded_from_its_first_sound_to_its_end() -> None:
    tape = Tape()
    async with answered() as fake, held(fake, record=lambda call: tape) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        assert not any(command["command"] == "SET_MEDIA_DIRECTION" for command in leg.commands)
        assert leg.socket is not None
        await leg.socket.send_bytes(LOUD * FRAME)
        await asyncio.sleep(0.1)
        await leg.press("9")
        await call.outcome()
        assert tape.finished == 1
        left, right = sides(tape.audio)
        assert sum(end - start for start, end in heard(left)) == FRAME
        assert heard(right)[0][0] < RATE // 2


async def test_without_a_recording_the_call_is_the_same() -> None:
    async with answered() as fake, held(fake, record=lambda call: None) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        await leg.press("9")
        await call.outcome()
