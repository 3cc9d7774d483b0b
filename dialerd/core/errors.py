"""The exceptions of dialerd. What a call can meet is a value (`dialerd.core.outcome`), never an exception.

DialerError
├── RequestError     the caller's fault: answered as problem+json, exit code 1 or 2
├── PortError        infrastructure failed: `retryable` was decided where the error was born
│   └── InDoubtError     it failed so that nobody can tell yet whether what was asked for was done
└── InvariantError   our own fault: log it, fail that one thing, keep serving
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where (`loc`, e.g. `schedule.end_time` or `contacts.17.phone`) and what."""

    loc: str
    msg: str


class DialerError(Exception):
    """Root of all errors raised on purpose."""


class RequestError(DialerError):
    """A request that cannot be carried out, with every fault found in it.

    `status` is the HTTP status (400, 401, 403, 404, 409, 413, 415, 422, 429), `code` a stable kebab-case name
    that becomes the problem's `type`, `title` its human name.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        faults: Sequence[Fault] = (),
        extra: Mapping[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.faults = tuple(faults)
        self.extra = dict(extra or {})
        self.retry_after = retry_after
        """Seconds after which the same request may succeed."""


def invalid(faults: Sequence[Fault], **extra: object) -> RequestError:
    """422 listing every fault."""
    count = len(faults)
    detail = f"{count} fault{'s' if count != 1 else ''} in the request"
    return RequestError(422, "invalid-field", "Invalid request", detail, faults, extra)


def not_found(what: str, ident: str) -> RequestError:
    """404 for a thing that does not exist."""
    return RequestError(404, "not-found", "Not found", f"there is no {what} {ident!r}")


def conflict(detail: str, **extra: object) -> RequestError:
    """409: the thing's state does not allow it; `extra` names the state."""
    return RequestError(409, "state-conflict", "State conflict", detail, (), extra)


class PortError(DialerError):
    """The world outside failed; the message says what, where and what to do."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class InDoubtError(PortError):
    """`transaction` was sent off and no answer came: it is stored or it is not. `Journal.settle` tells, later."""

    def __init__(self, message: str, transaction: int) -> None:
        super().__init__(message, retryable=True)
        self.transaction = transaction


class InvariantError(DialerError):
    """Something that must be true is not: a bug of ours."""
