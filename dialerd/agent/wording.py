"""Lines of a script as they are said to one callee: with values in the language's own writing, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.agent.answer import Clock
from dialerd.agent.exchange import Sentence
from dialerd.agent.lines import Line
from dialerd.agent.script import ScriptDocument, Variable
from dialerd.agent.text import format_value, parse_template, sentences
from dialerd.core.clock import Instant
from dialerd.core.errors import Fault, invalid

_PHONE = Variable("digits", "")


def check_language(script: ScriptDocument, language: str) -> None:
    """Raises `RequestError` (422) if the script has no texts for `language`."""
    if language not in script.texts:
        known = ", ".join(script.languages)
        raise invalid([Fault("language", f"the script has no texts for {language}; it has: {known}")])


def static_sentences(script: ScriptDocument, language: str) -> list[Sentence]:
    """What every call in `language` may need, spoken the same to all; the opening's first."""
    found: dict[Sentence, None] = {}
    for line in script.texts[language].lines.values():
        for sentence in in_sentences(line, {}, only_static=True):
            found[sentence] = None
    return list(found)


def given(script: ScriptDocument, language: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Every variable's value: the contact's, the language's default, the script's.

    Raises `RequestError` naming each variable that has neither.
    """
    defaults = script.texts[language].defaults
    values: dict[str, Any] = {}
    faults = []
    for name, variable in {**script.declared, "phone": _PHONE}.items():
        value = variables.get(name)
        if value is None or value == "":
            value = defaults.get(name, variable.default)
        if value is None:
            faults.append(Fault(f"variables.{name}", "the contact brings no value, and there is no default"))
        else:
            values[name] = value
    if faults:
        raise invalid(faults)
    return values


def resolve(script: ScriptDocument, language: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """Every variable as it is spoken. Raises `RequestError` as `given` does."""
    values = given(script, language, variables)
    return {name: spoken(script, language, name, value) for name, value in values.items()}


def spoken(script: ScriptDocument, language: str, name: str, value: Any) -> str:
    """A value of a variable, or one that was captured, as it is spoken."""
    own = script.texts[language].values.get(name, {}).get(str(value))
    if own is not None:
        return own
    about = script.declared.get(name) or script.captures.get(name) or _PHONE
    return format_value(value, about.kind, language, about.currency)


def moment(clock: Clock, instant: Instant, language: str) -> str:
    """An instant as it is said on the callee's clock: the time of day, with the day if that is not today."""
    then = clock.at(instant)
    time = format_value(f"{then:%H:%M}", "time", language)
    if then.date() == clock.at(clock.answered).date():
        return time
    return f"{format_value(then.date().isoformat(), 'date', language)}, {time}"


def in_sentences(line: Line, values: Mapping[str, str], *, only_static: bool = False) -> tuple[Sentence, ...]:
    """A line with its values in place; one that was not captured leaves nothing. `only_static`: what needs none."""
    said: list[Sentence] = []
    for part in line:
        if part.audio is not None:
            said.append(Sentence(part.text, False, part.audio))
            continue
        for sentence in sentences(part.text):
            template = parse_template(sentence)
            if only_static and template.names:
                continue
            filled = template.fill(dict.fromkeys(template.names, "") | dict(values))
            if filled:
                said.append(Sentence(filled, bool(template.names)))
    return tuple(said)
