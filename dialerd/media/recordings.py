"""Recordings on the disk: written by one thread, so that no call ever waits for it.

A recording grows under `parts` and is moved to the folder of its day when it is whole; what a worker that died has left
there is mended by the next one that starts. A note stays there until the store is sure to know of the file: of one that
nobody could tell the next worker tells. Whatever goes wrong costs the recording, never the call. No name of a file
tells of a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from dialerd.media import wavefile

MOST_WAITING = 32 * 1024 * 1024
"""Bytes of all recordings that may wait for the disk: beyond them it is too slow."""
LEAVES = 512 * 1024 * 1024
"""Bytes of the disk that recordings leave free: the store may be on the same one, and dialing needs it."""
STOP_DEADLINE = 5.0
PARTS = "parts"
"""Where recordings grow."""
NOTE = ".kept"
"""The ending of notes: each has the path of a recording that is whole."""

_log = structlog.get_logger("dialerd.media")


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording that is whole; `path` is below the folder of recordings."""

    call: str
    path: str
    size: int
    length: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A recording that came to nothing."""

    call: str
    detail: str


Outcome = Kept | Lost


@dataclass(slots=True, eq=False)
class Recording:
    """One that is being written: `write`, at last `finish`. From the loop's thread only."""

    call: str
    _writer: RecordingWriter
    _file: int | None = None
    _size: int = 0
    _fault: str | None = None
    _done: bool = False

    def write(self, audio: bytes) -> None:
        """Append audio; it does not wait."""
        if audio and not self._done:
            self._writer.put(self, audio)

    def finish(self) -> None:
        """All is said: `on_end` of the writer follows."""
        if not self._done:
            self._done = True
            self._writer.put(self, None)


@dataclass(eq=False)
class RecordingWriter:
    """The thread. `on_end` is told in the loop what became of each recording."""

    folder: Path
    on_end: Callable[[Outcome], None]
    parts: str = PARTS
    """The folder below it where they grow: of this writer alone, which mends what it finds there."""
    _jobs: queue.SimpleQueue[tuple[Recording, bytes | None] | str | None] = field(
        default_factory=queue.SimpleQueue
    )
    _waiting: int = 0
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def begin(self, call: str) -> Recording:
        """A new recording."""
        self.start()
        return Recording(call, self)

    def start(self) -> None:
        """Start the thread, which first mends what is left of an earlier one; may be called again."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """End what is begun, within a deadline."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, STOP_DEADLINE)
            self._thread = None

    def put(self, recording: Recording, audio: bytes | None) -> None:
        """Queue a part of a recording, None: its end."""
        if audio is not None:
            if self._waiting > MOST_WAITING:
                recording._fault = recording._fault or "the disk takes its audio too slowly"
                return
            self._waiting += len(audio)
        self._jobs.put((recording, audio))

    def known(self, call: str) -> None:
        """The store knows of a recording: no note of it is needed any more."""
        self._jobs.put(call)

    # --- in the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        self._mend()
        while (job := self._jobs.get()) is not None:
            if isinstance(job, str):
                self._forget(job)
                continue
            recording, audio = job
            if audio is None:
                self._tell(self._end(recording))
                continue
            self._waiting -= len(audio)
            if recording._fault is None:
                self._append(recording, audio)

    def _append(self, recording: Recording, audio: bytes) -> None:
        try:
            if recording._file is None:
                recording._file = self._open(recording.call)
            if recording._size + len(audio) > wavefile.MOST_BYTES:
                raise OSError(None, "it has become as long as a WAV file can be")
            room = os.fstatvfs(recording._file)
            if room.f_bavail * room.f_frsize < LEAVES:
                raise OSError(None, f"less than {LEAVES >> 20} MB are left on the disk, which others need")
            _write_all(recording._file, audio)
            recording._size += len(audio)
        except OSError as error:
            recording._fault = f"{self.folder}: {error.strerror or error}"
            self._drop(recording)

    def _open(self, call: str) -> int:
        parts = self.folder / self.parts
        parts.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = os.open(parts / f"{call}.wav", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        # By this other workers know that it is being written: it goes with this process.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(file, wavefile.header(0))
        return file

    def _drop(self, recording: Recording) -> None:
        """A disk that is out of order may not even let it go: the next start finds what is left."""
        with contextlib.suppress(OSError):
            if recording._file is not None:
                file, recording._file = recording._file, None
                os.close(file)
            (self.folder / self.parts / f"{recording.call}.wav").unlink(missing_ok=True)

    def _end(self, recording: Recording) -> Outcome:
        if recording._file is None:
            return Lost(recording.call, recording._fault or "there was nothing to be heard")
        if recording._fault is not None:
            self._drop(recording)
            return Lost(recording.call, recording._fault)
        try:
            file, recording._file = recording._file, None
            return self._keep(recording.call, file, recording._size)
        except OSError as error:
            return Lost(recording.call, f"{self.folder}: {error.strerror or error}")

    def _keep(self, call: str, file: int, size: int) -> Kept:
        """Make a part whole: its header, the disk, its place."""
        try:
            os.pwrite(file, wavefile.header(size), 0)
            os.fsync(file)
        finally:
            os.close(file)
        day = datetime.now(UTC).strftime("%Y/%m/%d")
        place = self.folder / day
        place.mkdir(mode=0o750, parents=True, exist_ok=True)
        path = f"{day}/{call}.wav"
        # First: a file that is in its place and of which nobody knows would stay for ever.
        self._note(call).write_text(path)
        (self.folder / self.parts / f"{call}.wav").replace(self.folder / path)
        return Kept(call, path, size + wavefile.HEADER_BYTES, wavefile.length(size))

    def _note(self, call: str) -> Path:
        return self.folder / self.parts / f"{call}{NOTE}"

    def _forget(self, call: str) -> None:
        """A note that stays is looked at again by the next worker."""
        with contextlib.suppress(OSError):
            self._note(call).unlink(missing_ok=True)

    def _mend(self) -> None:
        """What a worker that died has left: of each recording what reached the disk, and what it may not have told."""
        try:
            left = sorted((self.folder / self.parts).glob("*.wav"))
            notes = sorted((self.folder / self.parts).glob(f"*{NOTE}"))
        except OSError:
            return
        parts = {part.stem for part in left}
        for note in notes:
            if note.stem not in parts:
                self._tell_again(note)
        for part in left:
            try:
                outcome = self._mended(part)
            except OSError as error:
                outcome = Lost(part.stem, f"{self.folder}: {error.strerror or error}")
            if outcome is not None:
                self._tell(outcome)

    def _tell_again(self, note: Path) -> None:
        """A recording that was made whole; it may have been deleted since."""
        with contextlib.suppress(OSError):
            path = note.read_text()
            try:
                size = (self.folder / path).stat().st_size
            except FileNotFoundError:
                note.unlink(missing_ok=True)
            else:
                self._tell(Kept(note.stem, path, size, wavefile.length(size - wavefile.HEADER_BYTES)))

    def _mended(self, part: Path) -> Outcome | None:
        """None: a worker that lives is writing it."""
        file = os.open(part, os.O_WRONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        size = wavefile.whole(os.fstat(file).st_size - wavefile.HEADER_BYTES)
        os.ftruncate(file, wavefile.HEADER_BYTES + size)
        return self._keep(part.stem, file, size)

    def _tell(self, outcome: Outcome) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.on_end, outcome)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
