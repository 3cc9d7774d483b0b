"""Requests with an `Idempotency-Key`: carried out once, and answered alike when they come again.

Whoever asks gives the request a name; the same name with the same content is answered with the first answer, for 24
hours, restarts included. Only what was carried out is remembered: a refused request has made nothing and may be
corrected under the same name. Neither the name nor the content is stored, only keyed digests of them.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header, Request
from starlette.responses import Response

from dialerd.control import bodies
from dialerd.core.errors import InvariantError, RequestError
from dialerd.core.journal import RequestDone
from dialerd.engine.requests import Requests
from dialerd.ports import AnsweredRequest, KeptAnswer

HEADER = "Idempotency-Key"
MARKER = "Idempotency-Replayed"
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "location", "etag")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="names this request: sent again with the same content within 24 h, it gets the first answer "
        f"(marked `{MARKER}: true`) and nothing is made twice; other content: 409; still running: 409. "
        "A refused request leaves the name free. 1 to 255 printable ASCII characters, as a UUID",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


class Repeats:
    """Recognises requests that were carried out before."""

    def __init__(self, requests: Requests, secret: bytes) -> None:
        self._requests = requests
        self._secret = secret

    @asynccontextmanager
    async def claim(self, request: Request, key: str | None) -> AsyncIterator[Claim]:
        """The request's claim to be carried out; the body is read within. Raises `RequestError` 400, 409."""
        if key is None:
            yield Claim(self._requests)
            return
        if not _PRINTABLE.fullmatch(key):
            detail = f"{HEADER} must be 1 to 255 printable ASCII characters, as a UUID"
            raise RequestError(400, "malformed-header", "Malformed header", detail)
        who = request.state.principal.name
        ident = self._digest("request", who, key).hex()
        seen = hmac.new(self._secret, digestmod="sha256")
        for part in (
            "asked",
            request.method,
            request.url.path,
            request.url.query,
            bodies.media_type(request),
        ):
            seen.update(part.encode() + b"\0")
        bodies.observe(request, seen.update)
        with self._requests.under_way(ident):
            yield Claim(self._requests, ident, seen, lambda salt: self._digest("secret", who, key, salt))

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, b"\0".join(part.encode() for part in parts), "sha256")


class Claim:
    """One request on its way. Without a name it is simply carried out."""

    def __init__(
        self,
        requests: Requests,
        ident: str | None = None,
        seen: hmac.HMAC | None = None,
        secret: Callable[[str], bytes] | None = None,
    ) -> None:
        self._requests = requests
        self._ident = ident
        self._seen = seen
        self._secret = secret

    async def answered(
        self,
        make: Callable[[RequestDone | None], Awaitable[Response]],
        again: Callable[[RequestDone], Awaitable[Response]],
        *,
        keep: bool = True,
    ) -> Response:
        """The answer, after the body was read: of `make`, which carries the request out, or the one given before.

        `make` has the request it is given written with what it makes. `again` answers where the first answer was not
        kept: the daemon died in between, or `keep` is False since it holds what must not be stored.
        """
        if self._ident is None or self._seen is None:
            return await make(None)
        asked = self._seen.hexdigest()
        found = await self._requests.find(self._ident, asked)
        if found is not None:
            return await _repeated(found, again)
        done = self._requests.begin(self._ident, asked)
        try:
            response = await make(done)
        except InvariantError:
            # It was under way when its caller lost patience, and is done by now.
            found = await self._requests.find(self._ident, asked)
            if found is None:
                raise
            return await _repeated(found, again)
        if keep and response.status_code < 300:
            await self._requests.keep(done, _kept(response))
        return response

    def secret(self, salt: str) -> str:
        """A secret that this request alone can ask for again, as long as `salt` is known; 256 bits.

        Without a name: a random one.
        """
        made = secrets.token_bytes(32) if self._secret is None else self._secret(salt)
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


async def _repeated(found: AnsweredRequest, again: Callable[[RequestDone], Awaitable[Response]]) -> Response:
    answer = found.answer
    if answer is None:
        response = await again(found.done)
    else:
        response = Response(answer.body, answer.status, dict(answer.headers))
    response.headers[MARKER] = "true"
    return response


def _kept(response: Response) -> KeptAnswer:
    headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    return KeptAnswer(response.status_code, headers, bytes(response.body))
