"""The outermost layer of the API: nobody passes without leave, and no exception passes at all."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialerd.control import problems
from dialerd.control.auth import OPEN_PATHS, KeyRing, Peer, PeerPolicy, Principal, permit
from dialerd.core.errors import PortError, RequestError


class Guard:
    """ASGI middleware: authenticates every request and turns what escapes the app into a problem."""

    def __init__(self, app: ASGIApp, keys: KeyRing, peers: PeerPolicy) -> None:
        self._app = app
        self._keys = keys
        self._peers = peers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._admit(scope)
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except RequestError as error:
            response = problems.of_request_error(error)
        except PortError as error:
            response = problems.of_port_error(error)
        except Exception as error:  # noqa: BLE001 - the client is owed an answer, the log the trace
            response = problems.of_exception(error, scope["method"], scope["path"])
        else:
            return
        if not started:
            await response(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        path = scope["path"]
        if path in OPEN_PATHS:
            return
        state = scope.setdefault("state", {})
        principal = await self._principal(state.get("peer"), Headers(scope=scope))
        permit(principal, scope["method"], path)
        state["principal"] = principal

    async def _principal(self, peer: Peer | None, headers: Headers) -> Principal:
        if peer is not None:
            return self._peers.principal(peer)
        return await self._keys.principal(headers)
