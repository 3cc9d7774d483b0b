"""One call: what was said, its recording, its tries, and what was checked before it."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, listing, phone, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card, tone
from dialerd.console.context import Console
from dialerd.console.frame import CAMPAIGNS, PATIENCE, Frame
from dialerd.console.happening import Happening
from dialerd.console.listing import Column
from dialerd.console.order import confirm

_TRIES = (
    Column("trunk", "Trunk"),
    Column("caller", "Shown number"),
    Column("state", "State"),
    Column("sip", "SIP", "number"),
    Column("cause", "Cause", "number"),
    Column("rang", "Rang", "number"),
    Column("began", "Began"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/calls/{call_id}", response_timeout=PATIENCE)
    async def call(request: Request, call_id: str) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, CAMPAIGNS, "Call")

        def concerns(happening: Happening) -> bool:
            return happening.data.get("call_id") == call_id

        await frame.show(Call(frame, call_id).read, concerns)


class Call:
    """What the page shows."""

    def __init__(self, frame: Frame, ident: str) -> None:
        self._frame = frame
        self._ident = ident
        self._shown: dict[str, Any] | None = None
        with frame.content:
            self._body = box("").style("display: contents")

    async def read(self) -> None:
        """Read the call. Raises `Refused`, `Away`."""
        shown = await self._frame.api.get(path("calls", self._ident))
        if shown == self._shown:
            return
        self._shown = shown
        self._body.clear()
        with self._body:
            self._heading(shown)
            with box("halves"):
                self._conversation(shown)
                self._about(shown)
            self._tries(shown)

    def _heading(self, call: dict[str, Any]) -> None:
        who = call["contact"]["name"] or phone.shown(
            call["contact"]["phone"], whole=self._frame.whole_numbers
        )
        with box("line"):
            Words("h1", f"Call to {who}")
            Words("span", wording.state(call["status"]), f"tag {tone(call['status'])}").props("data-state")
            box("push")
            if call["campaign_id"]:
                ui.link("To the campaign", f"/campaigns/{call['campaign_id']}")
            if call["status"] == "in_progress" and self._frame.login.writes:
                button("Hang up", self._ask_hang_up, kind="negative")

    async def _ask_hang_up(self) -> None:
        said = "The callee is cut off at once. The campaign's rules decide whether they are called again."
        # What the button stands in is made anew meanwhile, if the call moves on.
        with self._frame.content:
            if await confirm("Hang up this call?", said, "Hang up", kind="negative") is not None:
                await self._frame.attempt(self._frame.api.post(path("calls", self._ident, "hangup")))
                self._frame.stale()

    def _conversation(self, call: dict[str, Any]) -> None:
        with card("Conversation"):
            if call["recording"]:
                heard = wording.seconds(call["recording"]["duration_seconds"])
                Words(
                    "div", f"Recording, {heard}: the callee on the left, the agent on the right", "soft small"
                )
                ui.audio(f"/files/calls/{self._ident}/recording").props('aria-label="Recording of the call"')
            if not call["transcript"]:
                Words("div", "Nothing was said.", "soft")
            with box("turns"):
                for turn in call["transcript"]:
                    self._turn(turn)

    def _turn(self, turn: dict[str, Any]) -> None:
        who = str(turn.get("speaker", ""))
        with box(f"turn {'callee' if who not in ('agent', 'system') else ''}"):
            at = turn.get("time")
            Words("div", wording.plain(who) + (f", {at:.1f} s" if isinstance(at, int | float) else ""), "who")
            Words("div", phone.blurred(spoken(turn), whole=self._frame.whole_numbers))

    def _about(self, call: dict[str, Any]) -> None:
        whole = self._frame.whole_numbers
        with card("About the call"):
            blocks.facts(
                [
                    ("Number", phone.shown(call["contact"]["phone"], whole=whole)),
                    ("Disposition", wording.outcome(call["disposition"], call["reason"])),
                    ("Attempt", f"{call['attempt']}{', a callback' if call['callback'] else ''}"),
                    ("Began", wording.moment(call["started_at"])),
                    ("Answered", wording.moment(call["answered_at"])),
                    ("Answered by", wording.answerer(call)),
                    ("Ended", wording.moment(call["ended_at"])),
                    ("Talked", wording.seconds(call["duration_seconds"])),
                    ("Language", call["language"]),
                    ("Agent", wording.talker(call)),
                    ("Script", wording.script(call["script_id"], call["script_version"])),
                    ("Captured", phone.blurred(captured(call), whole=whole) or "nothing"),
                    ("Handed to a person", phone.blurred(wording.handover(call["transfer"]), whole=whole)),
                ]
            )  # fmt: skip
            Words("h2", "Checked before it was placed")
            gate = call["gate"]
            blocks.facts(
                [("On the callee's clock", wording.wall(gate.get("local_time")))]
                + [(wording.rule(rule), str(said)) for rule, said in gate.get("rules", {}).items()]
            )

    def _tries(self, call: dict[str, Any]) -> None:
        with card("Tries"):
            listing.plain(
                _TRIES,
                [
                    {
                        "trunk": one["trunk"],
                        "caller": one["caller_id"] or wording.NOTHING,
                        "state": wording.plain(one["state"]),
                        "sip": one["sip_code"] or wording.NOTHING,
                        "cause": one["cause"] or wording.NOTHING,
                        "rang": wording.seconds(one["ring_seconds"]),
                        "began": wording.clock(one["started_at"]) + " UTC",
                    }
                    for one in call["tries"]
                ],
            )


def captured(call: dict[str, Any]) -> str:
    """What was learned of the callee."""
    return ", ".join(f"{key}: {value}" for key, value in call["captured"].items())


def spoken(turn: dict[str, Any]) -> str:
    """What was said, or pressed."""
    if turn.get("digits"):
        return f"pressed {turn['digits']}"
    return str(turn.get("text") or "")
