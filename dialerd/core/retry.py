"""What becomes of a contact when an attempt at it has ended: finished, waiting until an instant, or refunded.

One cap, `max_attempts`, stands over every rule; an instant once set is never moved closer.
"""

from __future__ import annotations

from dialerd.core.clock import Instant, Millis, after
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import CALLBACK_REQUESTED, CONNECTED, NOT_REACHABLE, Reason
from dialerd.core.model import AgentReport, Campaign
from dialerd.core.outcome import FaultSide, Outcome
from dialerd.core.policy import Policy
from dialerd.core.record import replace

POSITIVE = frozenset({"interested", "paid"})
NEVER_AGAIN = frozenset({Reason.UNWANTED, Reason.INVALID_NUMBER, Reason.NUMBER_CHANGED})
"""Reasons that end a number for good, so that no rule may repeat them."""
REPEATABLE = frozenset(Reason) - NEVER_AGAIN - {Reason.LOST, Reason.MAX_DURATION}
"""Reasons that `retry_rules` may name. A lost call has its own bar; who was talked with for so long was reached."""
ABANDONED_BAR = Millis(72 * 3_600_000)
"""No contact that heard nobody when it answered is called again before this."""
_LOST_MARGIN = Millis(60_000)


def after_answer(
    contact: Contact,
    report: AgentReport,
    reason: Reason | None,
    campaign: Campaign | None,
    callback: Instant | None,
    now: Instant,
    *,
    again: bool = False,
) -> Contact:
    """The contact after an answered attempt.

    `reason`: what went wrong, if the agent gave no label of its own. `callback`: when it may be called back, None if
    it did not ask or cannot be. `again`: its label was declared not to finish it. Finished, but for a callback, such a
    label, or a reason that a retry rule of the campaign names.
    """
    disposition = report.disposition or CONNECTED
    talked = replace(
        contact,
        disposition=disposition,
        reason=reason if disposition == CONNECTED else None,
        positive=report.positive or disposition in POSITIVE,
        connected_attempt=contact.connected_attempt or max(1, contact.attempts),
    )
    if disposition == CALLBACK_REQUESTED and callback is not None:
        return replace(talked, state=ContactState.CALLBACK_WAITING, not_before=callback)
    again = again or (campaign is not None and talked.reason in campaign.retry_rules)
    if again and campaign is not None:
        waiting = _again(talked, campaign, talked.reason, now)
        if waiting is not None:
            return waiting
    unmet = report.callback_at if disposition == CALLBACK_REQUESTED else None
    return replace(talked, state=ContactState.FINISHED, callback_unmet=unmet)


def after_refund(contact: Contact, policy: Policy, now: Instant, *, callback: bool) -> Contact:
    """The contact after an attempt that did not count: one more refund used, and a wait."""
    wait = policy.refund_spacing[contact.refunds]
    back = replace(_taken_back(contact, callback=callback), refunds=contact.refunds + 1)
    return _wait(back, after(now, wait), callback=callback)


def may_refund(contact: Contact, policy: Policy) -> bool:
    """Whether the contact has a refund left."""
    return contact.refunds < len(policy.refund_spacing)


def after_failure(
    contact: Contact, campaign: Campaign, outcome: Outcome, counts: bool, now: Instant, *, callback: bool
) -> Contact:
    """The contact after a counted attempt that was not answered.

    `counts` False means that the last refund is used up: then the reason is `congestion`. An unanswered callback
    keeps the label with which it was asked for.
    """
    if callback:
        return replace(contact, state=ContactState.FINISHED)
    reason = outcome.reason if counts else Reason.CONGESTION
    if contact.connected_attempt is None:
        failed = replace(contact, disposition=NOT_REACHABLE, reason=reason, positive=False)
    else:
        # It has answered before: what was recorded then stands, whatever became of the retry.
        failed = contact
    if not outcome.terminal:
        again = _again(failed, campaign, reason, now)
        if again is not None:
            return again
    return replace(failed, state=ContactState.FINISHED)


def after_machine(
    contact: Contact, campaign: Campaign, now: Instant, *, message_left: bool, callback: bool
) -> Contact:
    """The contact after an attempt that an answering machine took: it has not been reached.

    One that has its message now is finished, unless a retry rule names voicemail.
    """
    heard = replace(contact, message_left=contact.message_left or message_left)
    if callback:
        return replace(heard, state=ContactState.FINISHED)
    if heard.connected_attempt == heard.attempts:
        heard = replace(heard, connected_attempt=None)
    final = message_left and Reason.VOICEMAIL not in campaign.retry_rules
    outcome = Outcome(Reason.VOICEMAIL, FaultSide.CALLEE, terminal=final)
    return after_failure(heard, campaign, outcome, True, now, callback=False)


def _again(contact: Contact, campaign: Campaign, reason: Reason | None, now: Instant) -> Contact | None:
    """The contact waiting for another attempt because of `reason` (None: its label); None: it has none left."""
    if contact.attempts >= campaign.max_attempts:
        return None
    wait = campaign.retry_interval
    rule = campaign.retry_rules.get(reason) if reason is not None else None
    if reason is not None and rule is not None:
        begun = contact.retries.get(reason, 0)
        if rule.most is not None and begun >= rule.most:
            return None
        wait = rule.after
        contact = replace(contact, retries={**contact.retries, reason.value: begun + 1})
    if reason is Reason.LOST:
        wait = lost_wait(campaign.ring_timeout, campaign.retry_interval)
    elif reason is Reason.ABANDONED:
        wait = max(wait, ABANDONED_BAR)
    return _wait(contact, after(now, wait), callback=False)


def lost_wait(ring_timeout: Millis, interval: Millis) -> Millis:
    """How long a number is barred after a call whose outcome is unknown: it may be ringing still."""
    return max(interval, Millis(ring_timeout + _LOST_MARGIN))


def put_back(contact: Contact, *, callback: bool) -> Contact:
    """The contact after an attempt that never left us: as if it had not been begun."""
    return _wait(_taken_back(contact, callback=callback), contact.not_before, callback=callback)


def postpone(contact: Contact, until: Instant) -> Contact:
    """A waiting contact that a rule bars until an instant: it waits in the store, out of the others' way."""
    return replace(contact, not_before=max(contact.not_before, until))


def _taken_back(contact: Contact, *, callback: bool) -> Contact:
    if callback:
        return replace(contact, callbacks=contact.callbacks - 1)
    return replace(contact, attempts=contact.attempts - 1)


def _wait(contact: Contact, until: Instant, *, callback: bool) -> Contact:
    fresh = contact.attempts == 0 and contact.refunds == 0
    state = ContactState.PENDING if fresh else ContactState.RETRY_WAITING
    if callback:
        state = ContactState.CALLBACK_WAITING
    return replace(contact, state=state, not_before=max(contact.not_before, until))
