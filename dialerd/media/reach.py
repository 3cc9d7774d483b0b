"""Whether an engine can be reached, and how it is said that it cannot: the same words for every kind."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

import aiohttp

from dialerd.core.errors import PortError

PATIENCE = 5.0
_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


async def reach(url: str) -> None:
    """Return if somebody listens there. Raises `PortError`."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORTS[parts.scheme])
        writer.close()
    except TimeoutError:
        raise PortError(f"{place_of(url)} does not answer: start it", retryable=True) from None
    except OSError as error:
        raise PortError(
            f"{place_of(url)} cannot be reached: {told(error)}; start it", retryable=True
        ) from error


async def ask(url: str) -> None:
    """Return if the page answers that all is well. Raises `PortError`."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
            http.get(url, allow_redirects=False) as reply,
        ):
            status = reply.status
    except TimeoutError:
        raise PortError(f"{place_of(url)} does not answer: start it", retryable=True) from None
    except (aiohttp.ClientError, OSError) as error:
        raise PortError(
            f"{place_of(url)} cannot be asked: {told(error)}; start it", retryable=True
        ) from error
    if not 200 <= status < 300:
        raise PortError(f"{place_of(url)} answers {status}, not 2xx", retryable=True)


def place_of(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def told(error: Exception) -> str:
    """What is wrong, for an operator."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno is not None:
        # A resolver's numbers are negative, and its words its own.
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    said = str(cause) or type(cause).__name__
    return "".join(char if char.isprintable() else " " for char in said)[:200]
