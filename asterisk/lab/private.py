"""Short-lived folders outside a lab's own, where others can write too."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from errors import LabError


def temporary(name: str) -> Path:
    """A folder of ours in the system's temporary one, made if need be."""
    folder = Path(tempfile.gettempdir()) / f"dialerd-lab-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise LabError(f"{folder} belongs to someone else: remove it")
    return folder
