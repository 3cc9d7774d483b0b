"""What networks sound, country by country: ringing, busy and congestion (ITU-T E.180), one period each."""

from __future__ import annotations

import numpy as np

from tests.media.sounds import RATE, Samples, at_level, silence, tone

LEVEL = 3_000.0


def _steady(seconds: float, *hertz: float, level: float = LEVEL) -> Samples:
    return at_level(tone(seconds, *hertz), level)


def _modulated(seconds: float, hertz: float, by: float, depth: float | None = None) -> Samples:
    """`depth` None: the carrier is suppressed."""
    at = np.arange(round(seconds * RATE)) / RATE
    swing = np.sin(2 * np.pi * by * at)
    return at_level(tone(seconds, hertz) * (swing if depth is None else 1 + depth * swing), LEVEL)


def _row(*parts: Samples | float) -> Samples:
    """Numbers are seconds of silence."""
    return np.concatenate([silence(part) if isinstance(part, float) else part for part in parts])


def _twice(ring: Samples) -> Samples:
    return _row(ring, 0.2, ring, 2.0)


RINGING = {
    "US": _row(_steady(2.0, 440.0, 480.0), 4.0),
    "GB": _twice(_steady(0.4, 400.0, 450.0)),
    "IN": _twice(_modulated(0.4, 400.0, 25.0)),
    "IN, with its carrier": _twice(_modulated(0.4, 400.0, 25.0, 0.9)),
    "DE": _row(_steady(1.0, 425.0), 4.0),
    "FR": _row(_steady(1.5, 440.0), 3.5),
    "AU": _twice(_modulated(0.4, 425.0, 25.0)),
    "AU, two tones": _twice(_steady(0.4, 413.0, 438.0)),
    "JP": _row(_modulated(1.0, 400.0, 16.0), 2.0),
    "JP, with its carrier": _row(_modulated(1.0, 400.0, 20.0, 0.9), 2.0),
}

BUSY = {
    "US": _row(_steady(0.5, 480.0, 620.0), 0.5),
    "US, congestion": _row(_steady(0.25, 480.0, 620.0), 0.25),
    "GB": _row(_steady(0.375, 400.0), 0.375),
    "GB, congestion": _row(_steady(0.4, 400.0), 0.35, _steady(0.225, 400.0), 0.525),
    "IN": _row(_steady(0.75, 400.0), 0.75),
    "IN, congestion": _row(_steady(0.25, 400.0), 0.25),
    "DE": _row(_steady(0.48, 425.0), 0.48),
    "DE, congestion": _row(_steady(0.24, 425.0), 0.24),
    "FR": _row(_steady(0.5, 440.0), 0.5),
    "FR, congestion": _row(_steady(0.25, 440.0), 0.25),
    "AU": _row(_steady(0.375, 425.0), 0.375),
    "AU, congestion": _row(_steady(0.375, 425.0), 0.375, _steady(0.375, 425.0, level=LEVEL / 3), 0.375),
    "JP": _row(_steady(0.5, 400.0), 0.5),
}
"""Congestion sounds as busy does in Japan."""


def lasting(period: Samples, seconds: float) -> Samples:
    """Period after period."""
    return np.resize(period, round(seconds * RATE))
