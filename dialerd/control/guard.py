"""The outermost layer of the API: nobody passes without leave, and no exception passes at all."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialerd.control import problems, twilio
from dialerd.control.auth import OPEN_PATHS, KeyRing, Peer, PeerPolicy, Principal, permit
from dialerd.control.ratelimit import Allowance, RateLimit, is_free
from dialerd.core.errors import PortError, RequestError
from dialerd.core.journal import Author
from dialerd.engine.author import acting


class _Reply:
    """The way back to the client: knows whether an answer has begun, and tells what is left to its key."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.allowance: Allowance | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            if self.allowance is not None:
                message["headers"] = [*message.get("headers", ()), *self.allowance.headers]
        await self._send(message)


class Guard:
    """ASGI middleware: authenticates every request and turns what escapes the app into a problem."""

    def __init__(self, app: ASGIApp, keys: KeyRing, peers: PeerPolicy, rate: RateLimit) -> None:
        self._app = app
        self._keys = keys
        self._peers = peers
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send)
        is_twilio = scope["path"].startswith(twilio.PREFIX)
        response: Response
        try:
            await self._admit(scope)
            reply.allowance = self._count(scope)
            if reply.allowance is not None and reply.allowance.refused:
                raise _too_many(reply.allowance)
            with acting(_author(scope)):
                await self._app(scope, receive, reply)
        except ClientDisconnect:
            return
        except RequestError as error:
            response = twilio.shaped(error) if is_twilio else problems.of_request_error(error)
        except PortError as error:
            response = twilio.shaped(error) if is_twilio else problems.of_port_error(error)
        except Exception as error:  # noqa: BLE001 - the client is owed an answer, the log the trace
            response = problems.of_exception(error, scope["method"], scope["path"])
            response = twilio.shaped(None) if is_twilio else response
        else:
            return
        if not reply.started:
            await response(scope, receive, reply)

    def _count(self, scope: Scope) -> Allowance | None:
        """What is left to the key; local users have none, and no limit."""
        principal = scope.get("state", {}).get("principal")
        if principal is None or scope["state"].get("peer") is not None:
            return None
        return self._rate.take(principal.name, free=is_free(scope["method"], scope["path"]))

    async def _admit(self, scope: Scope) -> None:
        path = scope["path"]
        if path in OPEN_PATHS:
            return
        state = scope.setdefault("state", {})
        headers: Mapping[str, str] = Headers(scope=scope)
        if path.startswith(twilio.PREFIX):
            headers = {"authorization": f"Bearer {twilio.bearer_of(headers.get('authorization', '')) or ''}"}
        principal = await self._principal(state.get("peer"), headers)
        permit(principal, scope["method"], path)
        state["principal"] = principal

    async def _principal(self, peer: Peer | None, headers: Mapping[str, str]) -> Principal:
        if peer is not None:
            return self._peers.principal(peer)
        return await self._keys.principal(headers)


def _author(scope: Scope) -> Author:
    """Who makes the request, for the audit trail."""
    state = scope.get("state", {})
    principal: Principal | None = state.get("principal")
    if principal is None:
        return Author()
    client = scope.get("client")
    origin = "unix" if state.get("peer") is not None else client[0] if client else None
    return Author(principal.name, principal.called, origin)


def _too_many(allowance: Allowance) -> RequestError:
    return RequestError(
        429,
        "rate-limit",
        "Too many requests",
        f"the key has made {allowance.limit} requests within a minute; the next is taken in {allowance.reset} s",
        retry_after=allowance.reset,
    )
