"""Logins and the feed, against the API itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from dialerd.console import settings
from dialerd.console.happening import Happening, read
from dialerd.console.login import LASTS, Logins
from dialerd.console.login_page import inside
from dialerd.console.problem import Away, Refused
from tests.control.serving import Served, served


@pytest.fixture
def daemon(tmp_path: Path) -> AsyncIterator[Served]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
async def client(daemon: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=daemon.url, trust_env=False) as made:
        yield made


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("scope", "writes", "panics"), [("read", False, False), ("write", True, False), ("admin", True, True)]
)
async def test_a_login_may_do_what_its_key_may(
    daemon: Served, client: httpx.AsyncClient, scope: str, writes: bool, panics: bool
) -> None:
    login = await Logins(client).enter(daemon.key(scope))
    assert (login.scope, login.writes, login.panics) == (scope, writes, panics)
    led_to = settings.SECTIONS if panics else (settings.WEBHOOKS,)
    assert tuple(settings.seen_by(login)) == led_to
    assert f"scope admin; yours has the scope {scope}" in settings.refusal(login, settings.KEYS)


async def test_an_unknown_key_is_no_login(client: httpx.AsyncClient) -> None:
    with pytest.raises(Refused) as refused:
        await Logins(client).enter("dk_unknown")
    assert refused.value.status == 401


async def test_a_daemon_that_is_away_is_not_a_wrong_key() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1", trust_env=False) as nobody:
        with pytest.raises(Away):
            await Logins(nobody).enter("dk_any")


async def test_a_login_ends_when_it_is_left_or_was_not_used_for_long(
    daemon: Served, client: httpx.AsyncClient
) -> None:
    now = 0.0
    logins = Logins(client, lambda: now)
    first, second = await logins.enter(daemon.key()), await logins.enter(daemon.key())
    assert first.name != second.name
    told: list[str] = []
    first.leaving.append(lambda: told.append("left"))
    logins.leave(first)
    assert (logins.find(first.name), told) == (None, ["left"])
    now = LASTS - 1
    assert logins.find(second.name) is second
    now = 2 * LASTS + 1
    assert logins.find(second.name) is None
    assert logins.find(None) is None


async def test_the_feed_tells_what_happens_and_goes_on_after_an_outage(
    daemon: Served, client: httpx.AsyncClient
) -> None:
    login = await Logins(client).enter(daemon.key())
    heard: list[Happening | None] = []
    leave = login.feed.listen(heard.append)
    try:
        await until(lambda: login.feed.status is not None)
        await login.api.post("/v1/pause", {})
        await until(lambda: any(one is not None and one.kind == "daemon.pause" for one in heard))
        daemon.stop()
        await until(lambda: login.feed.away is not None)
        assert any(one is not None and one.kind == "console.away" for one in heard)
    finally:
        leave()


async def test_what_is_no_event_of_dialerd_is_left_out() -> None:
    async def lines() -> AsyncIterator[str]:
        for line in (": listening", "", "data: not json", "", "id: a-1", 'data: {"type": "x", "timestamp": "t", '
                     '"data": {"campaign_id": "cmp_1"}}', ""):  # fmt: skip
            yield line

    found = [one async for one in read(lines())]
    assert found == [None, Happening("a-1", "x", "t", {"campaign_id": "cmp_1"})]
    assert found[1] is not None
    assert found[1].campaign == "cmp_1"


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/campaigns/cmp_1?x=1", "/campaigns/cmp_1?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/login?next=/", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_into_the_console_alone(asked: str, led_to: str) -> None:
    assert inside(asked) == led_to
