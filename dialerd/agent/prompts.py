"""Recorded prompts: WAV files in a folder that the operator keeps, played instead of a voice.

Names come from scripts, so none leads out of the folder. Blocking: for threads and for processes beside the daemon's.
"""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dialerd.core.errors import PortError

RATES = (8_000, 48_000)
LONGEST_SECONDS = 120

Samples = npt.NDArray[np.int16]


class Prompts:
    """The recordings in `folder`; None: there are none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def fault(self, name: str) -> str:
        """What keeps a recording from being played; empty: nothing."""
        try:
            self.read(name)
        except PortError as error:
            return str(error)
        return ""

    def stamp(self, name: str) -> str:
        """What changes when the recording does. Raises `PortError` if it is not there."""
        try:
            about = self._path(name).stat()
        except OSError as error:
            raise _unreadable(name, error) from error
        return f"{name}:{about.st_mtime_ns}:{about.st_size}"

    def read(self, name: str) -> tuple[Samples, int]:
        """The recording as 16-bit mono, and its rate in Hz. Raises `PortError` saying what is wrong with it."""
        path = self._path(name)
        try:
            with path.open("rb") as opened, wave.open(opened, "rb") as file:
                return _samples(name, file)
        except (wave.Error, EOFError) as error:
            raise PortError(
                f"the recording {name} is no WAV file of plain 16-bit samples ({error})", retryable=False
            ) from error
        except OSError as error:
            raise _unreadable(name, error) from error

    def _path(self, name: str) -> Path:
        if self._folder is None:
            raise PortError(
                f"there is no recording {name}: the setting media.prompts_dir names no folder",
                retryable=False,
            )
        folder = os.path.realpath(self._folder)
        path = os.path.realpath(Path(folder, name))
        if os.path.commonpath((folder, path)) != folder:
            raise PortError(f"the recording {name} is not within the prompts' folder", retryable=False)
        return Path(path)


def _samples(name: str, file: wave.Wave_read) -> tuple[Samples, int]:
    rate, channels, width, frames = (
        file.getframerate(),
        file.getnchannels(),
        file.getsampwidth(),
        file.getnframes(),
    )
    if width != 2 or channels not in (1, 2):
        raise PortError(
            f"the recording {name} must have 16 bits a sample and one channel or two; "
            f"it has {8 * width} and {channels}",
            retryable=False,
        )
    if not RATES[0] <= rate <= RATES[1]:
        raise PortError(
            f"the recording {name} has {rate} samples a second; {RATES[0]} to {RATES[1]} are played",
            retryable=False,
        )
    if not 0 < frames <= LONGEST_SECONDS * rate:
        raise PortError(
            f"the recording {name} lasts {frames / rate:.1f} s; it must have sound, for {LONGEST_SECONDS} s at most",
            retryable=False,
        )
    found = np.frombuffer(file.readframes(frames), dtype="<i2")
    if channels == 2:
        found = found[: len(found) & ~1].reshape(-1, 2).mean(axis=1).astype(np.int16)
    return found.astype(np.int16), rate


def _unreadable(name: str, error: OSError) -> PortError:
    return PortError(
        f"the recording {name} cannot be read from the prompts' folder: {error.strerror}", retryable=False
    )
