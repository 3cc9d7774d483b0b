"""Campaign requests in JSON: the document without its contacts, and the contacts as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from dialerd.core.errors import Fault, RequestError
from dialerd.intake.contacts import Row


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`. Raises `RequestError` (400) saying what is malformed and where."""
    try:
        document = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8: byte 0x{data[error.start]:02X}") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _malformed("the JSON is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not isinstance(document, dict):
        raise _malformed("the body must be a JSON object")
    return document


def rows(contacts: object) -> Iterator[Row] | Fault:
    """The rows of a `contacts` value, or why it is no list of contacts."""
    if contacts is None:
        return Fault("contacts", "required: a list of objects, each with a phone")
    if not isinstance(contacts, list):
        return Fault("contacts", "must be a list of objects, each with a phone")
    return _rows(contacts)


def _rows(contacts: list[object]) -> Iterator[Row]:
    for index, contact in enumerate(contacts):
        if isinstance(contact, dict):
            yield Row(index, contact, in_json=True)
        else:
            yield Row(index, {}, "must be an object with a phone", in_json=True)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(detail: str) -> RequestError:
    return RequestError(400, "malformed-body", "Malformed request body", detail)
