"""What is told of a call, cut to what a line between worker and daemon may hold.

Whatever an agent did, its call's label arrives and the line harms no other call. What is cut is said in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import structlog
from pydantic_core import to_json

from dialerd.core.model import AgentReport
from dialerd.core.record import replace as changed
from dialerd.media import wire

LONGEST_LETTER = 1024 * 1024
"""Bytes of one message about a call."""
LONGEST_DETAIL = 2_000

_log = structlog.get_logger("dialerd.media")


def fitted(message: wire.Reported | wire.Ended) -> wire.Reported | wire.Ended:
    """The message itself, or one whose values and turns were cut; its label stays."""
    size = len(wire.encode(message))
    if size <= LONGEST_LETTER:
        return message
    cut = _cut(message.report)
    _log.error(
        "media.report_cut",
        call=message.call,
        bytes=size,
        turns_lost=len(message.report.transcript) - len(cut.transcript),
        values_lost=len(message.report.captured) - len(cut.captured),
    )
    if isinstance(message, wire.Ended):
        return replace(message, report=cut, detail=message.detail[:LONGEST_DETAIL])
    return replace(message, report=cut)


def _cut(report: AgentReport) -> AgentReport:
    captured = dict(_first(report.captured.items()))
    return changed(report, captured=captured, transcript=tuple(_first(report.transcript)))


def _first(items: Iterable[Any]) -> Iterator[Any]:
    """As many as a third of a letter holds."""
    left = LONGEST_LETTER // 3
    for item in items:
        left -= len(to_json(item))
        if left < 0:
            return
        yield item
