"""A contact: one number of one campaign, its state, and when it may be called. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, CampaignId, ContactId
from dialerd.core.record import record


class ContactKind(IntEnum):
    """What kind of call a waiting contact waits for; a campaign shares its starts between them."""

    FRESH = 1
    RETRY = 2
    CALLBACK = 3


class ContactState(StrEnum):
    """Where a contact stands in its campaign."""

    PENDING = "pending"
    DIALING = "dialing"
    IN_CALL = "in_call"
    RETRY_WAITING = "retry_waiting"
    CALLBACK_WAITING = "callback_waiting"
    FINISHED = "finished"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def waiting(self) -> bool:
        """Whether the contact still waits for a call."""
        return self in _KINDS

    @property
    def kind(self) -> ContactKind | None:
        """What it waits for; None: it does not wait."""
        return _KINDS.get(self)

    @property
    def busy(self) -> bool:
        """Whether an attempt at the contact is running."""
        return self in (ContactState.DIALING, ContactState.IN_CALL)


_KINDS = {
    ContactState.PENDING: ContactKind.FRESH,
    ContactState.RETRY_WAITING: ContactKind.RETRY,
    ContactState.CALLBACK_WAITING: ContactKind.CALLBACK,
}


@record
class Contact:
    """One number in one campaign, with its variables and what happened to it so far."""

    id: ContactId
    campaign_id: CampaignId
    phone: E164
    name: str | None = None
    timezone: str | None = None
    external_id: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    state: ContactState = ContactState.PENDING
    attempts: int = 0
    """Counted attempts, the running one included; a refund takes it back."""
    turns: int = 0
    """Every attempt ever opened, refunded ones included; never decreases."""
    refunds: int = 0
    not_before: Instant = Instant(0)
    disposition: str | None = None
    reason: Reason | None = None
    positive: bool = False
    connected_attempt: int | None = None
    """The counted attempt on which the contact first answered."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """Retries begun so far, by the reason that caused them."""
    callbacks: int = 0
    """Callbacks placed; they are no attempts."""
    callback_unmet: Instant | None = None
    """The callee asked to be called at this instant, which no window of the campaign allows."""
    escalated: bool = False
    """A person was connected with it, on any of its calls."""
    caller_id: E164 | None = None
    """The caller id it was last called with, and is called with again where that is possible."""
    message_left: bool = False
    """Its answering machine has the campaign's message."""
    recent: tuple[Instant, ...] = ()
    """Starts of counted calls to its number, over all campaigns, as far back as frequency caps look: as read from the
    store at `read_at`, never written."""
    read_at: Instant = field(default=Instant(0), compare=False)
