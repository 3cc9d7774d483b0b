"""The way to addresses that came with a call: where it leads, and that a name which is not found holds nobody up."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dialerd.webhooks import way
from dialerd.webhooks.guard import read_url
from dialerd.webhooks.names import LOOKUPS, Names
from dialerd.webhooks.way import GuardedWay
from tests.webhooks.receiver import receiver

SOON = 0.05
"""The patience with a name, shortened: that it ends is tested, not when."""
HANGS = """\
import asyncio, threading
from dialerd.webhooks.guard import read_url
from dialerd.webhooks.names import Names

async def ask():
    names = Names("way", lambda host, port: threading.Event().wait())
    await names.addresses(read_url("https://hang.example/"), 0.05)

asyncio.run(ask())
"""


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Set when names are to be found after all."""
    found = threading.Event()
    yield found
    found.set()


async def test_a_name_that_is_not_found_in_time_is_an_objection(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(host: str, port: int) -> list[str]:
        hanging.wait()
        return ["8.8.8.8"]

    monkeypatch.setattr(way, "PATIENCE", SOON)
    leads = GuardedWay(look_up=hang)
    late = "the host hang.example is not found within 0.05 s"
    assert await leads.objection("https://hang.example/x") == late
    assert await leads.socket_objection("wss://hang.example/ws") == late
    with pytest.raises(OSError, match=r"hang\.example is not found"):
        await leads.fetch("POST", "https://hang.example/x", (), {})
    with pytest.raises(OSError, match=r"hang\.example is not found"):
        await leads.connect("wss://hang.example/ws")
    assert await leads.objection("https://8.8.8.8/") is None, "an address needs no look-up"


async def test_pages_are_no_sockets_and_what_is_in_the_clear_is_named_as_it_was_given() -> None:
    leads = GuardedWay(look_up=lambda host, port: ["8.8.8.8"])
    for page in ("https://crm.example/x", "HTTPS://CRM.example/x"):
        assert await leads.objection(page) is None
        assert "must be an address beginning with ws:// or wss://" in (
            await leads.socket_objection(page) or ""
        )
    for address in ("wss://bot.example/ws", "WSS://Bot.Example/ws"):
        assert await leads.socket_objection(address) is None
        assert "must be a URL like https://" in (await leads.objection(address) or "")
    clear = "is for hosts and networks in webhooks.allow alone: use"
    host = "(bot.example is 8.8.8.8)"
    assert await leads.socket_objection("ws://bot.example/") == f"ws {clear} wss {host}"
    assert await leads.objection("http://bot.example/") == f"http {clear} https {host}"
    leads.allow(["bot.example"])
    assert await leads.socket_objection("WS://bot.example/") is None


async def test_names_that_hang_take_the_threads_of_nobody_else_and_are_not_asked_for_again(
    hanging: threading.Event,
) -> None:
    asked: list[str] = []

    def hang(host: str, port: int) -> list[str]:
        asked.append(host)
        hanging.wait()
        return []

    bots, crms = Names("bots", hang), Names("crms", lambda host, port: ["8.8.8.8"])
    for number in range(2 * LOOKUPS):
        with pytest.raises(OSError, match="is not found"):
            await bots.addresses(read_url(f"https://hang{number}.example/"), SOON)
    assert asked == [f"hang{number}.example" for number in range(LOOKUPS)], "who gave up waits in no queue"
    assert [str(found) for found in await crms.addresses(read_url("https://crm.example/"))] == ["8.8.8.8"]


async def test_who_waits_for_a_place_gets_it_when_a_name_is_found_after_all(hanging: threading.Event) -> None:
    def hang(host: str, port: int) -> list[str]:
        hanging.wait()
        return ["8.8.8.8"]

    names = Names("way", hang)
    for number in range(LOOKUPS):
        with pytest.raises(OSError, match="is not found"):
            await names.addresses(read_url(f"https://hang{number}.example/"), SOON)
    waits = asyncio.create_task(names.addresses(read_url("https://late.example/")))
    hanging.set()
    assert [str(found) for found in await waits] == ["8.8.8.8"]


async def test_what_a_resolver_says_of_a_name_is_what_whoever_asked_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names = Names("way", unknown)
    for _ in range(LOOKUPS + 1):
        with pytest.raises(socket.gaierror, match="not known"):
            await names.addresses(read_url("https://unknown.example/"))


def test_a_name_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "OSError: the host hang.example is not found" in ended.stderr


async def test_it_leads_to_the_address_that_was_judged() -> None:
    async with receiver() as peer:
        port = peer.url.split(":")[2].split("/")[0]
        addresses = [["10.0.0.1", "127.0.0.1"], ["8.8.8.8"], ["127.0.0.1"]]
        leads = GuardedWay(["127.0.0.1"], look_up=lambda host, port: addresses.pop(0))
        status, _ = await leads.fetch("POST", f"http://crm.example:{port}/", [("a", "b")], {})
        assert status == 500, "the receiver finds no signature"
        assert await leads.objection("https://crm.example/") is None
        leads.allow([])
        assert "no public address" in (await leads.objection("https://crm.example/") or "")
