"""What of the frames that a callee said came back from an engine that repeats them, and what is missing without cause.

A busy machine may be late: then silence is put in and what comes later still is dropped, by design. That leaves traces
close by, silence or a gap in time. A frame that is missing, doubled or in another order without such a trace was lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.hearing import frames
from benchmarks.rtp_callee import FRAME, HERTZ, Stream, number_of
from dialerd.media.samples import to_linear

RATE = 8_000
EXCUSED = 50
"""Frames, before and after one that was late, within which others may be missing."""
LATE = 0.06
"""Seconds between two frames that are a trace of lateness."""
EDGE = 20
"""Samples at either end of a frame that a codec may have mixed with its neighbours."""

Returned = Sequence[int | None]
"""Frame by frame, the number that it had, or its remainder; None: it had none, silence as a rule."""


def by_number(stream: Stream) -> Returned:
    """What came back of numbered frames."""
    return [number_of(frame) for frame in frames(stream)]


def by_tone(stream: Stream) -> Returned:
    """What came back of tones, as numbers modulo theirs. A codec shifts all of them alike, by part of a frame."""
    sound = to_linear(bytes(stream.audio)).astype(float)
    _, best = max((_clearness(sound[shift:]), shift) for shift in range(0, FRAME, 8))
    strengths = _strengths(sound[best:])
    loudest = strengths.argmax(axis=1)
    clear = np.sort(strengths, axis=1)
    is_tone = (clear[:, -1] > 200) & (clear[:, -1] > 4 * clear[:, -2])
    return [int(which) if sure else None for which, sure in zip(loudest, is_tone, strict=True)]


def _strengths(sound: np.ndarray) -> np.ndarray:
    """Of each tone in each frame."""
    whole = sound[: len(sound) - len(sound) % FRAME].reshape(-1, FRAME)[:, EDGE:-EDGE]
    turns = np.exp(-2j * np.pi * np.outer(np.arange(FRAME - 2 * EDGE), HERTZ) / RATE)
    strengths: np.ndarray = np.abs(whole @ turns) / len(turns)
    return strengths


def _clearness(sound: np.ndarray) -> float:
    clear = np.sort(_strengths(sound), axis=1)
    there = clear[:, -1] > 200
    return float(np.median(clear[there, -1] / clear[there, -2])) if there.any() else 0.0


def lost(stream: Stream, returned: Returned, modulus: int = 0) -> list[int]:
    """Where frames are missing, doubled or in another order though nothing was late there."""
    places = [place for place, number in enumerate(returned) if number is not None]
    wrong = [
        place
        for place in range(places[0] + 1, places[-1] + 1)
        if not follows(returned[place - 1], returned[place], modulus)
    ]
    late = traces(stream, returned, places[0], places[-1])
    return [place for place in wrong if not any(abs(place - one) <= EXCUSED for one in late)]


def follows(before: int | None, after: int | None, modulus: int) -> bool:
    """Whether nothing is missing between two frames, as far as it can be told."""
    if before is None or after is None:
        return True
    return after == (before + 1) % modulus if modulus else after == before + 1


def traces(stream: Stream, returned: Returned, first: int, last: int) -> list[int]:
    """Where something was late: silence between frames, or time between them, on the way out or on the way back."""
    silent = [place for place in range(first, last) if returned[place] is None]
    arrivals = stream.arrivals
    waited = [place for place in range(first, last) if arrivals[place + 1] - arrivals[place] > LATE]
    # A callee that speaks late comes back so a little later.
    said = [at for before, at in zip(stream.said, stream.said[1:], strict=False) if at - before > LATE]
    return silent + waited + [int(np.searchsorted(arrivals, at)) for at in said]
