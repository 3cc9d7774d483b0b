"""The step of the script and its language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.console.blocks import Words, box
from dialerd.console.draft import Draft


class ScriptStep:
    """Which script is spoken, in which of its languages."""

    def __init__(
        self, draft: Draft, scripts: Sequence[Mapping[str, Any]], languages: Mapping[str, str]
    ) -> None:
        self._draft = draft
        self._scripts = {script["script_id"]: script for script in scripts}
        # Voices speak en-GB and en-US, scripts en-IN: the language has the same name.
        self._names = {tag.split("-")[0]: name.split(" (")[0] for tag, name in languages.items()}
        Words("div", "The language is that of this campaign alone; the script says which it has texts for.")
        if not scripts:
            Words("div", "There is no script yet: add one under Scripts, then come back.", "note warn")
        with box("fields"):
            names = {ident: f"{script['name']} ({ident})" for ident, script in self._scripts.items()}
            if draft.script_id not in names:
                draft.script_id = None
            ui.select(names, label="Script", with_input=True, on_change=self._chosen).props(
                "outlined"
            ).bind_value(draft, "script_id")
            self._language = ui.select(self._spoken(), label="Language").props("outlined")
            self._language.bind_value(draft, "language")
        self._needs = Words("div", "", "soft")
        self._show_needs()

    def _chosen(self) -> None:
        spoken = self._spoken()
        if self._draft.language not in spoken:
            self._draft.language = next(iter(spoken), None)
        self._language.set_options(spoken, value=self._draft.language)
        self._show_needs()

    def _spoken(self) -> dict[str, str]:
        script = self._scripts.get(self._draft.script_id or "")
        found = {one: self._called(one) for one in script["languages"]} if script else {}
        if self._draft.language and self._draft.language not in found:
            self._draft.language = None
        return found

    def _called(self, language: str) -> str:
        name = self._names.get(language.split("-")[0])
        return f"{name} ({language})" if name else language

    def _show_needs(self) -> None:
        script = self._scripts.get(self._draft.script_id or "")
        self._needs.set_text(needs(script["variables"]) if script else "")


def needs(variables: Mapping[str, Mapping[str, Any]]) -> str:
    """The columns that a script wants of a list."""
    required = [name for name, about in variables.items() if "default" not in about]
    other = [name for name in variables if name not in required]
    said = f"Its contact list needs the columns phone{''.join(', ' + name for name in required)}."
    return said + (f" It can use: {', '.join(other)}." if other else "")
