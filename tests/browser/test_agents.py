"""Voice agents of an engine of one's own: made, changed, given a campaign, and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.bot import LABEL
from tests.browser.desk import Desk
from tests.browser.manager import LATER, Manager

pytestmark = pytest.mark.browser

Lists = Callable[[str, list[str]], Path]


def test_an_agent_is_made_corrected_at_its_fields_changed_and_deleted(desk: Desk, manager: Manager) -> None:
    page = manager.page
    page.get_by_role("link", name="Agents", exact=True).click()
    manager.await_live()
    manager.sees("There is no agent here yet.")
    bot = page.get_by_role("row").filter(has_text="twilio-stream")
    expect(bot).to_contain_text("Ready, 0 of 4 calls")
    manager.press("New agent")
    page.wait_for_url("**/new-agent")
    manager.await_live()
    expect(page.get_by_role("combobox", name="Script", exact=True)).to_be_visible()
    manager.choose("Engine", "bot (twilio-stream)")
    expect(page.get_by_role("combobox", name="Script", exact=True)).to_have_count(0)
    expect(page.locator("[data-engine]")).to_have_text("Ready, 0 of 4 calls")
    manager.write("Language, such as hi-IN", "fr-FR")
    manager.press("Add a disposition")
    manager.write("Disposition 1", "Site Visit")
    manager.press("Store this agent")
    manager.sees("Nothing was stored: please correct the fields that are marked.")
    for said in (
        "required",
        "the engine bot does not speak fr-FR",
        "is not a label: 1 to 64 lower-case letters",
    ):
        expect(page.get_by_role("alert").filter(has_text=said).first).to_be_visible()
    manager.write("Name, for people", "Sita")
    manager.write("Id (empty: one is made)", "made-here")
    manager.write("Language, such as hi-IN", "hi-IN")
    manager.write("Disposition 1", "site_visit")
    page.get_by_role("checkbox", name="Counts as a conversion").click()
    manager.press("Store this agent")
    manager.sees("“Sita” is stored: campaigns may use it from now on.")
    page.wait_for_url("**/agents/made-here")
    shown = desk.daemon.ctl("agent", "show", "made-here")
    assert (shown["engine"], shown["language"], shown["script_id"]) == ("bot", "hi-IN", None)
    assert shown["dispositions"] == {"site_visit": {"positive": True, "terminal": True}}

    # What somebody else changes meanwhile is not overwritten.
    desk.daemon.ctl("agent", "edit", "made-here", "--language", "en-IN")
    manager.write("Name, for people", "Sita the second")
    manager.press("Store the changes")
    manager.sees("The changes are stored")
    expect(page.get_by_role("heading", name="Sita the second")).to_be_visible()
    manager.press("Back to the agents")
    row = page.get_by_role("row").filter(has_text="Sita the second")
    expect(row).to_contain_text("bot (twilio-stream)")
    expect(row).to_contain_text("en-IN")
    row.get_by_role("link").click()
    manager.await_live()

    # One that is in use stays, and says by whom it is used.
    desk.daemon.ctl("agent", "create", "--id", "other", "--name", "Other", "--fallback", "made-here")
    manager.press("Delete")
    manager.agree("Delete")
    manager.sees("It is in use and was not deleted. It is used by:")
    expect(page.get_by_role("link", name="other", exact=True)).to_have_attribute("href", "/agents/other")
    desk.daemon.ctl("agent", "remove", "other")
    manager.press("Delete")
    manager.agree("Delete")
    page.wait_for_url("**/agents")
    manager.await_live()
    manager.sees("There is no agent here yet.")


def test_a_campaign_is_launched_with_an_agent_whose_engine_needs_no_script(
    desk: Desk, manager: Manager, csv: Lists
) -> None:
    page, name = manager.page, "By the bot"
    desk.daemon.ctl(
        "agent", "create", "--id", "sita", "--name", "Sita", "--engine", "bot", "--language", "hi-IN",
        "--disposition", f"{LABEL}=positive", "--record",
    )  # fmt: skip
    manager.open("/campaigns/new")
    manager.at_step("Open")
    manager.go_on("Name")
    manager.write("Campaign name", name)
    manager.go_on("Voice agent and language")
    expect(page.get_by_role("combobox", name="Script", exact=True)).to_be_visible()
    manager.choose("Voice agent", "Sita (sita)")
    expect(page.get_by_role("combobox", name="Script", exact=True)).to_have_count(0)
    expect(page.get_by_label("Language", exact=True)).to_have_value("hi-IN")
    manager.write("Language", "fr-FR")
    manager.press("Next")
    manager.sees("Language: the engine bot does not speak fr-FR; it speaks: en-IN, hi-IN")
    manager.write("Language", "en-IN")
    manager.go_on("Schedule")
    page.get_by_role("checkbox", name="End at a time").click()
    manager.go_on("Contacts")
    manager.upload(csv("sold", ["+919811000012,Asha,50000", "+919811000013,Ravi,60000"]))
    manager.go_on("Retries")
    page.get_by_text("How calls are made").click()
    recorded = page.get_by_role("checkbox", name="Record the conversations")
    expect(recorded).to_be_checked()
    recorded.click()
    manager.go_on("Review and launch")
    manager.sees("Sita (sita)", LATER)
    manager.sees("none: the agent needs none")
    expect(page.get_by_role("button", name="Launch campaign")).to_be_enabled(timeout=LATER)
    manager.press("Launch campaign")
    page.wait_for_url(re.compile("/campaigns/cmp_"))
    manager.await_live()
    expect(manager.state).to_have_text("Completed", timeout=LATER)
    expect(page.locator("[data-metric=conversion_rate]")).to_have_text("100.0%")
    ident = page.url.rpartition("/")[2]
    shown = desk.daemon.ctl("campaign", "show", ident)
    assert (shown["agent_id"], shown["script_id"], shown["language"]) == ("sita", None, "en-IN")
    assert shown["recording"] is False
    page.get_by_role("tab", name="Calls").click()
    page.get_by_role("row").filter(has_text="Asha").get_by_role("link").click()
    manager.await_live()
    manager.sees("sita, by the engine bot")
    page.get_by_role("link", name="To the campaign").click()
    manager.await_live()
    page.get_by_role("link", name="Agent: Sita").click()
    page.wait_for_url("**/agents/sita")
    manager.await_live()

    # It is chosen where a campaign is begun from its page, or from an earlier campaign.
    manager.press("New campaign with it")
    page.wait_for_url("**/campaigns/new?agent=sita")
    manager.await_live()
    manager.go_on("Name")
    manager.write("Campaign name", "another")
    manager.go_on("Voice agent and language")
    expect(page.get_by_role("combobox", name="Voice agent")).to_have_value("Sita (sita)")
    expect(page.get_by_label("Language", exact=True)).to_have_value("hi-IN")
    manager.open("/campaigns/new")
    manager.choose("Begin with", name)
    manager.go_on("Name")
    manager.go_on("Voice agent and language")
    expect(page.get_by_role("combobox", name="Voice agent")).to_have_value("Sita (sita)")
    expect(page.get_by_label("Language", exact=True)).to_have_value("en-IN")

    # An agent of dialerd's own engine brings its language to the script that is chosen.
    desk.daemon.ctl("agent", "create", "--id", "nora", "--name", "Nora", "--language", "hi-IN")
    manager.open("/campaigns/new")
    manager.go_on("Name")
    manager.write("Campaign name", "by a script")
    manager.go_on("Voice agent and language")
    manager.choose("Voice agent", "Nora (nora)")
    manager.choose("Script", "Personal loan, cross-sell")
    manager.sees("It can use: name, loan_amount.")
    expect(page.get_by_label("Language", exact=True).locator("visible=true")).to_have_value("Hindi (hi-IN)")
    manager.choose("Voice agent", "Sita (sita)")
    expect(page.get_by_role("combobox", name="Script", exact=True)).to_have_count(0)
    manager.choose("Voice agent", "The script alone")
    expect(page.get_by_role("combobox", name="Script")).to_have_value(re.compile("^Personal loan"))
    desk.daemon.ctl("agent", "remove", "nora")

    # The campaign outlives its agent.
    desk.daemon.ctl("agent", "remove", "sita")
    manager.open(f"/campaigns/{ident}")
    manager.sees("Agent: sita (deleted)")
