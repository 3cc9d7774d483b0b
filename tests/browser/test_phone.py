"""On a phone: no page is wider than its screen, from the first step of a campaign to its launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.manager import Manager

pytestmark = pytest.mark.browser

PAGES = (
    "/", "/scripts", "/scripts/personal-loan-cross-sell", "/agents", "/new-agent", "/trunks", "/dnc", "/events",
    "/webhooks", "/keys", "/audit",
)  # fmt: skip
PHONE = 390
"""Pixels across."""


def fits(manager: Manager) -> None:
    wide = manager.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE, f"{manager.page.url} is {wide} pixels wide"


def test_no_page_is_wider_than_a_phone(manager: Manager, csv: Callable[[str, list[str]], Path]) -> None:
    manager.page.set_viewport_size({"width": PHONE, "height": 844})
    for at in PAGES:
        manager.open(at)
        fits(manager)

    manager.open("/campaigns/new")
    for step in ("Name", "Voice agent and language", "Schedule", "Contacts", "Retries", "Review and launch"):
        manager.go_on(step)
        fits(manager)
        match step:
            case "Name":
                manager.write(
                    "Campaign name", "A campaign with a name as long as those that people make up for them"
                )
            case "Voice agent and language":
                manager.choose("Script", "Personal loan, cross-sell (personal-loan-cross-sell)")
                manager.choose("Language", "English (en-IN)")
            case "Contacts":
                manager.upload(csv("phone", ["+919811000021,Asha,50000"]))
    manager.sees("1 to be called")
    fits(manager)
