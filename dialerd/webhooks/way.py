"""The way to a WebSocket whose address came with a call: only to where the guard lets connections go.

The address that is connected to is the one that was judged: a name that means another place a moment later leads
nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from dialerd.webhooks.guard import Guard, Target, read_url

_AS_PAGES = {"ws": "http", "wss": "https"}


class GuardedWay:
    """Connects to `ws://` and `wss://` addresses; before `allow` is told to public ones alone."""

    def __init__(self) -> None:
        self._guard = Guard.parse([])

    def allow(self, allowed: Sequence[str]) -> None:
        """Hosts, addresses and networks that are not public, as in `webhooks.allow`. Raises `ValueError`."""
        self._guard = Guard.parse(list(allowed))

    async def connect(self, url: str) -> socket.socket:
        """A connected socket. Raises `ValueError` for an address that must not be, `OSError`."""
        target = read_socket_url(url)
        refusals: list[str] = []
        for family, address in await _addresses(target):
            refusal = self._guard.refusal(target, ip_address(address))
            if refusal is not None:
                refusals.append(refusal)
                continue
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(made, (address, target.port))
            except BaseException:
                made.close()
                raise
            return made
        raise ValueError(next(iter(refusals), "the host has no address"))


def read_socket_url(url: str) -> Target:
    """A `ws://` or `wss://` address as somebody gave it. Raises `ValueError` in the words of the API."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _AS_PAGES:
        raise ValueError("must be an address beginning with ws:// or wss://")
    return read_url(f"{_AS_PAGES[scheme.lower()]}://{rest}")


async def _addresses(target: Target) -> list[tuple[socket.AddressFamily, str]]:
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((info[0], str(info[4][0])) for info in found))
