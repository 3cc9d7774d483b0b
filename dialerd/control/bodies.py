"""Request bodies: read with a limit and a deadline, refused with the right status, never held twice.

FastAPI's own body handling is not used: it reads without a limit and knows no multipart streaming.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel

from dialerd.core.errors import Fault, PortError, RequestError, invalid
from dialerd.engine.fields import read_model

SMALL = 64 * 1024
"""Bytes of a JSON body without contacts."""
IDLE_DEADLINE = 30.0
"""Seconds without a byte after which an upload is given up."""
TOTAL_DEADLINE = 300.0

_UNFIT = re.compile("[\0\ud800-\udfff]")

M = TypeVar("M", bound=BaseModel)


def media_type(request: Request) -> str:
    """The body's media type without parameters, lower-case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(request: Request, *wanted: str) -> RequestError:
    """415 naming what is accepted."""
    got = media_type(request) or "none"
    return RequestError(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        f"the Content-Type must be {' or '.join(wanted)}, not {got[:80]}",
    )


def too_large(limit: int, what: str = "the body") -> RequestError:
    """413 naming the limit."""
    return RequestError(
        413, "too-large", "Content too large", f"{what} is larger than {limit:,} bytes ({limit / 1e6:g} MB)"
    )


def malformed(detail: str) -> RequestError:
    """400."""
    return RequestError(400, "malformed-body", "Malformed request body", detail)


Observer = Callable[[bytes], object]


def observe(request: Request, observer: Observer) -> None:
    """Have the content of the body shown to `observer` as it is read."""
    request.state.observer = observer


def observer_of(request: Request) -> Observer | None:
    """Who wants to see the content of the body."""
    found: Observer | None = getattr(request.state, "observer", None)
    return found


async def chunks(request: Request, limit: int, refusal: RequestError | None = None) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises `RequestError`: beyond `limit` bytes `refusal` (default: 413 naming the limit), 408 if it stalls.
    """
    refusal = refusal or too_large(limit)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 15 or int(declared) > limit):
        raise refusal
    loop = asyncio.get_running_loop()
    give_up = loop.time() + TOTAL_DEADLINE
    stream = request.stream()
    total = 0
    while True:
        try:
            async with asyncio.timeout_at(min(give_up, loop.time() + IDLE_DEADLINE)):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RequestError(
                408, "request-timeout", "Request timeout", "the body did not arrive in time"
            ) from None
        if chunk is None:
            return
        total += len(chunk)
        if total > limit:
            raise refusal
        yield chunk


async def read(request: Request, limit: int = SMALL) -> bytes:
    """The whole body."""
    body = bytearray()
    async for chunk in chunks(request, limit):
        body += chunk
    if observer := observer_of(request):
        observer(bytes(body))
    return bytes(body)


async def spool(request: Request, path: Path, limit: int, what: str) -> None:
    """The whole body into a new file. Raises `PortError` if the disk refuses it."""
    try:
        observer = observer_of(request)
        with path.open("xb") as file:
            async for chunk in chunks(request, limit, too_large(limit, what)):
                file.write(chunk)
                if observer is not None:
                    observer(chunk)
    except OSError as error:
        raise disk_refused(error) from error


def disk_refused(error: OSError) -> PortError:
    """503: an upload could not be kept."""
    return PortError(f"the upload cannot be kept on disk: {error.strerror or error}", retryable=True)


async def read_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The JSON object in the body; `optional`: an absent body is an empty object.

    Raises `RequestError`: 400 malformed, 413, 415.
    """
    if optional and not request.headers.get("content-type"):
        if await read(request):
            raise unsupported(request, "application/json")
        return {}
    if media_type(request) != "application/json":
        if optional and not await read(request):
            return {}
        raise unsupported(request, "application/json")
    body = await read(request)
    if optional and not body.strip():
        return {}
    return parse_object(body)


def parse_object(body: bytes, what: str = "the body") -> dict[str, Any]:
    """A JSON object. Raises `RequestError` (400): syntax, encoding, NULs and lone surrogates, depth."""
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise malformed(f"{what} is not UTF-8: byte 0x{body[error.start]:02X}") from None
    except json.JSONDecodeError as error:
        raise malformed(f"{what}: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise malformed(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise malformed(f"{what}: {error}") from None
    if not isinstance(document, dict):
        raise malformed(f"{what} must be a JSON object")
    _refuse_unfit_text(document, what)
    return document


def _refuse_unfit_text(document: dict[str, Any], what: str) -> None:
    """Escapes can write what no text may contain. Raises `RequestError` 400."""
    waiting: list[object] = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and (found := _UNFIT.search(item)):
            name = (
                "a NUL character" if found.group() == "\0" else "a lone surrogate, which is no Unicode text"
            )
            raise malformed(f"{what} contains {name}")


async def read_options(request: Request, model: type[M]) -> M:
    """The object in an optional body; a null is what was not given. Raises `RequestError` 422 with every fault."""
    body = await read_object(request, optional=True)
    given = {key: value for key, value in body.items() if value is not None or key not in model.model_fields}
    fields, faults = read_model(model, given)
    if faults:
        raise invalid(faults)
    return fields


def unknown(document: dict[str, Any], known: Iterable[str]) -> list[Fault]:
    """The faults of fields that mean nothing here."""
    return [Fault(key, "unknown field") for key in sorted(document.keys() - set(known))]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
