"""Conditions of a script's branches: one comparison between a name and a value or another name.

Pure, and no language of its own: whatever needs more is two branches after another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from dialerd.agent.document import Scalar
from dialerd.core.values import number_in, text_of

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": eq,
    "!=": ne,
    "<=": le,
    ">=": ge,
    "<": lt,
    ">": gt,
}
_FORM = re.compile(r"(?P<left>\w+)\s*(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>.+)")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class ConditionError(ValueError):
    """A text that is no condition; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`left operator right`; `right` is a name where `named`, else a value."""

    left: str
    operator: str
    right: Scalar
    named: bool = False

    @property
    def names(self) -> frozenset[str]:
        """What it compares."""
        return frozenset((self.left, str(self.right)) if self.named else (self.left,))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of `values`. A value that is not there makes it false, whatever is compared."""
        left = values.get(self.left)
        right = values.get(str(self.right)) if self.named else self.right
        if left is None or right is None:
            return False
        numbers = _number(left), _number(right)
        compare = _OPERATORS[self.operator]
        if numbers[0] is not None and numbers[1] is not None:
            return compare(*numbers)
        return compare(str(left), str(right))


def parse_condition(text: str) -> Condition:
    """Read `rating <= 2`, `slot == 'morning'` or `paid < due`. Raises `ConditionError`."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ConditionError("is not a comparison, such as rating <= 2 or slot == 'morning'")
    left, operator, right = found["left"], found["operator"], found["right"].strip()
    quoted = _QUOTED.fullmatch(right)
    if quoted is not None:
        return Condition(left, operator, quoted[1] if quoted[1] is not None else quoted[2])
    number = _number(right)
    if number is not None:
        return Condition(
            left, operator, int(number) if number == number.to_integral_value() else float(number)
        )
    if not right.isidentifier():
        raise ConditionError(f"compares with {right[:40]!r}: give a number, a name, or text in quotes")
    return Condition(left, operator, right, named=True)


def _number(value: Any) -> Decimal | None:
    return None if isinstance(value, bool) else number_in(text_of(value))
