"""A campaign manager at a browser: what they see and press, by the words on the page."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

SOON = 20_000
"""Milliseconds for which something may take to be seen on a busy machine."""
LATER = 90_000
"""The same for what calls have to be made for."""


class Manager:
    """Somebody with a browser and an API key."""

    def __init__(self, page: Page, url: str, key: str) -> None:
        self.page = page
        self.url = url
        self._key = key
        page.set_default_timeout(SOON)
        expect.set_options(timeout=SOON)

    def log_in(self, at: str = "/") -> None:
        """Open a page of the console, and log in on the way."""
        self.page.goto(self.url + at)
        self.page.get_by_label("API key").fill(self._key)
        self.page.get_by_role("button", name="Log in").click()
        self.await_live()

    def open(self, at: str) -> None:
        """Open a page of the console."""
        self.page.goto(self.url + at)
        self.await_live()

    def await_live(self) -> None:
        """Return when the page is joined to the console and knows how dialerd is."""
        expect(self.status).not_to_have_text("…", timeout=SOON)
        self.page.wait_for_function("() => window.socket && window.socket.connected")

    @property
    def status(self) -> Locator:
        """The state in the bar on every page."""
        return self.page.locator("[data-status]")

    @property
    def state(self) -> Locator:
        """The state of the campaign or call that is open."""
        return self.page.locator("[data-state]").first

    def sees(self, text: str | re.Pattern[str], timeout: float = SOON) -> None:
        """Assert that a text comes to be on the page."""
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=timeout)

    def press(self, name: str, *, exact: bool = True) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=exact).click()

    def agree(self, name: str) -> None:
        """Press a button of the dialog that asks, and see it go."""
        dialog = self.page.get_by_role("alertdialog")
        dialog.get_by_role("button", name=name, exact=True).click()
        expect(dialog).to_have_count(0)

    def write(self, label: str, text: str) -> None:
        """Write into a field."""
        self.page.get_by_label(label, exact=True).locator("visible=true").fill(text)

    def choose(self, label: str, option: str) -> None:
        """Choose from a list, searching it where that is possible."""
        field = self.page.get_by_role("combobox", name=label, exact=True).locator("visible=true")
        field.click()
        if field.get_attribute("readonly") is None:
            field.fill(option)
        self.page.get_by_role("option", name=option).first.click()

    def at_step(self, title: str) -> None:
        """Assert that a step of the new campaign is open."""
        active = self.page.locator(".q-stepper__tab--active")
        expect(active).to_contain_text(title, timeout=SOON)

    def go_on(self, to: str) -> None:
        """Press Next, and see the next step."""
        self.press("Next")
        self.at_step(to)

    def upload(self, csv: Path) -> None:
        """Give a file with contacts."""
        self.page.locator(".contacts-file input[type=file]").set_input_files(csv)
        self.sees(f"{csv.name}:")
