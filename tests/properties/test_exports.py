"""Whatever people have typed: an export calculates nothing in a spreadsheet, and taken in again it is the same."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialerd.core.contact import Contact
from dialerd.core.identity import CampaignId, ContactId
from dialerd.core.results import (
    Columns,
    Reject,
    Result,
    reject_row,
    rejects_header,
    result_row,
    results_header,
    text_of,
)
from dialerd.core.spreadsheet import escape, unescape, written
from dialerd.intake import tasks
from dialerd.ports import NewContact
from tests.intake.lists import check_csv, check_json

NASTY = st.text(st.sampled_from("=+-@ ';,\t\r\n\"1a＝.x\0\u2028\ufeffए"), max_size=10)
TEXT = (
    NASTY | st.text(max_size=10) | st.sampled_from(["state", "captured.x", "variable.x", "Phone", "attempts"])
)
SCALARS = TEXT | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"name": TEXT, "external_id": TEXT, "timezone": st.just("Asia/Kolkata")},
    ).flatmap(lambda known: st.dictionaries(TEXT, SCALARS, max_size=4).map(lambda more: {**more, **known})),
    max_size=5,
)
CALCULATED = re.compile(r" *[=+\-@＝＋－＠]")
NUMBER = re.compile(r"[+-]?[0-9.]+")


@settings(deadline=None, max_examples=2_000)
@given(NASTY | st.text())
@example("'=1")
@example(" '' =1")
@example('a;"=1')
def test_what_is_marked_can_be_read_again(text: str) -> None:
    assert unescape(escape(text)) == text


@settings(deadline=None, max_examples=1_000)
@given(st.lists(st.lists(NASTY, min_size=1, max_size=4), max_size=4))
@example([['a;"=1', "b"]])
@example([["a\t=1", ";", "-5", "=1"]])
def test_no_cell_is_calculated_whatever_delimiter_is_expected(rows: list[list[str]]) -> None:
    text = written(["begins", *row] for row in rows).decode()
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                assert not CALCULATED.match(cell) or NUMBER.fullmatch(cell), (delimiter, cell)


@settings(deadline=None, max_examples=150)
@given(PEOPLE)
def test_results_taken_in_again_are_the_list_they_came_from(people: list[dict[str, Any]]) -> None:
    listed = [{**one, "phone": f"+9198765{number:05}"} for number, one in enumerate(people)]
    with tempfile.TemporaryDirectory() as folder:
        _, given_in = check_json(listed, Path(folder))
        told, again = check_csv(exported(given_in), Path(folder))
    assert not told.faults or not given_in
    assert again == [as_text(contact) for contact in given_in]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(TEXT, SCALARS, max_size=4), min_size=1, max_size=5))
def test_rejected_rows_can_be_mended_and_taken_in(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told, _ = check_json([{**row, "phone": "no number"} for row in rows], Path(folder))
        kept = [one for chunk in tasks.unpack_rejects(Path(folder) / "list.rejected") for one in chunk]
        assert [one.line for one in kept] == list(range(len(rows))) == [one.line for one in told.invalid]
        text = refused(kept).replace(b"no number", b"+919876500000", 1)
        again, mended = check_csv(text, Path(folder))
    assert again.received == len(rows)
    assert [contact.phone for contact in mended] == ["+919876500000"] or len(again.invalid) == len(rows)


def exported(people: list[NewContact]) -> bytes:
    contacts = [
        Contact(
            ContactId(number),
            CampaignId("c"),
            one.phone,
            one.name,
            one.timezone,
            one.external_id,
            one.variables,
        )
        for number, one in enumerate(people)
    ]
    columns = Columns.of(name for one in people for name in one.variables)
    rows = (result_row(Result(contact), columns) for contact in contacts)
    return written([results_header(columns), *rows])


def refused(rejects: list[Reject]) -> bytes:
    columns = Columns.of(
        name
        for one in rejects
        for name in one.row
        if name not in ("phone", "name", "timezone", "external_id")
    )
    return written([rejects_header(columns), *(reject_row(1, one, columns) for one in rejects)])


def as_text(contact: NewContact) -> NewContact:
    variables = {name: text_of(value) for name, value in contact.variables.items()}
    return NewContact(contact.phone, contact.name, contact.timezone, contact.external_id, variables)
