"""What pages are made of: headings, notes, tags, facts. It says how things look, and asks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from dialerd.console.problem import Away, Fault, Refused

TONES = {
    "running": "good",
    "up": "good",
    "completed": "quiet",
    "scheduled": "",
    "paused": "warn",
    "stopped": "bad",
    "unreachable": "bad",
    "unregistered": "bad",
    "failed": "bad",
    "in_progress": "good",
}
"""Tones of tags by state."""
AWAY = "dialerd does not answer. This page goes on by itself as soon as it is back."


class Words(TextElement):
    """A text in an element of its own; whatever it holds, it stays text."""

    def __init__(self, tag: str, text: str = "", classes: str = "") -> None:
        super().__init__(tag=tag, text=text)
        if classes:
            self.classes(classes)


def box(classes: str, tag: str = "div") -> ui.element:
    """An element around others."""
    return ui.element(tag).classes(classes)


def card(title: str | None = None) -> ui.element:
    """A part of a page, with its heading."""
    part = box("card", "section")
    if title is not None:
        with part:
            Words("h2", title)
    return part


def button(text: str, on_click: Callable[..., Any], *, kind: str = "ghost", classes: str = "") -> ui.button:
    """A button: `ghost`, or one of the colours primary, positive, negative."""
    made = ui.button(text, on_click=on_click, color=None if kind == "ghost" else kind)
    return made.props("unelevated no-caps").classes(f"{kind if kind == 'ghost' else ''} {classes}".strip())


def note(text: str, tone: str = "", role: str = "status") -> Words:
    """A message that stays."""
    made = Words("div", text, f"note {tone}".strip())
    made.props(f"role={role}")
    return made


def faults(problem: Refused | Away, heading: str | None = None, left: Sequence[Fault] | None = None) -> None:
    """Every fault of a request, each where it is; `left`: of these alone."""
    with box("note bad").props("role=alert"):
        Words("div", heading or told(problem), "strong")
        found = left if left is not None else getattr(problem, "faults", ())
        if found:
            with ui.element("ul"):
                for fault in found:
                    Words("li", place(fault))


def told(problem: Refused | Away) -> str:
    """What went wrong, in a sentence."""
    if isinstance(problem, Away):
        return f"dialerd does not answer ({problem}). Whether it was done is not known: look before you try again."
    return problem.detail


def place(fault: Fault) -> str:
    """A fault with where it is."""
    if fault.line is not None:
        column = f", column {fault.column}" if fault.column else ""
        return f"line {fault.line}{column}: {fault.msg}"
    return f"{fault.loc}: {fault.msg}" if fault.loc else fault.msg


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and their values."""
    with ui.element("dl").classes("facts"):
        for name, value in pairs:
            Words("dt", name)
            Words("dd", value)


def tell(problem: Refused | Away) -> None:
    """Say for as long as it is wanted that something was not done."""
    said = told(problem)
    listed = [place(fault) for fault in getattr(problem, "faults", ())][:5]
    ui.notify(
        "\n".join([said, *listed]), type="negative", multi_line=True, timeout=0, close_button="Close",
        classes="told",
    )  # fmt: skip


def done(text: str) -> None:
    """Say that something was done."""
    ui.notify(text, type="positive", timeout=5000)


def tone(word: str) -> str:
    """The tone of a state's tag."""
    return TONES.get(word, "quiet")


def metric(name: str, more: str) -> Words:
    """A figure with its name, and what it is a part of; returns where the figure stands."""
    with box("metric"):
        Words("div", name, "name")
        value = Words("div", "–", "value")
        Words("div", more, "more")
    return value


def parts(shares: Mapping[str, float]) -> str:
    """A bar of parts, each a colour and its share of 1."""
    return "".join(
        f'<div style="width:{max(0.0, min(1.0, share)) * 100:.2f}%;background:{colour}"></div>'
        for colour, share in shares.items()
    )
