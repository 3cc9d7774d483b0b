"""An open SQLite store, and its file."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialerd.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dialerd.db"


@pytest.fixture
async def store(path: Path, migrated: Path) -> AsyncIterator[SqliteStore]:
    shutil.copy(migrated, path)
    made = SqliteStore(path, "d1")
    await made.open()
    yield made
    await made.close()
