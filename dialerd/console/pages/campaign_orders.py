"""What can be done with a campaign: start, pause, resume, stop, clone, its results as files."""

from __future__ import annotations

import uuid
from typing import Any

from nicegui import ui

from dialerd.console import blocks, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button
from dialerd.console.frame import Frame
from dialerd.console.order import calls_choice, confirm, ringing_choice
from dialerd.console.statusbar import in_flight

LIVE = ("scheduled", "running", "paused")
_WHOM = {
    "unreached": "who were never reached",
    "expired": "who were not called in time",
    "all": "all of them",
    "none": "none: I add others later",
}


class CampaignOrders:
    """The buttons, each there when the campaign's state allows it."""

    def __init__(self, frame: Frame, ident: str) -> None:
        self._frame = frame
        self._ident = ident
        self._shown: dict[str, Any] = {}
        with box("line"):
            self._start = button("Start now", self._ask_start, kind="positive")
            self._pause = button("Pause", self._ask_pause)
            self._resume = button("Resume", self._ask_resume, kind="positive")
            self._stop = button("Stop", self._ask_stop, kind="negative")
            self._clone = button("Clone", self._ask_clone)
            button("Results (CSV)", lambda: ui.navigate.to(f"/files/campaigns/{ident}/results.csv"))
            button("Rejected rows (CSV)", lambda: ui.navigate.to(f"/files/campaigns/{ident}/rejects.csv"))
        for hidden in (self._start, self._pause, self._resume, self._stop, self._clone):
            hidden.set_visibility(False)

    def show(self, campaign: dict[str, Any]) -> None:
        """Show what is possible now."""
        self._shown = campaign
        status, may = campaign["status"], self._frame.login.writes
        ending = campaign["closing"]
        self._start.set_visibility(may and status == "scheduled")
        self._pause.set_visibility(may and status == "running" and not ending)
        self._resume.set_visibility(may and status == "paused" and not ending)
        self._stop.set_visibility(may and status in LIVE and not ending)
        self._clone.set_visibility(may)

    @property
    def _live(self) -> str:
        return wording.count(self._shown["progress"]["in_progress"], "live call")

    async def _ask_start(self) -> None:
        said = (
            "Calls are placed from now on, inside the campaign's hours, also if its start time has not come."
        )
        if await confirm("Start this campaign?", said, "Start now", kind="positive") is not None:
            await self._order("start", {"now": True}, "The campaign is started.")

    async def _ask_pause(self) -> None:
        said = (
            f"No new calls are placed. {self._live}: people who are in a call are talked to until the end. "
            "Contacts that wait are kept for the resume."
        )
        given = await confirm("Pause this campaign?", said, "Pause", choices=[ringing_choice()])
        if given is not None:
            await self._order("pause", given, "The campaign is paused.")

    async def _ask_resume(self) -> None:
        said = "New calls are placed at once, inside the campaign's window."
        if await confirm("Resume this campaign?", said, "Resume", kind="positive") is not None:
            await self._order("resume", {}, "The campaign goes on.")

    async def _ask_stop(self) -> None:
        said = f"This is final: a stopped campaign cannot be resumed, only cloned. {self._live} now."
        given = await confirm(
            "Stop this campaign for good?",
            said,
            "Stop for good",
            kind="negative",
            choices=[calls_choice(), ringing_choice()],
        )
        if given is not None:
            await self._order("stop", given, "The campaign is stopped.")

    async def _order(self, name: str, body: dict[str, Any], done: str) -> None:
        answer = await self._frame.attempt(self._frame.api.post(path("campaigns", self._ident, name), body))
        if answer is not None:
            self.show(answer)
            blocks.done(in_flight(answer, done))
            self._frame.stale()

    async def _ask_clone(self) -> None:
        once = f"console-{uuid.uuid4()}"
        chosen = {"name": f"{self._shown['name']} (copy)"[:255], "contacts": "unreached"}
        with ui.dialog().props('aria-label="Clone this campaign"') as dialog, box("card"):
            Words("h2", "Clone this campaign")
            Words(
                "div",
                "The new campaign has the settings of this one but for its times. It waits until it is started.",
            )
            ui.input("Name").bind_value(chosen, "name").props("outlined autofocus")
            Words("div", "Contacts that it takes over", "strong")
            ui.radio(_WHOM).bind_value(chosen, "contacts").props('aria-label="Contacts that it takes over"')
            with box("line end"):
                button("Cancel", lambda: dialog.submit(False))
                button("Clone", lambda: dialog.submit(True), kind="primary")
        wanted = await dialog
        dialog.delete()
        if not wanted:
            return
        made = await self._frame.attempt(
            self._frame.api.post(path("campaigns", self._ident, "clone"), chosen, once=once)
        )
        if made is not None:
            ui.navigate.to(f"/campaigns/{made['campaign_id']}")
