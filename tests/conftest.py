"""Settings shared by all tests."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dialerd.numbering import pin_zones
from dialerd.store.migrate import migrate_sqlite
from tests.postgres import Server, server

pin_zones()

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The tests' PostgreSQL, with a database to copy from."""
    with server() as running:
        running.prepare()
        yield running


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with nothing but dialerd's tables in it: to copy it is faster than to make another."""
    path = tmp_path_factory.mktemp("migrated") / "dialerd.db"
    migrate_sqlite(path)
    return path


@pytest.fixture(autouse=True)
def _tidiness(request: pytest.FixtureRequest) -> None:
    """For tests with a loop alone: a browser's has one of its own, beside which there can be no other."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("no_socket_is_left")


@pytest.fixture
async def no_socket_is_left() -> AsyncIterator[None]:
    """What a test has closed may need a few turns of its loop to be gone; what it has left open is named.

    Without this the garbage collector finds it, and a later test fails.
    """
    loop = asyncio.get_running_loop()
    # Nothing public tells what a loop watches.
    watched = loop._selector.get_map()  # type: ignore[attr-defined]
    own = set(watched)
    yield
    deadline = loop.time() + 5
    while left := [key.fileobj for descriptor, key in watched.items() if descriptor not in own]:
        assert loop.time() < deadline, f"still open: {left}"
        await asyncio.sleep(0.002)
