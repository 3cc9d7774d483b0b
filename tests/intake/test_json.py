"""Contacts in a JSON request follow the rules of a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dialerd.core.errors import RequestError
from dialerd.intake import tasks
from tests.intake.lists import check_json, rules

ONE = "+919876543210"


def test_other_keys_are_variables_of_their_own_type(tmp_path: Path) -> None:
    contact = {
        "phone": ONE,
        "name": "Priya",
        "external_id": 42,
        "loan": 50000,
        "rate": 8.5,
        "vip": True,
        "x": None,
    }
    _, (read,) = check_json([contact], tmp_path)
    assert (read.name, read.external_id) == ("Priya", "42")
    assert read.variables == {"loan": 50000, "rate": 8.5, "vip": True}


@pytest.mark.parametrize(
    ("contact", "loc", "word"),
    [
        ({"phone": 919876543210}, ".phone", "must be a string"),
        ({"phone": None}, ".phone", "no phone number"),
        ({}, ".phone", "no phone number"),
        ({"phone": ["+919876543210"]}, ".phone", "must be a string"),
        ("+919876543210", "", "must be an object"),
        (None, "", "must be an object"),
        ({"phone": ONE, "name": 5}, ".name", "must be a string"),
        ({"phone": ONE, "name": "a\0b"}, ".name", "NUL"),
        ({"phone": ONE, "name": "\ud800"}, ".name", "surrogate"),
        ({"phone": ONE, "timezone": "Mars/Base"}, ".timezone", "IANA"),
        ({"phone": ONE, "timezone": "../../etc/passwd"}, ".timezone", "IANA"),
        ({"phone": ONE, "loan": {"nested": 1}}, ".loan", "must be text"),
        ({"phone": ONE, "loan": [1]}, ".loan", "must be text"),
        ({"phone": ONE, "loan": 10**400}, ".loan", "too large"),
        ({"phone": ONE, "note": "x" * 2_001}, ".note", "2,001 characters, at most 2,000"),
        ({"phone": ONE, **{f"v{n}": "\u0939" * 1_000 for n in range(30)}}, "", "at most 65,536"),
    ],
)
def test_a_bad_contact_is_named_by_index_and_field(contact: Any, loc: str, word: str, tmp_path: Path) -> None:
    told, contacts = check_json([{"phone": "+919123456789"}, contact], tmp_path)
    assert len(contacts) == 1
    ((where, msg),) = told.faults
    assert where == f"contacts.1{loc}"
    assert word in msg


def test_variables_may_be_as_long_as_the_limits(tmp_path: Path) -> None:
    contact = {"phone": ONE, **{f"v{n}": "x" * 2_000 for n in range(30)}}
    _, (read,) = check_json([contact], tmp_path)
    assert read.variables == {name: value for name, value in contact.items() if name != "phone"}


def test_every_value_that_is_too_long_is_named(tmp_path: Path) -> None:
    told, _ = check_json([{"phone": ONE, "a": "x" * 5_000, "b": "y" * 5_000}], tmp_path)
    assert [where for where, _ in told.faults] == ["contacts.0.a", "contacts.0.b"]


@pytest.mark.parametrize("contacts", [None, {}, "x", 5])
def test_contacts_must_be_a_list(contacts: Any, tmp_path: Path) -> None:
    told, _ = check_json(contacts, tmp_path)
    ((where, msg),) = told.faults
    assert where == "contacts"
    assert "list" in msg


def test_duplicates_name_the_contact_that_won(tmp_path: Path) -> None:
    told, contacts = check_json([{"phone": ONE, "n": 1}, {"phone": ONE, "n": 2}], tmp_path)
    assert [dict(c.variables) for c in contacts] == [{"n": 1}]
    assert [(row.line, row.reason) for row in told.duplicates] == [(1, "the same number as contact 0")]


def test_a_script_may_need_the_name(tmp_path: Path) -> None:
    told, contacts = check_json(
        [{"phone": ONE, "name": "Priya"}, {"phone": "+919123456789"}], tmp_path, rules("name")
    )
    assert len(contacts) == 1
    assert told.faults == [("contacts.1.name", "the script needs it and gives no default")]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "line 1, column 2"),
        (b"[]", "object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": "\xff"}', "0xFF"),
        (b"\x00", "column 1"),
        (b"", "column 1"),
        (b"[" * 100_000, "deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "digits"),
    ],
)
def test_what_is_no_json_is_malformed_not_invalid(body: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(body)
    with pytest.raises(RequestError) as caught:
        tasks.read_document(path)
    assert caught.value.status == 400
    assert word in caught.value.detail
