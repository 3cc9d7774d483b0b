"""The outcome table: whose fault each end of a try is, and what it means for the number."""

from __future__ import annotations

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, ChannelId, TrunkName
from dialerd.core.messages import (
    CallRecord,
    TryEnded,
)
from dialerd.core.model import Try, TryState
from dialerd.core.outcome import (
    LOST,
    NOT_SENT,
    FaultSide,
    classify,
    counts_against_callee,
    from_record,
)

CHANNEL = ChannelId("d1-cal_000000000001-1")


@pytest.mark.parametrize(
    ("sip", "cause", "reason", "fault", "terminal"),
    [
        (486, 17, Reason.BUSY, FaultSide.CALLEE, False),
        (600, 17, Reason.BUSY, FaultSide.CALLEE, False),
        (480, 19, Reason.NO_ANSWER, FaultSide.CALLEE, False),
        (403, 21, Reason.REJECTED, FaultSide.CALLEE, False),
        (603, 21, Reason.REJECTED, FaultSide.CALLEE, False),
        (607, 127, Reason.UNWANTED, FaultSide.CALLEE, True),
        (608, 127, Reason.UNWANTED, FaultSide.CALLEE, True),
        (404, 1, Reason.INVALID_NUMBER, FaultSide.CALLEE, True),
        (484, 28, Reason.INVALID_NUMBER, FaultSide.CALLEE, True),
        (604, 1, Reason.INVALID_NUMBER, FaultSide.CALLEE, True),
        (410, 22, Reason.NUMBER_CHANGED, FaultSide.CALLEE, True),
        (408, 18, Reason.CONGESTION, FaultSide.CARRIER, False),
        (500, 38, Reason.CONGESTION, FaultSide.CARRIER, False),
        (503, 34, Reason.CONGESTION, FaultSide.CARRIER, False),
        (599, 34, Reason.CONGESTION, FaultSide.CARRIER, False),
        (401, 21, Reason.FAILED, FaultSide.US, False),
        (407, 21, Reason.FAILED, FaultSide.US, False),
        (488, 58, Reason.FAILED, FaultSide.US, False),
        (487, 127, Reason.FAILED, FaultSide.CALLEE, False),
        (None, 19, Reason.NO_ANSWER, FaultSide.CALLEE, False),
        (None, 18, Reason.CONGESTION, FaultSide.CARRIER, False),
        (None, 0, Reason.LOST, FaultSide.US, False),
        (None, 127, Reason.FAILED, FaultSide.CALLEE, False),
    ],
)
def test_the_sip_code_decides_and_then_the_cause(
    sip: int | None, cause: int, reason: Reason, fault: FaultSide, terminal: bool
) -> None:
    verdict = classify(TryEnded(CHANNEL, cause, sip), cut_by_us=False)
    assert (verdict.reason, verdict.fault, verdict.terminal) == (reason, fault, terminal)


@pytest.mark.parametrize("sip", [500, 502, 503, 504])
def test_only_these_answers_let_another_trunk_try(sip: int) -> None:
    assert classify(TryEnded(CHANNEL, 34, sip), cut_by_us=False).failover


@pytest.mark.parametrize("sip", [404, 408, 480, 486, 501, 603])
def test_these_answers_do_not(sip: int) -> None:
    assert not classify(TryEnded(CHANNEL, 34, sip), cut_by_us=False).failover


@pytest.mark.parametrize("sip", [401, 407, 488, 606])
def test_our_own_faults_pause_the_trunk_and_say_why(sip: int) -> None:
    assert str(sip) in (classify(TryEnded(CHANNEL, 21, sip), cut_by_us=False).pauses_trunk or "")


def one_try(state: TryState, *, rang: bool) -> Try:
    return Try(
        CHANNEL,
        1,
        TrunkName("lab"),
        E164("+15550100100"),
        state,
        "boot",
        Instant(0),
        Instant(1) if rang else None,
    )


def test_what_has_rung_counts_whatever_came_after() -> None:
    congested = classify(TryEnded(CHANNEL, 34, 503), cut_by_us=False)
    assert counts_against_callee((one_try(TryState.ENDED, rang=True),), congested)
    assert not counts_against_callee((one_try(TryState.ENDED, rang=False),), congested)


def test_lost_counts_and_never_sent_does_not() -> None:
    assert counts_against_callee((one_try(TryState.ENDED, rang=False),), LOST)
    assert not counts_against_callee((one_try(TryState.NOT_SENT, rang=False),), NOT_SENT)


@pytest.mark.parametrize(
    ("disposition", "cause", "reason"),
    [
        ("BUSY", None, Reason.BUSY),
        ("NO ANSWER", None, Reason.NO_ANSWER),
        ("CONGESTION", None, Reason.CONGESTION),
        ("FAILED", None, Reason.FAILED),
        ("NO ANSWER", 1, Reason.INVALID_NUMBER),
        ("NO ANSWER", 21, Reason.REJECTED),
    ],
)
def test_a_call_record_is_read_by_its_cause_first(
    disposition: str, cause: int | None, reason: Reason
) -> None:
    assert from_record(CallRecord(CHANNEL, False, disposition, None, Millis(0), cause)).reason is reason
