"""What became of a list, ready to be answered: counts, and every note already as JSON text.

A list can have thousands of faults. The daemon passes their text on as bytes and never makes objects of them,
which would hold its interpreter for longer than a dial may wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from dialerd.core.errors import Fault
from dialerd.core.results import Reject, text_of
from dialerd.intake.contacts import Note, Tally, is_name


@dataclass(frozen=True, slots=True)
class Report:
    """`received` = `accepted` + `duplicates` + `invalid`. The `…_json` are arrays as UTF-8."""

    received: int
    accepted: int
    duplicates: int
    invalid: int
    """Rows with faults."""
    faults: int
    """Faults of rows."""
    refusals: tuple[Fault, ...]
    """Faults of the list as a whole: nothing of it can be used."""
    faults_json: bytes
    """`[{loc, msg}]`, every fault of every row."""
    invalid_json: bytes
    """`[{line, phone, reason}]`, one entry a row."""
    duplicates_json: bytes
    warnings_json: bytes


def report(tally: Tally) -> Report:
    """The report of a list."""
    invalid = _by_row(tally.faults)
    return Report(
        received=tally.received,
        accepted=tally.accepted,
        duplicates=len(tally.duplicates),
        invalid=len(invalid),
        faults=len(tally.faults),
        refusals=tuple(tally.refusals),
        faults_json=_json({"loc": note.loc, "msg": note.msg} for note in tally.faults),
        invalid_json=_json(invalid),
        duplicates_json=_json(_row(note.line, note.phone, note.msg) for note in tally.duplicates),
        warnings_json=_json(_row(note.line, note.phone, note.msg) for note in tally.warnings),
    )


def rejects(tally: Tally) -> Iterator[Reject]:
    """The rows with faults, each once, as they can be kept: what has no proper name is left out."""
    rows = {row.line: row for row in tally.rejected}
    for told in _by_row(tally.faults):
        given = rows[told["line"]].values
        row = {name: _storable(text_of(value)) for name, value in given.items() if is_name(name)}
        phone, reason = told["phone"], _storable(told["reason"])
        yield Reject(told["line"], None if phone is None else _storable(phone), reason, row)


def _storable(text: str) -> str:
    """Without what no column of text can hold."""
    return str(_printable(text)).replace("\0", "\ufffd")


def _by_row(notes: Sequence[Note]) -> list[dict[str, Any]]:
    rows = []
    for line, group in groupby(notes, key=lambda note: note.line):
        members = list(group)
        reasons = "; ".join(f"{note.field}: {note.msg}" if note.field else note.msg for note in members)
        rows.append(_row(line, members[0].phone, reasons))
    return rows


def _row(line: int, phone: str | None, reason: str) -> dict[str, Any]:
    return {"line": line, "phone": phone, "reason": reason}


def _json(items: Iterable[dict[str, Any]]) -> bytes:
    return orjson.dumps([{key: _printable(value) for key, value in item.items()} for item in items])


def _printable(value: Any) -> Any:
    """Text without lone surrogates, which undecodable bytes have become."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
