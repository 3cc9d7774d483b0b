"""The do-not-call list: a number is looked up, added, and taken off."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, phone, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.frame import DNC, PATIENCE, Frame
from dialerd.console.happening import Happening
from dialerd.console.listing import Column, Listing
from dialerd.console.order import confirm
from dialerd.console.problem import Away, Refused

_COLUMNS = (
    Column("number", "Number or prefix"),
    Column("reason", "Reason", "wrap"),
    Column("source", "Source", "wrap"),
    Column("added", "Added"),
    Column("until", "Until"),
    Column("remove", "", "action"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/dnc", response_timeout=PATIENCE)
    async def do_not_call(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, DNC, "Do not call")

        def concerns(happening: Happening) -> bool:
            return happening.kind.startswith("dnc.") or happening.kind == "contact.suppressed"

        await frame.show(DoNotCall(frame).read, concerns)


class DoNotCall:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._sought = ""
        self._new = {"phone": "", "reason": ""}
        with frame.content:
            Words("h1", "Do not call")
            Words("div", "Numbers and prefixes that no campaign and no single call ever dials.", "soft")
            with box("halves"):
                self._lookup()
                if frame.login.writes:
                    self._adding()
            with card("The list"):
                self._list = Listing(
                    _COLUMNS, self._fetch, self._row, "The list is empty.", frame.attempt, self._ask_remove
                )

    async def read(self) -> None:
        """Read the page of the list. Raises `Refused`, `Away`."""
        await self._list.read()

    def _lookup(self) -> None:
        with card("Is a number on it?"):
            with box("line"):
                field = ui.input("Number to look up (+919876543210)").props("outlined dense type=tel")
                field.style("flex: 1 1 220px").bind_value(self, "_sought").on("keydown.enter", self._look_up)
                button("Look up", self._look_up, kind="primary")
            self._found = box("").props("aria-live=polite")

    async def _look_up(self) -> None:
        number = (self._sought or "").strip()
        self._found.clear()
        if not number:
            return
        try:
            entry = await self._frame.api.get(path("dnc", number))
        except Refused as refused:
            absent = refused.status == 404
            with self._found:
                if absent:
                    blocks.note(f"{number} is not on the list: it may be called.", "good")
                else:
                    blocks.faults(refused)
            return
        except Away as away:
            blocks.tell(away)
            return
        why = entry["reason"] or "no reason was given"
        with self._found:
            blocks.note(f"{number} is not called: {entry['phone']} is on the list ({why}).", "warn")

    def _adding(self) -> None:
        with card("Add a number"):
            with box("line"):
                field = ui.input("Number, or prefix as +9198*").props("outlined dense type=tel")
                field.style("flex: 1 1 200px").bind_value(self._new, "phone")
                reason = ui.input("Reason").props("outlined dense").style("flex: 1 1 140px")
                reason.bind_value(self._new, "reason")
                button("Add", self._add, kind="primary")
            self._added = box("").props("aria-live=polite")

    async def _add(self) -> None:
        given = {key: value.strip() for key, value in self._new.items() if value and value.strip()}
        number = given.get("phone", "")
        if number.endswith("*"):
            said = f"No number that begins with {number[:-1]} is called any more, by any campaign."
            if await confirm(f"Add the prefix {number}?", said, "Add this prefix") is None:
                return
        self._added.clear()
        try:
            entry = await self._frame.api.post("/v1/dnc", given)
        except (Refused, Away) as problem:
            with self._added:
                blocks.faults(problem)
            return
        with self._added:
            blocks.note(f"{entry['phone']} is not called any more, from now on.", "good")
        self._frame.stale()

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._frame.api.get("/v1/dnc", limit=limit, offset=offset)
        return found

    def _row(self, entry: dict[str, Any]) -> dict[str, Any]:
        shown = phone.shown(entry["phone"], whole=self._frame.whole_numbers)
        return {
            "number": shown,
            "reason": entry["reason"] or "",
            "source": entry["source"] or "",
            "added": wording.clock(entry["created_at"]) + " UTC",
            "until": wording.clock(entry["expires_at"]) + " UTC" if entry["expires_at"] else "for good",
            "remove": "Take off" if self._frame.login.writes else "",
            "what": shown,
        }

    async def _ask_remove(self, entry: dict[str, Any]) -> None:
        shown = phone.shown(entry["phone"], whole=self._frame.whole_numbers)
        said = (
            f"{shown} may be called again, by every campaign that has it. "
            "If the person asked not to be called, leave it on the list."
        )
        if await confirm("Take it off the do-not-call list?", said, "Take it off", kind="negative") is None:
            return
        await self._frame.attempt(self._frame.api.delete(path("dnc", entry["phone"])))
        self._frame.stale()
