"""Cells of an export, safe to be opened by a spreadsheet and exact when they are imported again.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and what other people have typed may be
one (OWASP, "CSV Injection"). Such a cell gets an apostrophe in front, and so does what follows a semicolon, a tab or a
line end within it: a spreadsheet that expects another delimiter cuts there. A plain number does no harm and stays as it
is, so that a phone number in E.164 can be dialed from any export.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_BEGIN = r"(?:\A|(?<=[;\t\r\n]))"
_FORMULA = r"""(?=[ '"]*[=+\-@＝＋－＠])"""
_BARE = re.compile(_BEGIN + _FORMULA)
_MARKED = re.compile(_BEGIN + "'" + _FORMULA)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_UNFIT = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff"
_CONTROL = re.compile(f"[{_UNFIT}]")
_SUSPECT = re.compile(f"[=+\\-@＝＋－＠{_UNFIT}]")
"""Most cells hold none of these, and are spared the rest."""


def escape(text: str) -> str:
    """The text as a cell that no spreadsheet calculates; `unescape` gives it back."""
    if _NUMBER.fullmatch(text):
        return text
    return _BARE.sub("'", text)


def unescape(cell: str) -> str:
    """The text that `escape` has made a cell of."""
    return _MARKED.sub("", cell)


def written(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows of texts as CSV (RFC 4180) in UTF-8, each cell escaped; what no text may hold is replaced."""
    text = io.StringIO()
    csv.writer(text).writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _safe(cell: str) -> str:
    return escape(_CONTROL.sub("\ufffd", cell)) if _SUSPECT.search(cell) else cell
