"""API keys: who has one, a new one, and those that are revoked."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import key_text, settings, shown_once
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.form import Form
from dialerd.console.frame import PATIENCE, SETTINGS, Frame, nothing
from dialerd.console.listing import Column, Listing
from dialerd.console.order import confirm
from dialerd.console.problem import Away, Refused

_COLUMNS = (
    Column("name", "Key", "link"),
    Column("scope", "Scope"),
    Column("state", "State", "tag"),
    Column("made", "Made (UTC)"),
    Column("used", "Last used (UTC)"),
    Column("revoke", "", "action"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/keys", response_timeout=PATIENCE)
    async def keys(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SETTINGS, "API keys")
        if settings.begin(frame, settings.KEYS):
            await frame.show(Keys(console, frame).read, nothing)


class Keys:
    """What the page shows."""

    def __init__(self, console: Console, frame: Frame) -> None:
        self._console = console
        self._frame = frame
        self._new = {"name": "", "scope": "write"}
        self._form = Form()
        with frame.content:
            Words("h1", "API keys")
            Words(
                "div",
                "Programs and people reach dialerd with a key each, so that one can be revoked alone.",
                "soft",
            )
            self._making()
            with card("The keys"):
                self._list = Listing(
                    _COLUMNS, self._fetch, key_text.row, "There is no key.", frame.attempt, self._ask_revoke
                )

    async def read(self) -> None:
        """Read the page of the list. Raises `Refused`, `Away`."""
        await self._list.read()

    def _making(self) -> None:
        with card("A new key"):
            name = ui.input("Name: who or what uses it").props("outlined dense maxlength=255")
            name.style("max-width: 420px").bind_value(self._new, "name").on("keydown.enter", self._make)
            self._form.field("name", name)
            with ui.element("fieldset").classes("choices"):
                Words("legend", "What it may do")
                ui.radio(key_text.SCOPES).bind_value(self._new, "scope").props('aria-label="What it may do"')
            self._form.below("scope", "What it may do")
            self._form.rest()
            with box("line"):
                button("Make this key", self._make, kind="primary")

    async def _make(self) -> None:
        asked = key_text.fields(self._new["name"] or "", self._new["scope"])
        try:
            made = await self._frame.api.post("/v1/keys", asked, once=self._form.once(asked))
        except (Refused, Away) as problem:
            self._form.show(problem)
            return
        self._form.done()
        self._new["name"] = ""
        shown_once.show(
            f"The key of {key_text.called(made)}",
            f"It has the scope {made['scope']}. Copy it now: it is not stored, and is not shown again.",
            "API key",
            made["key"],
        )
        self._frame.stale()

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._frame.api.get("/v1/keys", limit=limit, offset=offset)
        return found

    async def _ask_revoke(self, key: dict[str, Any]) -> None:
        title = f"Revoke the key of {key_text.called(key)}?"
        if await confirm(title, key_text.question(key), "Revoke this key", kind="negative") is None:
            return
        revoked = await self._frame.carried_out(self._frame.api.delete(path("keys", key["key_id"])))
        if revoked and key["current"]:
            self._console.logins.leave(self._frame.login)
            return
        self._frame.stale()
