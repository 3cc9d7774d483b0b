"""One campaign: how far it is, its six metrics, what blocks it, its contacts and calls, and its orders."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, chart, listing, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, card, tone
from dialerd.console.context import Console
from dialerd.console.frame import CAMPAIGNS, PATIENCE, Frame
from dialerd.console.happening import Happening
from dialerd.console.listing import Column
from dialerd.console.pages.campaign_calls import CallList
from dialerd.console.pages.campaign_contacts import ContactList
from dialerd.console.pages.campaign_orders import CampaignOrders
from dialerd.console.pages.campaigns import settled
from dialerd.console.problem import Refused

_METRICS = (
    ("connect_rate", "Connect rate", "answered, of contacts called"),
    ("conversion_rate", "Conversion rate", "positive, of contacts connected"),
    ("avg_call_duration_seconds", "Average call", "of answered calls"),
    ("retry_rate", "Retry rate", "reached on a later attempt, of called"),
    ("escalation_rate", "Escalation rate", "handed to a person, of connected"),
)
_PARTS = (
    ("total_contacts", "in all"),
    ("called", "called"),
    ("pending", "not called yet"),
    ("in_progress", "in progress"),
    ("retry_waiting", "wait for a retry"),
    ("callback_waiting", "wait for a callback"),
    ("finished", "done"),
    ("suppressed", "on the do-not-call list"),
    ("expired", "not called: it ended"),
    ("cancelled", "not called: it was stopped"),
)
_ALWAYS = {"total_contacts", "called", "pending", "in_progress", "finished"}


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/campaigns/{campaign_id}", response_timeout=PATIENCE)
    async def campaign(request: Request, campaign_id: str) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, CAMPAIGNS, "Campaign")

        def concerns(happening: Happening) -> bool:
            return happening.campaign == campaign_id or happening.kind.startswith(("daemon.", "trunk."))

        await frame.show(Campaign(frame, campaign_id).read, concerns)


class Campaign:
    """What the page shows."""

    def __init__(self, frame: Frame, ident: str) -> None:
        self._frame = frame
        self._ident = ident
        self._values: dict[str, Words] = {}
        with frame.content:
            self._heading()
            self._progress_card()
            with box("metrics").props('role=group aria-label="Metrics"'):
                for key, name, about in _METRICS:
                    self._values[key] = blocks.metric(name, about).props(f"data-metric={key}")
            self._charts()
            with ui.tabs().props("no-caps align=left dense").classes("w-full") as tabs:
                ui.tab("contacts", "Contacts")
                ui.tab("calls", "Calls")
                ui.tab("settings", "Settings")
            with (
                ui.tab_panels(tabs, value="contacts", animated=False, on_change=frame.stale)
                .classes("card")
                .props("keep-alive") as self._panels
            ):
                with ui.tab_panel("contacts").classes("q-pa-none"):
                    self._contacts = ContactList(frame, ident)
                with ui.tab_panel("calls").classes("q-pa-none"):
                    self._calls = CallList(frame, ident)
                with ui.tab_panel("settings").classes("q-pa-none"):
                    self._settings = box("")
        self._told: tuple[tuple[str, str], ...] = ()

    def _heading(self) -> None:
        with box("line"):
            self._name = Words("h1", "Campaign")
            self._state = Words("span", "", "tag quiet").props("data-state aria-live=polite")
            box("push")
            self._orders = CampaignOrders(self._frame, self._ident)
        with box("line"):
            self._about = Words("div", "", "soft")
            self._agent = box("")
        self._agent_shown: str | None = None
        self._blocked = box("note warn").props('role=status aria-label="Why it is not dialing"')
        self._blocked_text: list[str] = []

    def _progress_card(self) -> None:
        with card("Progress"):
            with box("line"):
                self._done = Words("div", "", "strong").props("data-done")
                box("push")
                self._live = Words("span", "", "tag").props("data-live")
            self._bar = ui.html("", sanitize=False).classes("progress").props("role=img")
            self._counts = Words("div", "", "soft")

    def _charts(self) -> None:
        with box("halves"):
            with card("What came of the contacts"):
                self._dispositions = ui.echart({}, renderer="svg").classes("chart")
                self._breakdown = listing.plain(
                    (
                        Column("disposition", "Disposition"),
                        Column("count", "Contacts", "number"),
                        Column("percentage", "Of called", "number"),
                    ),
                    [],
                ).props("dense")
                self._reasons = Words("div", "", "soft small")
                self._counted = Words(
                    "div",
                    "Connected is everybody who answered, whatever came of it: the labels are parts.",
                    "soft small",
                )
            with card("Calls an hour"):
                self._hours = ui.echart({}, renderer="svg").classes("chart")
                self._zone = Words("div", "", "soft small")

    async def read(self) -> None:
        """Read the campaign and the list that is open. Raises `Refused`, `Away`."""
        shown = await self._frame.api.get(path("campaigns", self._ident))
        self._show(shown)
        await self._show_agent(shown["agent_id"])
        zone = shown["schedule"]["timezone"]
        if self._panels.value == "contacts":
            await self._contacts.read(zone)
        elif self._panels.value == "calls":
            await self._calls.read(zone)

    def _show(self, shown: dict[str, Any]) -> None:
        self._name.set_text(shown["name"])
        self._state.set_text(wording.status(shown["status"], closing=shown["closing"]))
        self._state.classes(replace=f"tag {tone(shown['status'])}")
        self._about.set_text(
            " · ".join(
                filter(None, (shown["script_id"], shown["language"], wording.window(shown["schedule"])))
            )
        )
        self._orders.show(shown)
        self._show_blocked(shown)
        self._show_progress(shown["progress"])
        for key, _, _ in _METRICS:
            value = shown["metrics"][key]
            read = wording.seconds if key.endswith("seconds") else wording.percent
            self._values[key].set_text(read(value))
        self._show_charts(shown)
        self._show_settings(shown)

    async def _show_agent(self, ident: str | None) -> None:
        """Who talks, read once. Raises `Refused`, `Away`."""
        if ident is None or ident == self._agent_shown:
            return
        try:
            name = (await self._frame.api.get(path("agents", ident)))["agent_name"]
        except Refused as refused:
            if refused.status != 404:
                raise
            name = None
        self._agent_shown = ident
        with self._agent:
            if name is None:
                Words("span", f"Agent: {ident} (deleted)", "soft")
            else:
                ui.link(f"Agent: {name}", f"/agents/{quote(ident)}")

    def _show_blocked(self, shown: dict[str, Any]) -> None:
        zone = shown["schedule"]["timezone"]
        said = (
            []
            if shown["status"] in ("completed", "stopped")
            else [_why(one, zone) for one in shown["blocked"]]
        )
        self._blocked.set_visibility(bool(said))
        live = bool(shown["progress"]["in_progress"])
        heading = "Further calls wait:" if live else "Not dialing now:"
        if [heading, *said] == self._blocked_text:
            return
        self._blocked_text = [heading, *said]
        self._blocked.classes(add="" if live else "warn", remove="warn" if live else "")
        self._blocked.clear()
        with self._blocked:
            Words("div", heading, "strong")
            with ui.element("ul"):
                for text in said:
                    Words("li", text)

    def _show_progress(self, progress: dict[str, int]) -> None:
        total, over = progress["total_contacts"], settled(progress)
        self._done.set_text(f"{over:,} of {total:,} contacts done")
        live = progress["in_progress"]
        self._live.set_text(wording.count(live, "live call"))
        self._live.classes(replace="tag good" if live else "tag quiet")
        # The parts of the bar are widths alone: they hold no text of anybody's.
        self._bar.set_content(
            blocks.parts({chart.CALM: over / total, chart.GOOD: live / total} if total else {})
        )
        self._bar.props(f'aria-label="{over} of {total} contacts done"')
        self._counts.set_text(
            " · ".join(f"{progress[key]:,} {name}" for key, name in _PARTS if progress[key] or key in _ALWAYS)
        )

    def _show_charts(self, shown: dict[str, Any]) -> None:
        zone = shown["schedule"]["timezone"]
        self._dispositions.set_visibility(bool(shown["disposition_breakdown"]))
        self._breakdown.set_visibility(bool(shown["disposition_breakdown"]))
        self._counted.set_visibility(bool(shown["disposition_breakdown"]))
        self._hours.set_visibility(bool(shown["by_hour"]))
        _draw(self._dispositions, chart.dispositions(shown["disposition_breakdown"]))
        _draw(self._hours, chart.hours(shown["by_hour"], zone))
        listing.fill(
            self._breakdown,
            [
                {
                    "disposition": wording.label(row["disposition"]),
                    "count": row["count"],
                    "percentage": wording.NOTHING
                    if row["percentage"] is None
                    else f"{row['percentage']:.1f}%",
                }
                for row in shown["disposition_breakdown"]
            ],
        )
        reasons = [f"{wording.reason(why)} {number:,}" for why, number in shown["reasons"].items() if number]
        self._reasons.set_text(self._not_reached(reasons, shown))
        hours = f"Hours on the clock of {zone or 'UTC'}"
        self._zone.set_text(hours if shown["by_hour"] else "No call has been placed yet.")

    @staticmethod
    def _not_reached(reasons: list[str], shown: dict[str, Any]) -> str:
        if not shown["disposition_breakdown"]:
            return "Nothing yet."
        return "Why contacts were not reached: " + ", ".join(reasons) if reasons else ""

    def _show_settings(self, shown: dict[str, Any]) -> None:
        told = tuple(_settings(shown))
        if told == self._told:
            return
        self._told = told
        self._settings.clear()
        with self._settings:
            blocks.facts(told)


def _draw(drawn: ui.echart, options: dict[str, Any]) -> None:
    if drawn.options != options:
        drawn.options.clear()
        drawn.options.update(options)
        drawn.update()


def _why(reason: dict[str, Any], zone: str | None) -> str:
    until = f" (until {wording.moment(reason['until'], zone)})" if reason["until"] else ""
    return f"{wording.rule(reason['reason'])}: {reason['detail']}{until}"


def _settings(shown: dict[str, Any]) -> list[tuple[str, str]]:
    zone = shown["schedule"]["timezone"]
    rules = [
        f"{wording.reason(why)}: after {rule['after_minutes']} min"
        for why, rule in shown["retry_rules"].items()
    ]
    return [
        ("Campaign", shown["campaign_id"]),
        ("Script", wording.script(shown["script_id"], shown["script_version"])),
        ("Voice agent", wording.agent(shown)),
        ("Language", shown["language"]),
        ("Window", wording.window(shown["schedule"])),
        ("Attempts", f"{shown['max_attempts']}, at least {shown['retry_interval_minutes']} min apart"),
        ("Retry rules", "; ".join(rules) or "the same for every reason"),
        ("Callbacks", f"at most {shown['max_callbacks']} a contact"),
        ("Rings for", wording.seconds(shown["ring_timeout_seconds"])),
        ("Calls at a time", str(shown["max_concurrent_calls"] or "as many as the trunks take")),
        ("Answering machines", shown["answering_machine"]),
        ("Recorded", "yes" if shown["recording"] else "no"),
        ("Trunks", ", ".join(shown["trunks"]) or "every trunk"),
        ("Created", wording.moment(shown["created_at"], zone)),
        ("Started", wording.moment(shown["started_at"], zone)),
        ("Finished", wording.moment(shown["finished_at"], zone)),
    ]
