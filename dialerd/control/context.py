"""What the routes share: the service, the keys, and where uploads go."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request

from dialerd.control.auth import KeyRing
from dialerd.control.observation import Pulse
from dialerd.control.repeats import Repeats
from dialerd.core.clock import Instant
from dialerd.core.errors import Fault, invalid
from dialerd.engine.fields import instant
from dialerd.engine.service import Service
from dialerd.ports import Page

_OFFSET_WITHOUT_PLUS = re.compile(r" (\d\d:?\d\d)$")


@dataclass(frozen=True, slots=True)
class Control:
    """The surroundings of a request."""

    service: Service
    keys: KeyRing
    repeats: Repeats
    spool_dir: Path
    max_bytes: int
    """Bytes of a contact list."""
    pulse: Pulse
    version: str

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[Path]:
        """A path for an upload, gone afterwards."""
        path = self.spool_dir / f"{secrets.token_hex(8)}.upload"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


def _page(
    limit: Annotated[int, Query(ge=1, le=100)] = 20, offset: Annotated[int, Query(ge=0, le=10**9)] = 0
) -> Page:
    return Page(limit, offset)


Controlled = Annotated[Control, Depends(_control)]
Paged = Annotated[Page, Depends(_page)]
From = Annotated[str | None, Query(alias="from", description="ISO 8601 with offset, or a date (UTC)")]
To = Annotated[str | None, Query(alias="to", description="ISO 8601 with offset, or a date (UTC), inclusive")]


def span(start: str | None, end: str | None) -> tuple[Instant | None, Instant | None]:
    """The instants of a `from`/`to` filter. Raises `RequestError` 422."""
    faults: list[Fault] = []
    instants = (_instant("from", start, faults), _instant("to", end, faults))
    if faults:
        raise invalid(faults)
    return instants


def _instant(key: str, value: str | None, faults: list[Fault]) -> Instant | None:
    if value is None:
        return None
    try:
        return instant(time_in_query(value), UTC, last=key == "to")
    except ValueError as error:
        faults.append(Fault(key, str(error)))
        return None


def time_in_query(value: str) -> str:
    """A time in a query string, where an unescaped + arrives as a space."""
    return _OFFSET_WITHOUT_PLUS.sub(r"+\1", value)


def phone_in_query(value: str | None) -> str | None:
    """A number in a query string, whose + may have arrived as a space."""
    if value is None:
        return None
    return "+" + value.strip() if value.startswith(" ") else value
