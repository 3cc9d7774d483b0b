"""One script: its versions, its texts by language, and how its lines sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, script_lines, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.frame import PATIENCE, SCRIPTS, Frame, nothing
from dialerd.console.order import confirm
from dialerd.console.pages.script_upload import ScriptUpload
from dialerd.console.script_lines import SpokenLine

MOST_LINES = 200


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/scripts/{script_id}", response_timeout=PATIENCE)
    async def script(request: Request, script_id: str, version: int | None = None) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SCRIPTS, "Script")
        await frame.show(Script(frame, script_id, version).read, nothing)


class Script:
    """What the page shows."""

    def __init__(self, frame: Frame, ident: str, version: int | None) -> None:
        self._frame = frame
        self._ident = ident
        self._version = version
        self._shown: dict[str, Any] | None = None
        with frame.content:
            self._body = box("").style("display: contents")

    async def read(self) -> None:
        """Read the script. Raises `Refused`, `Away`."""
        newest = await self._frame.api.get(path("scripts", self._ident))
        shown = newest
        if self._version not in (None, newest["version"]):
            shown = await self._frame.api.get(path("scripts", self._ident), version=self._version)
        if self._shown is not None:
            # What is being typed below stays.
            return
        self._shown = shown
        with self._body:
            self._heading(shown, newest["version"])
            self._lines(shown, newest["version"])
            with card("The script as it is stored"):
                Words("pre", shown["source"], "code").props('tabindex=0 aria-label="Source of the script"')
            if self._frame.login.writes:
                ScriptUpload(self._frame, self._ident, newest["source"])

    def _heading(self, shown: Mapping[str, Any], newest: int) -> None:
        with box("line"):
            Words("h1", shown["name"])
            Words("span", f"Version {shown['version']} of {newest}", "tag")
            box("push")
            if self._frame.login.writes:
                button("Delete", self._ask_delete, kind="negative")
        with card():
            variables = shown["variables"]
            blocks.facts(
                [
                    ("Id", shown["script_id"]),
                    ("Languages", ", ".join(shown["languages"])),
                    ("Needs of a list", ", ".join(_named(variables, given=False)) or "phone alone"),
                    ("Can use", ", ".join(_named(variables, given=True)) or "nothing else"),
                    ("Stored", wording.moment(shown["created_at"])),
                ]
            )  # fmt: skip
            if newest > 1:
                with box("line").props('role=navigation aria-label="Versions"'):
                    Words("span", "Versions:", "soft")
                    for number in range(newest, max(0, newest - 20), -1):
                        ui.link(str(number), f"/scripts/{quote(self._ident)}?version={number}")

    def _lines(self, shown: Mapping[str, Any], newest: int) -> None:
        """The texts; only the newest version can be listened to."""
        by_language = {one: script_lines.lines(shown["body"], one) for one in shown["languages"]}
        self._samples = script_lines.samples(shown["variables"])
        with card("What is said"):
            if not any(by_language.values()):
                Words("div", "See the text below.", "soft")
                return
            self._audio = ui.audio("").props('aria-label="Line of the script"')
            self._audio.set_visibility(False)
            with ui.tabs().props("no-caps align=left dense") as tabs:
                for language in by_language:
                    ui.tab(language, language)
            with ui.tab_panels(tabs, value=next(iter(by_language)), animated=False).classes("w-full"):
                for language, said in by_language.items():
                    with ui.tab_panel(language).classes("q-pa-none"):
                        self._texts(language, said, audible=shown["version"] == newest)

    def _texts(self, language: str, said: Sequence[SpokenLine], *, audible: bool) -> None:
        with ui.element("dl").classes("facts spoken"):
            for line in said[:MOST_LINES]:
                Words("dt", line.name)
                with ui.element("dd"), box("line"):
                    Words("span", line.text).style("flex: 1 1 300px").props(f'lang="{language}"')
                    if audible and line.heard_as:
                        button("Listen", partial(self._listen, line.heard_as, language)).props(
                            f'dense aria-label="Listen to {line.name} in {language}"'
                        )

    def _listen(self, line: str, language: str) -> None:
        asked = urlencode({"line": line, "language": language, "variable": self._samples}, doseq=True)
        self._audio.set_visibility(True)
        self._audio.set_source(f"/files/scripts/{quote(self._ident)}/say?{asked}")
        self._audio.play()

    async def _ask_delete(self) -> None:
        said = "No new campaign can use it. While a campaign that uses it lives it cannot be deleted."
        if await confirm("Delete this script?", said, "Delete", kind="negative") is None:
            return
        if await self._frame.carried_out(self._frame.api.delete(path("scripts", self._ident))):
            ui.navigate.to("/scripts")


def _named(variables: Mapping[str, Mapping[str, Any]], *, given: bool) -> list[str]:
    """The variables with a default, or those without."""
    return [name for name, about in variables.items() if ("default" in about) is given]
