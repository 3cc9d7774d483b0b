"""CSV files as they come: what is accepted, and how what is not is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.intake.lists import Row, check_csv, rules

ONE = "+919876543210"
TWO = "+919123456789"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"phone,name,loan\n{ONE},Priya,5\n{TWO},Amit,7\n", id="plain"),
        pytest.param(f"phone,name,loan\n{ONE},Priya,5\n{TWO},Amit,7", id="no newline at the end"),
        pytest.param(f"\ufeffphone,name,loan\n{ONE},Priya,5\n{TWO},Amit,7\n", id="BOM"),
        pytest.param(f"phone,name,loan\r\n{ONE},Priya,5\r\n{TWO},Amit,7\r\n", id="CRLF"),
        pytest.param(
            f"\ufeffphone;name;loan\r\n{ONE};Priya;5\r\n{TWO};Amit;7\r\n", id="BOM, semicolon, CRLF"
        ),
        pytest.param(f"phone\tname\tloan\n{ONE}\tPriya\t5\n{TWO}\tAmit\t7\n", id="tab"),
        pytest.param(f'"phone","name","loan"\n"{ONE}","Priya","5"\n"{TWO}","Amit","7"\n', id="quoted"),
        pytest.param(f"sep=;\nphone;name;loan\n{ONE};Priya;5\n{TWO};Amit;7\n", id="sep line"),
        pytest.param(
            f"Phone , NAME,loan,\n {ONE} , Priya ,5,\n\n{TWO},Amit,7\n,,,\n", id="spaces, empty lines"
        ),
        pytest.param(f"loan,name,phone\n5,Priya,{ONE}\n7,Amit,{TWO}\n", id="another order"),
        pytest.param(f"phone,name,loan\r{ONE},Priya,5\r{TWO},Amit,7\r", id="CR"),
    ],
)
def test_every_usual_way_of_writing_a_list_gives_the_same_contacts(data: str, tmp_path: Path) -> None:
    told, contacts = check_csv(data, tmp_path, rules("loan"))
    assert told.faults == []
    assert [(c.phone, c.name, dict(c.variables)) for c in contacts] == [
        (ONE, "Priya", {"loan": "5"}),
        (TWO, "Amit", {"loan": "7"}),
    ]
    assert (told.received, told.accepted) == (2, 2)


def test_a_quoted_field_keeps_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    data = f'phone,name\r\n{ONE},"Sharma, ""Priya""\r\nMs"\r\n{TWO},x\r\nbad,y\r\n'
    told, contacts = check_csv(data, tmp_path)
    assert contacts[0].name == 'Sharma, "Priya"\r\nMs'
    assert [row.line for row in told.invalid] == [5], "physical lines count, not rows"


def test_reserved_columns_are_no_variables(tmp_path: Path) -> None:
    data = f"phone,name,timezone,external_id,city\n{ONE},Priya,Asia/Kolkata,crm-1,Pune\n{TWO},,,,\n"
    _, (priya, other) = check_csv(data, tmp_path)
    assert (priya.timezone, priya.external_id, dict(priya.variables)) == (
        "Asia/Kolkata",
        "crm-1",
        {"city": "Pune"},
    )
    assert (other.name, other.timezone, other.external_id, dict(other.variables)) == (None, None, None, {})


@pytest.mark.parametrize(
    ("data", "loc", "words"),
    [
        ("name,mobile\nPriya,1\n", "contacts[line 1]", ["no column named phone", "name, mobile"]),
        (f"{ONE},Priya\n{TWO},Amit\n", "contacts[line 1]", ["must be a header"]),
        (f"phone,a,a\n{ONE},1,2\n", "contacts[line 1]", ["twice", "a"]),
        ("", "contacts", ["empty"]),
        ("\n\n", "contacts", ["empty"]),
        ("phone,name\n", "contacts", ["no contact"]),
        ('phone,"name\n+919876543210,x\n', "contacts[line 2]", ["never closed"]),
        (f"phone\n{ONE}\n".encode("utf-16"), "contacts", ["UTF-16", "save it as UTF-8"]),
        (f"phone\n{ONE}\n".encode("utf-16-le"), "contacts", ["UTF-16"]),
        ("phone,pr\u00e9nom\n".encode("latin-1"), "contacts[line 1]", ["UTF-8", "ISO-8859-1"]),
    ],
)
def test_a_file_that_is_no_contact_list_says_why(
    data: bytes | str, loc: str, words: list[str], tmp_path: Path
) -> None:
    told, contacts = check_csv(data, tmp_path)
    assert contacts == []
    ((where, msg),) = told.faults
    assert where == loc
    assert all(word in msg for word in words), msg


@pytest.mark.parametrize(
    ("row", "loc", "words"),
    [
        ("9.19E+11,x,1", ".phone", ["9.19E+11", "spreadsheet", "text"]),
        ('"9,19E+11",x,1', ".phone", ["spreadsheet"]),
        (",x,1", ".phone", ["no phone number"]),
        ("12345,x,1", ".phone", ["E.164"]),
        ("919876543210,x,1", ".phone", ["E.164"]),
        ("+91 98765 43210,x,1", ".phone", ["default_region"]),
        ("+9198765,x,1", ".phone", ["not a possible number", "too short"]),
        ("+141555526710,x,1", ".phone", ["not a possible number", "too long"]),
        ("+999123456789,x,1", ".phone", ["not a possible number", "country code"]),
        ("+\u0967\u0967\u096798765432,x,1", ".phone", ["E.164"]),
        ("+919876543210@evil,x,1", ".phone", ["E.164"]),
        (f"{ONE},x,", ".loan", ["script needs it"]),
        (f"{ONE},x,   ", ".loan", ["script needs it"]),
        (f"{ONE},x", ".loan", ["script needs it"]),
        (f"{ONE},x,1,2", "", ["4 fields", "header has 3", "quotes"]),
        (f"{ONE},{'n' * 256},1", ".name", ["256 characters"]),
        (f"{ONE},x,{'1' * 2_001}", ".loan", ["2,001 characters", "at most 2,000"]),
        (f"{ONE},a\0b,1", ".name", ["NUL"]),
        (f"{ONE},a\x1bb,1", ".name", ["control character"]),
        (f'{ONE},"a"b,1', "", ["quote"]),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(row: str, loc: str, words: list[str], tmp_path: Path) -> None:
    told, contacts = check_csv(f"phone,name,loan\n{TWO},ok,1\n\n{row}\n", tmp_path, rules("loan"))
    assert [contact.phone for contact in contacts] == [TWO]
    ((where, msg),) = told.faults
    assert where == f"contacts[line 4]{loc}"
    assert all(word in msg for word in words), msg


def test_bytes_that_are_not_utf8_are_blamed_on_their_row_alone(tmp_path: Path) -> None:
    data = f"phone,name\n{ONE},ok\n".encode() + f"{TWO},Jos\u00e9\n".encode("latin-1")
    told, contacts = check_csv(data, tmp_path)
    assert [contact.phone for contact in contacts] == [ONE]
    ((where, msg),) = told.faults
    assert where == "contacts[line 3].name"
    assert "UTF-8" in msg
    assert "0xE9" in msg
    assert "Windows-1252" in msg


def test_all_faults_of_all_rows_are_told_at_once(tmp_path: Path) -> None:
    data = f"phone,timezone,loan\nbad,Mars/Base,\n{ONE},,1\nworse,,2\n"
    told, contacts = check_csv(data, tmp_path, rules("loan"))
    assert [loc for loc, _ in told.faults] == [
        "contacts[line 2].phone",
        "contacts[line 2].timezone",
        "contacts[line 2].loan",
        "contacts[line 4].phone",
    ]
    assert [contact.phone for contact in contacts] == [ONE]


def test_duplicates_are_merged_counted_and_listed(tmp_path: Path) -> None:
    data = f"phone,name\n{ONE},first\n{TWO},x\n{ONE},second\n{ONE},third\n"
    told, contacts = check_csv(data, tmp_path)
    assert [(c.phone, c.name) for c in contacts] == [(ONE, "first"), (TWO, "x")]
    assert [(row.line, row.phone, row.reason) for row in told.duplicates] == [
        (4, ONE, "the same number as line 2"),
        (5, ONE, "the same number as line 2"),
    ]
    assert (told.received, told.accepted) == (4, 2)


def test_the_same_number_written_in_two_ways_is_one_contact(tmp_path: Path) -> None:
    data = "phone\n098765 43210\n+91 98765-43210\n(0) 9876543210\n+1 415 555 2671\n"
    told, contacts = check_csv(data, tmp_path, rules(region="IN"))
    assert [c.phone for c in contacts] == [ONE, "+14155552671"]
    assert len(told.duplicates) == 2


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("1-800-FLOWERS", "letters"),
        ("98765 43210 ext. 5", "letters"),
        ("98765 43210;ext=5", "letters"),
        ("123", "short"),
    ],
)
def test_what_cannot_be_dialed_is_refused_with_a_region_too(number: str, word: str, tmp_path: Path) -> None:
    told, contacts = check_csv(f"phone\n{number}\n", tmp_path, rules(region="IN"))
    assert contacts == []
    assert word in told.faults[0][1]


def test_a_possible_number_in_no_assigned_range_is_only_a_warning(tmp_path: Path) -> None:
    told, contacts = check_csv("phone\n+15550100100\n", tmp_path)
    assert [c.phone for c in contacts] == ["+15550100100"]
    ((line, phone, msg),) = [(row.line, row.phone, row.reason) for row in told.warnings]
    assert (line, phone) == (2, "+15550100100")
    assert "may not exist" in msg


KINDS = {
    "due_date": "date",
    "emi_amount": "amount",
    "at": "time",
    "rate": "number",
    "account": "digits",
    "who": "text",
}


def test_values_that_are_not_of_their_type_are_warnings_by_line_and_column(tmp_path: Path) -> None:
    listed = (
        "phone,due_date,emi_amount,at,rate,account,who\n"
        f'{ONE},2027-01-20,"1,50,000.50",17:30,10.5,AB-12 34,x\n'
        "+919876500001,20/01/2027,x,5 pm,ten,--,x\n"
        "+919876500002,tomorrow,,,,,\n"
        "not a number,tomorrow,,,,,\n"
    )
    told, contacts = check_csv(listed, tmp_path, replace(rules(), kinds=KINDS))
    assert (told.accepted, len(contacts), len(told.invalid)) == (3, 3, 1), "they are spoken as they stand"
    assert contacts[1].variables["due_date"] == "20/01/2027"
    seen = [(row.line, row.phone, row.reason.partition(" ")[0]) for row in told.warnings]
    assert seen == [
        *((3, "+919876500001", f"{name}:") for name in ("due_date", "emi_amount", "at", "rate", "account")),
        (4, "+919876500002", "due_date:"),
    ]
    assert (
        told.warnings[0].reason
        == "due_date: '20/01/2027' is not a date as YYYY-MM-DD; it is said as it stands"
    )


def test_decimal_commas_are_told_by_line_and_column(tmp_path: Path) -> None:
    listed = f'phone,emi_amount\n{ONE},"7250,50"\n+919876500002,"12,5"\n+919876500003,"1,50,000"\n'
    told, contacts = check_csv(listed, tmp_path, replace(rules(), kinds={"emi_amount": "amount"}))
    assert [contact.variables["emi_amount"] for contact in contacts] == ["7250,50", "12,5", "1,50,000"]
    assert [(row.line, row.reason.partition(":")[0]) for row in told.warnings] == [
        (2, "emi_amount"),
        (3, "emi_amount"),
    ]
    assert "'7250,50' is not a number" in told.warnings[0].reason


def test_of_a_column_in_another_format_so_many_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    listed = "phone,due_date\n" + "".join(f"+9198765{number:05d},20/01/2027\n" for number in range(250))
    told, _ = check_csv(listed, tmp_path, replace(rules(), kinds=KINDS))
    assert told.accepted == 250
    assert len(told.warnings) == 101
    assert told.warnings[-1] == Row(101, None, "150 more values are not of their type, and are not listed")


@pytest.mark.parametrize("region", ["XX", "in", "India", "001", ""])
def test_an_unknown_region_is_a_fault_of_its_field(region: str, tmp_path: Path) -> None:
    told, _ = check_csv(f"phone\n{ONE}\n", tmp_path, rules(region=region))
    ((where, msg),) = told.faults
    assert where == "default_region"
    assert "country code" in msg


def test_ten_thousand_rows_pass_and_one_more_does_not(tmp_path: Path) -> None:
    rows = [f"+9198{number:08d}" for number in range(10_001)]
    told, contacts = check_csv("phone\n" + "\n".join(rows[:-1]) + "\n", tmp_path)
    assert (told.faults, len(contacts)) == ([], 10_000)
    told, _ = check_csv("phone\n" + "\n".join(rows) + "\n", tmp_path)
    ((where, msg),) = told.faults
    assert where == "contacts"
    assert "10,001 contacts" in msg
    assert "line 10002" in msg


def test_a_formula_is_text_and_never_a_number(tmp_path: Path) -> None:
    told, contacts = check_csv(f"phone,name\n=1+1,x\n{ONE},=cmd|' /C calc'!A0\n", tmp_path)
    assert [loc for loc, _ in told.faults] == ["contacts[line 2].phone"]
    assert contacts[0].name == "=cmd|' /C calc'!A0"
