"""The audit log: every change that somebody made, who it was, and from where."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import audit_text, settings
from dialerd.console.audit_text import Question
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.form import Form
from dialerd.console.frame import PATIENCE, SETTINGS, Frame, with_status
from dialerd.console.listing import Column, Listing
from dialerd.console.problem import Away, Refused

_COLUMNS = (
    Column("at", "When (UTC)"),
    Column("who", "Who", "wrap"),
    Column("action", "What", "wrap"),
    Column("about", "To what", "link"),
    Column("details", "Details", "wrap"),
    Column("origin", "From where", "wrap"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/audit", response_timeout=PATIENCE)
    async def audit(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SETTINGS, "Audit log")
        given = request.query_params
        asked = Question(given.get("actor", ""), given.get("action"), given.get("object", ""))
        if settings.begin(frame, settings.AUDIT):
            await frame.show(Audit(frame, asked).read, with_status)


class Audit:
    """What the page shows."""

    def __init__(self, frame: Frame, asked: Question) -> None:
        self._frame = frame
        self._typed = asked
        self._asked = asked.params()
        self._form = Form()
        with frame.content:
            Words("h1", "Audit log")
            Words(
                "div",
                "Every change that somebody made, newest first. What is done in a console has the address of the "
                "console's machine; dialerctl on dialerd's own machine comes by the Unix socket.",
                "soft",
            )
            self._asking()
            with card():
                self._list = Listing(
                    _COLUMNS, self._fetch, self._row, "There is no such change.", frame.attempt
                )

    async def read(self) -> None:
        """Read the page of the log. Raises `Refused`, `Away`."""
        await self._list.read()

    def _asking(self) -> None:
        with card("Which changes"):
            with box("fields narrow"):
                self._input("actor", "Who (key or local user)", "actor")
                # A link may ask for an action that has no words here.
                known = {self._typed.action: self._typed.action} if self._typed.action else {}
                what = ui.select(known | audit_text.ACTIONS, label="What", clearable=True, with_input=True)
                what.props("outlined dense").bind_value(self._typed, "action")
                self._form.field("action", what)
                self._input("object", "To what (id or number)", "about")
                self._input("from", "From day (UTC)", "start", "type=date stack-label")
                self._input("to", "To day (UTC)", "end", "type=date stack-label")
            self._form.rest()
            with box("line"):
                button("Show", self._ask, kind="primary")
                button("Show everything", self._ask_everything)

    def _input(self, name: str, label: str, attribute: str, more: str = "") -> None:
        field = ui.input(label).props(f"outlined dense {more}").bind_value(self._typed, attribute)
        field.on("keydown.enter", self._ask)
        self._form.field(name, field)

    async def _ask(self) -> None:
        before, self._asked = self._asked, self._typed.params()
        self._form.clear()
        try:
            await self._list.restart()
        except (Refused, Away) as problem:
            self._asked = before
            self._form.show(problem)

    async def _ask_everything(self) -> None:
        self._typed.actor = self._typed.about = self._typed.start = self._typed.end = ""
        self._typed.action = None
        await self._ask()

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._frame.api.get(
            "/v1/audit", limit=limit, offset=offset, **self._asked
        )
        return found

    def _row(self, deed: dict[str, Any]) -> dict[str, Any]:
        return audit_text.row(deed, whole=self._frame.whole_numbers)
