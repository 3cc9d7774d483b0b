"""Listening in on a real Asterisk: what a channel is sent, as sound that can be measured."""

from __future__ import annotations

import math
import time
import uuid
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


@dataclass(frozen=True)
class Sound:
    """Linear samples at 8 kHz."""

    samples: tuple[int, ...]

    @classmethod
    def read(cls, path: Path, channel: int = 0) -> Sound:
        """One channel of a WAV file."""
        with wave.open(str(path)) as file:
            raw = memoryview(file.readframes(file.getnframes())).cast("h")
            return cls(tuple(raw[channel :: file.getnchannels()]))

    @classmethod
    def mixed(cls, path: Path) -> Sound:
        """A file of MixMonitor's, whose thread writes its length a moment after the channel is gone."""
        deadline = time.monotonic() + 10
        while not _has_length(path):
            assert time.monotonic() < deadline, f"{path.name} is not written to its end"
            time.sleep(0.02)
        return cls.read(path)

    def part(self, start: float, end: float) -> Sound:
        """From second to second."""
        return Sound(self.samples[round(start * 8_000) : round(end * 8_000)])

    def level(self, hertz: float) -> float:
        """How strong a tone is in it (Goertzel), per sample."""
        step = 2 * math.cos(2 * math.pi * hertz / 8_000)
        first = second = 0.0
        for sample in self.samples:
            first, second = sample + step * first - second, first
        power = first * first + second * second - step * first * second
        return math.sqrt(max(power, 0.0)) / max(1, len(self.samples)) + 1e-9

    @property
    def loudness(self) -> float:
        """Root mean square."""
        return math.sqrt(sum(s * s for s in self.samples) / max(1, len(self.samples)))

    def onset(self, hertz: float, window: float = 0.02) -> float | None:
        """The second at which a tone is first there."""
        size = round(window * 8_000)
        for start in range(0, len(self.samples) - size, size // 2):
            part = Sound(self.samples[start : start + size])
            if part.level(hertz) > 500 and part.level(hertz) > 0.5 * part.loudness / math.sqrt(2):
                return start / 8_000
        return None


def _has_length(path: Path) -> bool:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() > 0
    except (FileNotFoundError, EOFError, wave.Error):
        return False


class Listener:
    """Somebody with an ARI client of their own."""

    def __init__(self, ari: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder / "pbx" / "spool" / "recording"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._http = httpx.Client(
            base_url=f"{ari['url']}/ari/", auth=(ari["user"], ari["password"]), timeout=5
        )

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def channels(self) -> list[str]:
        """Ids of all channels."""
        return [entry["id"] for entry in self._http.get("channels").json()]

    def bridges(self) -> list[str]:
        """Ids of all bridges."""
        return [entry["id"] for entry in self._http.get("bridges").json()]

    def members(self, bridge: str) -> list[str]:
        """Ids of the channels in a bridge."""
        return list(self._http.get(f"bridges/{bridge}").json()["channels"])

    def variable(self, channel: str, name: str) -> str:
        """A channel variable or function."""
        found = self._http.get(f"channels/{channel}/variable", params={"variable": name})
        assert found.status_code == 200, found.text
        return str(found.json()["value"])

    def hang_up(self, channel: str) -> None:
        """End a channel."""
        self._http.delete(f"channels/{channel}")

    def connect(self, bridge: str, *channels: str) -> None:
        """Put channels into one bridge, which is made for that, as soon as nothing is played to them any more."""
        made = self._http.post(f"bridges/{bridge}", params={"type": "mixing"})
        assert made.status_code == 200, made.text
        asked = {"channel": ",".join(channels)}
        joined = self._http.post(f"bridges/{bridge}/addChannel", params=asked, timeout=20)
        assert joined.status_code == 204, joined.text

    def record(self, channel: str, direction: str, seconds: float) -> Sound:
        """What goes `out` to, or comes `in` from, a channel for a while."""
        name = f"listen-{uuid.uuid4().hex}"
        made = self._http.post(
            f"channels/{channel}/snoop/{name}", params={"spy": direction, "app": "lab", "appArgs": "listen"}
        )
        assert made.status_code == 200, made.text
        # It enters the application a moment after it was made.
        deadline = time.monotonic() + 5
        asked = {"name": name, "format": "wav"}
        recording = self._http.post(f"channels/{name}/record", params=asked)
        while recording.status_code == 409 and time.monotonic() < deadline:
            recording = self._http.post(f"channels/{name}/record", params=asked)
        assert recording.status_code == 201, recording.text
        time.sleep(seconds)
        assert self._http.post(f"recordings/live/{name}/stop").status_code == 204
        self.hang_up(name)
        # It is told to stop, and writes the file's header a moment later; until then it counts as live.
        deadline = time.monotonic() + 5
        while self._http.get(f"recordings/live/{name}").status_code != 404:
            assert time.monotonic() < deadline, "the recording does not end"
            time.sleep(0.02)
        return Sound.read(self._folder / f"{name}.wav")
