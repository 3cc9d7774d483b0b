"""The fields of a voice agent, each with what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from dialerd.console import engines
from dialerd.console.agent_form import RECORDED, VOICES, AgentForm, OwnLabel
from dialerd.console.blocks import Words, box, button
from dialerd.console.problem import Fault
from dialerd.console.repertoire import Item, Repertoire

_FOR_FALLBACK = "Script for its fallback (its engine needs none)"


class AgentFields:
    """Inputs that are bound to a form; `ident` None: of a new agent."""

    def __init__(self, form: AgentForm, known: Repertoire, ident: str | None) -> None:
        self._form = form
        self._known = known
        self._inputs: dict[str, ValidationElement[Any]] = {}
        self._labels: list[ui.input] = []
        with box("fields"):
            self._input("agent_name", "Name, for people", "name").props("maxlength=255")
            if ident is None:
                self._input("agent_id", "Id (empty: one is made)", "ident").props("maxlength=64")
        self._engine_fields()
        self._speech_fields()
        Words("h2", "Fallback, transfers and recordings")
        with box("fields"):
            names = known.agent_names(but=ident, kept=form.fallback)
            self._select("fallback", names, "Fallback, if its engine cannot", "fallback")
            self._input("transfer_target", "Where calls are transferred to", "transfer_target")
            self._select("recording", RECORDED, "Record the conversations", "recording", clearable=False)
        Words("h2", "Dispositions of its own")
        Words(
            "div",
            "Beside interested, not_interested, paid, callback_requested and dnc, which every agent can give: "
            "lower-case letters and _.",
            "soft",
        )
        self._rows = box("").style("display: flex; flex-direction: column; gap: 10px")
        self._show_labels()
        with box("line"):
            button("Add a disposition", self._add_label)
        self._engine.on_value_change(self._follow_engine)
        self._script.on_value_change(self._suggest_languages)
        self._follow_engine()

    def show_engines(self, now: Mapping[str, Item]) -> None:
        """Show how the chosen engine is now."""
        self._known.engines = now
        self._show_state()

    def mark(self, faults: Sequence[Fault]) -> list[Fault]:
        """Show each fault at its field; returns those that have none on the page."""
        self.unmark()
        at_field: dict[ValidationElement[Any], list[str]] = defaultdict(list)
        elsewhere = []
        for fault in faults:
            field = self._inputs.get(fault.loc)
            found = [field] if field is not None and field.visible else []
            found += [self._labels[at] for at in self._form.rows(fault)]
            for one in found:
                at_field[one].append(fault.msg)
            if not found:
                elsewhere.append(fault)
        for field, said in at_field.items():
            field.error = "; ".join(said)
        return elsewhere

    def unmark(self) -> None:
        """Nothing is known to be wrong any more."""
        for field in (*self._inputs.values(), *self._labels):
            field.error = None

    # --- the fields ------------------------------------------------------------------------------

    def _engine_fields(self) -> None:
        Words("h2", "Who talks")
        with box("fields"):
            names = self._known.engine_names(self._form.engine)
            self._engine = self._select("engine", names, "Engine", "engine", clearable=False)
            with box("").style("align-self: center"):
                self._state = Words("span", "", "tag quiet").props("data-engine aria-live=polite")
                self._trouble = Words("div", "", "soft small")

    def _speech_fields(self) -> None:
        with box("fields"):
            names = self._known.script_names(kept=self._form.script_id)
            self._script = self._select("script_id", names, "Script", "script_id")
            self._language = self._input("language", "Language, such as hi-IN", "language")
            self._voice = self._select("voice", VOICES, "Voice", "voice", clearable=False)
        Words(
            "div",
            "A campaign that names a script or a language goes by that; here both may stay empty.",
            "soft small",
        )

    def _input(self, loc: str, label: str, name: str) -> ui.input:
        made = ui.input(label).props("outlined hide-bottom-space").bind_value(self._form, name)
        self._inputs[loc] = made
        return made

    def _select(
        self, loc: str, options: dict[str, str], label: str, name: str, *, clearable: bool = True
    ) -> ui.select:
        made = ui.select(options, label=label, with_input=clearable, clearable=clearable)
        made.props("outlined hide-bottom-space")
        self._inputs[loc] = made.bind_value(self._form, name)
        return made

    # --- what depends on the engine --------------------------------------------------------------

    def _follow_engine(self) -> None:
        """A field that means nothing to the engine goes, unless something stands in it: it would be sent unseen."""
        needed = self._known.needs_script(self._form.engine)
        engine = self._known.engines.get(self._form.engine)
        self._script.set_visibility(needed or self._form.script_id is not None)
        self._script.set_label("Script" if needed else _FOR_FALLBACK)
        self._voice.set_visibility(engine is None or bool(engine["voices"]) or bool(self._form.voice))
        self._suggest_languages()
        self._show_state()

    def _suggest_languages(self) -> None:
        self._language.set_autocomplete(self._known.spoken(self._form.engine, self._form.script_id))

    def _show_state(self) -> None:
        engine = self._known.engines.get(self._form.engine)
        said, tone = engines.state(engine)
        self._state.set_text(said)
        self._state.classes(replace=f"tag {tone}")
        self._trouble.set_text(engines.trouble(engine))

    # --- the labels ------------------------------------------------------------------------------

    def _show_labels(self) -> None:
        self._rows.clear()
        self._labels = []
        with self._rows:
            for label in self._form.labels:
                self._label_row(label)

    def _label_row(self, label: OwnLabel) -> None:
        number = len(self._labels) + 1
        with box("line").props(f'role=group aria-label="Disposition {number} and what it means"'):
            tag = ui.input(f"Disposition {number}").props("outlined dense hide-bottom-space maxlength=64")
            self._labels.append(tag.style("flex: 1 1 200px").bind_value(label, "tag"))
            ui.checkbox("Counts as a conversion").bind_value(label, "positive")
            ui.checkbox("May be called again").bind_value(label, "again")
            button("Remove", partial(self._remove_label, label)).props(
                f'aria-label="Remove disposition {number}"'
            )

    def _add_label(self) -> None:
        label = OwnLabel()
        self._form.labels.append(label)
        with self._rows:
            self._label_row(label)
        self._labels[-1].run_method("focus")

    def _remove_label(self, label: OwnLabel) -> None:
        self._form.labels = [one for one in self._form.labels if one is not label]
        self._show_labels()
