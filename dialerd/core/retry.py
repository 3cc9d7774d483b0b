"""What becomes of a contact when an attempt at it has ended: finished, waiting until an instant, or refunded.

One cap, `max_attempts`, stands over every rule; an instant once set is never moved closer.
"""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant, Millis, after
from dialerd.core.model import (
    CONNECTED,
    NOT_REACHABLE,
    AgentReport,
    Campaign,
    Contact,
    ContactState,
    Policy,
    Reason,
)
from dialerd.core.outcome import Outcome

POSITIVE = frozenset({"interested", "paid"})
_LOST_MARGIN = Millis(60_000)


def after_answer(contact: Contact, report: AgentReport, reason: Reason | None) -> Contact:
    """The contact after an answered attempt: finished, with the agent's label or plain `connected`."""
    disposition = report.disposition or CONNECTED
    return replace(
        contact,
        state=ContactState.FINISHED,
        disposition=disposition,
        reason=reason if disposition == CONNECTED else None,
        positive=report.positive or disposition in POSITIVE,
        connected_attempt=contact.connected_attempt or contact.attempts,
    )


def after_refund(contact: Contact, policy: Policy, now: Instant) -> Contact:
    """The contact after an attempt that did not count: one more refund used, and a wait."""
    wait = policy.refund_spacing[contact.refunds]
    back = replace(contact, attempts=contact.attempts - 1, refunds=contact.refunds + 1)
    return _wait(back, after(now, wait))


def may_refund(contact: Contact, policy: Policy) -> bool:
    """Whether the contact has a refund left."""
    return contact.refunds < len(policy.refund_spacing)


def after_failure(
    contact: Contact, campaign: Campaign, outcome: Outcome, counts: bool, now: Instant
) -> Contact:
    """The contact after a counted attempt that was not answered.

    `counts` False means that the last refund is used up: then the reason is `congestion`.
    """
    failed = replace(
        contact,
        disposition=NOT_REACHABLE,
        reason=outcome.reason if counts else Reason.CONGESTION,
        positive=False,
    )
    if outcome.terminal or contact.attempts >= campaign.max_attempts:
        return replace(failed, state=ContactState.FINISHED)
    wait = campaign.retry_interval
    if outcome.reason is Reason.LOST:
        wait = lost_wait(campaign)
    return _wait(failed, after(now, wait))


def lost_wait(campaign: Campaign) -> Millis:
    """How long a number is barred after a call whose outcome is unknown: it may be ringing still."""
    return max(campaign.retry_interval, Millis(campaign.ring_timeout + _LOST_MARGIN))


def put_back(contact: Contact) -> Contact:
    """The contact after an attempt that never left us: as if it had not been begun."""
    back = replace(contact, attempts=contact.attempts - 1)
    return _wait(back, contact.not_before)


def _wait(contact: Contact, until: Instant) -> Contact:
    fresh = contact.attempts == 0 and contact.refunds == 0
    return replace(
        contact,
        state=ContactState.PENDING if fresh else ContactState.RETRY_WAITING,
        not_before=max(contact.not_before, until),
    )
