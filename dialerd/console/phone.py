"""Phone numbers as they are shown: they are personal data, and masked unless the user asks for them."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\+\d{7,15}")


def shown(number: str | None, *, whole: bool) -> str:
    """A number, or as much of it as tells two apart."""
    if not number:
        return "–"
    if whole or not _NUMBER.fullmatch(number):
        return number
    return f"{number[:3]} ••• {number[-2:]}"


def blurred(text: str, *, whole: bool) -> str:
    """A text in which numbers may stand."""
    return text if whole else _NUMBER.sub(lambda found: shown(found[0], whole=False), text)
