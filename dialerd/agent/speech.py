"""Text to speech: sentences in, mu-law at 8 kHz out, by espeak-ng in a process of its own.

Few at a time, each with a deadline, in threads: the loop that carries the calls' audio never waits for it.
What is the same for every call is kept on disk; what holds a contact's values is kept in memory only, for the
moment, and reaches espeak-ng by its input, never by its arguments.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import soxr

from dialerd.agent.clips import FRAME, ClipCache, clip_key
from dialerd.agent.prompts import Prompts
from dialerd.agent.pronunciation import spoken_form
from dialerd.agent.voices import PROGRAM, Voice, Voices, find_voices
from dialerd.core import mulaw
from dialerd.core.errors import PortError

RATE = 8_000
DEADLINE = 5.0
"""Seconds that one sentence may take; it takes some 10 ms."""
THREADS = 2
MEMORY = 32 * 1024 * 1024
WORDS_PER_MINUTE = "165"
"""Slower than espeak-ng's own 175: it has to get through a telephone."""

_HEADER = 44
"""Bytes of a RIFF header as espeak-ng writes it; the sizes in it are not meant."""
_SILENCE = b"\xff"
_FORMAT = "ulaw8000-2"
_MU_LAW = np.frombuffer(mulaw.codes(), dtype=np.uint8)


class Speech:
    """Speaks. `start` before use, `close` after."""

    def __init__(
        self,
        cache: ClipCache,
        prompts: Prompts | None = None,
        *,
        deadline: float = DEADLINE,
        memory: int = MEMORY,
    ) -> None:
        self._cache = cache
        self._prompts = prompts or Prompts(None)
        self._deadline = deadline
        self._limit = memory
        self._threads = ThreadPoolExecutor(THREADS, "speech")
        self._voices: Voices | None = None
        self._clips: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._rendering: dict[str, asyncio.Task[bytes]] = {}

    async def start(self) -> None:
        """Find the voices. Raises `PortError` with the remedy; may be called again."""
        self._voices = await asyncio.get_running_loop().run_in_executor(self._threads, find_voices)

    async def close(self) -> None:
        """Let go of the threads; what they still do ends by its deadline."""
        for task in self._rendering.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def languages(self) -> tuple[str, ...]:
        """What can be spoken, BCP-47; empty before `start`."""
        return self._voices.languages if self._voices is not None else ()

    def voice(self, language: str, character: str) -> Voice:
        """The voice for a language. Raises `RequestError` if none speaks it, `PortError` before `start`."""
        return self._found().choose(language, character)

    async def clip(self, text: str, voice: Voice, *, personal: bool) -> bytes:
        """`text` as audio, in whole frames. Raises `PortError`. `personal`: it is not to be kept on disk."""
        spoken = spoken_form(text, voice.language)
        key = self._key(spoken, voice)
        cache = None if personal else self._cache
        return await self._once(key, lambda: _obtain(cache, key, spoken, voice.name, self._deadline))

    def forget(self, text: str, voice: Voice) -> None:
        """Do not keep `text` in memory; it is not there: nothing happens."""
        dropped = self._clips.pop(self._key(spoken_form(text, voice.language), voice), b"")
        self._size -= len(dropped)

    def _key(self, spoken: str, voice: Voice) -> str:
        return clip_key(_FORMAT, self._found().version, voice.name, WORDS_PER_MINUTE, spoken)

    async def recording(self, name: str) -> bytes:
        """A recorded prompt as audio, in whole frames. Raises `PortError` if it cannot be played."""
        loop = asyncio.get_running_loop()
        stamp = await loop.run_in_executor(self._threads, self._prompts.stamp, name)
        key = clip_key(_FORMAT, "recording", stamp)
        return await self._once(key, lambda: _convert(self._cache, key, self._prompts, name))

    async def _once(self, key: str, make: Callable[[], bytes]) -> bytes:
        """A clip from memory, or made in a thread, whoever else waits for it."""
        known = self._clips.get(key)
        if known is not None:
            self._clips.move_to_end(key)
            return known
        task = self._rendering.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._make(make))
            self._rendering[key] = task
            task.add_done_callback(lambda done: self._rendered(key, done))
        # Shielded: several calls may wait for one clip, and one of them may end.
        return await asyncio.shield(task)

    def _found(self) -> Voices:
        if self._voices is None:
            raise PortError("the voices have not been found yet", retryable=True)
        return self._voices

    async def _make(self, make: Callable[[], bytes]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    def _rendered(self, key: str, task: asyncio.Task[bytes]) -> None:
        self._rendering.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        self._clips[key] = task.result()
        self._size += len(task.result())
        while self._size > self._limit:
            _, dropped = self._clips.popitem(last=False)
            self._size -= len(dropped)


def _obtain(cache: ClipCache | None, key: str, spoken: str, voice: str, deadline: float) -> bytes:
    clip = cache.get(key) if cache is not None else None
    if clip is None:
        clip = encode(render(spoken, voice, deadline))
        if cache is not None:
            cache.put(key, clip)
    return clip


def _convert(cache: ClipCache, key: str, prompts: Prompts, name: str) -> bytes:
    clip = cache.get(key)
    if clip is None:
        clip = telephone(*prompts.read(name))
        cache.put(key, clip)
    return clip


def render(spoken: str, voice: str, deadline: float) -> bytes:
    """What espeak-ng says, as it writes it. Raises `PortError`."""
    program = shutil.which(PROGRAM) or PROGRAM
    command = [program, "-v", voice, "-s", WORDS_PER_MINUTE, "-b", "1", "--stdin", "--stdout"]
    try:
        done = subprocess.run(
            command, input=spoken.encode(), capture_output=True, timeout=deadline, check=True
        )
    except subprocess.TimeoutExpired:
        raise PortError(f"{PROGRAM} did not speak a sentence in {deadline:g} s", retryable=True) from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise PortError(f"{PROGRAM} failed with voice {voice}: {_words(error)}", retryable=True) from error
    return done.stdout


def encode(wave: bytes) -> bytes:
    """A RIFF file of 16-bit mono as mu-law at 8 kHz, filled up to whole frames. Raises `PortError` for none."""
    return telephone(*samples(wave))


def telephone(said: npt.NDArray[np.int16], rate: int) -> bytes:
    """Samples as mu-law at 8 kHz, filled up to whole frames."""
    clip = _MU_LAW[soxr.resample(said, rate, RATE).view(np.uint16)].tobytes() if len(said) else b""
    return clip + _SILENCE * (-len(clip) % FRAME) or _SILENCE * FRAME


def samples(wave: bytes) -> tuple[npt.NDArray[np.int16], int]:
    """What is in a RIFF file of 16-bit mono, and its rate in Hz. Raises `PortError` if it is none."""
    if wave[:4] != b"RIFF" or wave[36:40] != b"data":
        raise PortError(f"{PROGRAM} wrote no audio", retryable=True)
    return np.frombuffer(wave[_HEADER : len(wave) & ~1], dtype="<i2"), int.from_bytes(wave[24:28], "little")


def _words(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    return said.decode(errors="replace").strip()[:200] if said else type(error).__name__
