"""Whatever comes in, every row is accounted for and only E.164 numbers come out, each once."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import phonenumbers
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dialerd.intake.contacts import Unfit, phone_of
from dialerd.ports import NewContact
from tests.intake.lists import Told, check_csv, check_json, rules

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def _accounted(told: Told, contacts: list[NewContact]) -> None:
    assert told.accepted == len(contacts)
    assert told.received == told.accepted + len(told.duplicates) + len(told.invalid)
    assert all(_E164.fullmatch(contact.phone) for contact in contacts)
    assert len({contact.phone for contact in contacts}) == len(contacts)


numbers = st.sampled_from(["+919876543210", "+919123456789", "9.19E+11", "", "+91", "+15550100100", "x"])
cells = st.text(max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(numbers, cells, cells), max_size=12), st.sampled_from(",;\t"), st.booleans())
def test_rows_written_by_the_csv_library_are_all_accounted_for(
    rows: list[tuple[str, str, str]], delimiter: str, bom: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(("phone", "name", "v"))
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        data = text.getvalue().encode("utf-8-sig" if bom else "utf-8", "surrogatepass")
        told, contacts = check_csv(data, Path(folder), rules("v"))
    _accounted(told, contacts)
    assert told.received == sum(any(cell.strip() for cell in row) for row in rows)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told, contacts = check_csv(b"phone,name\n" + data, Path(folder))
    _accounted(told, contacts)


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            values, st.dictionaries(st.sampled_from(["phone", "name", "v", "timezone"]), values | numbers)
        )
    )
)
def test_no_json_breaks_the_reading(contacts: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told, read = check_json(contacts, Path(folder))
    _accounted(told, read)


codes = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
digits = st.text("0123456789", min_size=1, max_size=14)


@settings(deadline=None, max_examples=2_000)
@given(codes, digits)
@example(1, "3101234")
@example(44, "02079460000")
@example(39, "0612345678")
def test_a_number_in_e164_is_read_as_the_library_reads_it(code: int, national: str) -> None:
    assume(_E164.fullmatch(f"+{code}{national}") is not None)
    assert _read(f"+{code}{national}") == _read_by_the_library(f"+{code}{national}")


def _read(text: str) -> tuple[str, bool] | None:
    """The number and whether it may not exist; None: refused."""
    try:
        phone, warning = phone_of(text, None)
    except Unfit:
        return None
    return phone, warning is not None


def _read_by_the_library(text: str) -> tuple[str, bool] | None:
    try:
        parsed = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    phone = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    unassigned = not phonenumbers.is_valid_number(parsed)
    return (phone, unassigned) if _E164.fullmatch(phone) else None
