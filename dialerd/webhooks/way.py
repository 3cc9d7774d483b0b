"""The way to addresses that came with a call: only to where the guard lets connections go.

The address that is connected to is the one that was judged: a name that means another place a moment later leads
nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dialerd.webhooks.guard import Address, Guard, Target, read_url
from dialerd.webhooks.names import PATIENCE, LookUp, Names, look_up

LONGEST = 64 * 1024
"""Bytes of a page."""
_HEADERS = {"User-Agent": "dialerd"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_AS_PAGES = {"ws": "http", "wss": "https"}


class GuardedWay:
    """Leads to public addresses alone, and to those of `allow`."""

    def __init__(self, allowed: Sequence[str] = (), *, look_up: LookUp = look_up) -> None:
        """Raises `ValueError` as `allow` does."""
        self._guard = Guard.parse(list(allowed))
        self._names = Names("way", look_up)

    def allow(self, allowed: Sequence[str]) -> None:
        """Hosts, addresses and networks that are not public, as in `webhooks.allow`. Raises `ValueError`."""
        self._guard = Guard.parse(list(allowed))

    async def connect(self, url: str) -> socket.socket:
        """A connected socket to a `ws://` or `wss://` address.

        Raises `ValueError` where it must not lead, `OSError`.
        """
        target = read_socket_url(url)
        address = await self._address(target)
        made = socket.socket(_family(address), socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (str(address), target.port))
        except BaseException:
            made.close()
            raise
        return made

    async def fetch(
        self, method: str, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Status and body of a page. Raises `ValueError` where it must not lead, `OSError`, `aiohttp.ClientError`."""
        target = read_url(url)
        address = await self._address(target)
        connector = aiohttp.TCPConnector(resolver=_Judged(target.host, address), force_close=True)
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, headers=_HEADERS
            ) as http,
            http.request(
                method,
                URL(url, encoded=True),
                data=urlencode(form) if form else None,
                headers={**headers, **(_FORM if form else {})},
                allow_redirects=False,
            ) as reply,
        ):
            body = bytearray()
            async for piece in reply.content.iter_any():
                body += piece
                if len(body) > LONGEST:
                    raise ValueError(f"it answers with more than {LONGEST:,} bytes")
            return reply.status, bytes(body)

    async def objection(self, url: str) -> str | None:
        """Why nothing may be fetched from, or sent to, an address; None: it may."""
        return await self._objection(read_url, url)

    async def socket_objection(self, url: str) -> str | None:
        """Why no WebSocket may be opened at an address; None: it may."""
        return await self._objection(read_socket_url, url)

    async def _objection(self, read: Callable[[str], Target], url: str) -> str | None:
        try:
            await self._address(read(url))
        except (OSError, ValueError) as error:
            return str(error)
        return None

    async def _address(self, target: Target) -> Address:
        """Where a target is, if connections may lead there."""
        refusals: list[str] = []
        for address in await self._names.addresses(target, PATIENCE):
            refusal = self._guard.refusal(target, address)
            if refusal is None:
                return address
            refusals.append(refusal)
        raise ValueError(next(iter(refusals), "the host has no address"))


class _Judged(AbstractResolver):
    """Gives the one address that was judged."""

    def __init__(self, host: str, address: Address) -> None:
        self._host = host
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        if host != self._host:
            raise OSError(f"{host} was not judged")
        return [
            ResolveResult(
                hostname=host,
                host=str(self._address),
                port=port,
                family=_family(self._address),
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def read_socket_url(url: str) -> Target:
    """A `ws://` or `wss://` address as somebody gave it. Raises `ValueError` in the words of the API."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _AS_PAGES:
        raise ValueError("must be an address beginning with ws:// or wss://")
    return replace(read_url(f"{_AS_PAGES[scheme.lower()]}://{rest}"), url=url, scheme=scheme.lower())


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET
