"""What a contact list is to the engine: a file, read by somebody outside this process, and what became of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import Fault, RequestError
from dialerd.core.results import Reject
from dialerd.ports import NewContact


class ListReport(Protocol):
    """What became of a list's rows: `received` = `accepted` + `duplicates` + `invalid`.

    The `…_json` are JSON arrays as UTF-8: with thousands of notes their objects would cost more than a dial may wait.
    """

    @property
    def received(self) -> int:
        """Rows in the list."""
        ...

    @property
    def accepted(self) -> int:
        """Rows that can be used."""
        ...

    @property
    def duplicates(self) -> int:
        """Rows that repeat a number."""
        ...

    @property
    def invalid(self) -> int:
        """Rows with faults."""
        ...

    @property
    def faults(self) -> int:
        """Faults of rows."""
        ...

    @property
    def refusals(self) -> Sequence[Fault]:
        """Why the list as a whole cannot be used."""
        ...

    @property
    def faults_json(self) -> bytes:
        """`[{loc, msg}]`, every fault of every row."""
        ...

    @property
    def invalid_json(self) -> bytes:
        """`[{line, phone, reason}]`, one entry a row with faults."""
        ...

    @property
    def duplicates_json(self) -> bytes:
        """The same for rows that repeat a number."""
        ...

    @property
    def warnings_json(self) -> bytes:
        """The same for accepted rows that may not do what they are meant to."""
        ...


class CheckedContacts(Protocol):
    """A contact list that was read."""

    @property
    def report(self) -> ListReport:
        """What became of its rows."""
        ...

    def chunks(self) -> Iterator[list[NewContact]]:
        """The accepted contacts, at most 500 at a time."""
        ...

    def rejects(self) -> Iterator[list[Reject]]:
        """The rows with faults, at most 500 at a time."""
        ...

    def discard(self) -> None:
        """Forget the list."""
        ...


class CheckedNumbers(Protocol):
    """A list of numbers not to be called that was read."""

    @property
    def report(self) -> ListReport:
        """What became of its rows."""
        ...

    def chunks(self) -> Iterator[list[DncEntry]]:
        """The accepted entries, at most 500 at a time."""
        ...

    def discard(self) -> None:
        """Forget the list."""
        ...


class ContactIntake(Protocol):
    """Reads lists, outside this process."""

    async def document(self, path: Path) -> Mapping[str, Any]:
        """The fields of a request in JSON, its contacts left out. Raises `RequestError` (400)."""
        ...

    async def check(
        self,
        path: Path,
        kind: str,
        *,
        required: frozenset[str],
        default_region: str | None,
        kinds: Mapping[str, str] | None = None,
    ) -> CheckedContacts:
        """Validate a contact list. Raises `PortError` if it cannot be read or worked on.

        `kinds` are the types of variables: a value that is not of its type is a warning.
        """
        ...

    async def check_numbers(self, path: Path, now: Instant) -> CheckedNumbers:
        """Validate a CSV of numbers not to be called. Raises `PortError` as `check`."""
        ...

    def contact(
        self, values: Mapping[str, Any], required: frozenset[str]
    ) -> tuple[NewContact | None, Sequence[Fault]]:
        """One contact by the rules of a list's row; a fault's `loc` is its field. Cheap enough for this process."""
        ...


def counts_view(report: ListReport) -> dict[str, Any]:
    """How many rows of a list can be used."""
    return {"received": report.received, "accepted": report.accepted, "duplicates": report.duplicates}


def rows_view(report: ListReport) -> dict[str, Any]:
    """The rows of a list that something is to be said of, as `orjson.Fragment`s."""
    return {
        "duplicate_rows": orjson.Fragment(report.duplicates_json),
        "warnings": orjson.Fragment(report.warnings_json),
        "invalid": orjson.Fragment(report.invalid_json),
    }


@dataclass(frozen=True, slots=True)
class ContactFile:
    """An uploaded list: a CSV file, or a whole request in JSON."""

    path: Path
    kind: Literal["csv", "json"]


class ListRefused(RequestError):
    """422 whose faults are those of fields, as always, and those of rows, as JSON text."""

    def __init__(self, faults: Sequence[Fault], rows: ListReport | None) -> None:
        count = len(faults) + (rows.faults if rows else 0)
        detail = f"{count:,} fault{'s' if count != 1 else ''} in the request"
        super().__init__(422, "invalid-field", "Invalid request", detail, faults)
        self.row_faults_json = rows.faults_json if rows else b"[]"
        self.invalid_json = rows.invalid_json if rows else b"[]"


def refuse_faulty(faults: Sequence[Fault], report: ListReport, *, skip_invalid: bool, what: str) -> None:
    """Raise 422 with all faults unless the list can be used. `what` it is, as the request names it."""
    found = [*faults, *report.refusals]
    rows = report.faults > 0 and not skip_invalid
    if not report.accepted and not report.refusals and not rows:
        found.append(Fault(what, "no row of the list is valid"))
        rows = True
    if found or rows:
        raise ListRefused(found, report if rows else None)
