"""The step of who talks: a script alone or a voice agent, and the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dialerd.console import engines
from dialerd.console.blocks import Words, box
from dialerd.console.draft import Draft
from dialerd.console.repertoire import Item, Repertoire

_ALONE = "The script alone, spoken by dialerd"


class VoiceStep:
    """Who talks, what it says, in which language."""

    def __init__(self, draft: Draft, known: Repertoire) -> None:
        self._draft = draft
        self._known = known
        self._wanted: str | None = None
        """The agent's language: for a script that is chosen after it."""
        Words(
            "div",
            "dialerd speaks a script by itself. A bot of your own talks as an agent: see Agents. The language is "
            "that of this campaign alone.",
        )
        if draft.agent_id not in known.agents:
            draft.agent_id = None
        if draft.script_id not in known.scripts:
            draft.script_id = None
        with box("fields"):
            agents = {"": _ALONE, **known.agent_names()}
            chosen = ui.select(agents, label="Voice agent", with_input=True).props("outlined")
            chosen.bind_value(
                draft, "agent_id", forward=lambda value: value or None, backward=lambda value: value or ""
            )
            self._script = ui.select(known.script_names(), label="Script", with_input=True).props("outlined")
            self._script.bind_value(draft, "script_id")
            self._place = box("").style("display: contents")
        self._no_script = Words(
            "div", "There is no script yet: add one under Scripts, then come back.", "note warn"
        )
        self._needs = Words("div", "", "soft")
        self._engine = Words("div", "", "note warn")
        chosen.on_value_change(self._agent_chosen)
        self._script.on_value_change(self._show_language)
        if draft.agent_id is not None and draft.language is None:
            self._agent_chosen()
        else:
            self._judge()
            self._show()

    @property
    def _agent(self) -> Item | None:
        return self._known.agents.get(self._draft.agent_id or "")

    @property
    def _fallbacks_script(self) -> str | None:
        """What an agent whose engine speaks no script has for its fallback: its list is checked against it."""
        return None if self._agent is None else self._agent["script_id"]

    @property
    def _needs_without(self) -> str:
        return "" if self._draft.speaks_script else _NEEDS_PHONE

    def _judge(self) -> None:
        self._draft.speaks_script = self._agent is None or self._known.needs_script(self._agent["engine"])

    def _agent_chosen(self) -> None:
        """What the agent says of itself is chosen with it, and may be changed."""
        agent = self._agent
        self._judge()
        if agent is not None:
            self._wanted = agent["language"]
            self._draft.language = self._wanted or self._draft.language
            if agent["recording"] is not None:
                self._draft.recording = agent["recording"]
            if agent["script_id"] in self._known.scripts:
                self._draft.script_id = agent["script_id"]
        self._show()

    def _show(self) -> None:
        agent = self._agent
        self._script.set_visibility(self._draft.speaks_script)
        self._no_script.set_visibility(self._draft.speaks_script and not self._known.scripts)
        said = "" if agent is None else unable(agent["engine"], self._known.engines.get(agent["engine"]))
        self._engine.set_text(said)
        self._engine.set_visibility(bool(said))
        self._show_language()

    def _show_language(self) -> None:
        """A script has its languages; of an engine of one's own dialerd may know none."""
        named = self._draft.script_id if self._draft.speaks_script else self._fallbacks_script
        script = self._known.scripts.get(named or "")
        self._place.clear()
        with self._place:
            if self._draft.speaks_script:
                self._select_language(script)
            else:
                self._write_language()
        self._needs.set_text(needs(script["variables"]) if script else self._needs_without)

    def _select_language(self, script: Item | None) -> None:
        names = self._known.language_names(script["languages"] if script else [])
        self._draft.language = suited(self._draft.language or self._wanted, list(names))
        ui.select(names, label="Language").props("outlined").bind_value(self._draft, "language")

    def _write_language(self) -> None:
        assert self._agent is not None
        suggested = self._known.spoken(self._agent["engine"], None)
        ui.input("Language", autocomplete=suggested).props("outlined").bind_value(
            self._draft,
            "language",
            forward=lambda value: (value or "").strip() or None,
            backward=lambda value: value or "",
        )


_NEEDS_PHONE = "Its contact list needs the column phone; the agent is told every other column that it has."


def suited(language: str | None, spoken: list[str]) -> str | None:
    """The language as a script spells it, else the script's first."""
    wanted = (language or "").lower()
    return next((tag for tag in spoken if tag.lower() == wanted), spoken[0] if spoken else None)


def unable(name: str, engine: Mapping[str, Any] | None) -> str:
    """Why an engine could not take calls when the form was opened; empty: it could."""
    if engine is not None and engine["healthy"]:
        return ""
    said = engines.trouble(engine).rstrip(".")
    return f"When this page was opened, the engine {name} could not take calls: {said}. Nothing is dialed until it can."


def needs(variables: Mapping[str, Mapping[str, Any]]) -> str:
    """The columns that a script wants of a list."""
    required = [name for name, about in variables.items() if "default" not in about]
    other = [name for name in variables if name not in required]
    columns = "columns" if required else "column"
    said = f"Its contact list needs the {columns} phone{''.join(', ' + name for name in required)}."
    return said + (f" It can use: {', '.join(other)}." if other else "")
