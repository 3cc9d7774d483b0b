"""What the callees of a benchmark have heard: frames that were lost or late, and when the first sound came."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.figures import percentile
from benchmarks.rtp_callee import FRAME, FRAME_SECONDS, Stream, number_of
from scripts.running import ROOT
from tests.sipp import SCENARIOS, Callee, free_port, messages, play

SILENCE = b"\xff" * FRAME
LOOK_AHEAD = 250
"""Frames within which one that was passed over is looked for."""
SHORTLY = 0.5
"""Seconds within which a machine that stood still is the cause of a pause."""
LONGEST_CALL_MS = 300_000
_ANSWERS = '  <send retrans="500">'
_MEDIA = re.compile(r"^m=audio (\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Continuity:
    """How one call's audio came."""

    frames: int
    lost: int
    """Frames of what was said that did not come."""
    strange: int
    """Frames between them that nobody said, not even silence; and what came twice or in another order."""
    pauses: int
    """Times that silence was put in because the audio was late."""
    paused: int
    """Frames of it."""
    excused: int
    """Of these times, those at which the callee, a process that waits for nobody, was late itself."""
    late_ms: float
    """The longest that a frame came after its time."""
    gaps_ms: tuple[float, ...]
    """Between two frames."""


@contextmanager
def answering(
    folder: Path, *, talks: bool, tones: bool = False, rings: int = 0
) -> Iterator[tuple[Callee, Path]]:
    """SIPp that answers every call, whose audio a process of its own hears; yields it and where that tells.

    `rings` is for how many milliseconds.
    """
    port = free_port()
    kept = folder / "heard"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.rtp_callee", "--port", str(port), "--keep", str(kept)]
    scenario = SCENARIOS["answer"].replace("[media_port]", str(port)).replace("[media_ip]", "127.0.0.1")
    scenario = scenario.replace('timeout="120000"', f'timeout="{LONGEST_CALL_MS}"')
    scenario = scenario.replace(
        _ANSWERS, f'  <pause milliseconds="{rings}"/>\n{_ANSWERS}' if rings else _ANSWERS
    )
    ears = subprocess.Popen(
        command + ["--talk"] * talks + ["--tones"] * tones,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert ears.stdout is not None
        if ears.stdout.readline() != b"ready\n":
            raise RuntimeError("the callees' ears did not start")
        with play(scenario, "media", folder, log_messages=True) as sipp:
            yield sipp, kept
    finally:
        assert ears.stdin is not None
        ears.stdin.close()
        ears.wait(30)
        if ears.stdout is not None:
            ears.stdout.close()


def streams(kept: Path) -> list[Stream]:
    """What was heard, once the callees' ears have ended."""
    return [Stream(**fields) for fields in pickle.loads(kept.read_bytes())]


def frames(stream: Stream) -> list[bytes]:
    """A call's audio, frame by frame."""
    audio = bytes(stream.audio)
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


def follow(stream: Stream, said: Sequence[bytes]) -> Continuity:
    """Hold what a callee heard against what the agent said, from its first frame on."""
    heard = frames(stream)
    began = next((place for place, frame in enumerate(heard) if frame == said[0]), len(heard))
    place = lost = strange = 0
    silent: list[bool] = []
    for frame in heard[began:]:
        if place == len(said):
            break
        silent.append(frame == SILENCE != said[place])
        if frame == said[place]:
            place += 1
            continue
        if silent[-1]:
            continue
        ahead = next(
            (step for step, one in enumerate(said[place : place + LOOK_AHEAD]) if one == frame), None
        )
        if ahead is None:
            strange += 1
        else:
            lost += ahead
            place += ahead + 1
    pauses = _pauses(stream, began, silent)
    return Continuity(place, lost, strange, *pauses, _lateness(stream, began), _gaps(stream, began))


def echoed(stream: Stream) -> tuple[Continuity, list[float]]:
    """Hold what came back against what the callee said, by its numbers; and each frame's way there and back, in ms."""
    heard = frames(stream)
    numbers = [(place, number_of(frame)) for place, frame in enumerate(heard)]
    came = [(place, number) for place, number in numbers if number is not None]
    if not came:
        return Continuity(0, len(stream.said), len(numbers), 0, 0, 0, 0.0, ()), []
    (began, first), (ended, _) = came[0], came[-1]
    lost = max(number for _, number in came) - first + 1 - len({number for _, number in came})
    disordered = sum(after <= before for (_, before), (_, after) in pairwise(came))
    # What stands after the last one is how the call ended.
    silent = [frame == SILENCE for frame in heard[began : ended + 1]]
    strange = len(silent) - sum(silent) - len(came) + disordered
    trips = [
        1_000 * (stream.arrivals[place] - stream.said[number])
        for place, number in came
        if number < len(stream.said)
    ]
    pauses, late = _pauses(stream, began, silent), _lateness(stream, began)
    return Continuity(len(came), lost, strange, *pauses, late, _gaps(stream, began)), trips


def _pauses(stream: Stream, began: int, silent: Sequence[bool]) -> tuple[int, int, int]:
    """How often it falls silent, for how many frames, and how often when the callee itself was late about then."""
    places = [
        began + place for place, (before, after) in enumerate(pairwise(silent), 1) if after and not before
    ]
    late = [at for before, at in pairwise(stream.said) if at - before > 2 * FRAME_SECONDS]
    excused = sum(any(abs(stream.arrivals[place] - at) < SHORTLY for at in late) for place in places)
    return len(places), sum(silent), excused


def _lateness(stream: Stream, began: int) -> float:
    """The longest that a frame came after its time, with the earliest one as the measure."""
    offsets = [at - (began + place) * FRAME_SECONDS for place, at in enumerate(stream.arrivals[began:])]
    return 1_000 * (max(offsets) - min(offsets)) if offsets else 0.0


def _gaps(stream: Stream, began: int) -> tuple[float, ...]:
    arrivals = stream.arrivals[began:]
    return tuple(1_000 * (after - before) for before, after in pairwise(arrivals))


def first_sounds(log: Path, found: Sequence[Stream]) -> list[float]:
    """Milliseconds from each callee's answer (200 OK) to the first frame that is not silence."""
    clock = time.time() - time.monotonic()
    ports: dict[str, int] = {}
    answers: dict[int, float] = {}
    for message in messages(log):
        call, media = message.call_id, _MEDIA.search(message.text)
        if call is None or media is None:
            continue
        if message.received and message.text.startswith("INVITE"):
            ports.setdefault(call, int(media[1]))
        elif not message.received and message.text.startswith("SIP/2.0 200") and call in ports:
            answers.setdefault(ports[call], message.at)
    waits = []
    for stream in found:
        answered = answers.get(stream.source[1])
        sound = next((place for place, frame in enumerate(frames(stream)) if frame != SILENCE), None)
        if answered is not None and sound is not None:
            waits.append(1_000 * (stream.arrivals[sound] + clock - answered))
    return waits


def spread(values: Sequence[float]) -> str:
    """Median, 95th and 99th percentile and the largest, in words."""
    if not values:
        return "none"
    p50, p95, p99 = (percentile(values, share) for share in (50, 95, 99))
    return f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, most {max(values):.1f} ms of {len(values):,}"
