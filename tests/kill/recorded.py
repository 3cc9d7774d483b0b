"""Recordings: what the store tells of them, held against the files that are there."""

from __future__ import annotations

import wave
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dialerd.media.recordings import NOTE
from tests.kill.accounts import Books
from tests.kill.ledger import CallRow, ContactRow
from tests.kill.onlooker import Span

LONGER = 1.0
"""Seconds by which a recording may be longer than its call: so long may pass, without a daemon, until the hang-up of
its callee is noticed."""
SHORTER = 2.0
"""Seconds that may be missing at its beginning and its end."""
BEGINS = 1.0
"""Seconds from an answer until its call's recording must have begun."""
ON_DISK = 2.0
"""The same until some of it is on the disk, where a worker's death leaves it."""


def reckon(
    contacts: Mapping[str, ContactRow],
    folder: Path,
    killed: Sequence[float],
    harms: Sequence[Span],
    others: frozenset[str],
    settled: Sequence[Span],
    workers: Sequence[float],
) -> Books:
    """Hold every call, all of which are to be recorded, against its recording, and that against its file.

    `killed`: when daemons and media workers died, `workers`: the latter alone; `harms`: when the way to a server was
    harmed; `others`: paths of recordings that other calls have; `settled`: when a daemon knew what was going on.
    """
    breaches: list[str] = []
    figures: Counter[str] = Counter()
    told = set(others)
    for contact in contacts.values():
        for call in contact.calls:
            if call.recording is None:
                figures["answered and not recorded"] += call.answered
                if _had_to_be(call, settled, workers):
                    breaches.append(f"{call.id}: it has no recording")
                continue
            figures["recordings"] += 1
            told.add(call.recording.path)
            breaches += [f"{call.id}: {breach}" for breach in _recording(call, folder, killed, harms)]
    breaches += [f"{path}: nothing is stored about this file" for path in sorted(files(folder) - told)]
    return Books(tuple(breaches), figures)


def _had_to_be(call: CallRow, settled: Sequence[Span], workers: Sequence[float]) -> bool:
    """Whether a call without a recording was given its agent, and by that its recording, by a daemon that lived on.

    What nobody was heard on is `abandoned`, and has no recording either.
    """
    attempt = call.tries[-1]
    answered, ended = attempt.answered_at, attempt.ended_at
    if answered is None or ended is None or ended < answered + BEGINS or call.reason == "abandoned":
        return False
    if any(answered <= death <= answered + ON_DISK for death in workers):
        return False
    return any(since <= answered and answered + BEGINS <= until for since, until in settled)


def files(folder: Path) -> set[str]:
    """Every recording in the folder, those in the making too."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != NOTE)
    return {str(path.relative_to(folder)) for path in found}


def _recording(call: CallRow, folder: Path, killed: Sequence[float], harms: Sequence[Span]) -> Iterator[str]:
    kept, attempt = call.recording, call.tries[-1]
    assert kept is not None
    path = folder / kept.path
    if not path.is_file():
        yield f"its recording {kept.path} is not there"
        return
    if path.stat().st_size != kept.size:
        yield f"its recording has {path.stat().st_size} bytes, recorded are {kept.size}"
    try:
        with wave.open(str(path)) as file:
            shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            length = file.getnframes() / file.getframerate()
            read = len(file.readframes(file.getnframes())) // 4 / file.getframerate()
    except (wave.Error, EOFError) as error:
        yield f"its recording cannot be read: {error}"
        return
    if shape != (2, 2, 8_000) or abs(length - read) > 0.001 or abs(length - kept.length) > 0.001:
        yield f"its recording has {shape}, {length:.3f} s said and {read:.3f} s there, {kept.length:.3f} recorded"
    if attempt.answered_at is None or attempt.ended_at is None:
        yield "it has a recording, and was not answered"
        return
    lasted = attempt.ended_at - attempt.answered_at
    harmed = any(begin <= attempt.ended_at + LONGER and attempt.answered_at <= end for begin, end in harms)
    if length > lasted + LONGER and not harmed:
        yield f"its recording of {length:.3f} s is longer than the call, {lasted:.3f} s"
    broken = harmed or any(attempt.answered_at <= at <= attempt.ended_at for at in killed)
    handed_over = call.transfer is not None and call.transfer["outcome"] == "answered"
    if length < lasted - SHORTER and not (broken or handed_over):
        yield f"its recording of {length:.3f} s is much shorter than the call, {lasted:.3f} s"
