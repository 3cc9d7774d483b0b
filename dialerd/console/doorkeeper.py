"""The outermost layer: nobody gets past it without a login, and browsers are told what the console never does."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialerd.console.context import Console

OPEN = ("/login", "/theme.css", "/favicon.ico")
ASSETS = "/_nicegui/"

_LEFT = 499

_HEADERS = {
    # The pages' framework compiles its templates in the browser and sends its state within the page.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


class Doorkeeper:
    """Lets requests of logins through, and assets that tell nothing."""

    def __init__(self, app: ASGIApp, console: Console) -> None:
        self._app = app
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a connection through, or answer it."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if self._console.login_of(connection) is None or not _same_origin(connection):
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer = self._objection(request)
        began = False

        async def noted(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        await (self._app if answer is None else answer)(scope, receive, noted)
        if not began:
            # The browser has left before the answer began. Layers above take no answer for a fault of ours.
            await PlainTextResponse("", _LEFT)(scope, receive, send)

    def _objection(self, request: Request) -> Response | None:
        path, reading = request.url.path, request.method in ("GET", "HEAD")
        if not reading and not _same_origin(request):
            return PlainTextResponse("this request came from another site", 403)
        if path in OPEN or (reading and path.startswith(ASSETS)):
            return None
        if self._console.login_of(request) is not None:
            return None
        if not reading or path.startswith(("/files/", "/_nicegui")):
            return PlainTextResponse("log in first", 401)
        asked = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)


def _same_origin(connection: HTTPConnection) -> bool:
    """Whether it comes from a page of the console: browsers name the origin of what changes something."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host", "")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
