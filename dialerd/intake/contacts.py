"""The rules of one contact: a row of a list in, a validated contact or every fault of that row out.

Pure: no file, no process, no store. The same rules hold for CSV and JSON; what differs is only how a row was
read (`dialerd.intake.csvlist`, `dialerd.intake.jsonlist`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, ValidationResult

from dialerd.core.errors import Fault
from dialerd.core.identity import E164
from dialerd.core.results import IDENTITY
from dialerd.core.values import misread
from dialerd.ports import NewContact

RESERVED = IDENTITY
"""Keys and columns with a meaning of their own; every other one is a script variable."""

MOST_MISREAD = 100
"""Values of the wrong type that are told one by one: a column of another format has one in each row."""
MAX_TEXT = 255
"""Characters in a name, an external id or a zone."""
MAX_VALUE = 2_000
"""Characters in a variable: what is said of a person, or handed to an engine, is no document."""
MAX_CONTACT = 64 * 1024
"""Bytes of all variables of a contact as JSON: they go to a media worker, and often to an engine, as a whole."""
_MAX_INTEGER = 2**63 - 1

_PLAIN_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SHOWN = 40
"""Characters of a value that are shown."""
_SHORTEST = 2
"""Digits of a national number that the parser reads at all."""
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,3}")

_REGION_HINT = "; default_region accepts national and spaced numbers"

_IMPOSSIBLE = {
    ValidationResult.INVALID_COUNTRY_CODE: "its country code does not exist",
    ValidationResult.TOO_SHORT: "it is too short",
    ValidationResult.TOO_LONG: "it is too long",
    ValidationResult.INVALID_LENGTH: "its length is wrong for its country",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "it lacks its area code",
}

_UNREADABLE = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "its country code does not exist",
    phonenumbers.NumberParseException.NOT_A_NUMBER: "it is no number",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "it is too short",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "it is too short",
    phonenumbers.NumberParseException.TOO_LONG: "it is too long",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a list is held to."""

    required: frozenset[str]
    """Variables the script needs and gives no default for."""
    default_region: str | None
    """Country (ISO 3166 alpha-2) in which national numbers are read; None: E.164 only."""
    max_contacts: int
    names_region: bool = True
    """Whether whoever brings the list can name a default region."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Types that the script gives its variables (`dialerd.core.values`)."""

    def faults(self) -> list[Fault]:
        """What is wrong with the rules themselves."""
        region = self.default_region
        if region is None or region in phonenumbers.SUPPORTED_REGIONS:
            return []
        msg = f"{region!r} is not a country code; use two capital letters as in IN, US, GB"
        return [Fault("default_region", msg)]


@dataclass(frozen=True, slots=True)
class Row:
    """One contact as read. `line` is its first physical line in a CSV file, its index in a JSON list."""

    line: int
    values: Mapping[str, Any]
    broken: str | None = None
    """Why no values could be read."""
    in_json: bool = False
    of: str = "contacts"
    """What the list is called in the `loc` of its faults."""

    @property
    def where(self) -> str:
        """Begins the `loc` of its faults."""
        return f"{self.of}.{self.line}" if self.in_json else f"{self.of}[line {self.line}]"

    @property
    def label(self) -> str:
        """The row in a sentence."""
        return f"contact {self.line}" if self.in_json else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell about one row."""

    line: int
    loc: str
    """Row and field, as a fault names them."""
    field: str | None
    phone: str | None
    msg: str


@dataclass(slots=True)
class Tally:
    """What became of a list's rows: `received` = `accepted` + rows in `duplicates` + rows in `faults`."""

    received: int = 0
    accepted: int = 0
    duplicates: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    faults: list[Note] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)
    """The rows with faults, as they were read."""
    refusals: list[Fault] = field(default_factory=list)
    """Faults of the list as a whole: nothing of it can be used."""
    misread: int = 0
    """Values that are not of their type."""


class Unfit(Exception):
    """A value cannot be used; the message says why."""


class NotE164(Unfit):
    """A number is written in another form than the one that needs no region."""


