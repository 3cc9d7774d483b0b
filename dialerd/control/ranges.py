"""Parts of files by HTTP (RFC 9110, section 14): which bytes a request asks for. One range; more are not divided."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to `end`, which is not among them."""

    start: int
    end: int


class Unsatisfiable(ValueError):
    """There is nothing of what is asked for."""


def asked(header: str | None, size: int) -> Span | None:
    """The bytes of a `Range` header; None: the whole. Raises `Unsatisfiable`.

    What cannot be read, and what asks for several parts, is answered with the whole, as the standard allows.
    """
    found = None if header is None else _RANGE.fullmatch(header)
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise Unsatisfiable
    return Span(start, end)
