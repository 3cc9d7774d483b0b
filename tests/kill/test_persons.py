"""The books of transfers and recordings find what is wrong."""

from __future__ import annotations

import math
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kill import persons, recorded
from tests.kill.ledger import CallRow, ContactRow, RecordingRow, TryRow
from tests.kill.onlooker import Line, Seen, Span, Stay, without

CALLEE = "lab-cal_000000000001-1"
PERSON = f"{CALLEE}-h1"
ALWAYS = ((0.0, math.inf),)
ANSWERED = {"state": "ended", "outcome": "answered"}
FAILED = {"state": "ended", "outcome": "no_answer"}


TRY = TryRow(CALLEE, "lab", "ended", 99.0, 99.1, 100.0, 110.0, None)


def call(**changes: Any) -> CallRow:
    plain = CallRow("cal_000000000001", "completed", "escalated", None, True, 110.0, (TRY,), ANSWERED)
    return replace(plain, **changes)


def contacts(row: CallRow) -> dict[str, ContactRow]:
    return {"+1": ContactRow("+1", "finished", 1, 0, 1, row.disposition, None, (row,))}


def seen(*stays: Stay, person: tuple[float, float | None] = (102.0, 110.0), gone: float = 110.0) -> Seen:
    """A callee from 100 on, and a person; both hear somebody wherever nothing else is said."""
    lines = {
        CALLEE: Line(CALLEE, 99.0, 100.0, gone),
        PERSON: Line(PERSON, 101.0, person[0], person[1]),
    }
    leg = [Stay(f"{CALLEE}-m", "b", 100.0, 102.0), Stay(CALLEE, "b", 100.0, 102.0)]
    return Seen(200.0, lines, [*leg, *stays]).index()


TOGETHER = (Stay(CALLEE, "t", 102.0, 110.0), Stay(PERSON, "t", 102.0, 110.0))


def found(
    row: CallRow,
    what: Seen,
    lives: tuple[Span, ...] = ALWAYS,
    deaths: tuple[float, ...] = (),
    harms: tuple[Span, ...] = (),
) -> str:
    return " | ".join(persons.reckon(contacts(row), what, lives, deaths, harms).breaches)


def test_who_was_with_a_person_is_recorded_so() -> None:
    assert found(call(), seen(*TOGETHER)) == ""


@pytest.mark.parametrize(
    ("row", "what", "words"),
    [
        (call(), seen(), "the PBX never saw the two together"),
        (call(), seen(TOGETHER[0], replace(TOGETHER[1], bridge="x")), "never saw the two together"),
        (call(disposition="connected", transfer=FAILED), seen(*TOGETHER), "was with a person, recorded as no_answer"),
        (call(disposition="connected"), seen(*TOGETHER), "recorded as connected, its transfer as answered"),
        (call(transfer=None), seen(*TOGETHER), "no transfer is recorded"),
        (call(transfer={"state": "ringing", "outcome": None}), seen(*TOGETHER), "its transfer is ringing"),
        (call(), seen(TOGETHER[0], replace(TOGETHER[1], until=104.0)), f"{CALLEE}: alone on the line from 104"),
        (call(), seen(TOGETHER[0], replace(TOGETHER[1], since=106.0)), f"{PERSON}: alone on the line from 102"),
        (
            call(disposition="connected", transfer=FAILED),
            seen(Stay(f"{CALLEE}-m", "b", 102, 105), Stay(CALLEE, "b", 102, 105), person=(101, 109), gone=105),
            f"{PERSON}: there until 109",
        ),
    ],
)  # fmt: skip
def test_each_breach_is_found(row: CallRow, what: Seen, words: str) -> None:
    assert words in found(row, what)


def test_time_without_a_daemon_is_nobodys_fault_and_that_of_one_that_has_settled_is() -> None:
    left = seen(TOGETHER[0], replace(TOGETHER[1], until=104.0))
    assert found(call(), left, ((0.0, 103.0), (107.5, math.inf))) == ""
    assert "alone" in found(call(), left, ((0.0, 102.5), (106.6, math.inf)))


BRIEF = tuple(replace(stay, until=104.0) for stay in TOGETHER)


