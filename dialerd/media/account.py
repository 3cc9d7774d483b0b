"""All that one call's engine has said of it, added up within bounds.

What does not fit is left out and told by name; a label, a wish for a person and a hang-up always count. How a message
is written is not known here (`dialerd.media.words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dialerd.core.model import AgentReport
from dialerd.core.record import replace
from dialerd.media import words

LARGEST = 256 * 1024
"""Bytes of values and turns, as JSON: some hours of talk. It is stored, listed and sent to webhooks as a whole."""
MOST_TURNS = 2_000

Faults = list[dict[str, str]]


class Account:
    """What is known of a call; `labels` are its agent's own, and whether each is positive."""

    def __init__(self, labels: Mapping[str, bool]) -> None:
        self._labels = labels
        self.report = AgentReport()
        self._values = 0
        self._turns = 0
        """Bytes, of both."""

    def take(self, message: Mapping[str, Any]) -> tuple[words.Words, Faults]:
        """Add a message: what it says, and what of it was left out. Raises `words.Refused`: all of it is."""
        said = words.read(message, self._labels)
        faults = [*self._capture(said.captured), *self._hear(said.transcript)]
        self.report = said.over(self.report, self._labels)
        return said, faults

    def _capture(self, values: Mapping[str, Any]) -> Faults:
        if not values:
            return []
        captured = {**self.report.captured, **values}
        if len(captured) > words.MOST_CAPTURED:
            return [_fault("captured", f"left out: a call has at most {words.MOST_CAPTURED} values")]
        size = len(orjson.dumps(captured))
        if size + self._turns > LARGEST:
            return [_fault("captured", f"left out: {_FULL}")]
        self._values = size
        self.report = replace(self.report, captured=captured)
        return []

    def _hear(self, turns: list[words.TurnWords]) -> Faults:
        kept = list(self.report.transcript)
        for place, turn in enumerate(turns):
            told = turn.model_dump()
            size = len(orjson.dumps(told)) + 1
            if len(kept) >= MOST_TURNS or self._values + self._turns + size > LARGEST:
                what = f"left out from the turn {place} on: {_FULL}"
                break
            kept.append(told)
            self._turns += size
        else:
            what = ""
        if turns:
            self.report = replace(self.report, transcript=tuple(kept))
        return [_fault("transcript", what)] if what else []


_FULL = f"what is kept of a call is full ({LARGEST:,} bytes, {MOST_TURNS:,} turns)"


def _fault(loc: str, msg: str) -> dict[str, str]:
    return {"loc": loc, "msg": msg}
