"""What stands around every page, and what keeps a page true: it reads again when something happened to what it shows.

A page that cannot be read, since the daemon is away, says so, and is read when the daemon is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from nicegui import background_tasks, ui

from dialerd.console import blocks
from dialerd.console.blocks import Words, box, button
from dialerd.console.context import Console
from dialerd.console.happening import Happening
from dialerd.console.login import Login
from dialerd.console.problem import Away, Refused
from dialerd.console.statusbar import StatusBar

PATIENCE = 30.0
"""Seconds for which a page may take to be made."""
REST = 1.0
"""Seconds between two readings of a page, however much happens."""
AGAIN = 5.0
"""Seconds after which a page that could not be read is read again, if nothing has happened before."""

CAMPAIGNS, SCRIPTS, AGENTS, TRUNKS, DNC, EVENTS, SETTINGS = (
    "Campaigns", "Scripts", "Agents", "Trunks", "Do not call", "Events", "Settings",
)  # fmt: skip
MENU = {
    CAMPAIGNS: "/",
    SCRIPTS: "/scripts",
    AGENTS: "/agents",
    TRUNKS: "/trunks",
    DNC: "/dnc",
    EVENTS: "/events",
    SETTINGS: "/webhooks",
}
_THEMES: tuple[tuple[bool | None, str], ...] = (
    (None, "Theme: system"),
    (False, "Theme: light"),
    (True, "Theme: dark"),
)

T = TypeVar("T")


def everything(happening: Happening) -> bool:
    """What happens to anything."""
    return not happening.kind.startswith("console.")


def nothing(happening: Happening) -> bool:
    """A page that is read once."""
    return False


def with_status(happening: Happening) -> bool:
    """A page of what moves without an event of its own: it is read as often as dialerd's status."""
    return happening.kind == "console.status"


class Frame:
    """A page of a login; its content goes into `content`."""

    def __init__(self, console: Console, login: Login, here: str, title: str) -> None:
        self.login = login
        self.api = login.api
        self._dirty = asyncio.Event()
        self._read: Callable[[], Awaitable[None]] | None = None
        self._concerns: Callable[[Happening], bool] = nothing
        self._problem: Refused | Away | None = None
        self._client = ui.context.client
        ui.page_title(f"{title} · dialerd")
        ui.add_head_html('<link rel="stylesheet" href="/theme.css">')
        ui.colors(
            primary="#22609f", positive="#1f7a54", negative="#b3261e", warning="#8a5a00", dark_page="#12181f"
        )
        self._theme = ui.dark_mode(login.dark)
        ui.html('<a class="skip" href="#main">To the content</a>', sanitize=False)
        with box("top", "header"):
            self._top(console, here)
            self._bar = StatusBar(login)
        with box("main", "main").props('id=main tabindex="-1"'):
            self._trouble = blocks.note("", "bad", role="alert")
            self._trouble.set_visibility(False)
            self.content = box("main-content").style("display: contents")
        self._attend()

    @property
    def whole_numbers(self) -> bool:
        """Whether phone numbers are shown in full."""
        return self.login.shows_numbers

    async def show(
        self, read: Callable[[], Awaitable[None]], concerns: Callable[[Happening], bool] = nothing
    ) -> None:
        """Show what `read` reads, now and whenever something happens that `concerns` it."""
        self._read, self._concerns = read, concerns
        await self._reread()
        self._keeper = background_tasks.create(self._keep(), name="page")
        self._client.on_delete(lambda: self._keeper.cancel())

    async def attempt(self, asked: Awaitable[T]) -> T | None:
        """What was asked for; if it was not done, why is told, and None returned."""
        try:
            return await asked
        except (Refused, Away) as problem:
            if isinstance(problem, Refused) and problem.status == 401:
                ui.navigate.to("/login?ended=1")
            else:
                blocks.tell(problem)
            return None

    async def carried_out(self, asked: Awaitable[object]) -> bool:
        """The same for what has no answer: whether it was done."""

        async def done() -> bool:
            await asked
            return True

        return await self.attempt(done()) is not None

    def stale(self) -> None:
        """Have the page read again."""
        self._dirty.set()

    def _top(self, console: Console, here: str) -> None:
        with box("bar"):
            ui.link("dialerd", "/").classes("brand")
            with box("menu", "nav").props('aria-label="Pages"'):
                for name, target in MENU.items():
                    link = ui.link(name, target)
                    if name == here:
                        link.classes("here").props("aria-current=page")
            box("push")
            Words("span", {"read": "Read only", "write": "May change", "admin": "Administrator"}.get(
                self.login.scope, self.login.scope), "tag quiet").tooltip("What your API key may do")  # fmt: skip
            numbers = "Hide numbers" if self.login.shows_numbers else "Show numbers"
            button(numbers, self._toggle_numbers).tooltip("Phone numbers are shown in part")
            self._theme_button = button(dict(_THEMES)[self.login.dark], self._next_theme)
            button("Log out", lambda: console.logins.leave(self.login))

    def _toggle_numbers(self) -> None:
        self.login.shows_numbers = not self.login.shows_numbers
        ui.navigate.reload()

    def _next_theme(self) -> None:
        values = [value for value, _ in _THEMES]
        value, text = _THEMES[(values.index(self.login.dark) + 1) % len(_THEMES)]
        self.login.dark = value
        self._theme.set_value(value)
        self._theme_button.set_text(text)

    def _attend(self) -> None:
        """Hear what happens for as long as the browser has the page."""

        def leave_page() -> None:
            self._client.open("/login?ended=1")

        unheard = self.login.feed.listen(self._hear)
        self.login.leaving.append(leave_page)

        def gone() -> None:
            unheard()
            with suppress(ValueError):
                self.login.leaving.remove(leave_page)

        self._client.on_delete(gone)

    def _hear(self, happening: Happening | None) -> None:
        if happening is not None and happening.kind.startswith("console."):
            self._bar.show()
            self._show_trouble()
        if happening is None or self._concerns(happening):
            self._dirty.set()

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._dirty.wait(), AGAIN if self._problem else None)
            self._dirty.clear()
            await self._reread()
            await asyncio.sleep(REST)

    async def _reread(self) -> None:
        assert self._read is not None
        self._problem = None
        with self.content:
            try:
                await self._read()
            except (Refused, Away) as problem:
                self._problem = problem
        if isinstance(self._problem, Refused) and self._problem.status == 401:
            self._client.open("/login?ended=1")
        self._show_trouble()

    def _show_trouble(self) -> None:
        """What keeps the page from being true, at its top."""
        feed, said = self.login.feed, ""
        if feed.away is not None or isinstance(self._problem, Away):
            said = blocks.AWAY
        elif self._problem is not None:
            said = self._problem.detail
        elif feed.refused is not None:
            said = feed.refused.detail
        self._trouble.set_text(said)
        self._trouble.set_visibility(bool(said))
