"""The step of the retries, and of how a single call is made."""

from __future__ import annotations

from nicegui import ui

from dialerd.console.blocks import Words, box
from dialerd.console.draft import Draft

MACHINES = {
    "continue": "Talk on as with a person",
    "hangup": "Hang up",
    "message": "Leave the script's message",
    "ignore": "Do not listen for them",
}


class RetryStep:
    """How often, and how long in between."""

    def __init__(self, draft: Draft) -> None:
        Words(
            "div",
            "Who is not reached is tried again. Who was reached, or asked not to be called, never "
            "is, but for a callback that they asked for.",
        )
        with box("fields"):
            _number("Attempts for each contact, the first included", draft, "max_attempts")
            _number("Minutes between two attempts", draft, "retry_minutes")
            _number("Callbacks that a callee may ask for", draft, "max_callbacks")
        with ui.expansion("How calls are made").classes("w-full"), box("fields"):
            _number("Seconds a phone rings", draft, "ring_seconds")
            _number("Calls at a time (empty: as many as the trunks take)", draft, "concurrent")
            ui.select(MACHINES, label="Answering machines").props("outlined").bind_value(draft, "machine")
            ui.checkbox("Record the conversations").bind_value(draft, "recording")


def _number(label: str, draft: Draft, name: str) -> None:
    ui.number(label).props("outlined").bind_value(draft, name)
