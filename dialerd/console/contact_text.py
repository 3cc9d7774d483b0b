"""A contact list as it is pasted: a CSV with its header, or bare numbers, one a line. Pure.

What is sent to the API is always a CSV; a header that was added is not counted in the lines that faults name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BARE = re.compile(r"[+\d][\d\s().-]*")


@dataclass(frozen=True, slots=True)
class ContactText:
    """A list to be sent."""

    csv: bytes
    added: int = 0
    """Lines before the first one that the user has written."""

    def line(self, told: int) -> int:
        """The user's own line that a line of the CSV is."""
        return told - self.added


def pasted(text: str) -> ContactText:
    """The list that was pasted."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(_BARE.fullmatch(line.strip()) for line in lines):
        return ContactText(
            ("phone\n" + "\n".join(line.strip() for line in text.splitlines()) + "\n").encode(), 1
        )
    # Cells copied from a spreadsheet come with tabs, which the API takes as well.
    return ContactText(text.encode())


def uploaded(content: bytes) -> ContactText:
    """The list that a file holds, as it is: the API says what is wrong with it, its encoding included."""
    return ContactText(content)
