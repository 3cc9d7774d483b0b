"""Calls that have ended since the start, by what became of them: for `/metrics`, and forgotten with the daemon."""

from __future__ import annotations

from collections import Counter

from dialerd.core.effects import Announce


class Tally:
    """Counts what is announced."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        """Calls by disposition and reason (empty: none)."""
        self.answered = 0
        self.suppressed = 0

    def hear(self, announcement: Announce) -> None:
        """Something has happened. Never blocks, never raises."""
        kind, fields = announcement.kind, announcement.fields
        if kind == "call.completed":
            self.ended[str(fields["disposition"]), str(fields["reason"] or "")] += 1
        elif kind == "call.answered":
            self.answered += 1
        elif kind == "contact.suppressed":
            self.suppressed += 1
