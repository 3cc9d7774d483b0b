"""A campaign's contacts, and why one of them is not being called."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from dialerd.console import phone, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button
from dialerd.console.frame import Frame
from dialerd.console.listing import Column, Listing

_COLUMNS = (
    Column("number", "Number"),
    Column("name", "Name", "wrap"),
    Column("state", "State"),
    Column("attempts", "Attempts", "number"),
    Column("outcome", "Disposition", "wrap"),
    Column("next", "Next attempt"),
    Column("why", "", "action"),
)
_STATES = {"": "Every state", **{word: wording.state(word) for word in (
    "pending", "dialing", "in_call", "retry_waiting", "callback_waiting", "finished", "suppressed", "expired",
    "cancelled")}}  # fmt: skip


class ContactList:
    """The contacts, page by page."""

    def __init__(self, frame: Frame, campaign: str) -> None:
        self._frame = frame
        self._campaign = campaign
        self._zone: str | None = None
        self._state = ""
        with box("line"):
            states = ui.select(_STATES, value="", label="State", on_change=self._restart)
            states.props("outlined dense").style("min-width: 240px").bind_value(self, "_state")
            self._clock = Words("span", "", "soft small")
        self._list = Listing(
            _COLUMNS, self._fetch, self._row, "No contact is in this state.", frame.attempt, self._explain
        )

    async def read(self, zone: str | None) -> None:
        """Read the page that is shown. Raises `Refused`, `Away`."""
        self._zone = zone
        self._clock.set_text(f"Times on the clock of {zone or 'UTC'}")
        await self._list.read()

    async def _restart(self) -> None:
        await self._frame.attempt(self._list.restart())

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        where = path("campaigns", self._campaign, "contacts")
        found: dict[str, Any] = await self._frame.api.get(
            where, limit=limit, offset=offset, state=self._state or None
        )
        return found

    def _row(self, contact: dict[str, Any]) -> dict[str, Any]:
        waits = contact["state"] in ("pending", "retry_waiting", "callback_waiting")
        shown = phone.shown(contact["phone"], whole=self._frame.whole_numbers)
        return {
            "number": shown,
            "name": contact["name"] or wording.NOTHING,
            "state": wording.state(contact["state"]),
            "attempts": contact["attempts"],
            "outcome": wording.outcome(contact["disposition"], contact["reason"]),
            "next": wording.clock(contact["next_attempt_at"], self._zone) if waits else "",
            "why": "Why not now?" if waits else "",
            "what": contact["name"] or shown,
        }

    async def _explain(self, contact: dict[str, Any]) -> None:
        where = path("campaigns", self._campaign, "contacts", contact["phone"], "why")
        found = await self._frame.attempt(self._frame.api.get(where))
        if found is None:
            return
        with (
            ui.dialog(value=True).props('aria-label="Why this contact is not being called"') as dialog,
            box("card"),
        ):
            Words("h2", f"Why {contact['name'] or 'this contact'} is not being called now")
            if not found["reasons"]:
                Words("div", "Nothing is in the way: it is called as soon as its turn comes.")
            with ui.element("ul"):
                for one in found["reasons"]:
                    until = f" (until {wording.moment(one['until'], self._zone)})" if one["until"] else ""
                    Words("li", f"{wording.rule(one['reason'])}: {one['detail']}{until}")
            with box("line end"):
                button("Close", dialog.close).props("autofocus")
