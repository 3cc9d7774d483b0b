"""An order that is asked for once more before it is given, with what becomes of live calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from dialerd.console.blocks import Words, box, button


@dataclass(frozen=True, slots=True)
class Choice:
    """A question of an order: the field of the request, and its values in words, the usual one first."""

    field: str
    question: str
    options: dict[str, str]


def ringing_choice() -> Choice:
    """What becomes of phones that ring."""
    return Choice(
        "ringing",
        "Phones that ring right now",
        {"continue": "may be answered", "cancel": "stop ringing"},
    )


def calls_choice() -> Choice:
    """What becomes of calls that are answered."""
    return Choice(
        "calls",
        "People who are in a call right now",
        {"finish": "are talked to until the end", "hangup": "are hung up on at once"},
    )


async def confirm(
    title: str, said: str, yes: str, *, kind: str = "primary", choices: Sequence[Choice] = ()
) -> dict[str, Any] | None:
    """What was chosen, once it was said yes to; None: it was not."""
    chosen: dict[str, Any] = {}
    with ui.dialog() as dialog, box("card").props("role=alertdialog aria-modal=true"):
        dialog.props(f'aria-label="{title}"')
        Words("h2", title)
        Words("div", said)
        for choice in choices:
            chosen[choice.field] = next(iter(choice.options))
            Words("div", choice.question, "strong")
            ui.radio(choice.options, value=chosen[choice.field]).bind_value(chosen, choice.field).props(
                f'inline aria-label="{choice.question}"'
            )
        with box("line end"):
            button("Cancel", lambda: dialog.submit(False)).props("autofocus")
            button(yes, lambda: dialog.submit(True), kind=kind)
    answered = await dialog
    dialog.delete()
    return chosen if answered else None
