"""The contacts of simulated campaigns: what the store is to the engine, without a store's cost.

It answers the questions that a turn's effects ask of the store (`ready`, `under`) and takes the journal's entries on
contacts. Of strangers, who stand for other campaigns' contacts, only those exist that have been asked for.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator

from dialerd.core.clock import Instant
from dialerd.core.journal import ContactSaved, Entry, WaitingClosed
from dialerd.core.model import CampaignId, Contact, ContactId, ContactState
from dialerd.core.record import replace
from dialerd.ports import ReadyBatch


class People:
    """Every contact, and for each campaign those that wait, in dialing order."""

    def __init__(self) -> None:
        self.contacts: dict[ContactId, Contact] = {}
        self.unfinished: dict[CampaignId, int] = defaultdict(int)
        """Contacts of each campaign that it is not done with, strangers who were not asked for included."""
        self._waiting: dict[CampaignId, list[tuple[Instant, ContactId]]] = defaultdict(list)
        """Heaps; an entry holds while its contact waits since then."""
        self._given: dict[CampaignId, set[ContactId]] = defaultdict(set)
        """Contacts that the engine was given: they are not in the heap."""
        self._strangers: dict[CampaignId, Iterator[Contact]] = {}
        self._by_number: dict[str, list[ContactId]] = defaultdict(list)

    def add(self, people: Iterable[Contact]) -> None:
        """Take up contacts of any campaigns."""
        for contact in people:
            self._put(contact)
            self.unfinished[contact.campaign_id] += _open(contact.state)

    def expect(self, campaign: CampaignId, strangers: Iterator[Contact], count: int) -> None:
        """Have `count` contacts of a campaign come from `strangers` as they are asked for; none was called before."""
        self._strangers[campaign] = strangers
        self.unfinished[campaign] += count

    def of(self, campaign: CampaignId) -> Iterator[Contact]:
        """The contacts of a campaign."""
        return (contact for contact in self.contacts.values() if contact.campaign_id == campaign)

    def first_waiting(self, campaign: CampaignId) -> Contact | None:
        """The contact whose turn comes next, of those that the engine does not hold."""
        heap = self._waiting[campaign]
        while heap:
            due, ident = heap[0]
            contact = self.contacts[ident]
            if contact.state.waiting and contact.not_before == due:
                return contact
            heapq.heappop(heap)
        return None

    # --- what is asked of the store --------------------------------------------------------------

    def ready(
        self, campaign: CampaignId, now: Instant, held: frozenset[ContactId], limit: int
    ) -> ReadyBatch:
        """As `Store.ready`."""
        self._take_back(campaign, held)
        found: list[Contact] = []
        heap, given = self._waiting[campaign], self._given[campaign]
        while len(found) < limit:
            contact = self._next(campaign, now)
            if contact is None:
                break
            heapq.heappop(heap)
            given.add(contact.id)
            found.append(contact)
        first = self._next(campaign, now)
        later = self.first_waiting(campaign) if first is None else None
        return ReadyBatch(tuple(found), first is None, later.not_before if later is not None else None)

    def under(self, pattern: str, limit: int) -> tuple[Contact, ...]:
        """As `Store.waiting_under`, for a whole number: no other pattern is listed while calls are simulated."""
        known = (self.contacts[ident] for ident in self._by_number.get(pattern, ()))
        return tuple(contact for contact in known if contact.state.waiting)[:limit]

    def take(self, entry: Entry) -> None:
        """Do what an entry of the journal says of contacts."""
        if type(entry) is ContactSaved:
            self._save(entry.contact)
        elif type(entry) is WaitingClosed:
            self._close(entry.campaign, entry.state)

    # --- inside ----------------------------------------------------------------------------------

    def _next(self, campaign: CampaignId, now: Instant) -> Contact | None:
        """The waiting contact that is due first: strangers, whom nobody has called yet, before who was called."""
        contact = self.first_waiting(campaign)
        if campaign in self._strangers and (contact is None or contact.not_before):
            stranger = next(self._strangers[campaign], None)
            if stranger is not None:
                self._put(stranger)
                contact = stranger
        return contact if contact is not None and contact.not_before <= now else None

    def _put(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        self._by_number[contact.phone].append(contact.id)
        if contact.state.waiting:
            heapq.heappush(self._waiting[contact.campaign_id], (contact.not_before, contact.id))

    def _take_back(self, campaign: CampaignId, held: frozenset[ContactId]) -> None:
        """What the engine was given and holds no more, although it still waits, waits here again."""
        given = self._given[campaign]
        for ident in sorted(given - held):
            given.discard(ident)
            contact = self.contacts[ident]
            if contact.state.waiting:
                heapq.heappush(self._waiting[campaign], (contact.not_before, ident))

    def _save(self, contact: Contact) -> None:
        before = self.contacts[contact.id].state
        self.contacts[contact.id] = contact
        campaign, state = contact.campaign_id, contact.state
        self._given[campaign].discard(contact.id)
        if state.waiting:
            heapq.heappush(self._waiting[campaign], (contact.not_before, contact.id))
        self.unfinished[campaign] += _open(state) - _open(before)

    def _close(self, campaign: CampaignId, final: ContactState) -> None:
        for contact in list(self.of(campaign)):
            if contact.state.waiting:
                self.contacts[contact.id] = replace(contact, state=final)
                self.unfinished[campaign] -= 1
        self._waiting[campaign].clear()
        self._given[campaign].clear()
        left = self._strangers.pop(campaign, None)
        self.unfinished[campaign] -= sum(1 for _ in left) if left is not None else 0


def _open(state: ContactState) -> int:
    """One for a contact that its campaign is not done with."""
    return 1 if state.waiting or state.busy else 0
