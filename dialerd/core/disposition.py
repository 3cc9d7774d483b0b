"""What can come of a call and of a contact, and why: labels that dialerd itself gives, and reasons.

Agents have labels of their own. How a hangup cause becomes a reason is `dialerd.core.outcome`'s business.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an attempt ended as it did, for `not_reachable` and for `connected` calls that went wrong."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNWANTED = "unwanted"
    INVALID_NUMBER = "invalid_number"
    NUMBER_CHANGED = "number_changed"
    VOICEMAIL = "voicemail"
    CONGESTION = "congestion"
    FAILED = "failed"
    LOST = "lost"
    ABANDONED = "abandoned"
    DROPPED = "dropped"
    ENGINE_FAILED = "engine_failed"
    CUT = "cut"
    MAX_DURATION = "max_duration"
    """The call has lasted for as long as a call may, whatever its agent had to say of it."""


NOT_REACHABLE = "not_reachable"
CONNECTED = "connected"
CALLBACK_REQUESTED = "callback_requested"
DO_NOT_CALL = "dnc"
ESCALATED = "escalated"
