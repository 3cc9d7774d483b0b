"""Lists of numbers not to be called, as they come: what is accepted, and how what is not is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dialerd.core.clock import Instant, from_datetime, parse_iso
from dialerd.core.dnc import DncEntry
from dialerd.intake import tasks
from dialerd.intake.report import Report

NOW = from_datetime(parse_iso("2026-11-25T12:00:00Z"))
ONE = "+919876543210"


def check(text: str | bytes, folder: Path) -> tuple[Report, list[DncEntry]]:
    source, spool = folder / "numbers.csv", folder / "numbers.accepted"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    report = tasks.check_numbers(source, spool, NOW)
    chunks = list(tasks.unpack_numbers(spool)) if spool.exists() else []
    assert all(0 < len(chunk) <= tasks.CHUNK for chunk in chunks)
    return report, [entry for chunk in chunks for entry in chunk]


def faults(report: Report) -> list[tuple[str, str]]:
    rows = [(fault["loc"], fault["msg"]) for fault in json.loads(report.faults_json)]
    return rows + [(fault.loc, fault.msg) for fault in report.refusals]


def test_every_field_of_an_entry_is_read(tmp_path: Path) -> None:
    text = f"Expires_At;PHONE;source;Reason\r\n2027-01-01T00:00:00+05:30;{ONE};mail;asked\r\n;+4420*;;\r\n"
    report, (first, second) = check(text, tmp_path)
    assert faults(report) == []
    end = from_datetime(parse_iso("2026-12-31T18:30:00Z"))
    assert first == DncEntry(ONE, "asked", "mail", NOW, Instant(end))
    assert second == DncEntry("+4420*", "", "", NOW, None)


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        (",,,", None, ""),
        ("98765,,,", "phone", "E.164"),
        ("9.19E+11,,,", "phone", "spreadsheet"),
        ("9198*,,,", "phone", "prefix"),
        ("+*,,,", "phone", "prefix"),
        (f"{ONE},a\x07b,,", "reason", "control character"),
        (f"{ONE},,{'x' * 256},", "source", "255"),
        (f"{ONE},,,tomorrow", "expires_at", "ISO 8601"),
        (f"{ONE},,,2027-01-01T00:00:00", "expires_at", "offset"),
        (f"{ONE},,,2026-11-25T12:00:00Z", "expires_at", "not in the future"),
        (f"{ONE},,,,,surplus", "", "fields"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_field(
    row: str, field: str | None, words: str, tmp_path: Path
) -> None:
    report, entries = check(f"phone,reason,source,expires_at\n+4420*,,,\n{row}\n", tmp_path)
    assert [entry.pattern for entry in entries] == ["+4420*"]
    if field is None:
        assert faults(report) == [], "an empty row is none"
        return
    ((loc, msg),) = faults(report)
    assert loc == ("numbers[line 3]" + (f".{field}" if field else ""))
    assert words in msg
    assert "default_region" not in msg, "there is no such thing here"


def test_every_fault_of_a_row_is_told(tmp_path: Path) -> None:
    report, _ = check("phone,expires_at\n12,never\n", tmp_path)
    assert [loc for loc, _ in faults(report)] == ["numbers[line 2].phone", "numbers[line 2].expires_at"]
    assert report.invalid == 1


def test_numbers_are_taken_in_the_form_in_which_they_are_dialed(tmp_path: Path) -> None:
    report, entries = check("phone\n+4402071234567\n+442071234567\n", tmp_path)
    assert [entry.pattern for entry in entries] == ["+442071234567"]
    assert report.duplicates == 1


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    report, entries = check(f"phone,name,expires\n{ONE},Priya,2020\n", tmp_path)
    (warning,) = json.loads(report.warnings_json)
    assert "name, expires" in warning["reason"]
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("phone\n", "no number"),
        (f"{ONE}\n", "header"),
        ("phone\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_is_no_list_is_refused(text: str | bytes, words: str, tmp_path: Path) -> None:
    report, entries = check(text, tmp_path)
    ((loc, msg),) = faults(report)
    assert loc.startswith("numbers")
    assert words in msg
    assert entries == []
