"""The books: what the callees saw, held against what dialerd has recorded, number by number.

Each breach of a promise is one line. What no evidence can tell is not a breach but a figure: a try recorded as
`lost` may have reached its callee or not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.kill.callee import behaviour
from tests.kill.ledger import CallRow, ContactRow, TryRow
from tests.kill.witness import Sight

CLOCK = 0.1
"""Seconds by which an instant of SIPp's log may be late."""
FAILOVER_CODES = (500, 502, 503, 504)
LOST = "lost"
_LOST_MARGIN = 60.0


@dataclass(frozen=True)
class Terms:
    """What the campaign was promised. Durations in seconds."""

    max_attempts: int
    retry_interval: float
    ring_timeout: float
    refund_spacing: tuple[float, ...] = (1.2, 3.0, 6.0)
    """The lab's."""

    @property
    def lost_wait(self) -> float:
        """How long a number is barred after an attempt whose outcome nobody knows."""
        return max(self.ring_timeout + _LOST_MARGIN, self.retry_interval)


@dataclass(frozen=True)
class Books:
    """The outcome of a comparison."""

    breaches: tuple[str, ...]
    figures: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {what}" for what, count in self.figures.items())
        return told + "".join(f"\n  BREACH {breach}" for breach in self.breaches)


def compare(contacts: Mapping[str, ContactRow], seen: Mapping[str, Sequence[Sight]], terms: Terms) -> Books:
    """Hold every contact against what its callee saw."""
    breaches: list[str] = []
    figures: Counter[str] = Counter()
    for phone, contact in contacts.items():
        calls = seen.get(phone, ())
        matched, strays = match(contact, calls)
        breaches += [f"{phone}: {breach}" for breach in strays]
        breaches += [f"{phone}: {breach}" for breach in _contact(contact, calls, matched, terms)]
        _count(figures, contact, calls, matched)
    return Books(tuple(breaches), figures)


def survivors(
    contacts: Mapping[str, ContactRow], seen: Mapping[str, Sequence[Sight]], deaths: Sequence[float]
) -> list[str]:
    """Calls that were up or ringing when their Asterisk died, and are recorded as neither lost nor answered."""
    found = []
    for phone, contact in contacts.items():
        matched, _ = match(contact, seen.get(phone, ()))
        for call in contact.calls:
            sight = matched.get(call.tries[-1].channel)
            if sight is None or call.reason == LOST or call.answered:
                continue
            ended = sight.ended_at if sight.ended_at is not None else math.inf
            found += [
                f"{phone}: {call.id}: recorded as {call.reason}, and its Asterisk had died under it"
                for death in deaths
                if sight.at + CLOCK < death < ended - CLOCK
            ]
    return found


def match(contact: ContactRow, seen: Sequence[Sight]) -> tuple[dict[str, Sight], list[str]]:
    """Which INVITE belongs to which try: the last one opened before it. Those that belong to none are breaches.

    Both clocks are the machine's, and a try is opened a commit before its INVITE leaves.
    """
    tries = sorted(
        (attempt for call in contact.calls for attempt in call.tries), key=lambda row: row.opened_at
    )
    matched: dict[str, Sight] = {}
    strays = []
    for sight in seen:
        before = [attempt for attempt in tries if attempt.opened_at <= sight.at]
        if not before:
            strays.append(f"an INVITE at {sight.at:.3f} that no try was opened for")
        elif before[-1].channel in matched:
            strays.append(f"a second INVITE at {sight.at:.3f} for the try {before[-1].channel}")
        else:
            matched[before[-1].channel] = sight
    return matched, strays


def _contact(
    contact: ContactRow, seen: Sequence[Sight], matched: Mapping[str, Sight], terms: Terms
) -> Iterator[str]:
    if contact.state != "finished" or contact.disposition is None:
        yield f"ended as {contact.state} with disposition {contact.disposition}"
    if contact.attempts > terms.max_attempts:
        yield f"{contact.attempts} attempts counted"
    if contact.turns != len(contact.calls):
        yield f"{contact.turns} turns, {len(contact.calls)} calls"
    allowed = contact.attempts + contact.refunds + contact.failovers
    if len(seen) > allowed:
        yield f"{len(seen)} INVITEs, {allowed} accounted for"
    counted = sum(call.counted for call in contact.calls)
    refunded = sum(call.refunded for call in contact.calls)
    if (counted, refunded) != (contact.attempts, contact.refunds):
        yield (
            f"{counted} counted and {refunded} refunded calls, "
            f"the contact says {contact.attempts} and {contact.refunds}"
        )
    for call in contact.calls:
        for breach in _call(call, matched, behaviour(contact.phone).reason, terms):
            yield f"{call.id}: {breach}"
    yield from _too_early(contact, matched, terms)


