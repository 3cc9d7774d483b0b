"""A running installation and a client with an admin key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.control.installation import Installation, client_of, installation


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as running:
        yield running


@pytest.fixture
async def api(daemon: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    async with client_of(daemon) as client:
        yield client
