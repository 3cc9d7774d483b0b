"""Deliveries over HTTP: signed as Standard Webhooks has it, to nowhere but where the guard lets them.

Every address is judged twice: when a name is resolved, and at the moment of connecting, where the address that is
connected to is known for certain. Redirects are not followed, no proxy and no cookie is used. It retries nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook as Signer
from yarl import URL

from dialerd.core.clock import SECOND, Instant, Millis, from_datetime, to_datetime
from dialerd.core.delivery import Reply
from dialerd.core.webhook import WebhookId
from dialerd.ports import Clock, Message
from dialerd.webhooks.guard import Address, Guard, Target, read_url
from dialerd.webhooks.names import PATIENCE, LookUp, Names, look_up

DEADLINE = 10.0
"""Seconds from the look-up of the host to the status of the answer."""
REST_PATIENCE = 0.5
"""Seconds in which the rest of an answer must have come for its connection to be used again."""
MOST_REST = 16_384
_LONGEST_DETAIL = 200


class RefusedAddressError(OSError):
    """The guard does not let us connect there."""


@dataclass(frozen=True, slots=True)
class _Route:
    """Connections to the URL of one webhook."""

    target: Target
    session: aiohttp.ClientSession


class HttpWebhooks:
    """The `Webhooks` port."""

    def __init__(
        self,
        guard: Guard,
        clock: Clock,
        version: str,
        *,
        look_up: LookUp = look_up,
        deadline: float = DEADLINE,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._agent = f"dialerd/{version}"
        self._deadline = deadline
        self._names = Names("webhook", look_up)
        self._routes: dict[WebhookId, _Route] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let all connections go."""
        for webhook in list(self._routes):
            self.forget(webhook)
        await asyncio.gather(*self._closing)

    def forget(self, webhook: WebhookId) -> None:
        """Let go of the connections to a webhook that is removed or has another address."""
        route = self._routes.pop(webhook, None)
        if route is not None:
            task = asyncio.get_running_loop().create_task(route.session.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def objection(self, url: str) -> str | None:
        """Why nothing may be sent to `url`; None: it may, or its host cannot be found at the moment."""
        try:
            target = read_url(url)
        except ValueError as error:
            return str(error)
        try:
            found = await self._names.addresses(target, PATIENCE)
        except (OSError, UnicodeError):
            return self._guard.refusal_unresolved(target)
        refusals = (self._guard.refusal(target, address) for address in found)
        return next((refusal for refusal in refusals if refusal is not None), None)

    async def send(self, message: Message) -> Reply:
        """One attempt, signed as of now: what became of it in time. Never raises for what a receiver does."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._post(self._route(message), message)
        except TimeoutError:
            return Reply(None, f"did not answer within {self._deadline:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(None, _told(error))

    # --- connections -----------------------------------------------------------------------------

    def _route(self, message: Message) -> _Route:
        target = read_url(message.url)
        route = self._routes.get(message.webhook)
        if route is not None and route.target == target:
            return route
        self.forget(message.webhook)
        route = self._routes[message.webhook] = _Route(target, self._session(target))
        return route

    def _session(self, target: Target) -> aiohttp.ClientSession:
        def connecting(info: Any) -> socket.socket:
            family, kind, protocol, _, peer = info
            self._refuse(target, ip_address(str(peer[0])))
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            resolver=_Resolver(target, self._allowed), socket_factory=connecting, limit=0
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": self._agent, "Content-Type": "application/json"},
        )

    def _refuse(self, target: Target, address: Address) -> None:
        refusal = self._guard.refusal(target, address)
        if refusal is not None:
            raise RefusedAddressError(refusal)

    async def _allowed(self, target: Target) -> list[Address]:
        """The addresses of a host that may be connected to. Raises `OSError` if there are none."""
        found = await self._names.addresses(target)
        refusals = {address: self._guard.refusal(target, address) for address in found}
        allowed = [address for address, refusal in refusals.items() if refusal is None]
        if not allowed:
            raise RefusedAddressError(next(filter(None, refusals.values()), "the host has no address"))
        return allowed

    # --- one attempt -----------------------------------------------------------------------------

    async def _post(self, route: _Route, message: Message) -> Reply:
        now = self._clock.now().wall
        moment = to_datetime(now)
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(now // SECOND),
            "webhook-signature": Signer(message.secret).sign(message.id, moment, message.body),
        }
        url = URL(route.target.url, encoded=True)
        body = message.body.encode()
        async with route.session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            reply = Reply(response.status, _said(response.status), self._asked(response, now))
            await _drain(response)
            return reply

    def _asked(self, response: aiohttp.ClientResponse, now: Instant) -> Millis | None:
        """How long the receiver wants to be left alone (RFC 9110 §10.2.3)."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return Millis(min(int(value[:9]), 10**6) * SECOND)
        try:
            return Millis(max(0, from_datetime(parsedate_to_datetime(value)) - now))
        except (ValueError, TypeError):
            return None


class _Resolver(AbstractResolver):
    """Gives the connector those addresses of one host that it may use."""

    def __init__(self, target: Target, allowed: Callable[[Target], Any]) -> None:
        self._target = target
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's addresses. Raises `OSError`."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._allowed(self._target)
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read what is left of an answer, so that its connection can be used again; not for long, and not much."""
    try:
        async with asyncio.timeout(REST_PATIENCE):
            left = MOST_REST
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
    except (TimeoutError, aiohttp.ClientError):
        left = 0
    if left <= 0:
        response.close()


def _said(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed, set the webhook to the address itself"
    return f"answered {status}"


def _told(error: Exception) -> str:
    """What is wrong, for an operator."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, RefusedAddressError):
        return str(cause)[:_LONGEST_DETAIL]
    said = str(cause) or type(cause).__name__
    if isinstance(cause, OSError) and cause.errno is not None:
        # A resolver's numbers are negative, and its words its own.
        said = os.strerror(cause.errno) if cause.errno > 0 else (cause.strerror or said)
    # Of a malformed answer the receiver's own bytes are in it.
    return "".join(char if char.isprintable() else " " for char in said)[:_LONGEST_DETAIL]
