"""What the helper process does: whole files in, a summary and a file of what was accepted out.

Everything here may take long and hold the interpreter; it must never run in the daemon's own process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import Fault
from dialerd.core.identity import E164
from dialerd.core.results import Reject
from dialerd.intake import csvlist, dnclist, jsonlist
from dialerd.intake.contacts import Row, Rules, Tally, accepted
from dialerd.intake.report import Report, rejects, report
from dialerd.ports import NewContact

CHUNK = 500
"""Contacts, or numbers, that the engine takes at a time."""


def read_document(path: Path) -> dict[str, Any]:
    """The fields of a campaign request, its contacts left out. Raises `RequestError` (400)."""
    document = jsonlist.parse(path.read_bytes())
    document.pop("contacts", None)
    return document


def check_csv(source: Path, accepted_to: Path, rules: Rules) -> Report:
    """Validate a CSV file; its contacts go to `accepted_to`."""
    tally = Tally(refusals=rules.faults())
    if not tally.refusals:
        try:
            _sift(csvlist.read(source.read_bytes()), accepted_to, rules, tally)
        except csvlist.NotAList as error:
            tally.refusals.append(error.fault("contacts"))
    return report(tally)


def check_json(source: Path, accepted_to: Path, rules: Rules) -> Report:
    """Validate the contacts of a campaign request; they go to `accepted_to`."""
    tally = Tally(refusals=rules.faults())
    rows = jsonlist.rows(jsonlist.parse(source.read_bytes()).get("contacts"))
    if isinstance(rows, Fault):
        tally.refusals.append(rows)
    elif not tally.refusals:
        _sift(rows, accepted_to, rules, tally)
    return report(tally)


def check_numbers(source: Path, accepted_to: Path, now: Instant) -> Report:
    """Validate a CSV file of numbers not to be called; its entries go to `accepted_to`."""
    tally = Tally()
    try:
        rows = csvlist.read(source.read_bytes(), dnclist.COLUMNS, dnclist.NAME)
        found = dnclist.entries(rows, now, tally)
        _write(([*astuple(entry)] for entry in found), accepted_to)
    except csvlist.NotAList as error:
        tally.refusals.append(error.fault(dnclist.NAME))
    else:
        if not tally.received:
            tally.refusals.append(Fault(dnclist.NAME, "there is no number in the list"))
    return report(tally)


def unpack_numbers(spool: Path) -> Iterator[list[DncEntry]]:
    """The accepted entries in chunks."""
    with spool.open("rb") as lines:
        for line in lines:
            yield [DncEntry(*fields) for fields in orjson.loads(line)]


def _sift(rows: Iterable[Row], accepted_to: Path, rules: Rules, tally: Tally) -> None:
    _write((_packed(contact) for contact in accepted(rows, rules, tally)), accepted_to)
    refused = ((row.line, row.phone, row.reason, row.row) for row in rejects(tally))
    _write(refused, rejected_beside(accepted_to))
    if not tally.received:
        tally.refusals.append(Fault("contacts", "there is no contact in the list"))


def _write(packed: Iterator[Sequence[Any]], accepted_to: Path) -> None:
    """One line a chunk."""
    with accepted_to.open("wb") as spool:
        while chunk := list(islice(packed, CHUNK)):
            spool.write(orjson.dumps(chunk) + b"\n")


def _packed(contact: NewContact) -> tuple[Any, ...]:
    return (
        str(contact.phone),
        contact.name,
        contact.timezone,
        contact.external_id,
        contact.variables,
    )


def rejected_beside(accepted: Path) -> Path:
    """Where the rows with faults go that were in a list with accepted ones."""
    return accepted.with_suffix(".rejected")


def unpack_rejects(spool: Path) -> Iterator[list[Reject]]:
    """The rows with faults in chunks."""
    with spool.open("rb") as lines:
        for line in lines:
            yield [Reject(*fields) for fields in orjson.loads(line)]


def unpack(spool: Path) -> Iterator[list[NewContact]]:
    """The accepted contacts in chunks. Cheap enough for the daemon: under a millisecond a chunk."""
    with spool.open("rb") as lines:
        for line in lines:
            yield [
                NewContact(E164(phone), name, zone, ident, variables)
                for phone, name, zone, ident, variables in orjson.loads(line)
            ]
