"""Which contacts of a campaign another one is to be made of. It decides nothing about numbers not to be called."""

from __future__ import annotations

from enum import StrEnum

from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.retry import NEVER_AGAIN


class Leftover(StrEnum):
    """Whom a clone takes over."""

    UNREACHED = "unreached"
    """Who never answered and is not called any more, but for numbers that are wrong or must not be called again."""
    EXPIRED = "expired"
    """Who still waited when the window ended."""
    ALL = "all"
    NONE = "none"


STATES: dict[Leftover, frozenset[ContactState]] = {
    Leftover.UNREACHED: frozenset({ContactState.FINISHED, ContactState.EXPIRED, ContactState.CANCELLED}),
    Leftover.EXPIRED: frozenset({ContactState.EXPIRED}),
    Leftover.ALL: frozenset(ContactState),
    Leftover.NONE: frozenset(),
}
"""Where a contact stands that is taken over."""
LOST_FOR_GOOD: frozenset[Reason] = NEVER_AGAIN
"""Reasons for which somebody who never answered is not called again."""


def is_left(contact: Contact, which: Leftover) -> bool:
    """Whether a clone takes a contact over."""
    if contact.state not in STATES[which] or contact.phone.erased:
        return False
    if which is not Leftover.UNREACHED:
        return True
    return contact.connected_attempt is None and contact.reason not in LOST_FOR_GOOD
