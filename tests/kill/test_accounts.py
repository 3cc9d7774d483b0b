"""The books find what is wrong: a comparison that cannot fail would prove nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kill.accounts import Terms, compare, survivors
from tests.kill.ledger import CallRow, ContactRow, TryRow
from tests.kill.witness import Sight, sights

BUSY = "+919860000050"
TERMS = Terms(max_attempts=2, retry_interval=3.0, ring_timeout=4.0)


def attempt(number: int, at: float, **changes: object) -> CallRow:
    row = TryRow(f"lab-cal_{number:012x}-1", "lab", "ended", at, None, None, at + 0.1, 486)
    call = CallRow(f"cal_{number:012x}", "failed", "not_reachable", "busy", True, at + 0.1, (row,))
    return replace(call, **changes)  # type: ignore[arg-type]


def contact(*calls: CallRow, **changes: object) -> ContactRow:
    plain = ContactRow(BUSY, "finished", len(calls), 0, len(calls), "not_reachable", "busy", calls)
    return replace(plain, **changes)  # type: ignore[arg-type]


def busy(at: float) -> Sight:
    return Sight(BUSY, at, code=486, ended_at=at + 0.001)


def breaches(row: ContactRow, *seen: Sight) -> str:
    return " | ".join(compare({BUSY: row}, {BUSY: list(seen)}, TERMS).breaches)


TWICE = contact(attempt(1, 100.0), attempt(2, 110.0))


def test_two_attempts_and_two_invites_agree() -> None:
    assert breaches(TWICE, busy(100.01), busy(110.01)) == ""


def unsent(call: CallRow) -> CallRow:
    return replace(call, tries=(replace(call.tries[0], state="not_sent"),))


@pytest.mark.parametrize(
    ("row", "seen", "words"),
    [
        (TWICE, [busy(100.01), busy(105.0), busy(110.01)], "3 INVITEs, 2 accounted for"),
        (TWICE, [busy(100.01), busy(105.0), busy(110.01)], "a second INVITE"),
        (TWICE, [busy(90.0), busy(110.01)], "no try was opened for"),
        (TWICE, [busy(100.01)], "no INVITE came"),
        (TWICE, [busy(100.01), replace(busy(110.01), code=200)], "the callee had answered"),
        (TWICE, [busy(100.01), replace(busy(110.01), cancelled=True)], "was given up on"),
        (contact(attempt(1, 100.0), attempt(2, 102.0)), [busy(100.01), busy(102.01)], "due after 3 s"),
        (
            contact(attempt(1, 100.0, reason="lost"), attempt(2, 110.0)),
            [busy(100.01), busy(110.01)],
            "due after 64 s",
        ),
        (
            contact(
                attempt(1, 100.0, reason="failed", counted=False), attempt(2, 100.5), attempts=1, refunds=1
            ),
            [replace(busy(100.01), rang=True), busy(102.0)],
            "refunded although the phone rang",
        ),
        (contact(unsent(attempt(1, 100.0))), [busy(100.01)], "never sent, but its INVITE came"),
        (contact(attempt(1, 100.0), attempts=2), [busy(100.01)], "the contact says 2 and 0"),
        (contact(attempt(1, 100.0), state="retry_waiting"), [busy(100.01)], "ended as retry_waiting"),
        (contact(attempt(1, 100.0, status="in_progress")), [busy(100.01)], "never closed"),
        (contact(*(attempt(n, 100.0 + 10 * n) for n in range(3))), [], "3 attempts counted"),
        (contact(attempt(1, 100.0, reason="no_answer")), [busy(100.01)], "recorded as no_answer"),
    ],
)
def test_each_breach_is_found(row: ContactRow, seen: list[Sight], words: str) -> None:
    assert words in breaches(row, *seen)


def test_a_failover_is_one_attempt_and_only_before_the_phone_rings() -> None:
    first, second = attempt(1, 100.0).tries[0], attempt(1, 100.2).tries[0]
    pair = (first, replace(second, channel="lab-cal_000000000001-2", trunk="spare"))
    row = contact(attempt(1, 100.0, tries=pair))
    congested = replace(busy(100.01), code=503)
    assert breaches(row, congested, busy(100.21)) == ""
    assert "although the callee rang" in breaches(row, replace(congested, rang=True), busy(100.21))
    assert "answered 486" in breaches(row, busy(100.01), busy(100.21))
    same = contact(attempt(1, 100.0, tries=(first, replace(pair[1], trunk="lab"))))
    assert "which it came from" in breaches(same, congested, busy(100.21))


def test_an_answer_that_met_the_ring_timeout_was_none() -> None:
    row = contact(attempt(1, 100.0, reason="no_answer"))
    met = Sight(BUSY, 100.01, code=200, left=True, ended_at=104.02)
    assert breaches(row, met) == ""
    assert "had answered" in breaches(row, replace(met, ended_at=102.0))
    assert "had answered" in breaches(row, replace(met, left=False))


def test_a_lost_try_may_have_been_seen_or_not() -> None:
    row = contact(attempt(1, 100.0, reason="lost"), attempt(2, 170.0))
    assert breaches(row, busy(100.01), busy(170.01)) == ""
    assert breaches(row, busy(170.01)) == ""
    figures = compare({BUSY: row}, {BUSY: [busy(170.01)]}, TERMS).figures
    assert (figures["lost"], figures["lost and not seen by the callee"]) == (1, 1)


def test_a_call_that_its_asterisk_died_under_is_lost_or_was_answered() -> None:
    ringing = replace(busy(100.0), rang=True, code=480, ended_at=105.0)
    seen = {BUSY: [ringing]}
    told = contact(attempt(1, 99.99, reason="no_answer"))
    assert "had died under it" in survivors({BUSY: told}, seen, [102.0])[0]
    assert survivors({BUSY: told}, seen, [99.0, 105.0, 110.0]) == []
    assert survivors({BUSY: contact(attempt(1, 99.99, reason="lost"))}, seen, [102.0]) == []


def block(second: float, direction: str, text: str) -> str:
    head = f"{'-' * 47} 2026-11-25 16:10:{second:09.6f}\nUDP message {direction} [9] bytes :\n\n"
    return head + text + "\n\n"


def packet(first: str, cseq: str, call: str = "one") -> str:
    return f"{first}\nCall-ID: {call}\nCSeq: {cseq}"


def test_the_witness_reads_calls_from_their_first_messages(tmp_path: Path) -> None:
    log = tmp_path / "messages.log"
    invite = packet("INVITE sip:919860000050@127.0.0.1:5060 SIP/2.0", "7 INVITE")
    answered = packet("INVITE sip:+919860000001@127.0.0.1:5060 SIP/2.0", "9 INVITE", "two")
    log.write_text(
        block(1, "received", invite)
        + block(1.5, "received", invite)
        + block(1.6, "sent", packet("SIP/2.0 180 Ringing", "7 INVITE"))
        + block(2, "received", packet("CANCEL sip:919860000050@127.0.0.1:5060 SIP/2.0", "7 CANCEL"))
        + block(2.1, "sent", packet("SIP/2.0 200 OK", "7 CANCEL"))
        + block(2.2, "sent", packet("SIP/2.0 487 Request Terminated", "7 INVITE"))
        + block(3, "received", answered)
        + block(3.1, "sent", packet("SIP/2.0 200 OK", "9 INVITE", "two"))
        + block(3.2, "received", packet("ACK sip:127.0.0.1:5060 SIP/2.0", "9 ACK", "two"))
        + block(4, "sent", packet("BYE sip:127.0.0.1:5060 SIP/2.0", "1 BYE", "two"))
        + block(4.1, "received", packet("SIP/2.0 200 OK", "1 BYE", "two"))
    )
    seen = sights(log)
    [given_up], [talked] = seen[BUSY], seen["+919860000001"]
    assert (given_up.rang, given_up.code, given_up.cancelled) == (True, 487, True)
    assert given_up.ended_at == pytest.approx(given_up.at + 1.0)
    assert (talked.answered, talked.rang, talked.cancelled, talked.left) == (True, False, False, False)
    assert talked.ended_at == pytest.approx(talked.at + 1.0)