def _call(call: CallRow, matched: Mapping[str, Sight], reason: str, terms: Terms) -> Iterator[str]:
    if call.status == "in_progress":
        yield "never closed"
    for attempt in call.tries:
        sight = matched.get(attempt.channel)
        if sight is None and attempt.sent and call.reason != LOST:
            yield f"try recorded as {attempt.state} ({call.reason}), but no INVITE came"
        if sight is not None and not attempt.sent:
            yield "try recorded as never sent, but its INVITE came"
    for attempt, follower in pairwise(call.tries):
        yield from _failed_over(attempt, follower, matched.get(attempt.channel))
    if call.tries and (last := matched.get(call.tries[-1].channel)) is not None:
        yield from _disagreement(call, last, _expected(last, reason, terms))


def _failed_over(attempt: TryRow, follower: TryRow, sight: Sight | None) -> Iterator[str]:
    if attempt.trunk == follower.trunk:
        yield f"failed over to {follower.trunk}, which it came from"
    if sight is not None and (sight.rang or sight.code not in FAILOVER_CODES):
        yield f"failed over although the callee {'rang' if sight.rang else f'answered {sight.code}'}"


def _expected(sight: Sight, reason: str, terms: Terms) -> str:
    """The reason to be recorded if the call was not answered; `reason` is that of the callee's refusal.

    Empty: it was answered, unless its ring timeout was over when the caller left: then the two have met.
    """
    lasted = (sight.ended_at if sight.ended_at is not None else math.inf) - sight.at
    if sight.cancelled or (sight.left and lasted >= terms.ring_timeout):
        return "no_answer"
    return "" if sight.answered else reason


def _disagreement(call: CallRow, sight: Sight, reason: str) -> Iterator[str]:
    if call.reason == LOST:
        return
    if call.answered and not sight.answered:
        yield f"recorded as answered, the callee said {sight.code}"
    if call.refunded and (sight.rang or sight.answered):
        yield "refunded although the phone rang"
    if call.answered or call.reason == reason:
        return
    how = "had answered" if sight.answered else f"said {sight.code}"
    yield f"recorded as {call.reason}, the callee {'was given up on' if sight.cancelled else how}"


def _too_early(contact: ContactRow, matched: Mapping[str, Sight], terms: Terms) -> Iterator[str]:
    refunds = 0
    for call, following in pairwise(contact.calls):
        ended = _end(call, matched)
        wait = _wait(call, refunds, terms)
        refunds += call.refunded
        begun = min(
            (matched[attempt.channel].at for attempt in following.tries if attempt.channel in matched),
            default=None,
        )
        if begun is not None and ended is not None and begun < ended + wait - CLOCK:
            yield f"{following.id}: INVITE {begun - ended:.3f} s after the end of {call.id}, due after {wait:g} s"


def _end(call: CallRow, matched: Mapping[str, Sight]) -> float | None:
    """When the callee was done with the attempt; where it cannot tell, when dialerd says so.

    A phone whose caller has died rings on for as long as it likes: what is `lost` is over when it is recorded.
    """
    if call.reason == LOST:
        return call.ended_at
    ends = [matched[attempt.channel].ended_at for attempt in call.tries if attempt.channel in matched]
    known = [end for end in ends if end is not None]
    return max(known) if known else call.ended_at


def _wait(call: CallRow, refunds: int, terms: Terms) -> float:
    if call.refunded:
        return terms.refund_spacing[refunds]
    if not call.counted:
        return 0.0
    return terms.lost_wait if call.reason == LOST else terms.retry_interval


def _count(
    figures: Counter[str], contact: ContactRow, seen: Sequence[Sight], matched: Mapping[str, Sight]
) -> None:
    tries = [attempt for call in contact.calls for attempt in call.tries]
    lost = [call for call in contact.calls if call.reason == LOST]
    figures["contacts"] += 1
    figures["INVITEs"] += len(seen)
    figures["attempts counted"] += contact.attempts
    figures["refunds"] += contact.refunds
    figures["failovers"] += contact.failovers
    figures["tries never sent"] += sum(not attempt.sent for attempt in tries)
    figures["lost"] += len(lost)
    figures["lost and not seen by the callee"] += sum(
        all(attempt.channel not in matched for attempt in call.tries) for call in lost
    )
    figures["connected"] += contact.disposition not in (None, "not_reachable")
    for reason in ("abandoned", "dropped"):
        figures[reason] += sum(call.reason == reason for call in contact.calls)
    figures["numbers never dialed"] += not seen
