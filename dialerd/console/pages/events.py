"""What happens, as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import listing, phone, wording
from dialerd.console.blocks import Words, box
from dialerd.console.context import Console
from dialerd.console.frame import EVENTS, PATIENCE, Frame, everything
from dialerd.console.happening import Happening
from dialerd.console.listing import Column

SHOWN = 100
_COLUMNS = (
    Column("at", "When (UTC)"),
    Column("kind", "What", "link"),
    Column("about", "About", "wrap"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/events", response_timeout=PATIENCE)
    async def events(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, EVENTS, "Events")
        await frame.show(Events(frame).read, everything)


class Events:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._words = ""
        with frame.content:
            Words("h1", "Events")
            Words("div", "What has happened since you logged in, newest first.", "soft")
            ui.input("Only events with these words", on_change=frame.stale).props(
                "outlined dense clearable type=search"
            ).style("max-width: 340px").bind_value(self, "_words")
            with box("card"):
                self._table = listing.plain(_COLUMNS, [])
                self._none = Words("div", "Nothing has happened yet.", "soft")

    async def read(self) -> None:
        """Show the events that the login has heard."""
        whole = self._frame.whole_numbers
        rows = [row(one, whole=whole) for one in reversed(self._frame.login.feed.recent)]
        words = (self._words or "").lower().split()
        found = [
            one for one in rows if all(word in f"{one['kind']} {one['about']}".lower() for word in words)
        ]
        listing.fill(self._table, found[:SHOWN])
        self._table.set_visibility(bool(found))
        self._none.set_visibility(not found)


def row(happening: Happening, *, whole: bool) -> dict[str, Any]:
    """An event's line; it leads to the call or the campaign that it is about."""
    data = happening.data
    target = "/events"
    if data.get("call_id"):
        target = f"/calls/{data['call_id']}"
    elif happening.campaign:
        target = f"/campaigns/{happening.campaign}"
    return {
        "at": wording.clock(happening.at),
        "kind": wording.plain(happening.kind.replace(".", " ")),
        "href": target,
        "about": phone.blurred(about(data), whole=whole),
    }


_LINKED = ("call_id", "campaign_id", "phone", "disposition", "reason")
"""What is told in words of its own, or by where the line leads."""


def about(data: Mapping[str, Any]) -> str:
    """What an event tells: whom, what came of it, then the rest by its names."""
    said = [str(data["phone"])] if data.get("phone") else []
    if data.get("disposition"):
        said.append(wording.outcome(data["disposition"], data.get("reason")))
    elif data.get("reason"):
        said.append(wording.reason(data["reason"]))
    for key, value in data.items():
        if key not in _LINKED and value is not None:
            said.append(f"{wording.plain(key).lower()} {value}")
    return " · ".join(said)
