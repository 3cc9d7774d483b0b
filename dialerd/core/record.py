"""Records: values that are replaced, never changed.

To the type checker a record is a frozen dataclass. At run time it is a plain one, because the constructor of a frozen
one costs several times as much and a call is some hundred records; `replace` does without the checks of the standard
function. Together that saves a third of the processor time of a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

R = TypeVar("R")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[R]) -> type[R]:
    """Make a class a record: slotted, compared and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(kind)


def replace(before: R, **changes: Any) -> R:
    """A record like `before` but for `changes`. Raises `AttributeError` for a field that it does not have."""
    key = (before.__class__, *changes)
    copy = _copies.get(key)
    if copy is None:
        copy = _copies[key] = _copy(before.__class__, tuple(changes))
    made: R = copy(before, *changes.values())
    return made


_copies: dict[tuple[Any, ...], Callable[..., Any]] = {}
"""For each kind of record, and each set of fields that is changed together, what makes the copy."""


def _copy(kind: Any, changed: tuple[str, ...]) -> Callable[..., Any]:
    """A function that sets each slot of a new record, as `dataclasses` makes its own: a record's fields are all there
    is to it."""
    names = [one.name for one in fields(kind)]
    unknown = set(changed).difference(names)
    if unknown:
        raise AttributeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    sets = (f" made.{name} = {f'new_{name}' if name in changed else f'before.{name}'}" for name in names)
    head = f"def copy(before, {', '.join(f'new_{name}' for name in changed)}):\n made = new(kind)\n"
    scope: dict[str, Any] = {"new": object.__new__, "kind": kind}
    exec(head + "\n".join(sets) + "\n return made", scope)
    copy: Callable[..., Any] = scope["copy"]
    return copy
