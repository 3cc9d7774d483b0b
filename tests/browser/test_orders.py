"""Pause, resume, stop, panic, and a daemon that is started again, as the pages show them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.manager import LATER, Manager

pytestmark = pytest.mark.browser


def launched(desk: Desk, name: str, series: int, count: int, ending: int = 31, *flags: str) -> str:
    """A campaign that dials `count` callees of one behaviour: 30 to 39 answer and say nothing."""
    path = desk.log.parent / f"{name}.csv"
    numbers = [f"+9198{series:02}{index:04}{ending:02}" for index in range(count)]
    path.write_text(
        "phone,name\n" + "".join(f"{number},Person {index}\n" for index, number in enumerate(numbers))
    )
    created = desk.daemon.ctl(
        "campaign", "create", "--name", name, "--script", "personal-loan-cross-sell", "--language", "en-IN",
        "--csv", str(path), *flags,
    )  # fmt: skip
    desk.daemon.ctl("campaign", "start", created["campaign_id"])
    return str(created["campaign_id"])


def test_a_campaign_is_paused_resumed_and_stopped(desk: Desk, manager: Manager) -> None:
    ident = launched(desk, "orders", 21, 60, 31, "--max-concurrent", "3")
    page = manager.page
    manager.open(f"/campaigns/{ident}")
    expect(manager.state).to_have_text("Running")
    expect(page.locator("[data-live]")).to_have_text(re.compile(r"^[1-3] live"), timeout=LATER)
    manager.press("Pause")
    manager.sees("Phones that ring right now")
    manager.press("Cancel")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(manager.state).to_have_text("Running")
    manager.press("Pause")
    manager.agree("Pause")
    expect(manager.state).to_have_text("Paused")
    assert desk.daemon.ctl("campaign", "show", ident)["status"] == "paused"
    expect(page.locator("[data-live]")).to_have_text("0 live calls", timeout=LATER)
    called = desk.daemon.ctl("campaign", "show", ident)["progress"]["called"]
    manager.press("Resume")
    manager.agree("Resume")
    expect(manager.state).to_have_text("Running")
    expect(page.locator("[data-live]")).to_have_text(re.compile(r"^[1-3] live"), timeout=LATER)
    manager.press("Stop")
    page.get_by_role("radio", name="are hung up on at once").click()
    manager.agree("Stop for good")
    expect(manager.state).to_have_text("Stopped", timeout=LATER)
    expect(page.locator("[data-live]")).to_have_text("0 live calls")
    expect(page.get_by_role("button", name="Resume", exact=True)).to_have_count(0)
    shown = desk.daemon.ctl("campaign", "show", ident)
    assert shown["progress"]["called"] > called
    assert shown["progress"]["cancelled"] > 0

    # What was not reached goes on under another name.
    manager.press("Clone")
    page.get_by_role("radio", name="all of them").click()
    page.get_by_role("dialog").get_by_role("button", name="Clone", exact=True).click()
    expect(page.get_by_role("heading", name="orders (copy)")).to_be_visible()
    expect(manager.state).to_have_text("Scheduled")
    manager.sees("60 in all")


def test_panic_hangs_up_everything_and_is_lifted(desk: Desk, manager: Manager) -> None:
    ident = launched(desk, "panic", 22, 30, 31, "--max-concurrent", "3")
    page = manager.page
    manager.open(f"/campaigns/{ident}")
    expect(page.locator("[data-live]")).to_have_text(re.compile(r"^[1-3] live"), timeout=LATER)
    manager.press("PANIC: hang up everything")
    manager.sees(re.compile("will be hung up at once"))
    manager.agree("Hang up every call now")
    expect(manager.status).to_have_text("Panic")
    expect(page.locator("[data-live]")).to_have_text("0 live calls", timeout=LATER)
    assert desk.daemon.ctl("status")["halt"] == "panic"
    manager.sees("Not dialing now:")
    manager.press("Resume dialing")
    manager.agree("Resume dialing")
    expect(manager.status).to_have_text("Dialing")
    expect(page.locator("[data-live]")).to_have_text(re.compile(r"^[1-3] live"), timeout=LATER)
    desk.daemon.ctl("campaign", "stop", ident, "--calls", "hangup")
    expect(manager.state).to_have_text("Stopped", timeout=LATER)


def test_an_open_page_outlives_a_restart_of_the_daemon(desk: Desk, manager: Manager) -> None:
    ident = launched(desk, "restart", 23, 2, 1)
    manager.open(f"/campaigns/{ident}")
    expect(manager.state).to_have_text("Completed", timeout=LATER)
    desk.daemon.ctl("campaign", "clone", ident, "--contacts", "all", "--name", "after the restart")
    manager.open("/")
    manager.sees("after the restart")
    desk.daemon.stop()
    expect(manager.status).to_have_text("Away", timeout=LATER)
    manager.sees("dialerd does not answer. This page goes on by itself as soon as it is back.")
    desk.restart_daemon()
    expect(manager.status).to_have_text("Dialing", timeout=LATER)
    row = manager.page.get_by_role("row").filter(has_text="after the restart")
    (clone,) = [
        one["campaign_id"]
        for one in desk.daemon.ctl("campaign", "list", "--limit", "100")["data"]
        if one["name"] == "after the restart"
    ]
    # What happens from now on is told, without a reload.
    desk.daemon.ctl("campaign", "start", clone)
    expect(row).to_contain_text("2 of 2", timeout=LATER)
    expect(row).to_contain_text("Completed", timeout=LATER)
