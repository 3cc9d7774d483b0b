"""Scripts, trunks, the do-not-call list and the events, as the pages show and change them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCRIPT
from tests.browser.desk import Desk
from tests.browser.manager import Manager

pytestmark = pytest.mark.browser


def test_a_number_is_looked_up_added_and_taken_off(desk: Desk, manager: Manager) -> None:
    page, number = manager.page, "+919876500077"
    manager.open("/dnc")
    manager.write("Number to look up (+919876543210)", number)
    manager.press("Look up")
    manager.sees(f"{number} is not on the list: it may be called.")
    manager.write("Number, or prefix as +9198*", "98765")
    manager.press("Add")
    expect(page.get_by_role("alert").filter(has_text="phone:")).to_be_visible()
    manager.write("Number, or prefix as +9198*", number)
    manager.write("Reason", "asked by mail")
    manager.press("Add")
    manager.sees(f"{number} is not called any more, from now on.")
    manager.press("Look up")
    manager.sees(re.compile("is on the list \\(asked by mail\\)"))
    row = page.get_by_role("row").filter(has_text="asked by mail")
    expect(row).to_contain_text("+91 ••• 77")
    row.get_by_role("button").click()
    manager.agree("Take it off")
    expect(row).to_have_count(0)
    assert number not in [entry["phone"] for entry in desk.daemon.ctl("dnc", "list")["data"]]


def test_a_script_is_corrected_by_line_stored_and_listened_to(desk: Desk, manager: Manager) -> None:
    page, text = manager.page, SCRIPT.read_text()
    manager.open("/scripts")
    manager.sees("Personal loan, cross-sell")
    wrong = text.replace("script_id: personal-loan-cross-sell", "script_id: browser-made").replace(
        "  1: {disposition: interested, label: Interested}",
        "  1: {disposition: Very Interested, label: Interested}",
    )
    assert wrong.count("Very Interested") == 1
    line = 1 + wrong[: wrong.index("Very Interested")].count("\n")
    page.locator("input[type=file]").set_input_files(
        {"name": "made.yaml", "mimeType": "application/yaml", "buffer": wrong.encode()}
    )
    expect(page.get_by_role("alert").filter(has_text=f"line {line}")).to_be_visible()
    manager.write("Text of the script", wrong.replace("Very Interested", "interested"))
    manager.press("Check it")
    manager.sees("“Personal loan, cross-sell” is right: languages en-IN, hi-IN; variables name, loan_amount.")
    manager.press("Store it")
    page.wait_for_url("**/scripts/browser-made")
    manager.await_live()
    manager.sees("Version 1 of 1")
    manager.sees("Press 1 for yes, 2 for no, 9 to stop these calls.")
    page.get_by_role("button", name="Listen to closings.1 in en-IN").click()
    page.wait_for_function("() => { const a = document.querySelector('audio'); return a && a.duration > 1 }")
    manager.write(
        "Text of the script", wrong.replace("Very Interested", "interested") + "# a second version\n"
    )
    manager.press("Store it")
    manager.sees("Version 2 of 2")
    page.get_by_role("link", name="1", exact=True).click()
    manager.sees("Version 1 of 2")
    manager.press("Delete")
    manager.agree("Delete")
    page.wait_for_url("**/scripts")
    assert "browser-made" not in [one["script_id"] for one in desk.daemon.ctl("script", "list")["data"]]


def test_a_trunk_is_paused_and_used_again(desk: Desk, manager: Manager) -> None:
    manager.open("/trunks")
    expect(manager.state).to_have_text("Up")
    manager.press("Pause this trunk")
    manager.agree("Pause this trunk")
    expect(manager.state).to_have_text("Paused")
    assert desk.daemon.ctl("trunk", "show", "lab")["state"] == "paused"
    manager.open("/events")
    manager.sees("Trunk paused")
    manager.open("/trunks")
    manager.press("Use again")
    manager.agree("Use again")
    expect(manager.state).to_have_text("Up")


def test_the_theme_is_kept_from_page_to_page(manager: Manager) -> None:
    body = manager.page.locator("body")
    manager.press("Theme: system")
    manager.press("Theme: light")
    manager.sees("Theme: dark")
    expect(body).to_have_class(re.compile("body--dark"))
    manager.open("/trunks")
    manager.sees("Theme: dark")
    expect(body).to_have_class(re.compile("body--dark"))