def accepted(rows: Iterable[Row], rules: Rules, tally: Tally) -> Iterator[NewContact]:
    """The contacts of `rows` that may be dialed, the first of each number; everything else goes to `tally`.

    Rows beyond the limit are counted, not read.
    """
    seen: dict[str, Row] = {}
    beyond: Row | None = None
    for row in rows:
        tally.received += 1
        if tally.received > rules.max_contacts:
            beyond = beyond or row
            continue
        contact = _contact(row, rules, tally)
        if contact is None:
            tally.rejected.append(row)
            continue
        first = seen.setdefault(contact.phone, row)
        if first is not row:
            msg = f"the same number as {first.label}"
            tally.duplicates.append(Note(row.line, row.where, None, contact.phone, msg))
            continue
        tally.accepted += 1
        yield contact
    untold = tally.misread - MOST_MISREAD
    if untold > 0:
        last = tally.warnings[-1]
        msg = f"{untold:,} more values are not of their type, and are not listed"
        tally.warnings.append(Note(last.line, last.loc, None, None, msg))
    if beyond is not None:
        tally.refusals.append(
            Fault(
                "contacts",
                f"{tally.received:,} contacts, at most {rules.max_contacts:,} are allowed: "
                f"the first one too many is {beyond.label}",
            )
        )


def _contact(row: Row, rules: Rules, tally: Tally) -> NewContact | None:
    before = len(tally.faults)
    raw = row.values.get("phone")
    shown = str(raw)[:40] if isinstance(raw, str | int | float) else None

    def fault(key: str | None, msg: str) -> None:
        loc = f"{row.where}.{key}" if key else row.where
        tally.faults.append(Note(row.line, loc, key, shown, msg))

    if row.broken is not None:
        fault(None, row.broken)
        return None
    phone: E164 | None = None
    warning: str | None = None
    try:
        phone, warning = phone_of(raw, rules.default_region)
    except NotE164 as error:
        fault("phone", f"{error}{_REGION_HINT if rules.names_region else ''}")
    except Unfit as error:
        fault("phone", str(error))
    texts: dict[str, str | None] = {}
    for key, read in (("name", text_of), ("timezone", _zone), ("external_id", _ident)):
        try:
            texts[key] = read(row.values.get(key))
        except Unfit as error:
            fault(key, str(error))
    variables = _variables(row.values, fault)
    faulty = {note.field for note in tally.faults[before:]}
    for key in sorted(rules.required - variables.keys() - _given(texts) - faulty):
        fault(key, "the script needs it and gives no default")
    if phone is None or len(tally.faults) > before:
        return None
    if warning is not None:
        tally.warnings.append(Note(row.line, f"{row.where}.phone", "phone", phone, warning))
    _note_misread(row, phone, variables, rules, tally)
    return NewContact(phone, texts["name"], texts["timezone"], texts["external_id"], variables)


def _note_misread(row: Row, phone: E164, variables: Mapping[str, Any], rules: Rules, tally: Tally) -> None:
    for key, msg in _misread(variables, rules):
        tally.misread += 1
        if tally.misread <= MOST_MISREAD:
            tally.warnings.append(Note(row.line, f"{row.where}.{key}", key, phone, f"{key}: {msg}"))


def _misread(variables: Mapping[str, Any], rules: Rules) -> Iterator[tuple[str, str]]:
    """Values that the script will not read as their type: it says them as they stand, and compares them as text."""
    for key, kind in rules.kinds.items():
        value = variables.get(key)
        wanted = misread(value, kind) if value is not None else None
        if wanted is not None:
            yield key, f"{str(value)[:_SHOWN]!r} is not {wanted}; it is said as it stands"


def _given(texts: Mapping[str, str | None]) -> set[str]:
    """Reserved fields that have a value: a script may speak them too. Faulty ones are reported already."""
    return {"phone"} | {key for key in RESERVED[1:] if texts.get(key, "faulty") is not None}


