"""A YAML 1.2 document that remembers where each of its parts was written, so that every fault names its line.

It knows shapes (mapping, text, number), not scripts. Reading never stops at the first fault: a part that is
wrong reads as None, the fault is noted, and the rest is read on.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dialerd.agent.expansion import ContainsItselfError, Expansion
from dialerd.core.errors import Fault

Scalar = str | int | float | bool

MAX_DEPTH = 100
MAX_SIZE = 512 * 1024
"""Parts and characters of a document, with its aliases written out: all that reads it walks that much at most."""

_DIRECTIVE = re.compile(r"%YAML\s+(\S+)")

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Node:
    """A value in a document, where it stands, and the list that its faults go to.

    `path` is the place in dots (`languages.hi-IN.opening`), `line` counts from 1; None: unknown.
    """

    def __init__(self, value: Any, path: str, line: int | None, faults: list[Fault]) -> None:
        self.value = value
        self.path = path
        self.line = line
        self.faults = faults

    def fault(self, msg: str) -> None:
        """Note that something is wrong here."""
        self.faults.append(Fault(self.path or "script", f"line {self.line}: {msg}" if self.line else msg))

    def fields(self, known: Collection[str], required: Collection[str] = ()) -> dict[str, Node]:
        """The members of a mapping with fixed keys; unknown and missing ones are faults."""
        found = dict(self.members())
        for name in [name for name in found if name not in known]:
            found.pop(name).fault(f"is not known here; known: {', '.join(known)}")
        if isinstance(self.value, Mapping):
            for name in required:
                if name not in found:
                    self.missing(name, "is missing")
        return found

    def members(self) -> Iterator[tuple[str, Node]]:
        """The members of a mapping with free keys; a key that is a whole number reads as its digits."""
        if not isinstance(self.value, Mapping):
            self.fault("must be a mapping (lines of `name: value`)")
            return
        told: dict[str, Any] = {}
        for key, value in self.value.items():
            line = self._line_of(key)
            before = told.setdefault(str(key), key)
            if isinstance(key, bool) or not isinstance(key, str | int):
                self._child("?", value, line).fault("has a key that is neither text nor a number")
            elif isinstance(key, str) and _UNFIT.search(key):
                self._child("?", value, line).fault("has a key with control characters")
            elif before is not key:
                self._child(str(key), value, line).fault(
                    "is there already: with and without quotes it is the same key"
                )
            else:
                yield str(key), self._child(str(key), value, line)

    def text(self, limit: int, *, may_be_empty: bool = False) -> str | None:
        """Text of at most `limit` characters; line breaks and runs of blanks read as one blank."""
        if not isinstance(self.value, str):
            written = "" if self.value is None else "; numbers, dates and words like true need quotes"
            self.fault(f"must be text{written}")
            return None
        if _UNFIT.search(self.value):
            self.fault("contains characters that are not text (control characters, halves of pairs)")
            return None
        text = " ".join(self.value.split())
        if not text and not may_be_empty:
            self.fault("must not be empty")
            return None
        if len(text) > limit:
            self.fault(f"has {len(text)} characters; at most {limit}")
            return None
        return text

    def number(self, low: float, high: float) -> float | None:
        """A number from `low` to `high`."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.fault(f"must be a number from {low:g} to {high:g}")
            return None
        return float(value)

    def whole(self, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(f"must be a whole number from {low} to {high}")
            return None
        return int(value)

    def flag(self) -> bool | None:
        """`true` or `false`."""
        if not isinstance(self.value, bool):
            self.fault("must be true or false")
            return None
        return self.value

    def choice(self, options: Collection[str]) -> str | None:
        """One of `options`."""
        if not isinstance(self.value, str) or self.value not in options:
            self.fault(f"must be one of: {', '.join(options)}")
            return None
        return str(self.value)

    def scalar(self, limit: int) -> Scalar | None:
        """Text (possibly empty), a number, `true` or `false`; a date reads as its ISO text."""
        value = self.value
        if isinstance(value, str):
            return self.text(limit, may_be_empty=True)
        if isinstance(value, bool):
            return value
        if isinstance(value, datetime.date):
            return value.isoformat()
        # Beyond 2**53 JSON does not carry whole numbers faithfully.
        if isinstance(value, int) and abs(value) < 2**53:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        self.fault("must be text, a number, true or false")
        return None

    def missing(self, name: str, msg: str) -> None:
        """Note that a member that should be here is not."""
        self._child(name, None, self.line).fault(msg)

    def items(self) -> Iterator[Node]:
        """The items of a list; anything else reads as a list of itself alone."""
        if not isinstance(self.value, list):
            yield self
            return
        places = getattr(getattr(self.value, "lc", None), "data", None) or {}
        for index, value in enumerate(self.value):
            place = places.get(index)
            yield self._child(str(index + 1), value, place[0] + 1 if place else self.line)

    def plain(self) -> Any:
        """What stands here, JSON-able: keys are text, dates ISO text. For what was read without a fault."""
        return _plain(self.value)

    def _child(self, name: str, value: Any, line: int | None) -> Node:
        return Node(value, f"{self.path}.{name}" if self.path else name, line, self.faults)

    def _line_of(self, key: Any) -> int | None:
        """Where `key` was written; members that were merged in (`<<`) have no line of their own here."""
        places = getattr(getattr(self.value, "lc", None), "data", None) or {}
        place = places.get(key)
        return place[0] + 1 if place else self.line


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    for kind in (bool, int, float, str):
        # Not the parser's own kinds of number and text, which remember how they were written.
        if isinstance(value, kind):
            return kind(value)
    return value


def _depth(text: str) -> int:
    """How deeply brackets nest, quotes aside: the parser takes seconds to give up on thousands of them."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _version_fault(text: str, faults: list[Fault]) -> None:
    """By an older version `no` would be false and 0123 another number."""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.strip() and line[0] not in "%#":
            return
        found = _DIRECTIVE.match(line)
        if found is not None and found[1] != "1.2":
            Node(None, "script", number, faults).fault(
                f"must be YAML 1.2, not {found[1]}: leave this line out"
            )


def _size_fault(root: Node) -> None:
    """What is too large, or without end, once it is written out."""
    expansion, size = Expansion(), 0
    members = list(root.members()) if isinstance(root.value, Mapping) else [("", root)]
    for _, node in members:
        try:
            more, depth = expansion.of(node.value)
        except ContainsItselfError:
            node.fault("contains itself, by an alias (`*name`)")
            return
        except RecursionError:
            more, depth = 0, MAX_DEPTH + 1
        size += more
        if depth > MAX_DEPTH:
            node.fault("is nested too deeply")
            return
        if size > MAX_SIZE:
            node.fault(
                f"is too large with its aliases (`*name`) written out: more than {MAX_SIZE:,} characters"
            )
            return


def read_yaml(text: str) -> Node:
    """The document in `text`. What is no YAML reads as None, with the fault noted."""
    faults: list[Fault] = []
    if _depth(text) > MAX_DEPTH:
        Node(None, "script", None, faults).fault("is nested too deeply")
        return Node(None, "script", None, faults)
    _version_fault(text, faults)
    if faults:
        return Node(None, "script", None, faults)
    try:
        value = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        node = Node(None, "script", mark.line + 1 if mark is not None else None, faults)
        node.fault(f"is not valid YAML: {error.problem or error.context or error}")
        return node
    except RecursionError:
        Node(None, "script", None, faults).fault("is nested too deeply")
    except (YAMLError, ValueError, OverflowError) as error:
        # ValueError: a number or date that looks like one and is none (2026-99-99, 5,000 digits).
        Node(None, "script", None, faults).fault(f"is not valid YAML: {str(error).splitlines()[0]}")
    else:
        root = Node(value, "", None, faults)
        _size_fault(root)
        return root
    return Node(None, "script", None, faults)
