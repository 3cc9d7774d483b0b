"""CSV as spreadsheets and databases write it: bytes in, rows with their physical lines out.

Tolerant where nothing can be misread (BOM, line ends, delimiter, `sep=` line, empty lines), strict where a
row would be guessed. Knows nothing of numbers or scripts.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dialerd.core import results
from dialerd.core.errors import Fault
from dialerd.core.spreadsheet import unescape
from dialerd.intake.contacts import RESERVED, Row

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}

_SEP_LINE = re.compile(r'"?sep=([,;\t])"?[\r\n]*', re.IGNORECASE)
_UNDECODED = re.compile("[\udc80-\udcff]")
_LOOKS_LIKE_NUMBER = re.compile(r"[+(]?[0-9][0-9 ().-]{5,}")


class NotAList(Exception):
    """The file as a whole cannot be read as a list; the message says why."""

    def __init__(self, msg: str, line: int | None = None) -> None:
        super().__init__(msg)
        self._line = line

    def fault(self, of: str) -> Fault:
        """The same for a request whose list is called `of`."""
        return Fault(of if self._line is None else f"{of}[line {self._line}]", str(self))


@dataclass(frozen=True, slots=True)
class _Layout:
    delimiter: str
    skip: int
    """Physical lines before the header."""
    columns: tuple[str, ...]
    exported: bool
    """It is a file that we have written ourselves."""

    def row(self, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        """The values by column; those of an export of ours as they were before it was written."""
        if not self.exported:
            return dict(pairs)
        names = results.as_list([column for column, _ in pairs])
        values = (unescape(value) for _, value in pairs)
        return {name: value for name, value in zip(names, values, strict=True) if name is not None}


def read(data: bytes, known: Sequence[str] = RESERVED, of: str = "contacts") -> Iterator[Row]:
    """The rows of a CSV file, empty ones left out. Raises `NotAList`, at once or at the first row.

    `known`: columns whose names may be written in any case; `of`: what the list is called.
    """
    text = _decode(data)
    layout = _layout(text, known)
    lines = io.StringIO(text, newline="")
    for _ in range(layout.skip):
        next(lines)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    seen_header = False
    while True:
        line = layout.skip + reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, {}, _explain(error), of=of)
            continue
        if not any(field.strip() for field in fields):
            continue
        if not seen_header:
            seen_header = True
            continue
        yield _row(line, fields, layout, of)


def _row(line: int, fields: Sequence[str], layout: _Layout, of: str) -> Row:
    extra = [field for field in fields[len(layout.columns) :] if field.strip()]
    if extra:
        name = DELIMITERS[layout.delimiter]
        return Row(
            line,
            {},
            f"has {len(fields)} fields where the header has {len(layout.columns)}: "
            f"a value that contains a {name} must be in double quotes",
            of=of,
        )
    pairs = [pair for pair in zip(layout.columns, fields, strict=False) if pair[0] or pair[1].strip()]
    if not all(column for column, _ in pairs):
        return Row(line, {}, "has a value in a column without a name", of=of)
    return Row(line, layout.row(pairs), of=of)


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a double quote opened in this row is never closed"
    if "expected after" in text:
        return "has text after a closing double quote; a double quote inside a quoted field is written twice"
    if "field limit" in text:
        return f"has a field of more than {csv.field_size_limit():,} characters"
    return f"cannot be read: {text}"


def _decode(data: bytes) -> str:
    """The text; bytes that are not UTF-8 become lone surrogates, so that each is blamed on its row."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:100].split(b"\n", 1)[0]:
        raise NotAList("the file is UTF-16, not UTF-8: save it as UTF-8 (in a spreadsheet: “CSV UTF-8”)")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def _layout(text: str, known: Sequence[str]) -> _Layout:
    """Delimiter and columns: of the three delimiters the one that makes a `phone` column, or most columns."""
    first, _, _ = text.partition("\n")
    sep = _SEP_LINE.match(first)
    skip = 1 if sep else 0
    candidates = []
    unreadable: NotAList | None = None
    for delimiter in [sep.group(1)] if sep else DELIMITERS:
        try:
            header, line = _header(text, delimiter, skip)
        except NotAList as error:
            # Quoted names look broken to every delimiter but the right one.
            unreadable = unreadable or error
            continue
        columns = tuple(_column(name, known) for name in header)
        candidates.append(("phone" in columns, len(columns), delimiter, columns, line))
    if unreadable is not None and not any(found or count > 1 for found, count, *_ in candidates):
        raise unreadable
    has_phone, count, delimiter, columns, line = max(candidates, key=lambda candidate: candidate[:2])
    if not count:
        raise NotAList("the file is empty: it needs a header line with a column named phone, then contacts")
    _check_header(columns, has_phone, line)
    return _Layout(delimiter, skip, columns, results.is_export(columns))


def _header(text: str, delimiter: str, skip: int) -> tuple[list[str], int]:
    """The first record that is not empty, and its last physical line."""
    lines = islice(io.StringIO(text, newline=""), skip, None)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next((fields for fields in reader if any(field.strip() for field in fields)), [])
    except csv.Error as error:
        line = skip + reader.line_num
        raise NotAList(f"the header {_explain(error)}", line) from None
    return header, skip + reader.line_num


def _column(name: str, known: Sequence[str]) -> str:
    """A column's name; the known ones in any case, since spreadsheets like capitals."""
    name = name.strip().strip("\ufeff")
    return name.lower() if name.lower() in known else name


def _check_header(columns: Sequence[str], has_phone: bool, line: int) -> None:
    shown = ", ".join(column or "(no name)" for column in columns)
    if _UNDECODED.search(shown):
        raise NotAList(
            "the header is not UTF-8: the file looks like Windows-1252 or ISO-8859-1; save it as UTF-8", line
        )
    if "\0" in shown:
        raise NotAList("the header contains a NUL character", line)
    if not has_phone:
        if any(_LOOKS_LIKE_NUMBER.fullmatch(column) for column in columns):
            hint = "the first line must be a header, not a contact"
        else:
            hint = "rename the column that holds the numbers"
        raise NotAList(f"there is no column named phone ({hint}); the columns are: {shown}", line)
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise NotAList(f"these columns appear twice: {', '.join(twice)}", line)
