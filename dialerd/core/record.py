"""Records: values that are replaced, never changed.

To the type checker a record is a frozen dataclass. At run time it is a plain one, because the constructor of a frozen
one costs several times as much and a call is some hundred records; `replace` does without the checks of the standard
function. Together that saves a third of the processor time of a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

R = TypeVar("R")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[R]) -> type[R]:
    """Make a class a record: slotted, compared and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(kind)


def replace(before: R, **changes: Any) -> R:
    """A record like `before` but for `changes`. Raises `KeyError` for a field that it does not have."""
    kind: Any = type(before)
    values_of, places = _layout(kind)
    values = [*values_of(before)]
    for name, value in changes.items():
        values[places[name]] = value
    made: R = kind(*values)
    return made


@cache
def _layout(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    names = [one.name for one in fields(kind)]
    # With one name alone `attrgetter` would give no tuple.
    first = attrgetter(names[0])
    values_of = attrgetter(*names) if len(names) > 1 else lambda before: (first(before),)
    return values_of, {name: place for place, name in enumerate(names)}
