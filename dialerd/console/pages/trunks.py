"""Trunks: how each is, how fast it goes now, why it is not used, and its pause."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import listing, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card, tone
from dialerd.console.context import Console
from dialerd.console.frame import PATIENCE, TRUNKS, Frame, with_status
from dialerd.console.happening import Happening
from dialerd.console.listing import Column
from dialerd.console.order import confirm

_CALLER_IDS = (
    Column("number", "Shown number"),
    Column("calls", "Calls in 24 h", "number"),
    Column("answered", "Answered of the last", "number"),
    Column("rests", "Rests until"),
)


_FACTS = (
    "Rate now",
    "Channels in use",
    "Last calls",
    "Turned away",
    "Endpoint",
    "Registration",
    "Rests until",
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
            return with_status(happening) or happening.kind.startswith("trunk.")

        await frame.show(Trunks(frame).read, concerns)


class Trunks:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._cards: dict[str, TrunkCard] = {}
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
        with self._place:
            for trunk in found:
                if trunk["name"] not in self._cards:
                    self._cards[trunk["name"]] = TrunkCard(self._frame, trunk["name"])
                self._cards[trunk["name"]].show(trunk)


class TrunkCard:
    """One trunk; it changes in place, so that who is at its button stays there."""

    def __init__(self, frame: Frame, name: str) -> None:
        self._frame = frame
        self._name = name
        with card():
            with box("line"):
                Words("h2", name)
                self._state = Words("span", "", "tag").props("data-state")
                box("push")
                self._resume = button("Use again", self._ask_resume, kind="positive")
                self._pause = button("Pause this trunk", self._ask_pause)
            self._why = Words("div", "", "note warn")
            with ui.element("dl").classes("facts"):
                self._facts = {fact: (Words("dt", fact), Words("dd")) for fact in _FACTS}
            self._caller_ids = listing.plain(_CALLER_IDS, []).props("dense")

    def show(self, trunk: dict[str, Any]) -> None:
        """Show it as it is now."""
        may = self._frame.login.writes
        self._state.set_text(wording.state(trunk["state"]))
        self._state.classes(replace=f"tag {tone(trunk['state'])}")
        self._resume.set_visibility(may and bool(trunk["paused"]))
        self._pause.set_visibility(may and not trunk["paused"])
        self._why.set_text("; ".join(filter(None, (trunk["down"], trunk["paused"]))))
        self._why.set_visibility(bool(trunk["down"] or trunk["paused"]))
        told = trunk_facts(trunk)
        for fact, elements in self._facts.items():
            for element in elements:
                element.set_visibility(fact in told)
            elements[1].set_text(told.get(fact, ""))
        self._caller_ids.set_visibility(bool(trunk["caller_ids"]))
        listing.fill(self._caller_ids, [_caller_id(one) for one in trunk["caller_ids"]])

    async def _ask_pause(self) -> None:
        said = "No new calls go over it; calls that are under way go on. Campaigns use their other trunks, or wait."
        if await confirm(f"Pause the trunk {self._name}?", said, "Pause this trunk") is not None:
            await self._change(paused=True)

    async def _ask_resume(self) -> None:
        said = "Calls go over it again. If it was paused since the carrier refused us, be sure that this is mended."
        if (
            await confirm(f"Use the trunk {self._name} again?", said, "Use again", kind="positive")
            is not None
        ):
            await self._change(paused=False)

    async def _change(self, **fields: bool) -> None:
        changed = await self._frame.attempt(self._frame.api.patch(path("trunks", self._name), fields))
        if changed is not None:
            self.show(changed)


def _caller_id(used: dict[str, Any]) -> dict[str, Any]:
    """One's own numbers are nobody's personal data."""
    return {
        "number": used["caller_id"],
        "calls": used["calls_24h"],
        "answered": f"{used['answered']} of {used['of_last_calls']}",
        "rests": wording.moment(used["rests_until"]) if used["rests_until"] else "",
    }


def trunk_facts(trunk: dict[str, Any]) -> dict[str, str]:
    """A trunk in words."""
    rate, limit = trunk["rate_now"], trunk["calls_per_second"]
    slowed = (
        f"slowed to {rate:g} of {limit:g} calls a second" if rate < limit else f"{limit:g} calls a second"
    )
    last = trunk["last_calls"]
    found = {
        "Rate now": slowed,
        "Channels in use": f"{trunk['channels_in_use']} of {trunk['max_channels']}",
        "Last calls": f"{last['answered']} of {last['of']} answered ({wording.percent(last['answer_rate'])})",
        "Turned away": wording.percent(trunk["turned_away"]),
        "Endpoint": trunk["endpoint"],
    }
    if trunk["registration"]:
        registered = "registered" if trunk["registered"] else "not registered"
        found["Registration"] = f"{trunk['registration']}: {registered}"
    if trunk["rests_until"]:
        found["Rests until"] = wording.moment(trunk["rests_until"])
    return found
