"""The part of Twilio's REST interface that bots written for it use, under its own paths and in its own shapes.

It is no part of the API's description: that is of `/v1`; Twilio's documentation describes this. Who may use it is
decided as for every request (`dialerd.control.guard`): the password is an API key.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dialerd.control import bodies
from dialerd.control.context import Controlled
from dialerd.core.errors import PortError, RequestError
from dialerd.core.twilio import API
from dialerd.engine.twilio import Form, fault

PREFIX = f"/{API}/"
_CODES = {401: 20003, 403: 20003, 404: 20404, 405: 20004, 413: 20413, 429: 20429, 503: 20503}
_CALLS = re.compile(rf"{PREFIX}Accounts/[^/]+/Calls(/[^/]+)?\.json")

router = APIRouter(prefix=f"/{API}/Accounts/{{account}}/Calls", include_in_schema=False)
Account = Annotated[str, Path()]


@router.post("{_json:path}")
async def _calls(account: Account, _json: str, request: Request, control: Controlled) -> Response:
    """`Calls.json` places a call; `Calls/SID.json` hangs one up or redirects it."""
    calls = control.service.twilio
    calls.check_account(account)
    sid = _sid(_json)
    form = await _form(request)
    if sid is None:
        return _shown(201, await calls.place(form))
    return _shown(200, await calls.change(sid, form))


@router.get("{_json:path}")
async def _call(account: Account, _json: str, control: Controlled) -> Response:
    """`Calls/SID.json` shows a call."""
    calls = control.service.twilio
    calls.check_account(account)
    sid = _sid(_json)
    if sid is None:
        raise fault(405, 20004, "calls are not listed here: GET /v1/calls does")
    return _shown(200, await calls.show(sid))


async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Whatever else is asked for under these paths, told as Twilio tells it. Raises `RequestError`."""
    if _CALLS.fullmatch(scope["path"]):
        raise fault(405, 20004, f"{scope['method']} is not possible here")
    raise fault(404, 20404, "there is nothing here; there are Calls.json and Calls/SID.json")


def _sid(rest: str) -> str | None:
    """The call that a path behind `Calls` names; None: all of them. Raises `RequestError` 404."""
    if rest == ".json":
        return None
    if rest.startswith("/") and rest.endswith(".json") and "/" not in rest[1:]:
        return rest[1 : -len(".json")]
    raise fault(404, 20404, "there is nothing here; there are Calls.json and Calls/SID.json")


async def _form(request: Request) -> Form:
    body = await bodies.read(request)
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeError, ValueError):
        raise fault(400, 20001, "the body is no form (application/x-www-form-urlencoded)") from None


def bearer_of(authorization: str) -> str | None:
    """The key in `Authorization: Basic`, whoever it names; None: there is none."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, separator, key = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        return None
    return key if separator and key else None


def shaped(error: RequestError | PortError | None) -> Response:
    """An error as Twilio's interface answers it; None: a bug of ours."""
    status, code, message, retry_after = 500, 20500, "dialerd failed to carry out the request", None
    if isinstance(error, PortError):
        status, code, message, retry_after = 503, 20503, str(error), 5
    elif error is not None:
        status, message, retry_after = error.status, error.detail, error.retry_after
        given = error.extra.get("twilio_code")
        code = given if isinstance(given, int) else _CODES.get(status, 20001)
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="dialerd"'
    return Response(orjson.dumps(body), status, headers, "application/json")


def _shown(status: int, call: dict[str, object]) -> Response:
    return Response(orjson.dumps(call), status, media_type="application/json")