@pytest.mark.parametrize(
    ("what", "lives", "deaths", "harms", "known"),
    [
        (seen(*TOGETHER), ((0.0, 104.0), (105.0, math.inf)), (), (), True),
        (seen(*TOGETHER), ((0.0, 102.1), (103.0, math.inf)), (), (), True),
        (seen(*BRIEF, person=(102, 104), gone=104), ((0.0, 102.1), (106.0, math.inf)), (), (), True),
        (seen(*BRIEF, person=(102, 104), gone=104), ((0.0, 102.1), (104.5, math.inf)), (), (), False),
        (seen(*BRIEF, person=(102, 104), gone=104), ((0.0, 102.1), (106.0, math.inf)), (103.5,), (), False),
        (seen(*BRIEF, person=(102, 104), gone=104), ((0.0, 102.1), (106.0, math.inf)), (), ((101.0, 103.0),), False),
        (seen(*TOGETHER), ALWAYS, (102.1,), (), False),
    ],
)  # fmt: skip
def test_a_talk_may_be_unknown_only_where_nothing_tells_of_it(
    what: Seen, lives: tuple[Span, ...], deaths: tuple[float, ...], harms: tuple[Span, ...], known: bool
) -> None:
    row = call(disposition="connected", transfer=FAILED)
    assert ("was with a person" in found(row, what, lives, deaths, harms)) is known


def test_what_is_left_of_a_span() -> None:
    assert without((1.0, 9.0), [(2.0, 3.0), (0.0, 1.5), (2.5, 4.0), (8.0, 20.0)]) == [(1.5, 2.0), (4.0, 8.0)]
    assert without((1.0, 2.0), []) == [(1.0, 2.0)]
    assert without((1.0, 2.0), [(0.0, 5.0)]) == []


# --- recordings -----------------------------------------------------------------------------------


def tape(folder: Path, name: str, seconds: float) -> RecordingRow:
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(4 * round(8_000 * seconds)))
    return RecordingRow(name, (folder / name).stat().st_size, seconds)


def taped(
    folder: Path,
    row: CallRow,
    killed: tuple[float, ...] = (),
    lives: tuple[Span, ...] = ALWAYS,
    workers: tuple[float, ...] = (),
) -> str:
    books = recorded.reckon(contacts(row), folder, killed, (), frozenset(), lives, workers)
    return " | ".join(books.breaches)


def test_a_recording_fits_its_call_and_its_file(tmp_path: Path) -> None:
    plain = call(transfer=None)
    assert taped(tmp_path, replace(plain, recording=tape(tmp_path, "a.wav", 9.5))) == ""
    handed_over = call(recording=tape(tmp_path, "a.wav", 2.0))
    assert taped(tmp_path, handed_over) == "", "it ends where the person takes over"
    cut = replace(plain, recording=handed_over.recording)
    assert "much shorter than the call" in taped(tmp_path, cut)
    assert taped(tmp_path, cut, (105.0,)) == "", "its worker died"
    long = replace(plain, recording=tape(tmp_path, "a.wav", 12.0))
    assert "longer than the call" in taped(tmp_path, long)


@pytest.mark.parametrize(
    ("changes", "lives", "workers", "missing"),
    [
        ({}, ALWAYS, (), True),
        ({}, ((0.0, 101.5), (120.0, math.inf)), (), True),
        ({}, ALWAYS, (104.0,), True),
        ({"reason": "dropped"}, ALWAYS, (), True),
        ({"reason": "abandoned"}, ALWAYS, (), False),
        ({}, ((0.0, 100.5), (102.0, math.inf)), (), False),
        ({}, ((100.5, math.inf),), (), False),
        ({}, ALWAYS, (101.5,), False),
        ({"tries": (replace(TRY, ended_at=100.9),)}, ALWAYS, (), False),
        ({"tries": (replace(TRY, answered_at=None),)}, ALWAYS, (), False),
    ],
)  # fmt: skip
def test_a_call_that_has_neither_recording_nor_file_and_should_is_found(
    tmp_path: Path,
    changes: dict[str, Any],
    lives: tuple[Span, ...],
    workers: tuple[float, ...],
    missing: bool,
) -> None:
    said = taped(tmp_path, call(**{"transfer": None, **changes}), lives=lives, workers=workers)
    assert said == ("cal_000000000001: it has no recording" if missing else "")


def test_a_file_that_is_missing_broken_or_unknown_is_found(tmp_path: Path) -> None:
    kept = tape(tmp_path, "a.wav", 9.5)
    row = call(recording=kept)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "x.kept").write_text("a.wav")
    (tmp_path / "b.wav").write_bytes(b"")
    assert taped(tmp_path, row) == "b.wav: nothing is stored about this file"
    (tmp_path / "b.wav").unlink()
    assert "recorded are 7" in taped(tmp_path, replace(row, recording=replace(kept, size=7)))
    assert "8.000 recorded" in taped(tmp_path, replace(row, recording=replace(kept, length=8.0)))
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert "cannot be read" in taped(tmp_path, row)
    (tmp_path / "a.wav").unlink()
    assert "is not there" in taped(tmp_path, row)
