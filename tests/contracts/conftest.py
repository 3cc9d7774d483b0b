"""Every store under contract, opened and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialerd.ports import Store

from .stores import PLACES, Place


@pytest.fixture(params=sorted(PLACES))
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = PLACES[request.param](tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.opened()
