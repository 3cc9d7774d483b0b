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
    """Frames between them that nobody said; silence between two sayings is none."""
    late_ms: float
    """The longest that a frame came after its time."""
    gaps_ms: tuple[float, ...]
    """Between two frames."""


@contextmanager
def answering(folder: Path, *, talks: bool, rings: int = 0) -> Iterator[tuple[Callee, Path]]:
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
        command + ["--talk"] * talks, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
    for frame in heard[began:]:
        if place == len(said):
            break
        if frame == said[place]:
            place += 1
            continue
        ahead = next(
            (step for step, one in enumerate(said[place : place + LOOK_AHEAD]) if one == frame), None
        )
        if ahead is None:
            strange += 1
        else:
            lost += ahead
            place += ahead + 1
    return Continuity(place, lost, strange, _lateness(stream, began), _gaps(stream, began))


def echoed(stream: Stream) -> tuple[Continuity, list[float]]:
    """Hold what came back against what the callee said, by its numbers; and each frame's way there and back, in ms."""
    numbers = [(place, number_of(frame)) for place, frame in enumerate(frames(stream))]
    came = [(place, number) for place, number in numbers if number is not None]
    if not came:
        return Continuity(0, len(stream.said), len(numbers), 0.0, ()), []
    first, last = came[0][1], max(number for _, number in came)
    distinct = {number for _, number in came}
    trips = [
        1_000 * (stream.arrivals[place] - stream.said[number])
        for place, number in came
        if number < len(stream.said)
    ]
    began = came[0][0]
    strange = len(numbers) - began - len(came)
    lost = last - first + 1 - len(distinct)
    return Continuity(len(came), lost, strange, _lateness(stream, began), _gaps(stream, began)), trips


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
