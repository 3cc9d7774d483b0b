"""Webhooks: who is told of what happens, how that goes, and a new one."""

from __future__ import annotations

import asyncio
from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import settings, shown_once, webhook_text, wording
from dialerd.console.api import Api, path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.form import Form
from dialerd.console.frame import PATIENCE, SETTINGS, Frame, nothing
from dialerd.console.listing import Column, Listing
from dialerd.console.problem import Away, Refused
from dialerd.console.webhook_draft import GROUPS, WebhookDraft

EVERY = 30.0
"""Seconds after which the list is read again: deliveries have no events, and each webhook takes three requests."""
_COLUMNS = (
    Column("url", "Receiver", "link"),
    Column("state", "State", "tag"),
    Column("events", "Told of", "wrap"),
    Column("going", "Deliveries", "wrap"),
    Column("made", "Made (UTC)"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/webhooks", response_timeout=PATIENCE)
    async def webhooks(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SETTINGS, "Webhooks")
        if settings.begin(frame, settings.WEBHOOKS):
            await frame.show(Webhooks(frame).read, nothing)


async def counted(api: Api, ident: str) -> dict[str, int]:
    """How many deliveries a webhook has, how many of them wait and are dead. Raises `Refused`, `Away`."""
    states = {"total": None, "waiting": webhook_text.WAITING, "dead": webhook_text.DEAD}
    target = path("webhooks", ident, "deliveries")
    pages = await asyncio.gather(*(api.get(target, limit=1, state=state) for state in states.values()))
    return {name: int(page["total"]) for name, page in zip(states, pages, strict=True)}


class Webhooks:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._draft = WebhookDraft()
        self._form = Form()
        with frame.content:
            Words("h1", "Webhooks")
            Words(
                "div",
                "Receivers of yours that are told of what happens, as it happens. What one does not take is sent "
                "again for hours, and kept as dead after that.",
                "soft",
            )
            with card("Receivers"):
                self._list = Listing(
                    _COLUMNS, self._fetch, row, "Nobody is told of anything yet.", frame.attempt
                )
            if frame.login.writes:
                self._making()
            ui.timer(EVERY, frame.stale, immediate=False)

    async def read(self) -> None:
        """Read the page of the list. Raises `Refused`, `Away`."""
        await self._list.read()

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._frame.api.get("/v1/webhooks", limit=limit, offset=offset)
        counts = await asyncio.gather(
            *(counted(self._frame.api, hook["webhook_id"]) for hook in found["data"])
        )
        found["data"] = [{**hook, "counts": count} for hook, count in zip(found["data"], counts, strict=True)]
        return found

    def _making(self) -> None:
        with card("A new webhook"):
            with box("fields"):
                url = ui.input("URL, as https://crm.example.com/hook").props("outlined dense type=url")
                self._form.field("url", url.bind_value(self._draft, "url"))
                about = ui.input("Description, for people").props("outlined dense maxlength=255")
                self._form.field("description", about.bind_value(self._draft, "description"))
            whole = ui.checkbox("All events, those of later versions too").props("dense")
            whole.bind_value(self._draft, "everything")
            with box("fields").bind_visibility_from(whole, "value", value=False):
                for group, events in GROUPS.items():
                    self._choices(group, events)
            self._form.below("events", "Events")
            self._form.rest()
            with box("line"):
                button("Make this webhook", self._make, kind="primary")

    def _choices(self, group: str, events: dict[str, str]) -> None:
        with ui.element("fieldset").classes("choices"):
            Words("legend", group)
            for event, said in events.items():
                ui.checkbox(f"{event}: {said}").bind_value(self._draft.chosen, event).props("dense")

    async def _make(self) -> None:
        asked = self._draft.fields()
        try:
            made = await self._frame.api.post("/v1/webhooks", asked, once=self._form.once(asked))
        except (Refused, Away) as problem:
            self._form.show(problem)
            return
        self._form.done()
        self._draft.url = self._draft.description = ""
        shown_once.show(
            "The secret of this webhook",
            f"Everything that is sent to {made['url']} is signed with it (Standard Webhooks). Give it to the receiver "
            "now: it is not shown again.",
            "Signing secret",
            made["secret"],
        )
        self._frame.stale()


def row(hook: dict[str, Any]) -> dict[str, Any]:
    """Its line."""
    state, tone = webhook_text.state(hook)
    return {
        "url": hook["url"],
        "href": f"/webhooks/{hook['webhook_id']}",
        "state": state,
        "tone": tone,
        "events": webhook_text.events(hook),
        "going": webhook_text.going(**hook["counts"]),
        "made": wording.clock(hook["created_at"]),
    }
