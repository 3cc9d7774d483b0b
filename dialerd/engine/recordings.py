"""Recordings of calls: found for whoever is to hear them, and deleted when they are to be heard no more.

What is stored says which there are; a file goes after that, and one that cannot be deleted is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from dialerd.core.clock import Instant
from dialerd.core.commands import DropRecording
from dialerd.core.errors import RequestError, not_found
from dialerd.core.identity import CallId
from dialerd.engine.runtime import Engine
from dialerd.engine.settings import RecordingRules, ServiceSettings
from dialerd.engine.upkeep import Upkeep
from dialerd.ports import CallRow, Clock, Store

FILES_AT_ONCE = 100

_log = structlog.get_logger("dialerd.upkeep")


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording that can be read. It never changes; `tag` tells it from any other."""

    path: Path
    size: int
    tag: str


class Recordings:
    """The recordings of this installation."""

    def __init__(self, engine: Engine, store: Store, settings: ServiceSettings, upkeep: Upkeep) -> None:
        self._engine = engine
        self._store = store
        self._rules = settings.recordings
        self._upkeep = upkeep

    async def find(self, ident: str) -> RecordingFile:
        """The recording of a call. Raises `RequestError` 404: no such call, not recorded, or deleted."""
        row = await self._row(ident)
        if row.recording is None or self._rules is None:
            raise _none(row, "has no recording (yet, or any more)")
        path = inside(self._rules.folder, row.recording.path)
        size = await asyncio.to_thread(_size, path)
        if path is None or size is None:
            raise _none(row, "has a recording whose file is gone")
        return RecordingFile(path, size, f'"{row.id}-{size}"')

    async def delete(self, ident: str) -> None:
        """Delete the recording of a call, or have it deleted once it is whole.

        Raises `RequestError` 404: no such call, or it has none and will have none.
        """
        row = await self._row(ident)
        if row.recording is None and not self._engine.memory.awaits_recording(row.id):
            raise _none(row, "has no recording (yet, or any more)")
        await self._engine.command(DropRecording(row.id))
        self._upkeep.wake()

    async def _row(self, ident: str) -> CallRow:
        row = await self._store.call(CallId(ident))
        if row is None:
            raise not_found("call", ident)
        return row


class RecordingKeeper:
    """Deletes what has been kept for long enough, or takes too much room, and every file that nobody is to hear."""

    def __init__(self, store: Store, clock: Clock, rules: RecordingRules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules

    def step(self, *, by_age: bool) -> Callable[[], Awaitable[int]]:
        """Gives up some recordings; awaited, how many. `by_age`: the wall clock can be believed."""
        now = self._clock.now().wall
        keep = self._rules.keep if by_age else None
        before = None if keep is None else Instant(now - keep)
        return partial(self._store.doom_recordings, before, self._rules.keep_bytes, now)

    async def delete_files(self) -> bool:
        """Delete files that are to be; False: some could not be. Raises `PortError`."""
        while paths := await self._store.doomed_files(FILES_AT_ONCE):
            faults = await asyncio.to_thread(self._unlink, paths)
            for path in paths:
                if path not in faults:
                    await self._store.forget_file(path)
            if faults:
                detail = next(iter(faults.values()))
                _log.error("recordings.not_deleted", files=len(faults), detail=detail, again="later")
                return False
        return True

    def _unlink(self, paths: Sequence[str]) -> dict[str, str]:
        """What could not be deleted, and why."""
        faults = {}
        for name in paths:
            path = inside(self._rules.folder, name)
            if path is None:
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                faults[name] = f"{path}: {error.strerror or error}"
                continue
            with contextlib.suppress(OSError):
                # Folders of days, months and years on which nothing is left.
                for parent in Path(name).parents[:-1]:
                    (self._rules.folder / parent).rmdir()
        return faults


def inside(folder: Path, name: str) -> Path | None:
    """A file below the folder of recordings; None: that leads out of it."""
    path = folder / name
    parts = Path(name).parts
    return None if Path(name).is_absolute() or ".." in parts or not parts else path


def _size(path: Path | None) -> int | None:
    if path is None:
        return None
    try:
        return path.stat().st_size
    except OSError:
        return None


def _none(row: CallRow, why: str) -> RequestError:
    return RequestError(404, "no-recording", "Not found", f"the call {row.id} {why}")
