"""The seven steps, from a list with faults to a campaign that was dialed to its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.manager import LATER, Manager

pytestmark = pytest.mark.browser

Lists = Callable[[str, list[str]], Path]
_CALLED = "+9198110000"
"""A number of the simulated network, but for its last two digits, which say how its owner behaves."""


def campaigns_called(desk: Desk, name: str) -> list[str]:
    listed = desk.daemon.ctl("campaign", "list", "--limit", "100")["data"]
    return [one["campaign_id"] for one in listed if one["name"] == name]


def test_the_seven_steps_launch_one_campaign_which_is_watched_to_its_end(
    desk: Desk, manager: Manager, csv: Lists
) -> None:
    desk.daemon.ctl("dnc", "add", f"{_CALLED}03", "--reason", "asked us")
    contacts = csv(
        "loans",
        [
            f"{_CALLED}01,Asha,50000",
            f"{_CALLED}02,Ravi,60000",
            f"{_CALLED}03,Mani,60000",
            f"{_CALLED}01,Asha again,50000",
            "9811000004,No code,50000",
            "9.19E+11,Spreadsheet,50000",
            f"{_CALLED}21,Devi,75000",
            f"{_CALLED}51,Busy,75000",
        ],
    )
    page, name = manager.page, "Cross-sell — en-IN — watched"
    manager.press("New campaign")
    manager.await_live()
    manager.at_step("Open")
    manager.go_on("Name")
    manager.press("Next")
    manager.sees("Campaign name: must not be empty")
    manager.write("Campaign name", name)
    manager.go_on("Voice agent and language")
    manager.press("Next")
    manager.sees("Script: required")
    manager.choose("Script", "Personal loan, cross-sell (personal-loan-cross-sell)")
    manager.sees("It can use: name, loan_amount.")
    manager.choose("Language", "English (en-IN)")
    manager.go_on("Schedule")
    manager.write("End", "2020-01-01T10:00")
    manager.press("Next")
    manager.sees("End: is not in the future")
    manager.write("End", "2040-01-01T10:00")
    manager.go_on("Contacts")
    manager.press("Next")
    manager.sees("Upload a CSV file or paste a list first.")
    manager.upload(contacts)
    manager.press("Next")
    manager.sees(
        "8 rows: 5 can be called, 2 cannot, 1 repeat a number; 1 of the first are on the do-not-call list"
    )
    faulty = page.get_by_role("row").filter(has_text="a spreadsheet has rounded")
    expect(faulty.get_by_role("cell").first).to_have_text("7")
    expect(faulty).to_contain_text("phone:")
    manager.sees("the same number as line 2")
    manager.press("Next")
    manager.at_step("Contacts")
    page.get_by_role("checkbox", name="Leave these 2 rows out and call the other 5 contacts").click()
    manager.go_on("Retries")
    manager.write("Attempts for each contact, the first included", "99")
    manager.press("Next")
    manager.sees("Attempts: must be less than or equal to 10")
    manager.write("Attempts for each contact, the first included", "1")
    page.get_by_text("How calls are made").click()
    page.get_by_role("checkbox", name="Record the conversations").click()
    manager.go_on("Review and launch")
    manager.sees("4 to be called, 2 left out as invalid, 1 repeated, 1 on the do-not-call list.", LATER)
    manager.sees(re.compile(r"^Done in "))
    page.get_by_role("button", name="Launch campaign").dblclick()
    page.wait_for_url(re.compile("/campaigns/cmp_"))
    manager.await_live()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(manager.state).to_have_text("Completed", timeout=LATER)
    (ident,) = campaigns_called(desk, name)
    expect(page.locator("[data-done]")).to_have_text("5 of 5 contacts done")
    expect(page.locator("[data-live]")).to_have_text("0 live calls")
    expect(page.locator("[data-metric=connect_rate]")).to_have_text("75.0%")
    expect(page.locator("[data-metric=conversion_rate]")).to_have_text("66.7%")
    shown = desk.daemon.ctl("campaign", "show", ident)
    assert shown["dispositions"]["interested"] == 2
    assert shown["progress"]["suppressed"] == 1
    expect(page.locator("svg text").filter(has_text="Interested").first).to_be_visible()

    # Numbers are shown in part until somebody wants them in full.
    page.get_by_role("tab", name="Contacts").click()
    expect(
        page.get_by_role("cell", name="+98 ••• 01").or_(page.get_by_role("cell", name="+91 ••• 01"))
    ).to_be_visible()
    assert f"{_CALLED}01" not in page.content()
    manager.press("Show numbers")
    manager.await_live()
    expect(page.get_by_role("cell", name=f"{_CALLED}01")).to_be_visible()
    manager.press("Hide numbers")
    # It reads the page again, which would overtake another one that is opened meanwhile.
    expect(page.get_by_role("button", name="Show numbers")).to_be_visible()
    manager.await_live()

    # A call: what was said, and heard again.
    manager.open(f"/campaigns/{ident}")
    page.get_by_role("tab", name="Calls").click()
    page.get_by_role("row").filter(has_text="Asha").get_by_role("link").click()
    manager.await_live()
    manager.sees("pressed 1")
    manager.sees("Checked before it was placed")
    audio = page.locator("audio")
    audio.evaluate("element => { element.muted = true; return element.play() }")
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.2")
    assert audio.evaluate("element => element.duration") > 1
    part = page.request.get(
        page.url.replace("/calls/", "/files/calls/") + "/recording", headers={"Range": "bytes=0-99"}
    )
    assert part.status == 206
    assert len(part.body()) == 100
    assert part.headers["content-type"] == "audio/wav"

    # Its results as a file.
    manager.open(f"/campaigns/{ident}")
    with page.expect_download() as downloading:
        manager.press("Results (CSV)")
    assert "interested" in downloading.value.path().read_text(encoding="utf-8-sig")


def test_the_steps_can_be_gone_through_by_keyboard_alone(desk: Desk, manager: Manager) -> None:
    page, keys = manager.page, manager.page.keyboard

    def reach(role: str, name: str) -> None:
        """Press Tab until this has the focus."""
        wanted = page.get_by_role(role, name=name, exact=True).locator("visible=true").first  # type: ignore[arg-type]
        expect(wanted).to_be_visible()
        for _ in range(60):
            if wanted.evaluate("element => element.matches(':focus, :focus-within')"):
                return
            keys.press("Tab")
        raise AssertionError(f"Tab does not lead to {role} {name}")

    reach("button", "New campaign")
    keys.press("Enter")
    page.wait_for_url("**/campaigns/new")
    manager.await_live()
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Name")
    reach("textbox", "Campaign name")
    keys.type("By keyboard")
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Voice agent and language")
    reach("combobox", "Script")
    keys.type("personal-loan-cross")
    expect(page.get_by_role("option", name="(personal-loan-cross-sell)")).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    manager.sees("It can use: name, loan_amount.")
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Schedule")
    reach("checkbox", "End at a time")
    keys.press("Space")
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Contacts")
    reach("textbox", "Contacts, one a line")
    keys.type(f"{_CALLED}11")
    keys.press("Enter")
    keys.type(f"{_CALLED}12")
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Retries")
    reach("button", "Next")
    keys.press("Enter")
    manager.at_step("Review and launch")
    expect(page.get_by_role("button", name="Launch campaign")).to_be_enabled(timeout=LATER)
    reach("button", "Launch campaign")
    keys.press("Enter")
    page.wait_for_url(re.compile("/campaigns/cmp_"))
    manager.await_live()
    expect(manager.state).to_have_text("Completed", timeout=LATER)
    assert len(campaigns_called(desk, "By keyboard")) == 1
