"""Every store under contract, opened and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialerd.ports import Store

from .stores import STORES, Place, place_of


@pytest.fixture(params=STORES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = place_of(request.param, tmp_path, request)
    yield made
    await made.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.opened()
