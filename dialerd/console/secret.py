"""The secret that signs the console's cookies: made on the first start, and kept where only the console reads it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FILE = "cookie.secret"


class NoSecret(Exception):
    """It can be neither read nor made; the message says why and what to do."""


def load(state_dir: Path) -> str:
    """The secret of this installation. Raises `NoSecret`."""
    path = state_dir / FILE
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoSecret(
            f"cannot keep the secret of the cookies in {path}: {error}; give another directory with --state-dir"
        ) from None
    if len(text) < 32:
        raise NoSecret(f"{path} is damaged: delete it, and everybody logs in again")
    return text


def _make(path: Path) -> None:
    """Written whole under another name first: a crash leaves no half secret."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
