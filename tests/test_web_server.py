"""The tests' web server closes every connection, whenever it came."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest
from aiohttp import web

from tests.web_server import web_server


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("leaves", [True, False])
def test_a_connection_that_comes_as_it_ends_is_closed(turns: int, leaves: bool) -> None:
    async def serve() -> None:
        async with web_server(web.Application()) as address:
            host, port = address.split(":")
            connection = socket.create_connection((host, int(port)))
            if leaves:
                connection.close()
            for _ in range(turns):
                await asyncio.sleep(0)
        connection.close()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(serve())
        gc.collect()
    assert [warning for warning in told if issubclass(warning.category, ResourceWarning)] == []
