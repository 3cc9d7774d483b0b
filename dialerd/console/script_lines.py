"""The lines of a stored script: what is said in a language, and the name by which a line can be heard. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SETTINGS = ("defaults", "values", "voice")
_KEYS_NAMES = {"no_input.repeat": "no_input_repeat", "no_input.closing": "no_input_closing"}
_UNHEARD = ("again", "audio", "parts")
_SAMPLES = {
    "number": "12",
    "amount": "1500",
    "currency": "1500",
    "date": "2027-01-20",
    "time": "17:30",
    "digits": "4321",
}


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A text of a script. `heard_as` None: it cannot be listened to by itself."""

    name: str
    text: str
    heard_as: str | None


def lines(body: Mapping[str, Any], language: str) -> list[SpokenLine]:
    """The lines of a language in the order of the script."""
    languages = body.get("languages")
    texts = languages.get(language) if isinstance(languages, Mapping) else None
    if not isinstance(texts, Mapping):
        return []
    states = "states" in body
    given = {name: node for name, node in texts.items() if name not in _SETTINGS}
    return [
        SpokenLine(name.removeprefix("say."), " ".join(text.split()), _heard_as(name, states=states))
        for name, text in _texts(given, "")
    ]


def samples(variables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """`NAME=VALUE` for variables that a list has to bring, so that a line can be heard without one."""
    return [
        f"{name}={_SAMPLES.get(str(about.get('type', 'text')), 'example')}"
        for name, about in variables.items()
        if "default" not in about
    ]


def _texts(node: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, inner in node.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(inner, Mapping):
            yield from _texts(inner, name)
        elif isinstance(inner, str):
            yield name, inner


def _heard_as(name: str, *, states: bool) -> str | None:
    if not states:
        return _KEYS_NAMES.get(name, name.replace("closings.", "closing.", 1))
    if not name.startswith("say."):
        return None if name in ("no_input", "no_match") else name
    state, _, part = name.removeprefix("say.").partition(".")
    if part in _UNHEARD:
        return None
    return state if part in ("", "text") else f"{state}.{part}"
