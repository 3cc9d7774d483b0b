"""From SIP code and hangup cause to what it means: the outcome table.

Each way a try can end without an answer is one row: the reason shown, whose fault it is, whether the number
is finished for good, and whether another trunk may try. Sources: RFC 3261 §21, RFC 8197 (607), RFC 8688
(608), ITU-T Q.850, and Asterisk's SIP-to-cause mapping as measured on 22.10.
"""

from __future__ import annotations

from enum import StrEnum

from dialerd.core.disposition import Reason
from dialerd.core.messages import (
    CallRecord,
    TryEnded,
)
from dialerd.core.model import Try, TryState
from dialerd.core.record import record


class FaultSide(StrEnum):
    """Whose fault a failed try is. Only the callee's side uses up an attempt by itself."""

    CALLEE = "callee"
    CARRIER = "carrier"
    US = "us"


@record
class Outcome:
    """What the end of an unanswered try means."""

    reason: Reason
    fault: FaultSide
    terminal: bool = False
    """The number is finished for good, whatever attempts are left."""
    failover: bool = False
    """Another trunk may be tried within the same attempt, if nothing has rung yet."""
    pauses_trunk: str | None = None
    """Why the trunk must not be used until somebody has mended it."""
    congested: bool = False
    """The trunk should be slowed."""


_CALLEE, _CARRIER, _US = FaultSide.CALLEE, FaultSide.CARRIER, FaultSide.US

BUSY = Outcome(Reason.BUSY, _CALLEE)
NO_ANSWER = Outcome(Reason.NO_ANSWER, _CALLEE)
REJECTED = Outcome(Reason.REJECTED, _CALLEE)
UNWANTED = Outcome(Reason.UNWANTED, _CALLEE, terminal=True)
INVALID = Outcome(Reason.INVALID_NUMBER, _CALLEE, terminal=True)
CHANGED = Outcome(Reason.NUMBER_CHANGED, _CALLEE, terminal=True)
CONGESTION = Outcome(Reason.CONGESTION, _CARRIER, failover=True, congested=True)
CARRIER_FAILED = Outcome(Reason.CONGESTION, _CARRIER, failover=True)
CARRIER_SILENT = Outcome(Reason.CONGESTION, _CARRIER)
FAILED = Outcome(Reason.FAILED, _CALLEE)
LOST = Outcome(Reason.LOST, _US)
NOT_SENT = Outcome(Reason.FAILED, _US, failover=True)
NEVER_ARRIVED = Outcome(Reason.FAILED, _US)
TRUNK_UNREACHABLE = Outcome(Reason.CONGESTION, _CARRIER, failover=True)
CUT = Outcome(Reason.NO_ANSWER, _US)

_CREDENTIALS = Outcome(
    Reason.FAILED, _US, pauses_trunk="the carrier refuses our credentials (401/407): check the trunk's auth"
)
_CODEC = Outcome(
    Reason.FAILED,
    _US,
    pauses_trunk="the carrier accepts none of our codecs (488/606): check the trunk's allow=",
)

_BY_SIP: dict[int, Outcome] = {
    401: _CREDENTIALS,
    403: REJECTED,
    404: INVALID,
    407: _CREDENTIALS,
    408: CARRIER_SILENT,
    410: CHANGED,
    480: NO_ANSWER,
    483: NO_ANSWER,
    484: INVALID,
    486: BUSY,
    488: _CODEC,
    500: CARRIER_FAILED,
    501: CARRIER_SILENT,
    502: CARRIER_FAILED,
    503: CONGESTION,
    504: CARRIER_FAILED,
    600: BUSY,
    603: REJECTED,
    604: INVALID,
    606: _CODEC,
    607: UNWANTED,
    608: UNWANTED,
}

_BY_CAUSE: dict[int, Outcome] = {
    1: INVALID,
    16: NO_ANSWER,
    17: BUSY,
    18: CARRIER_SILENT,
    19: NO_ANSWER,
    21: REJECTED,
    22: CHANGED,
    27: CARRIER_FAILED,
    28: INVALID,
    29: CARRIER_SILENT,
    34: CONGESTION,
    38: CARRIER_FAILED,
    58: _CODEC,
    102: CARRIER_FAILED,
}

_BY_CDR = {
    "BUSY": BUSY,
    "NO ANSWER": NO_ANSWER,
    "CONGESTION": CONGESTION,
    "FAILED": FAILED,
}


def classify(ended: TryEnded, cut_by_us: bool) -> Outcome:
    """What the end of an unanswered try means. `cut_by_us`: we cancelled it ourselves.

    The final SIP code decides, then the hangup cause. Cause 0 without a code is Asterisk's own end (shutdown,
    absolute timeout): what the callee saw is unknown, so it is `lost`. Any other 5xx is congestion, any other
    4xx or 6xx a failure that counts.
    """
    if cut_by_us:
        return CUT
    code = ended.sip_code
    if code is not None:
        known = _BY_SIP.get(code)
        if known is not None:
            return known
        if code >= 300:
            return CONGESTION if 500 <= code < 600 else FAILED
    if ended.cause == 0:
        return LOST
    return _BY_CAUSE.get(ended.cause, FAILED)


def from_record(record: CallRecord) -> Outcome:
    """What an unanswered try's CDR row says: its SIP code or cause where it has one, else its bare disposition."""
    if record.cause or record.sip_code:
        return classify(TryEnded(record.channel, record.cause or 127, record.sip_code), cut_by_us=False)
    return _BY_CDR.get(record.disposition, FAILED)


def counts_against_callee(tries: tuple[Try, ...], outcome: Outcome) -> bool:
    """Whether the attempt counts: it does unless every try failed on our or the carrier's side before any 18x.

    `lost` always counts: what may have rung has rung.
    """
    if outcome.reason is Reason.LOST:
        return True
    if any(attempt.ringing_at is not None for attempt in tries):
        return True
    return outcome.fault is FaultSide.CALLEE and tries[-1].state is not TryState.NOT_SENT
