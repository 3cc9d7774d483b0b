"""Mu-law as arrays of linear 16-bit samples, and back, by tables. It knows no rates and no time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dialerd.core import mulaw

Samples = npt.NDArray[np.int16]

_LINEAR = np.array(mulaw.LINEAR, dtype=np.int16)
_MU_LAW = np.frombuffer(mulaw.codes(), dtype=np.uint8)


def to_linear(audio: bytes) -> Samples:
    """The samples of mu-law audio."""
    return _LINEAR[np.frombuffer(audio, dtype=np.uint8)]


def to_mu_law(samples: Samples) -> bytes:
    """Samples as mu-law."""
    return _MU_LAW[samples.view(np.uint16)].tobytes()
