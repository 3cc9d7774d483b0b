"""Short ways to run a list through the rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialerd.intake import tasks
from dialerd.intake.contacts import Rules
from dialerd.intake.report import Report
from dialerd.ports import NewContact


def rules(*required: str, region: str | None = None, most: int = 10_000) -> Rules:
    return Rules(frozenset(required), region, most)


@dataclass(frozen=True)
class Row:
    """A note as the report tells it."""

    line: int
    phone: str | None
    reason: str


@dataclass(frozen=True)
class Told:
    """A report with its JSON read."""

    received: int
    accepted: int
    faults: list[tuple[str, str]]
    """Every fault as (loc, msg), those of the list as a whole last."""
    invalid: list[Row]
    duplicates: list[Row]
    warnings: list[Row]


def check_csv(data: bytes | str, folder: Path, held_to: Rules | None = None) -> tuple[Told, list[NewContact]]:
    source, spool = folder / "list.csv", folder / "list.contacts"
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    return _read(tasks.check_csv(source, spool, held_to or rules()), spool)


def check_json(contacts: Any, folder: Path, held_to: Rules | None = None) -> tuple[Told, list[NewContact]]:
    source, spool = folder / "request.json", folder / "list.contacts"
    source.write_text(json.dumps({"name": "x", "contacts": contacts}))
    return _read(tasks.check_json(source, spool, held_to or rules()), spool)


def _read(report: Report, spool: Path) -> tuple[Told, list[NewContact]]:
    faults = [(fault["loc"], fault["msg"]) for fault in json.loads(report.faults_json)]
    told = Told(
        report.received,
        report.accepted,
        faults + [(fault.loc, fault.msg) for fault in report.refusals],
        *(
            [Row(**row) for row in json.loads(text)]
            for text in (report.invalid_json, report.duplicates_json, report.warnings_json)
        ),
    )
    assert (report.faults, report.invalid) == (len(faults), len(told.invalid))
    assert report.duplicates == len(told.duplicates)
    chunks = list(tasks.unpack(spool)) if spool.exists() else []
    assert all(0 < len(chunk) <= tasks.CHUNK for chunk in chunks)
    return told, [contact for chunk in chunks for contact in chunk]
