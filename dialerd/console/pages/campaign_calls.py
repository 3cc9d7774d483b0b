"""A campaign's calls, newest first."""

from __future__ import annotations

from typing import Any

from dialerd.console import phone, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words
from dialerd.console.frame import Frame
from dialerd.console.listing import Column, Listing

_COLUMNS = (
    Column("began", "Began", "link"),
    Column("number", "Number"),
    Column("name", "Name", "wrap"),
    Column("attempt", "Attempt", "number"),
    Column("state", "State", "tag"),
    Column("outcome", "Disposition", "wrap"),
    Column("lasted", "Talked", "number"),
    Column("heard", "Recording"),
)


class CallList:
    """The calls, page by page."""

    def __init__(self, frame: Frame, campaign: str) -> None:
        self._frame = frame
        self._campaign = campaign
        self._zone: str | None = None
        self._clock = Words("div", "", "soft small")
        self._list = Listing(_COLUMNS, self._fetch, self._row, "No call has been placed yet.", frame.attempt)

    async def read(self, zone: str | None) -> None:
        """Read the page that is shown. Raises `Refused`, `Away`."""
        self._zone = zone
        self._clock.set_text(f"Times on the clock of {zone or 'UTC'}")
        await self._list.read()

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        where = path("campaigns", self._campaign, "calls")
        found: dict[str, Any] = await self._frame.api.get(where, limit=limit, offset=offset)
        return found

    def _row(self, call: dict[str, Any]) -> dict[str, Any]:
        live = call["status"] == "in_progress"
        return {
            "began": wording.clock(call["started_at"], self._zone),
            "href": f"/calls/{call['id']}",
            "number": phone.shown(call["contact"]["phone"], whole=self._frame.whole_numbers),
            "name": call["contact"]["name"] or wording.NOTHING,
            "attempt": call["attempt"],
            "state": wording.state(call["status"]),
            "tone": "good" if live else "quiet",
            "outcome": wording.outcome(call["disposition"], call["reason"]) if call["disposition"] else "",
            "lasted": wording.seconds(call["duration_seconds"]) if call["answered_at"] else wording.NOTHING,
            "heard": "yes" if call["recording_url"] else "",
        }
