"""Events of the API's stream, as text and as what they tell."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

MISSED = "feed.gap"
"""Told instead of events that are not known any more."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One event."""

    id: str | None
    kind: str
    at: str
    data: dict[str, Any]

    @property
    def campaign(self) -> str | None:
        """The campaign it concerns."""
        return self.data.get("campaign_id")


async def read(lines: AsyncIterable[str]) -> AsyncIterator[Happening | None]:
    """The events of a stream; None for each sign that it lives."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line.startswith(":"):
            yield None
        elif line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            happening = _happening(fields)
            fields = {}
            if happening is not None:
                yield happening


def _happening(fields: dict[str, str]) -> Happening | None:
    """The event that the fields make; None: they make none that is dialerd's."""
    try:
        body = json.loads(fields["data"])
        return Happening(fields.get("id"), body["type"], body["timestamp"], dict(body["data"]))
    except (KeyError, TypeError, ValueError):
        return None
