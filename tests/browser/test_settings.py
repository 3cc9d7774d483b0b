"""Webhooks, keys and the audit log, as an administrator uses them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.manager import Manager
from tests.webhooks.crm import Crm

pytestmark = pytest.mark.browser

Window = Callable[[str], Manager]
_NAME = "Name: who or what uses it"
_URL = "URL, as https://crm.example.com/hook"


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    """A receiver on loopback that verifies by a secret which it has yet to be told."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        made = Crm(tmp_path / "crm.jsonl", "", probe.getsockname()[1])
    yield made
    made.kill()


def kept(manager: Manager) -> str:
    """Read the secret that is shown once, and say that it is kept."""
    shown = manager.page.locator("[data-secret]")
    secret = shown.inner_text()
    manager.page.get_by_role("button", name="Copy", exact=True).click()
    manager.sees("Copied.")
    manager.press("I have kept it")
    expect(shown).to_have_count(0)
    assert secret not in manager.page.content()
    return secret


def test_a_webhook_is_made_told_of_events_and_sends_again(desk: Desk, manager: Manager, crm: Crm) -> None:
    page = manager.page
    page.get_by_role("link", name="Settings").click()
    manager.await_live()
    manager.write(_URL, "https://10.1.2.3/hook")
    page.get_by_role("checkbox", name="All events, those of later versions too").click()
    manager.press("Make this webhook")
    manager.sees("10.1.2.3 is 10.1.2.3, no public address: if that is meant, list the host or its network in")
    manager.sees("Events: required")
    manager.write(_URL, crm.url)
    page.get_by_role("checkbox", name="dnc.added: somebody is put on the list").click()
    manager.press("Make this webhook")
    crm.secret = kept(manager)
    crm.start()

    page.get_by_role("link", name=crm.url).click()
    page.wait_for_url("**/webhooks/whk_*")
    manager.await_live()
    expect(manager.state).to_have_text("Enabled")
    desk.daemon.ctl("dnc", "add", "+919876500088", "--reason", "told of")
    desk.daemon.ctl("dnc", "remove", "+919876500088")
    row = page.get_by_role("row").filter(has_text="dnc.added")
    expect(row).to_contain_text("Delivered")
    expect(row).to_contain_text("answered 20")
    first = crm.first_taken()
    assert len(first) == 1
    manager.choose("State", "Dead")
    manager.sees("There is no such delivery.")
    manager.choose("State", "Delivered")
    expect(row).to_be_visible()
    row.get_by_role("button").click()
    manager.sees("1 delivery is sent again.")
    manager.press("Disable")
    manager.agree("Disable")
    expect(manager.state).to_have_text("Disabled")
    manager.sees("Nothing is sent to it: by order")
    row.get_by_role("button").click()
    manager.sees("enable it first")
    manager.press("Close")
    manager.press("Delete")
    manager.agree("Delete")
    page.wait_for_url("**/webhooks")
    assert desk.daemon.ctl("webhook", "list")["data"] == []
    assert crm.first_taken() == first, "what is sent again has the id that it had"


def test_a_key_is_made_used_for_what_it_may_do_and_revoked(
    desk: Desk, manager: Manager, open_window: Window
) -> None:
    manager.open("/keys")
    manager.write(_NAME, "ravi")
    manager.page.get_by_role("radio", name="read: ").click()
    manager.press("Make this key")
    desk.keys["ravi"] = kept(manager)
    reader = open_window("ravi")
    reader.log_in("/webhooks")
    expect(reader.page.get_by_role("link", name="Webhooks")).to_be_visible()
    expect(reader.page.get_by_role("button", name="Make this webhook")).to_have_count(0)
    for hidden in ("API keys", "Audit log"):
        expect(reader.page.get_by_role("link", name=hidden)).to_have_count(0)
    for address in ("/keys", "/audit"):
        reader.open(address)
        reader.sees("This page takes an API key of the scope admin; yours has the scope read.")

    manager.open("/keys")
    row = manager.page.get_by_role("row").filter(has_text="ravi")
    expect(row).to_contain_text("Valid")
    row.get_by_role("button", name="Revoke").click()
    manager.agree("Revoke this key")
    expect(row).to_contain_text("Revoked")
    reader.page.goto(reader.url + "/trunks")
    reader.page.wait_for_url("**/login?ended=1")

    row.get_by_role("link", name="ravi").click()
    manager.sees("There is no such change.")
    manager.press("Show everything")
    manager.choose("What", "API key created")
    manager.write("To what (id or number)", _ident(desk, "ravi"))
    manager.press("Show", exact=True)
    told = manager.page.get_by_role("row").filter(has_text="name: ravi, scope: read")
    expect(told).to_have_count(1)
    expect(told).to_contain_text(_ident(desk, ""))
    expect(told).to_contain_text("127.0.0.1")


def test_who_revokes_their_own_key_is_logged_out(desk: Desk, open_window: Window) -> None:
    desk.keys["leaving"] = desk.daemon.ctl("key", "create", "--scope", "admin", "--name", "leaving")["key"]
    leaver = open_window("leaving")
    leaver.log_in("/keys")
    leaver.page.get_by_role("row").filter(has_text="Yours, in use").get_by_role("button").click()
    leaver.sees("You are logged in with this key: your login ends.")
    leaver.page.get_by_role("alertdialog").get_by_role("button", name="Revoke this key").click()
    leaver.page.wait_for_url("**/login?ended=1")


def _ident(desk: Desk, name: str) -> str:
    """The id of a key; of the administrator's, which has no name."""
    keys = desk.daemon.ctl("key", "list")["data"]
    return str(
        next(key["key_id"] for key in keys if key["name"] == name and (name or key["scope"] == "admin"))
    )
