"""The addresses that a host's name stands for, looked up in threads of its own.

The system's resolver blocks, and a name whose servers hang blocks it for long: it must hold up neither the event loop's
own threads, nor whoever named it, nor the end of the process. Where connections may lead is not decided here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread

from dialerd.webhooks.guard import Address, Target

PATIENCE = 3.0
"""Seconds that somebody who names a URL waits for its host to be found."""
LOOKUPS = 4
"""Names resolved at once, those that hang included: they hold up those who share this `Names` alone."""

LookUp = Callable[[str, int], Sequence[str]]
"""The addresses of a host. Blocks; raises `OSError`."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Names:
    """Looks hosts up; `purpose` is what its threads are called after.

    A pool's threads are joined at the process's end, and so is a look-up that hangs; each has a daemon thread instead.
    """

    def __init__(self, purpose: str, ask: LookUp = look_up) -> None:
        self._purpose = purpose
        self._ask = ask
        self._free = asyncio.Semaphore(LOOKUPS)

    async def addresses(self, target: Target, patience: float | None = None) -> list[Address]:
        """The addresses of a target's host, of which one that is an address itself is looked up nowhere.

        Raises `OSError`, which a name that is not found within `patience` seconds is too, and `ValueError` for a name
        that cannot be asked for.
        """
        if target.literal is not None:
            return [target.literal]
        try:
            async with asyncio.timeout(patience) as limit:
                found = await self._found(target)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise OSError(f"the host {target.host} is not found within {patience} s") from error
        return [ip_address(address) for address in found]

    async def _found(self, target: Target) -> Sequence[str]:
        """Ask for it, when there is a place. Whoever gives up ends no look-up: it keeps its place until it is over."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()
        name = f"{self._purpose}-lookup"
        thread = Thread(target=self._look_up, args=(target, loop, answer), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._free.release()
            raise OSError(f"the host {target.host} cannot be looked up: {error}") from error
        return await answer

    def _look_up(
        self, target: Target, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Sequence[str]]
    ) -> None:
        """Runs in a thread, for as long as the resolver likes."""
        found: Sequence[str] | Exception
        try:
            found = self._ask(target.host, target.port)
        except Exception as error:  # noqa: BLE001 - it is raised where the name is waited for
            found = error
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(self._tell, answer, found)

    def _tell(self, answer: asyncio.Future[Sequence[str]], found: Sequence[str] | Exception) -> None:
        self._free.release()
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)
