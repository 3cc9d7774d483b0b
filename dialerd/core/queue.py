"""A campaign's due contacts that are in memory, and how far the store was searched for more.

It holds them in dialing order and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactKind
from dialerd.core.identity import ContactId, TrunkName
from dialerd.core.record import record, replace


@record
class Deferred:
    """A due contact whose number may not be called before an instant."""

    until: Instant
    contact: Contact


@record
class Sought:
    """A search for contacts that one trunk takes."""

    behind: str = ""
    """The number it has come to."""
    dry_at: Instant | None = None
    """When the whole list held none that was due."""


@record
class Queue:
    """A campaign's due contacts in memory, and what is known of those still in the store."""

    fresh: tuple[Contact, ...] = ()
    retries: tuple[Contact, ...] = ()
    callbacks: tuple[Contact, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    loading: bool = False
    loaded_at: Instant = Instant(0)
    """When the store was last asked."""
    exhausted: frozenset[ContactKind] = frozenset()
    """Kinds of which the store holds no due contact beyond these."""
    next_due: Instant | None = None
    """When the next waiting contact that is not here becomes due."""
    sought: Mapping[TrunkName, Sought] = field(default_factory=dict)
    """How far the store was searched for contacts that one trunk takes, where none of those here does."""
    live: int = 0
    """Attempts of this campaign that are running."""
    gone: frozenset[ContactId] = frozenset()
    """Contacts that wait no longer since the reading that is under way began: it may bring them as they were."""
    fault: str | None = None
    """Why its waiting contacts could not be read from the store; None: they were, last time."""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """All that are due, kind by kind."""
        return self.fresh + self.retries + self.callbacks

    def of(self, kind: ContactKind) -> tuple[Contact, ...]:
        """Those of one kind that are due, in dialing order."""
        return (self.fresh, self.retries, self.callbacks)[kind - 1]

    def put(self, kind: ContactKind, contacts: tuple[Contact, ...], **changes: Any) -> Queue:
        """The queue with other contacts of a kind."""
        return replace(self, **{_PLACES[kind]: contacts}, **changes)

    def added(self, contacts: Iterable[Contact], **changes: Any) -> Queue:
        """The queue with more due contacts at the end of their kinds."""
        queue = replace(self, **changes) if changes else self
        listed = list(contacts)
        for kind in ContactKind:
            more = tuple(contact for contact in listed if contact.state.kind is kind)
            if more:
                queue = queue.put(kind, queue.of(kind) + more)
        return queue

    def without(self, contact: ContactId) -> Queue:
        """The queue without one contact."""
        kept = tuple(d for d in self.deferred if d.contact.id != contact)
        return Queue.added(
            replace(self, fresh=(), retries=(), callbacks=(), deferred=kept),
            (c for c in self.contacts if c.id != contact),
        )

    def held(self) -> frozenset[ContactId]:
        """Ids of the contacts held here."""
        return frozenset(c.id for c in self.contacts) | {d.contact.id for d in self.deferred}


_PLACES = {ContactKind.FRESH: "fresh", ContactKind.RETRY: "retries", ContactKind.CALLBACK: "callbacks"}
