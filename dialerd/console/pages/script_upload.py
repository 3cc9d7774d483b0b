"""A script as YAML: checked by the API with every mistake by line, then stored."""

from __future__ import annotations

from nicegui import events, ui

from dialerd.console import blocks
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.frame import Frame
from dialerd.console.problem import Away, Refused

LARGEST = 256 * 1024


class ScriptUpload:
    """Stores a new script, or a new version of `script_id`."""

    def __init__(self, frame: Frame, script_id: str | None, source: str = "") -> None:
        self._frame = frame
        self._ident = script_id
        with card("Add a script" if script_id is None else "A new version"):
            Words(
                "div",
                "A YAML file, or its text. Nothing is stored as long as anything is wrong with it.",
                "soft",
            )
            ui.upload(
                label="YAML file", auto_upload=True, max_file_size=LARGEST, on_upload=self._uploaded,
                on_rejected=lambda: self._tell("This file is larger than a script may be (256 KiB)."),
            ).props('accept=".yaml,.yml,.txt" flat bordered')  # fmt: skip
            self._text = ui.textarea("Text of the script", value=source).props(
                "outlined rows=14 spellcheck=false"
            )
            self._text.classes("w-full").props(
                'input-style="font-family: ui-monospace, monospace; font-size: 13px"'
            )
            self._result = box("").props("aria-live=polite")
            with box("line"):
                button("Check it", self._check)
                button("Store it", self._store, kind="primary")

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        try:
            self._text.set_value(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self._tell(f"{event.file.name} is not UTF-8: line {line}, byte 0x{content[error.start]:02X}.")
            return
        await self._check()

    async def _check(self) -> None:
        try:
            found = await self._frame.api.send_yaml("POST", "/v1/scripts/validate", self._bytes)
        except (Refused, Away) as problem:
            self._wrong(problem)
            return
        named = ", ".join(found["variables"]) or "none"
        self._tell(
            f"“{found['name']}” is right: languages {', '.join(found['languages'])}; variables {named}.",
            "good",
        )

    async def _store(self) -> None:
        method, where = (
            ("POST", "/v1/scripts") if self._ident is None else ("PUT", path("scripts", self._ident))
        )
        try:
            stored = await self._frame.api.send_yaml(method, where, self._bytes)
        except (Refused, Away) as problem:
            self._wrong(problem)
            return
        ui.navigate.to(f"/scripts/{stored['script_id']}")

    @property
    def _bytes(self) -> bytes:
        return str(self._text.value or "").encode()

    def _wrong(self, problem: Refused | Away) -> None:
        self._result.clear()
        with self._result:
            blocks.faults(problem)

    def _tell(self, text: str, tone: str = "bad") -> None:
        self._result.clear()
        with self._result:
            blocks.note(text, tone)
