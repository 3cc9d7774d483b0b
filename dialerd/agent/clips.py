"""Rendered prompts on disk: found by what they say, written whole or not at all, bounded in size.

A cache and nothing more: whatever goes wrong with it costs a rendering, never a call.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from pathlib import Path

import structlog

FRAME = 160
"""Bytes of 20 ms, mu-law at 8 kHz: what Asterisk takes at a time."""
DEFAULT_LIMIT = 256 * 1024 * 1024
_SUFFIX = ".ulaw"

_log = structlog.get_logger("dialerd.agent")


def clip_key(*about: str) -> str:
    """The name of a clip: a hash of all that decides how it sounds."""
    return hashlib.sha256("\0".join(about).encode()).hexdigest()


class ClipCache:
    """Clips in `folder`, at most `limit` bytes; the longest unused go first. Blocking: call it from threads."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._size: int | None = None
        self._lock = threading.Lock()
        self._told = False

    def get(self, key: str) -> bytes | None:
        """The clip, or None if it is not here or not whole."""
        path = self._path(key)
        try:
            clip = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return clip if clip and len(clip) % FRAME == 0 else None

    def put(self, key: str, clip: bytes) -> None:
        """Keep a clip."""
        path = self._path(key)
        draft = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(clip)
            draft.replace(path)
            self._grown(len(clip))
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            if not self._told:
                self._told = True
                _log.warning("prompts.not_cached", folder=str(self.folder), detail=str(error))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}{_SUFFIX}"

    def _grown(self, size: int) -> None:
        with self._lock:
            if self._size is None:
                self._size = sum(path.stat().st_size for path in self._files())
            else:
                self._size += size
            if self._size > self.limit:
                self._size = self._prune()

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("??/*") if path.is_file()]

    def _prune(self) -> int:
        """Delete down to nine tenths of the limit; returns the size that is left."""
        found = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._files())
        total = sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= self.limit * 9 // 10:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total
