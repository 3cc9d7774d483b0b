"""The picture of the console in the README: a real campaign on the lab, as Chromium shows it.

python -m scripts.console_picture docs/console.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from scripts.running import ROOT, Daemon, chromium, console, daemon, lab

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"
CONTACTS = ROOT / "config" / "demo-contacts.csv"
PAGES = {
    "scripts": "/scripts",
    "agents": "/agents",
    "new-agent": "/new-agent",
    "webhooks": "/webhooks",
    "keys": "/keys",
    "audit": "/audit",
    "trunks": "/trunks",
    "dnc": "/dnc",
    "events": "/events",
    "campaigns": "/",
}
PART = 0.6
"""Of the contacts, by when the picture is taken."""


def campaign(process: Daemon) -> str:
    """Start the demo's campaign; returns its id."""
    process.ctl("script", "add", str(SCRIPT))
    made = process.ctl(
        "campaign", "create", "--name", "Q4 Cross-Sell — Personal Loans — en-IN", "--script",
        "personal-loan-cross-sell", "--language", "en-IN", "--csv", str(CONTACTS), "--max-attempts", "2",
        "--retry-interval", "0.1", "--ring-timeout", "8", "--max-concurrent", "8", "--record", "--start-now",
    )  # fmt: skip
    return str(made["campaign_id"])


def await_part(page: Page, process: Daemon, ident: str) -> Any:
    """Return when so many contacts are done."""
    while True:
        shown = process.ctl("campaign", "show", ident)
        progress = shown["progress"]
        if progress["finished"] >= PART * progress["total_contacts"] or shown["status"] == "completed":
            return shown
        page.wait_for_timeout(200)


def take(target: Path, others: Path | None) -> None:
    """Take the picture; into `others`, a folder, one of each other page too, light and dark."""
    folder = Path(tempfile.mkdtemp(prefix="dialerd-picture-"))
    with lab(folder / "lab") as running, daemon(running) as process, sync_playwright() as playwright:
        key = process.ctl("key", "create", "--scope", "admin")["key"]
        api = f"http://{running.env['DIALERD_HTTP__HOST']}:{running.env['DIALERD_HTTP__PORT']}"
        with console(api, folder / "console") as serving:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1240, "height": 1190})
            page.goto(serving.url)
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(serving.url + "/")
            ident = campaign(process)
            page.goto(f"{serving.url}/campaigns/{ident}")
            await_part(page, process, ident)
            page.locator("svg text").filter(has_text="Interested").first.wait_for()
            page.screenshot(path=target)
            if others is not None:
                _others(page, serving.url, ident, process, others)
            browser.close()


def _others(page: Page, url: str, ident: str, process: Daemon, folder: Path) -> None:
    calls = process.ctl("call", "list", "--campaign", ident, "--limit", "100")["data"]
    heard = next(call["id"] for call in calls if call["recording_url"])
    pages = {**PAGES, "campaign": f"/campaigns/{ident}", "call": f"/calls/{heard}",
             "script": "/scripts/personal-loan-cross-sell"}  # fmt: skip
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for name, at in pages.items():
            page.goto(url + at)
            page.wait_for_function("() => window.socket && window.socket.connected")
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
