"""One connection to the manager interface, made of panoramisk's protocol and nothing of its life cycle.

panoramisk reconnects by itself and sends again what was not answered; both are switched off here, since a link
is used for one connection only. Every action has a deadline, a loss ends every wait, and nothing but the few
actions of `ami` is ever sent: no call is made or ended through here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, get_args

from panoramisk import Manager
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

# Its log would show the login when a write fails; `ami` tells what matters.
_SILENT = logging.Logger("panoramisk", level=logging.CRITICAL + 1)

Headers = dict[str, str]

AmiAction = Literal["Login", "Ping", "CoreStatus", "PJSIPShowEndpoint", "PJSIPShowRegistrationsOutbound"]
"""All that is ever sent."""
_ACTIONS = frozenset(get_args(AmiAction))


class LinkLost(Exception):
    """The connection is gone."""


class AmiLink(Manager):  # type: ignore[misc]
    """A connection that is lost once. `on_event` gets each event as a dict with lower-case header names."""

    pinger: asyncio.TimerHandle | None

    def __init__(
        self, names: tuple[str, ...], on_event: Callable[[Headers], None], on_lost: Callable[[], None]
    ) -> None:
        self._ended: asyncio.Future[None] | None = None
        self._on_lost = on_lost
        super().__init__(loop=asyncio.get_running_loop(), log=_SILENT)
        self._ended = self.loop.create_future()
        for name in names:
            self.register_event(name, lambda _link, event: on_event(_headers(event)))

    async def open(self, host: str, port: int) -> None:
        """Connect. Raises OSError; the caller sets the deadline."""
        made = await self.loop.create_connection(AMIProtocol, host, port)
        connected = self.loop.create_future()
        connected.set_result(made)
        self.connection_made(connected)

    async def ask(self, action: AmiAction, deadline: float, **headers: str) -> list[Headers]:
        """Send an action and return its response, and the events of its list after it.

        Raises TimeoutError, or LinkLost. Header names are given in lower case.
        """
        if action not in _ACTIONS:
            raise ValueError(f"{action} is not sent over the manager interface")
        if self._ended is None or self._ended.done():
            raise LinkLost
        sent = Action({"Action": action, **headers})
        answer: asyncio.Future[Any] = self.send_action(sent)
        try:
            await asyncio.wait({answer, self._ended}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                result = answer.result()
                return [_headers(part) for part in (result if isinstance(result, list) else [result])]
            if self._ended.done():
                raise LinkLost
            raise TimeoutError
        finally:
            answer.cancel()
            self.responses.pop(sent.id, None)

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._ended is None or self._ended.done()

    # --- panoramisk's own life cycle, switched off ---------------------------------------------------

    def connection_lost(self, exc: object) -> None:
        """Called by the protocol; wakes whoever waits. There is no second connection."""
        if self.pinger is not None:
            self.pinger.cancel()
            self.pinger = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
            self._on_lost()

    def ping(self) -> None:
        """Its own pings have no deadline: `ami` sends them."""

    def send_awaiting_actions(self, *_: object) -> None:
        """Never send again what was sent."""


def _headers(message: Any) -> Headers:
    found: Headers = {}
    for name, value in message.items():
        found[name.lower()] = value if isinstance(value, str) else str(value)
    return found
