"""A form that is sent to the API: what is wrong with it is told at the field that it is about, and nothing is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nicegui.elements.mixins.validation_element import ValidationElement

from dialerd.console import blocks, once
from dialerd.console.problem import Away, Refused


class Form:
    """Fields by their names in the API. A fault of none of them is told where `rest` was called."""

    def __init__(self) -> None:
        self._told: dict[str, Callable[[str], None]] = {}
        self._begin()

    def _begin(self) -> None:
        self._ident = f"console-{uuid.uuid4()}"

    def field(self, name: str, element: ValidationElement[Any]) -> None:
        """An input that shows faults itself."""
        element.props("hide-bottom-space")

        def tell(said: str) -> None:
            element.error = said or None

        self._told[name] = tell

    def below(self, name: str, called: str) -> None:
        """Faults of a field that shows none itself are shown here, under what it is called."""
        note = blocks.note("", "bad", role="alert")

        def tell(said: str) -> None:
            note.set_text(f"{called}: {said}")
            note.set_visibility(bool(said))

        tell("")
        self._told[name] = tell

    def rest(self) -> None:
        """What belongs to no field is shown here."""
        self._rest = blocks.box("").props("aria-live=polite")

    def once(self, fields: Mapping[str, Any]) -> str:
        """The name of the request that the form makes, the same until it was carried out."""
        return once.name(self._ident, fields)

    def show(self, problem: Refused | Away) -> None:
        """Tell what is wrong."""
        self.clear()
        faults = problem.faults if isinstance(problem, Refused) else ()
        for name, tell in self._told.items():
            tell("; ".join(fault.msg for fault in faults if fault.field == name))
        left = [fault for fault in faults if fault.field not in self._told]
        if left or not faults:
            with self._rest:
                blocks.faults(problem, left=left)

    def clear(self) -> None:
        """Nothing is wrong with it."""
        for tell in self._told.values():
            tell("")
        self._rest.clear()

    def done(self) -> None:
        """It was carried out: what is sent next is another request."""
        self.clear()
        self._begin()
