"""One lab, daemon, console and browser for all tests; a window of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from scripts.running import ROOT, Daemon, chromium, console, lab
from tests.browser.bot import bot
from tests.browser.desk import Desk
from tests.browser.manager import Manager

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A console on a daemon whose trunk leads to the simulated carrier, and whose engine `bot` to a bot."""
    folder = tmp_path_factory.mktemp("desk")
    with bot() as address, lab(folder / "lab") as running:
        env = {**running.env, **_engine(address), "DIALERD_WEBHOOKS__ALLOW": '["127.0.0.1"]'}
        first = Daemon(env, folder / "dialerd.log")
        made = Desk(running, first, "", folder, {})
        try:
            first.wait_ready()
            first.ctl("script", "add", str(SCRIPT))
            made.keys = {
                scope: first.ctl("key", "create", "--scope", scope)["key"]
                for scope in ("read", "write", "admin")
            }
            with console(made.api, folder / "console") as serving:
                made.console, made.log = serving.url, serving.log
                yield made
        finally:
            made.daemon.stop()


def _engine(address: str) -> dict[str, str]:
    return {
        "DIALERD_ENGINES__BOT__KIND": "twilio-stream",
        "DIALERD_ENGINES__BOT__URL": address,
        "DIALERD_ENGINES__BOT__MAX_SESSIONS": "4",
        "DIALERD_ENGINES__BOT__LANGUAGES": '["en-IN", "hi-IN"]',
    }


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_window(desk: Desk, browser: Browser) -> Iterator[Callable[[str], Manager]]:
    """Opens a window for the holder of a key; nothing but the console may be asked for anything, or break."""
    contexts, faults = [], []

    def opened(scope: str) -> Manager:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id="Asia/Kolkata")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"error on {page.url}: {error}"))
        page.on(
            "request", lambda request: faults.append(request.url) if _foreign(request.url, desk) else None
        )
        return Manager(page, desk.console, desk.keys[scope])

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
    written = desk.log.read_text()
    assert "Traceback" not in written, written
    assert not any(key in written for key in desk.keys.values())


def _foreign(url: str, desk: Desk) -> bool:
    return url.startswith(("http", "ws")) and url.partition("://")[2].partition("/")[0] != desk.console[7:]


@pytest.fixture
def manager(open_window: Callable[[str], Manager]) -> Manager:
    """An administrator, who is logged in."""
    opened = open_window("admin")
    opened.log_in()
    return opened


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str, list[str]], Path]:
    """Writes a list of contacts: a name, and its lines below the header."""

    def written(name: str, lines: list[str]) -> Path:
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["phone,name,loan_amount", *lines]) + "\n")
        return path

    return written
