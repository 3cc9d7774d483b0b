"""The list of campaigns, live, with its search."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import listing, wording
from dialerd.console.blocks import Words, box, tone
from dialerd.console.context import Console
from dialerd.console.frame import CAMPAIGNS, PATIENCE, Frame, everything
from dialerd.console.listing import Column

SHOWN = 200
SEARCHED = 2_000
_COLUMNS = (
    Column("name", "Campaign", "link"),
    Column("state", "State", "tag"),
    Column("progress", "Contacts done", "bar"),
    Column("live", "Live calls", "number"),
    Column("connect", "Connect rate", "number"),
    Column("conversions", "Conversions", "number"),
    Column("window", "Window", "wrap"),
)
_STATES = {"": "Every state", **{word: wording.status(word) for word in (
    "scheduled", "running", "paused", "completed", "stopped")}}  # fmt: skip


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/", response_timeout=PATIENCE)
    async def campaigns(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, CAMPAIGNS, "Campaigns")
        await frame.show(Campaigns(frame).read, everything)


class Campaigns:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._words = ""
        self._state = ""
        with frame.content:
            with box("line"):
                Words("h1", "Campaigns")
                box("push")
                if frame.login.writes:
                    ui.button("New campaign", on_click=lambda: ui.navigate.to("/campaigns/new")).props(
                        "unelevated no-caps"
                    )
            with box("line"):
                search = ui.input("Search by name, agent, script or id", on_change=frame.stale)
                search.props("outlined dense clearable type=search").style("min-width: 300px")
                search.bind_value(self, "_words")
                states = ui.select(_STATES, value="", label="State", on_change=frame.stale)
                states.props("outlined dense").style("min-width: 170px").bind_value(self, "_state")
            self._table = listing.plain(_COLUMNS, [])
            self._none = Words("div", "", "soft")

    async def read(self) -> None:
        """Read the campaigns. Raises `Refused`, `Away`."""
        most = SEARCHED if self._words else SHOWN
        found = await self._frame.api.everything("/v1/campaigns", most, status=self._state or None)
        shown = [campaign for campaign in found if matches(campaign, self._words or "")]
        listing.fill(self._table, [row(campaign) for campaign in shown[:SHOWN]])
        self._table.set_visibility(bool(shown))
        self._none.set_text(left_out(len(found), len(shown)))


def left_out(found: int, shown: int) -> str:
    """What the table does not tell."""
    if not found:
        return "There is no campaign here yet."
    if not shown:
        return "No campaign is called so."
    return f"The newest {SHOWN} are shown: search for others." if shown >= SHOWN else ""


def matches(campaign: dict[str, Any], words: str) -> bool:
    """Whether a campaign has all of the words in its name, agent, script, language or id."""
    named = ("name", "agent_id", "script_id", "language", "campaign_id")
    said = " ".join(campaign[key] or "" for key in named).lower()
    return all(word in said for word in words.lower().split())


def row(campaign: dict[str, Any]) -> dict[str, Any]:
    """Its line."""
    progress = campaign["progress"]
    over = settled(progress)
    return {
        "name": campaign["name"],
        "href": f"/campaigns/{campaign['campaign_id']}",
        "state": wording.status(campaign["status"], closing=campaign["closing"]),
        "tone": tone(campaign["status"]),
        "progress": f"{over:,} of {progress['total_contacts']:,}",
        "done": round(100 * over / progress["total_contacts"]) if progress["total_contacts"] else 0,
        "live": progress["in_progress"],
        "connect": wording.percent(campaign["metrics"]["connect_rate"]),
        "conversions": conversions(campaign),
        "window": wording.window(campaign["schedule"]),
    }


def settled(progress: dict[str, int]) -> int:
    """Contacts that will not be called any more."""
    return sum(progress[name] for name in ("finished", "suppressed", "expired", "cancelled"))


def conversions(campaign: dict[str, Any]) -> str:
    """How many calls had a positive outcome, and their part of the connected."""
    rate = campaign["metrics"]["conversion_rate"]
    if rate is None:
        return wording.NOTHING
    return f"{round(rate * campaign['dispositions']['connected']):,} ({wording.percent(rate)})"
