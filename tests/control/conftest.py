"""A running installation and a client with an admin key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.control.installation import Installation, installation


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as running:
        yield running


@pytest.fixture
async def api(daemon: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    key = (await daemon.app.state.control.keys.create("tests", "admin"))["key"]
    transport = httpx.ASGITransport(daemon.app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd", headers=headers) as client:
        yield client
