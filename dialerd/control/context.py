"""What the routes share: the service, the keys, and where uploads go."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request

from dialerd.control.auth import KeyRing
from dialerd.control.observation import Pulse
from dialerd.core.clock import YEARS, Instant, from_datetime
from dialerd.core.errors import Fault, invalid
from dialerd.engine.service import Service
from dialerd.ports import Page

_OFFSET_WITHOUT_PLUS = re.compile(r" (\d\d:?\d\d)$")


@dataclass(frozen=True, slots=True)
class Control:
    """The surroundings of a request."""

    service: Service
    keys: KeyRing
    spool_dir: Path
    max_bytes: int
    """Bytes of a contact list."""
    pulse: Pulse
    version: str

    @contextmanager
    def upload(self) -> Iterator[Path]:
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
    # An unescaped + in a query string arrives as a space.
    text = _OFFSET_WITHOUT_PLUS.sub(r"+\1", value)
    try:
        if len(text) == 10:
            moment = datetime.combine(date.fromisoformat(text), time(), UTC)
            if key == "to":
                moment += timedelta(days=1, milliseconds=-1)
        else:
            moment = datetime.fromisoformat(text)
        if moment.year in YEARS:
            return from_datetime(moment)
    except ValueError:
        pass
    faults.append(Fault(key, "must be an ISO 8601 time with offset, as in 2024-01-15T09:00:00Z, or a date"))
    return None


def phone_in_query(value: str | None) -> str | None:
    """A number in a query string, whose + may have arrived as a space."""
    if value is None:
        return None
    return "+" + value.strip() if value.startswith(" ") else value
