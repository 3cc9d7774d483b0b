"""Logging in and out, and what a key may do."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.manager import Manager

pytestmark = pytest.mark.browser

Window = Callable[[str], Manager]


def test_nothing_is_shown_without_a_key_and_an_unknown_one_is_refused(
    desk: Desk, open_window: Window
) -> None:
    stranger = open_window("read")
    stranger.page.goto(desk.console + "/trunks")
    stranger.page.get_by_label("API key").fill("dk_of_somebody_else")
    stranger.page.get_by_role("button", name="Log in").click()
    stranger.sees("dialerd does not know this key, or it was revoked.")
    for path in ("/files/calls/cal_0123456789ab/recording", "/_nicegui/client/x/upload/1"):
        assert httpx.post(desk.console + path, trust_env=False).status_code in (401, 405)
    assert (
        httpx.get(desk.console + "/files/calls/cal_0123456789ab/recording", trust_env=False).status_code
        == 401
    )


def test_a_read_key_sees_and_cannot_act(open_window: Window) -> None:
    reader = open_window("read")
    reader.log_in("/trunks")
    reader.sees("Read only")
    reader.sees("Rate now")
    for name in ("Pause all dialing", "PANIC: hang up everything", "Pause this trunk"):
        expect(reader.page.get_by_role("button", name=name)).to_have_count(0)
    reader.open("/")
    expect(reader.page.get_by_role("button", name="New campaign")).to_have_count(0)
    reader.open("/campaigns/new")
    reader.sees("Your API key may only read.")


def test_a_write_key_acts_but_hangs_up_nothing_of_others(open_window: Window) -> None:
    writer = open_window("write")
    writer.log_in()
    expect(writer.page.get_by_role("button", name="New campaign")).to_be_visible()
    expect(writer.page.get_by_role("button", name="Pause all dialing")).to_be_visible()
    expect(writer.page.get_by_role("button", name="PANIC: hang up everything")).to_have_count(0)


def test_the_browser_never_has_the_key(desk: Desk, open_window: Window) -> None:
    writer = open_window("write")
    writer.log_in("/scripts")
    held = str(writer.page.context.cookies()) + writer.page.content() + writer.page.url
    held += str(writer.page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])"))
    assert desk.keys["write"] not in held
    (cookie,) = writer.page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


def test_who_logs_out_is_out_in_every_window(open_window: Window) -> None:
    writer = open_window("write")
    writer.log_in("/trunks")
    other = writer.page.context.new_page()
    other.goto(writer.url + "/scripts")
    expect(other.get_by_role("heading", name="Scripts", exact=True)).to_be_visible()
    other.wait_for_function("() => window.socket && window.socket.connected")
    writer.press("Log out")
    writer.sees("You are logged out.")
    expect(other.get_by_label("API key")).to_be_visible()
    writer.page.goto(writer.url + "/trunks")
    expect(writer.page.get_by_label("API key")).to_be_visible()
