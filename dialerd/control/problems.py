"""Every error as `application/problem+json` (RFC 9457), whoever found it: we, FastAPI or the HTTP layer.

A problem's `type` is `urn:dialerd:problem:<code>`; `errors` lists every fault of the request. Under Twilio's paths
errors have Twilio's shape, which the outermost layer gives them (`dialerd.control.guard`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dialerd.core.errors import Fault, InvariantError, PortError, RequestError, invalid
from dialerd.core.twilio import API
from dialerd.engine.contactlist import ListRefused
from dialerd.engine.fields import UNKNOWN_PARAMETER, plainly

RETRY_AFTER = "5"
READING = ("GET", "HEAD", "OPTIONS")
"""Methods that store nothing anyway."""

_log = structlog.get_logger("dialerd.control")


class FaultShape(BaseModel):
    """One thing wrong with a request."""

    loc: str
    msg: str


class ProblemShape(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultShape]


class ProblemResponse(Response):
    """An error as the API answers it."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        faults: Sequence[Fault] = (),
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body: dict[str, Any] = {
            "type": f"urn:dialerd:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "errors": [{"loc": fault.loc, "msg": fault.msg} for fault in faults],
            **(extra or {}),
        }
        super().__init__(orjson.dumps(_encodable(body)), status, dict(headers or {}))


def of_request_error(error: RequestError, method: str = "GET") -> ProblemResponse:
    """The caller's fault."""
    extra = error.extra
    if isinstance(error, ListRefused):
        extra = {**extra, "errors": _joined(error), "invalid": orjson.Fragment(error.invalid_json)}
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    detail = error.detail
    if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and method not in READING:
        detail += "; nothing was stored"
    return ProblemResponse(error.status, error.code, error.title, detail, error.faults, extra, headers)


def _joined(error: ListRefused) -> orjson.Fragment:
    """The faults of fields and rows as one array."""
    fields = orjson.dumps([_encodable({"loc": fault.loc, "msg": fault.msg}) for fault in error.faults])
    parts = [part[1:-1] for part in (fields, error.row_faults_json) if len(part) > 2]
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")


def of_port_error(error: PortError) -> ProblemResponse:
    """Store, media or engine are out: 503, and nothing was done."""
    return ProblemResponse(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Service unavailable",
        str(error),
        headers={"Retry-After": RETRY_AFTER},
    )


def of_exception(error: Exception, method: str, path: str) -> ProblemResponse:
    """A bug of ours: logged with its trace, told without it."""
    _log.error("control.request_raised", method=method, path=path, exc_info=error)
    return ProblemResponse(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Internal error",
        "dialerd failed to carry out the request; its log has the details",
    )


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(PortError, _on_port_error)
    app.add_exception_handler(InvariantError, _on_invariant_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def _is_problem(request: Request) -> bool:
    """Whether an answer to this request is a problem."""
    return not request.url.path.startswith(f"/{API}/")


async def _on_request_error(request: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, RequestError) or not _is_problem(request):
        raise error
    return of_request_error(error, request.method)


async def _on_port_error(request: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, PortError) or not _is_problem(request):
        raise error
    return of_port_error(error)


async def _on_invariant_error(request: Request, error: Exception) -> ProblemResponse:
    if not _is_problem(request):
        raise error
    return of_exception(error, request.method, request.url.path)


async def _on_validation_error(request: Request, error: Exception) -> ProblemResponse:
    """Path and query parameters; bodies are read by `dialerd.control.bodies`."""
    if not isinstance(error, RequestValidationError):
        raise error
    return of_request_error(invalid([_parameter_fault(item) for item in error.errors()]), request.method)


def _parameter_fault(item: Mapping[str, Any]) -> Fault:
    unknown = item["type"] == "extra_forbidden"
    loc = ".".join(str(part) for part in item["loc"][1:])
    return Fault(loc[:60], UNKNOWN_PARAMETER if unknown else plainly(item["type"], item["msg"]))


async def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    """What the framework itself answers: no such path, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}"
    else:
        detail = str(error.detail)
    code = status.phrase.lower().replace(" ", "-")
    return ProblemResponse(status, code, status.phrase, detail, headers=error.headers)


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _encodable(value: Any) -> Any:
    """The same without lone surrogates, which no JSON text can carry; they come from undecodable input."""
    if isinstance(value, str):
        return value if value.isascii() else _printable(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value
