"""Trunks: how each is, how fast it goes now, why it is not used, and its pause."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, listing, phone, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card, tone
from dialerd.console.context import Console
from dialerd.console.frame import PATIENCE, TRUNKS, Frame
from dialerd.console.happening import Happening
from dialerd.console.listing import Column
from dialerd.console.order import confirm

_CALLER_IDS = (
    Column("number", "Shown number"),
    Column("calls", "Calls in 24 h", "number"),
    Column("answered", "Answered of the last", "number"),
    Column("rests", "Rests until"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/trunks", response_timeout=PATIENCE)
    async def trunks(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, TRUNKS, "Trunks")

        def concerns(happening: Happening) -> bool:
            # A trunk's rate moves without an event.
            return happening.kind == "console.status" or happening.kind.startswith("trunk.")

        await frame.show(Trunks(frame).read, concerns)


class Trunks:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._told: list[Any] = []
        with frame.content:
            Words("h1", "Trunks")
            Words(
                "div",
                "The ways to the phone network, as they are now. Each is a SIP endpoint of your Asterisk.",
                "soft",
            )
            self._place = box("halves")

    async def read(self) -> None:
        """Read the trunks. Raises `Refused`, `Away`."""
        found = await self._frame.api.everything("/v1/trunks", 500)
        if found == self._told:
            return
        self._told = found
        self._place.clear()
        with self._place:
            for trunk in found:
                self._trunk(trunk)
            if not found:
                Words("div", "No trunk is configured.", "soft")

    def _trunk(self, trunk: dict[str, Any]) -> None:
        with card():
            with box("line"):
                Words("h2", trunk["name"])
                Words("span", wording.state(trunk["state"]), f"tag {tone(trunk['state'])}").props(
                    "data-state"
                )
                box("push")
                if self._frame.login.writes and trunk["paused"]:
                    button("Use again", partial(self._ask_resume, trunk), kind="positive")
                elif self._frame.login.writes:
                    button("Pause this trunk", partial(self._ask_pause, trunk))
            for why in filter(None, (trunk["down"], trunk["paused"])):
                Words("div", why, "note warn")
            blocks.facts(trunk_facts(trunk))
            if trunk["caller_ids"]:
                listing.plain(_CALLER_IDS, [self._caller_id(one) for one in trunk["caller_ids"]]).props(
                    "dense"
                )

    def _caller_id(self, used: dict[str, Any]) -> dict[str, Any]:
        return {
            # One's own numbers are nobody's personal data.
            "number": phone.shown(used["caller_id"], whole=True),
            "calls": used["calls_24h"],
            "answered": f"{used['answered']} of {used['of_last_calls']}",
            "rests": wording.moment(used["rests_until"]) if used["rests_until"] else "",
        }

    async def _ask_pause(self, trunk: dict[str, Any]) -> None:
        said = "No new calls go over it; calls that are under way go on. Campaigns use their other trunks, or wait."
        if await confirm(f"Pause the trunk {trunk['name']}?", said, "Pause this trunk") is not None:
            await self._change(trunk, paused=True)

    async def _ask_resume(self, trunk: dict[str, Any]) -> None:
        said = "Calls go over it again. If it was paused since the carrier refused us, be sure that this is mended."
        if (
            await confirm(f"Use the trunk {trunk['name']} again?", said, "Use again", kind="positive")
            is not None
        ):
            await self._change(trunk, paused=False)

    async def _change(self, trunk: dict[str, Any], **fields: bool) -> None:
        changed = await self._frame.attempt(self._frame.api.patch(path("trunks", trunk["name"]), fields))
        if changed is not None:
            self._frame.stale()


def trunk_facts(trunk: dict[str, Any]) -> list[tuple[str, str]]:
    """A trunk in words."""
    rate, limit = trunk["rate_now"], trunk["calls_per_second"]
    slowed = (
        f"slowed to {rate:g} of {limit:g} calls a second" if rate < limit else f"{limit:g} calls a second"
    )
    last = trunk["last_calls"]
    found = [
        ("Rate now", slowed),
        ("Channels in use", f"{trunk['channels_in_use']} of {trunk['max_channels']}"),
        (
            "Last calls",
            f"{last['answered']} of {last['of']} answered ({wording.percent(last['answer_rate'])})",
        ),
        ("Turned away", wording.percent(trunk["turned_away"])),
        ("Endpoint", trunk["endpoint"]),
    ]
    if trunk["registration"]:
        found.append(
            (
                "Registration",
                f"{trunk['registration']}: {'registered' if trunk['registered'] else 'not registered'}",
            )
        )
    if trunk["rests_until"]:
        found.append(("Rests until", wording.moment(trunk["rests_until"])))
    return found
