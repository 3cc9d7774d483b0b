"""The addresses that a host's name stands for, looked up in threads of its own.

The system's resolver blocks, and a name whose servers hang blocks it for long: it must hold up neither the event loop's
own threads nor whoever named it. Where connections may lead is not decided here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from dialerd.webhooks.guard import Address, Target

PATIENCE = 3.0
"""Seconds that somebody who names a URL waits for its host to be found."""
LOOKUPS = 4
"""Names resolved at once: a resolver that hangs holds up those who use these threads alone."""

LookUp = Callable[[str, int], Sequence[str]]
"""The addresses of a host. Blocks; raises `OSError`."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Names:
    """Looks hosts up; `purpose` is what its threads are called after."""

    def __init__(self, purpose: str, ask: LookUp = look_up) -> None:
        self._ask = ask
        self._pool = ThreadPoolExecutor(LOOKUPS, f"{purpose}-lookup")

    async def addresses(self, target: Target, patience: float | None = None) -> list[Address]:
        """The addresses of a target's host, of which one that is an address itself is looked up nowhere.

        Raises `OSError`, which a name that is not found within `patience` seconds is too, and `ValueError` for a name
        that cannot be asked for.
        """
        if target.literal is not None:
            return [target.literal]
        asked = asyncio.get_running_loop().run_in_executor(self._pool, self._ask, target.host, target.port)
        try:
            async with asyncio.timeout(patience) as limit:
                found = await asked
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise OSError(f"the host {target.host} is not found within {patience} s") from error
        return [ip_address(address) for address in found]

    def close(self) -> None:
        """Look up nothing more. One that hangs holds up the process's end for as long as the resolver waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)
