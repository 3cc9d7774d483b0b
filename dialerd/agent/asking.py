"""How a script's questions are written: the kind of value, its bounds, and the keys and words that belong to it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dialerd.agent.document import Node
from dialerd.agent.flow import COMMAND, Choice, Confirmation, Question
from dialerd.agent.text import is_name
from dialerd.agent.vocabulary import KEYS, MAX_LABEL, Variable, Vocabulary, read_currency

MAX_DIGITS = 32
MAX_NUMBER = 9_999_999
LAYOUTS = ("DDMMYYYY", "DDMM")

_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "digits": ("length", "min_length", "max_length", "terminator"),
    "number": ("min", "max", "terminator"),
    "amount": ("min", "max", "currency", "terminator"),
    "date": ("format", "within_days"),
    "time": ("from", "to", "on", "callback", "unmet"),
    "choice": ("options",),
}
_EVERY = ("capture", "type", "confirm")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_PHRASE = re.compile(r"[a-z']+(?: [a-z']+){0,9}")


def captured(node: Node) -> tuple[str, Variable] | None:
    """The value that a question captures, as a variable; None where that is not understood (told by `read`)."""
    value = node.value
    if not isinstance(value, Mapping) or not isinstance(value.get("capture"), str):
        return None
    kind = "text" if value.get("type") == "choice" else str(value.get("type"))
    currency = value.get("currency")
    return value["capture"], Variable(kind, None, currency if isinstance(currency, str) else None)


def read_question(node: Node, words: Vocabulary) -> tuple[Question, dict[str, Choice]] | None:
    """`question` of a state, and its options; their `goto` is empty where they have none."""
    fields = node.fields(
        dict.fromkeys((*_EVERY, *(each for of in _OF_KIND.values() for each in of))),
        required=("capture", "type"),
    )
    name = fields["capture"].text(MAX_LABEL) if "capture" in fields else None
    kind = fields["type"].choice(tuple(_OF_KIND)) if "type" in fields else None
    if name is not None and not is_name(name):
        fields["capture"].fault("is not a name (letters, digits and '_')")
    elif name in words.known:
        fields["capture"].fault("is the name of a variable; a captured value needs one of its own")
    if kind is None or name is None:
        return None
    before = words.captures.get(name)
    if before is not None and before.kind not in (kind, "text"):
        fields["type"].fault(f"is {kind} here, and {name} is captured as {before.kind} in another state")
    for each in [each for each in fields if each not in (*_EVERY, *_OF_KIND[kind])]:
        fields.pop(each).fault(f"does not belong to `type: {kind}`")
    return _read(kind, name, node, fields, words)


def _read(
    kind: str, name: str, node: Node, fields: Mapping[str, Node], words: Vocabulary
) -> tuple[Question, dict[str, Choice]]:
    confirm = _confirmation(fields["confirm"], words) if "confirm" in fields else None
    terminator = "#"
    if "terminator" in fields:
        terminator = fields["terminator"].choice(("#", "*")) or terminator
    match kind:
        case "digits":
            shortest, longest = _lengths(node, fields)
            return Question(name, "digits", shortest, longest, terminator=terminator, confirm=confirm), {}
        case "number" | "amount":
            low, high = _bounds(fields)
            if kind == "amount" and "currency" not in fields:
                node.fault("an amount needs its `currency`, such as INR")
            elif kind == "amount":
                read_currency(fields["currency"])
            asked = Question(
                name,
                "number" if kind == "number" else "amount",
                longest=len(str(high)),
                low=low,
                high=high,
                terminator=terminator,
                confirm=confirm,
            )
            return asked, {}
        case "date":
            layout = fields["format"].choice(LAYOUTS) if "format" in fields else None
            layout = layout or LAYOUTS[0]
            days = fields["within_days"].whole(0, 3_650) if "within_days" in fields else None
            size = len(layout)
            return Question(name, "date", size, size, layout=layout, within_days=days, confirm=confirm), {}
        case "time":
            return _time(name, node, fields, confirm, _on(fields, words)), {}
    return Question(name, "choice", confirm=confirm), _options(node, fields, words)


def _lengths(node: Node, fields: Mapping[str, Node]) -> tuple[int, int]:
    if "length" in fields:
        for other in ("min_length", "max_length"):
            if other in fields:
                fields[other].fault("contradicts `length`")
        length = fields["length"].whole(1, MAX_DIGITS) or 1
        return length, length
    if "max_length" not in fields:
        node.missing("length", "is missing; or give min_length and max_length")
        return 1, 1
    longest = fields["max_length"].whole(1, MAX_DIGITS) or 1
    shortest = fields["min_length"].whole(1, MAX_DIGITS) if "min_length" in fields else None
    if shortest is not None and shortest > longest:
        fields["min_length"].fault("is more than max_length")
    return shortest or 1, longest


def _bounds(fields: Mapping[str, Node]) -> tuple[int, int]:
    low = fields["min"].whole(0, 10**12) if "min" in fields else None
    high = fields["max"].whole(0, 10**12) if "max" in fields else None
    if low is not None and high is not None and low > high:
        fields["min"].fault("is more than max")
    if low is not None and "max" not in fields and low > MAX_NUMBER:
        fields["min"].fault(f"is more than {MAX_NUMBER}, which is the most where no `max` is given")
    return low or 0, MAX_NUMBER if high is None else high


def _time(
    name: str, node: Node, fields: Mapping[str, Node], confirm: Confirmation | None, on: str | None
) -> Question:
    low = _minutes(fields["from"]) if "from" in fields else None
    high = _minutes(fields["to"]) if "to" in fields else None
    if low is not None and high is not None and low > high:
        node.fault("has `from` after `to`")
    callback = bool(fields["callback"].flag()) if "callback" in fields else False
    unmet = fields["unmet"].text(MAX_LABEL) if "unmet" in fields else None
    if "unmet" in fields and not callback:
        fields["unmet"].fault("belongs to `callback: true`")
    return Question(
        name, "time", 4, 4, low=low, high=high, on=on, callback=callback, unmet=unmet, confirm=confirm
    )


def _on(fields: Mapping[str, Node], words: Vocabulary) -> str | None:
    """The name of the value that holds the day of a time."""
    name = fields["on"].text(MAX_LABEL) if "on" in fields else None
    about = words.variables.get(name) or words.captures.get(name) if name is not None else None
    if name is not None and (about is None or about.kind != "date"):
        fields["on"].fault("is not the name of a date: a variable of that type, or what a question captures")
    return name


def _minutes(node: Node) -> float | None:
    text = node.text(MAX_LABEL)
    found = _CLOCK.fullmatch(text) if text is not None else None
    if found is None:
        if text is not None:
            node.fault("is not a time of day, such as 09:00")
        return None
    return float(found[1]) * 60 + float(found[2])


def _options(node: Node, fields: Mapping[str, Node], words: Vocabulary) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    if "options" not in fields:
        node.missing("options", "is missing: the keys and the value that each stands for")
        return found
    for digit, about in fields["options"].members():
        if not is_key(digit, about):
            continue
        choice = _option(digit, about, words)
        for before, other in found.items():
            # Whoever compares them takes true for 1, and 1 for "1".
            if choice.value == other.value or str(choice.value) == str(other.value):
                about.fault(
                    f"gives the value {choice.value}, which is that of the key {before} ({other.value})"
                )
                break
        found[digit] = choice
    if not found and isinstance(fields["options"].value, Mapping):
        fields["options"].fault("must have at least one key")
    return found


def _option(digit: str, about: Node, words: Vocabulary) -> Choice:
    if not isinstance(about.value, Mapping):
        value = about.scalar(MAX_LABEL)
        return Choice("", value=digit if value is None else value)
    option = about.fields(("value", "words", "label", "goto"), required=("value",))
    value = option["value"].scalar(MAX_LABEL) if "value" in option else None
    label = option["label"].text(MAX_LABEL) if "label" in option else None
    goto = option["goto"].text(MAX_LABEL) if "goto" in option else None
    heard = read_phrases(option["words"], words) if "words" in option else ()
    return Choice(goto or "", heard, label, digit if value is None else value)


def _confirmation(node: Node, words: Vocabulary) -> Confirmation | None:
    if isinstance(node.value, bool):
        return Confirmation() if node.value else None
    fields = node.fields(("yes", "no", "yes_words", "no_words"))
    keys = {"yes": "1", "no": "2"}
    for name in keys:
        given = read_keys(fields[name]) if name in fields else ()
        if len(given) > 1:
            fields[name].fault("must be one key")
        if COMMAND in given:
            fields[name].fault(f"cannot be {COMMAND}, which begins what is meant as a key ({COMMAND}9)")
        keys[name] = given[0] if given else keys[name]
    if keys["yes"] == keys["no"]:
        node.fault("means yes and no by the same key")
    heard = {
        name: read_phrases(fields[name], words) if name in fields else ()
        for name in ("yes_words", "no_words")
    }
    return Confirmation(keys["yes"], keys["no"], heard["yes_words"], heard["no_words"])


def is_key(digit: str, node: Node) -> bool:
    """Whether `digit` is a key of a telephone; that it is not is noted."""
    if len(digit) == 1 and digit in KEYS:
        return True
    node.fault(f"is not a key of a telephone; keys are {' '.join(KEYS)}")
    return False


def read_keys(node: Node) -> tuple[str, ...]:
    """One key or a list of them; 9 and "9" are the same."""
    found: list[str] = []
    for item in node.items():
        value = item.value
        digit = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else "?"
        if is_key(digit, item):
            found.append(digit)
    return tuple(found)


def read_phrases(node: Node, words: Vocabulary) -> tuple[str, ...]:
    """English words and phrases that can be said."""
    found: list[str] = []
    for item in node.items():
        text = item.text(MAX_LABEL)
        if text is None:
            continue
        phrase = text.lower()
        if not _PHRASE.fullmatch(phrase):
            item.fault("must be English words without punctuation, ten at most")
            continue
        for word in phrase.split():
            wrong = words.proofs.word(word)
            if wrong:
                item.fault(wrong)
        found.append(phrase)
    return tuple(dict.fromkeys(found))
