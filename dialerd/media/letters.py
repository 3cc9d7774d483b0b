"""What a worker's messages about calls are to the engine."""

from __future__ import annotations

from dialerd.core.identity import CallId
from dialerd.core.messages import (
    AgentReported,
    AgentStoodIn,
    AnswerJudged,
    Event,
    MessageLeft,
    RecordingKept,
    RecordingLost,
    TransferAsked,
)
from dialerd.media import wire

Letter = (
    wire.StoodIn
    | wire.Judged
    | wire.MessageLeft
    | wire.Reported
    | wire.TransferAsked
    | wire.Recorded
    | wire.Unrecorded
)
"""Messages that say one thing of one call, and are acknowledged."""


def event_of(letter: Letter) -> Event:
    """The event that a message tells of."""
    call = CallId(letter.call)
    match letter:
        case wire.StoodIn():
            return AgentStoodIn(call, letter.agent_id, letter.engine, letter.detail)
        case wire.Judged():
            return AnswerJudged(call, letter.answered_by, letter.detail)
        case wire.MessageLeft():
            return MessageLeft(call)
        case wire.Reported():
            return AgentReported(call, letter.report)
        case wire.TransferAsked():
            return TransferAsked(call, letter.wish, letter.ask)
        case wire.Recorded():
            return RecordingKept(call, letter.recording)
        case wire.Unrecorded():
            return RecordingLost(call, letter.detail)
