"""What a campaign's contacts and rejected rows look like in a file: the columns, and a row of text for each.

A file of results is a contact list as well: taken in again, it is the list that it came from. So the columns that we
add have names that `as_list` knows, and a variable whose own name is one of them is written under `variable.`. No row
begins with a number: a spreadsheet that expects another delimiter would take the whole of it for a formula.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from dialerd.core.clock import SECOND, Instant, Millis, to_iso
from dialerd.core.contact import Contact
from dialerd.core.identity import CallId
from dialerd.core.record import record
from dialerd.core.spreadsheet import unescape

IDENTITY = ("phone", "name", "timezone", "external_id")
"""Fields of a contact with a meaning of their own; every other column of a list is a variable."""
OUTCOME = (
    "state",
    "disposition",
    "reason",
    "attempts",
    "refunds",
    "callbacks",
    "callback_unmet",
    "next_attempt_at",
    "last_call_id",
    "last_call_started_at",
    "last_call_answered_at",
    "last_call_ended_at",
    "last_call_duration_seconds",
)
REJECTED = ("rejected_list", "rejected_line", "rejected_reason")
CAPTURED, VARIABLE, MORE = "captured.", "variable.", "more_variables"
TOO_DEEP = "(nested too deeply to be shown)"
MOST_COLUMNS = 500
"""Variables, and captured values, with a column of their own; what is beyond shares one, as JSON."""
_OURS = frozenset((*IDENTITY, *OUTCOME, *REJECTED))


@record
class ContactCall:
    """A call to a contact, as far as its results tell of it."""

    id: CallId
    started_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    duration: Millis
    captured: Mapping[str, Any] = field(default_factory=dict)


@record
class Result:
    """A contact and its calls, oldest first."""

    contact: Contact
    calls: tuple[ContactCall, ...] = ()


@record
class Reject:
    """A row of a list that could not be used: `row` is what it gave, by column."""

    line: int
    phone: str | None
    reason: str
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digits(self) -> str | None:
        """The digits of what it gave as its number, without leading zeros; None: there is none."""
        return (
            "".join(char for char in self.phone or "" if char.isascii() and char.isdigit()).lstrip("0")
            or None
        )


@record
class Columns:
    """The columns of one file beside the fixed ones: names of captured values, and of variables."""

    variables: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()

    @classmethod
    def of(cls, variables: Iterable[str], captured: Iterable[str] = ()) -> Columns:
        """In the order in which they are given, each once."""
        return cls(_first(variables), _first(captured))


def _first(names: Iterable[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(names))
    return distinct if len(distinct) <= MOST_COLUMNS else (*distinct[:MOST_COLUMNS], MORE)


# --- results -------------------------------------------------------------------------------------


def results_header(columns: Columns) -> list[str]:
    """The first row of a file of results."""
    captured = (CAPTURED + name for name in columns.captured)
    return ["state", *IDENTITY, *OUTCOME[1:], *captured, *map(_variable_column, columns.variables)]


def result_row(result: Result, columns: Columns) -> list[str]:
    """The row of one contact."""
    contact = result.contact
    captured: dict[str, Any] = {}
    for call in result.calls:
        captured |= call.captured
    identity = (contact.phone, contact.name, contact.timezone, contact.external_id)
    told = (contact.state, *identity, *_outcome(contact, result.calls[-1] if result.calls else None))
    cells = [text_of(value) for value in told]
    return cells + _cells(captured, columns.captured) + _cells(contact.variables, columns.variables)


def _outcome(contact: Contact, last: ContactCall | None) -> tuple[Any, ...]:
    due = contact.not_before if contact.state.waiting and contact.not_before else None
    told = (
        contact.disposition,
        contact.reason,
        contact.attempts,
        contact.refunds,
        contact.callbacks,
        to_iso(contact.callback_unmet),
        to_iso(due),
    )
    if last is None:
        return (*told, None, None, None, None, None)
    times = (to_iso(last.started_at), to_iso(last.answered_at), to_iso(last.ended_at))
    return (*told, last.id, *times, f"{last.duration / SECOND:g}" if last.answered_at is not None else None)


# --- rejects -------------------------------------------------------------------------------------


def rejects_header(columns: Columns) -> list[str]:
    """The first row of a file of rejected rows."""
    return [*REJECTED, *IDENTITY, *map(_variable_column, columns.variables)]


def reject_row(number: int, reject: Reject, columns: Columns) -> list[str]:
    """A rejected row as it was given, behind the list it came with, its line and what was wrong with it."""
    given = {"phone": reject.phone, **reject.row}
    told = (number, reject.line, reject.reason, *(given.pop(name, None) for name in IDENTITY))
    return [text_of(value) for value in told] + _cells(given, columns.variables)


# --- cells ---------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """A value as a cell: nothing, text, a number, `true` or `false`, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        # How deep is too deep depends on who asks from where.
        return TOO_DEEP


def _cells(values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    if len(names) <= MOST_COLUMNS:
        return [text_of(values.get(name)) for name in names]
    more = {name: value for name, value in values.items() if name not in names[:-1]}
    return [*(text_of(values.get(name)) for name in names[:-1]), text_of(more or None)]


def _variable_column(name: str) -> str:
    """The column of a variable; one whose name could be taken for ours, or is lost in a header, is marked."""
    own = name.lower() in _OURS or name.startswith((CAPTURED, VARIABLE)) or name != name.strip() or not name
    return VARIABLE + name if own else name


# --- and back ------------------------------------------------------------------------------------


def is_export(columns: Sequence[str]) -> bool:
    """Whether a list with these columns is a file of ours."""
    found = set(columns)
    return found.issuperset(OUTCOME) or found.issuperset(REJECTED)


def as_list(columns: Sequence[str]) -> list[str | None]:
    """What the columns of such a file are in the list that it came from; None: they were not in it."""
    return [_given(unescape(column)) for column in columns]


def _given(column: str) -> str | None:
    if column.startswith(VARIABLE):
        return column.removeprefix(VARIABLE)
    if column in OUTCOME or column in REJECTED or column.startswith(CAPTURED):
        return None
    return column