def phone_of(value: object, region: str | None) -> tuple[E164, str | None]:
    """The number, and a warning where it is possible but assigned to nobody. Raises `Unfit`."""
    text = _phone_text(value, region)
    parsed = _plainly(text) or _parsed(text, region)
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if verdict != ValidationResult.IS_POSSIBLE:
        raise Unfit(f"is not a possible number: {_IMPOSSIBLE.get(verdict, 'it cannot exist')}")
    try:
        phone = E164(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
    except ValueError:
        raise Unfit("is not a possible number: E.164 has 7 to 15 digits") from None
    if phonenumbers.is_valid_number(parsed):
        return phone, None
    return phone, "possible, but in no range that is assigned: it may not exist"


def _plainly(text: str) -> PhoneNumber | None:
    """A number in E.164 that the library's parser would leave as it is; None: the parser has to look at it.

    The parser takes off a national prefix that was kept by mistake (+44 0…), and knows leading zeros. All other
    numbers need not pay for that: it is a third of the cost of a long list.
    """
    if not _PLAIN_E164.fullmatch(text):
        return None
    for end in (2, 3, 4):
        code = int(text[1:end])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = text[end:]
            kept = _national_prefix(code)
            if len(national) < _SHORTEST or national[0] == "0" or (kept is not None and kept.match(national)):
                return None
            return PhoneNumber(country_code=code, national_number=int(national))
    return None


@cache
def _national_prefix(code: int) -> re.Pattern[str] | None:
    """What the parser takes off the front of a country's national numbers; None: nothing."""
    region = phonenumbers.region_code_for_country_code(code)
    about = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    prefix = about.national_prefix_for_parsing if about is not None else None
    return re.compile(prefix) if prefix else None


def _parsed(text: str, region: str | None) -> PhoneNumber:
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise Unfit(
            f"is not a possible number: {_UNREADABLE.get(error.error_type, 'it cannot exist')}"
        ) from None
    if parsed.extension:
        raise Unfit("has an extension, which cannot be dialed")
    return parsed


def _phone_text(value: object, region: str | None) -> str:
    if value is None or value == "":
        raise Unfit("has no phone number")
    if not isinstance(value, str):
        raise Unfit('must be a string, as in "+919876543210"')
    text = _sound(value).strip()
    if _PLAIN_E164.fullmatch(text):
        return text
    if _SCIENTIFIC.fullmatch(text):
        raise Unfit(
            f"{text} is a number that a spreadsheet has rounded, its digits are lost: "
            "format the column as text there and export it again"
        )
    if region is None:
        raise NotE164("is not in E.164 form (+, country code, 7 to 15 digits without spaces)")
    if any(char.isalpha() for char in text):
        raise Unfit("contains letters")
    return text


def text_of(value: object) -> str | None:
    """A short text, None for an empty one. Raises `Unfit`."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Unfit("must be a string")
    value = _sound(value).strip()
    if len(value) > MAX_TEXT:
        raise Unfit(f"has {len(value):,} characters, at most {MAX_TEXT} are allowed")
    return value or None


def _ident(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return text_of(str(_number(value)))
    return text_of(value)


def _zone(value: object) -> str | None:
    zone = text_of(value)
    if zone is not None and not is_zone(zone):
        raise Unfit(f"{zone!r} is not an IANA time zone, as in Asia/Kolkata")
    return zone


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether `name` is a time zone of this machine's or the tzdata package's database."""
    if not _ZONE.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _variables(values: Mapping[str, Any], fault: Any) -> dict[str, Any]:
    """Script variables that have a value; an empty one counts as not given, so that a default applies."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key in RESERVED or value is None:
            continue
        if not is_name(key):
            fault(None, f"has a variable whose name is not 1 to {MAX_TEXT} characters of text")
            continue
        try:
            kept = _scalar(value)
        except Unfit as error:
            fault(key, str(error))
        else:
            if kept != "":
                found[key] = kept
    size = len(orjson.dumps(found))
    if size > MAX_CONTACT:
        fault(None, f"has {size:,} bytes of variables, at most {MAX_CONTACT:,} are allowed")
    return found


def is_name(key: str) -> bool:
    """Whether a variable may be called so: as a column it must survive being written and read."""
    return 0 < len(key) <= MAX_TEXT and key == key.strip().strip("\ufeff") and not _UNFIT.search(key)


def _scalar(value: object) -> object:
    if isinstance(value, str):
        text = _sound(value).strip()
        if len(text) > MAX_VALUE:
            raise Unfit(f"has {len(text):,} characters, at most {MAX_VALUE:,} are allowed")
        return text
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    raise Unfit("must be text, a number, true or false")


def _number(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit("is not a finite number")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise Unfit("is too large for a number; write it as text")
    return value


def _sound(value: str) -> str:
    """The text itself, if it can be stored, shown and spoken."""
    found = _UNFIT.search(value)
    if found is None:
        return value
    char = ord(found.group())
    if 0xDC80 <= char <= 0xDCFF:
        raise Unfit(
            f"is not UTF-8 (byte 0x{char - 0xDC00:02X}): the file looks like Windows-1252 or ISO-8859-1; "
            "save it as UTF-8"
        )
    if char >= 0xD800:
        raise Unfit("is not valid Unicode (a lone surrogate)")
    raise Unfit("contains a NUL character" if char == 0 else f"contains a control character (U+{char:04X})")
