"""The contacts of simulated campaigns: what the store is to the engine, without a store's cost.

It answers the questions that a turn's effects ask of the store and takes the journal's entries on contacts. Of
strangers, who stand for contacts of other campaigns, only those exist that have been asked for.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.identity import E164, CampaignId, ContactId
from dialerd.core.journal import CallClosed, ContactSaved, Entry, WaitingClosed
from dialerd.core.record import replace
from dialerd.ports import ReadyBatch

_Heap = list[tuple[Instant, ContactId]]


class _List:
    """One campaign's contacts."""

    __slots__ = ("by_number", "due", "given", "ids", "later", "strangers", "unfinished")

    def __init__(self) -> None:
        self.ids: list[ContactId] = []
        self.unfinished = 0
        self.due: dict[ContactKind, _Heap] = {kind: [] for kind in ContactKind}
        self.later: dict[ContactKind, _Heap] = {kind: [] for kind in ContactKind}
        """Heaps; an entry holds while its contact waits for that kind of call since then. What has become due moves
        from `later` to `due` when it is asked for: time only advances."""
        self.given: set[ContactId] = set()
        """Contacts that the engine was given: they are in no heap."""
        self.strangers: Iterator[Contact] | None = None
        self.by_number: list[tuple[str, ContactId]] = []


class People:
    """Every contact, and for each campaign those that wait, in dialing order."""

    def __init__(self, *, remembers: bool = False) -> None:
        """`remembers`: whether anybody will ask for the calls to a number (`recent_since`)."""
        self.contacts: dict[ContactId, Contact] = {}
        self._remembers = remembers
        self._lists: dict[CampaignId, _List] = defaultdict(_List)
        self._numbers: dict[str, list[ContactId]] = defaultdict(list)
        self._starts: dict[E164, tuple[Instant, ...]] = {}
        """Counted calls to a number."""

    def add(self, people: Iterable[Contact]) -> None:
        """Take up contacts of any campaigns."""
        for contact in people:
            self._put(contact)
            self._lists[contact.campaign_id].unfinished += _open(contact.state)

    def expect(self, campaign: CampaignId, strangers: Iterator[Contact], count: int) -> None:
        """Have `count` contacts of a campaign come from `strangers` as they are asked for; none was called before."""
        found = self._lists[campaign]
        found.strangers = strangers
        found.unfinished += count

    def of(self, campaign: CampaignId) -> Iterator[Contact]:
        """The contacts of a campaign that there are."""
        return (self.contacts[ident] for ident in self._lists[campaign].ids)

    def unfinished(self, campaign: CampaignId) -> int:
        """How many contacts a campaign is not done with."""
        return self._lists[campaign].unfinished

    def first_waiting(self, campaign: CampaignId) -> Contact | None:
        """Of the contacts that the engine does not hold the one that is due first."""
        found = self._lists[campaign]
        firsts = [
            self._first(found, heaps, kind) for heaps in (found.due, found.later) for kind in ContactKind
        ]
        return min((one for one in firsts if one), key=lambda one: one.not_before, default=None)

    # --- what is asked of the store --------------------------------------------------------------

    def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        """As `Store.ready`."""
        listed = self._lists[campaign]
        self._take_back(listed, held)
        due: list[Contact] = []
        exhausted = set(ContactKind)
        later: list[Instant] = []
        for kind, limit in zip(ContactKind, limits, strict=True):
            self._fall_due(listed, kind, now)
            if (next_one := self._first(listed, listed.later, kind)) is not None:
                later.append(next_one.not_before)
            most = len(due) + limit
            while (first := self._first(listed, listed.due, kind)) is not None:
                if len(due) == most:
                    exhausted.discard(kind)
                    break
                heapq.heappop(listed.due[kind])
                listed.given.add(first.id)
                due.append(first)
        return ReadyBatch(
            tuple(self._read(due, now, recent_since)), frozenset(exhausted), min(later, default=None)
        )

    def ready_under(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        prefixes: Sequence[str],
        behind: str,
        limit: int,
        recent_since: Instant | None = None,
    ) -> list[Contact]:
        """As `Store.ready_under`. They stay in their heaps: who is asked for again is told apart by `held`."""
        listed = self._lists[campaign]
        self._know(listed, limit)
        if len(listed.by_number) != len(listed.ids):
            listed.by_number = sorted((self.contacts[ident].phone, ident) for ident in listed.ids)
        begins = tuple(f"+{prefix}" for prefix in prefixes)
        found: list[Contact] = []
        for phone, ident in listed.by_number[bisect_right(listed.by_number, (behind, _LAST)) :]:
            contact = self.contacts[ident]
            if not contact.state.waiting or contact.not_before > now or ident in held:
                continue
            if phone.startswith(begins):
                found.append(contact)
                if len(found) == limit:
                    break
        return self._read(found, now, recent_since)

    def under(self, pattern: str, limit: int) -> tuple[Contact, ...]:
        """As `Store.waiting_under`, for a whole number: no other pattern is listed while calls are simulated."""
        known = (self.contacts[ident] for ident in self._numbers.get(pattern, ()))
        return tuple(contact for contact in known if contact.state.waiting)[:limit]

    def take(self, entry: Entry) -> None:
        """Do what an entry of the journal says of contacts."""
        kind = type(entry)
        if kind is ContactSaved:
            self._save(entry.contact)  # type: ignore[union-attr]
        elif self._remembers and isinstance(entry, CallClosed) and entry.closed.counted:
            phone = entry.call.phone
            self._starts[phone] = (*self._starts.get(phone, ()), entry.call.started_at)
        elif isinstance(entry, WaitingClosed):
            self._close(self._lists[entry.campaign], entry.state)

    # --- inside ----------------------------------------------------------------------------------

    def _first(self, listed: _List, heaps: dict[ContactKind, _Heap], kind: ContactKind) -> Contact | None:
        """The waiting contact of a kind that comes first in a heap, of those that the engine was not given."""
        heap = heaps[kind]
        while heap:
            due, ident = heap[0]
            contact = self.contacts[ident]
            if contact.state.kind is kind and contact.not_before == due and ident not in listed.given:
                return contact
            heapq.heappop(heap)
        return None

    def _fall_due(self, listed: _List, kind: ContactKind, now: Instant) -> None:
        later, due = listed.later[kind], listed.due[kind]
        while later and later[0][0] <= now:
            heapq.heappush(due, heapq.heappop(later))
        if kind is ContactKind.FRESH and listed.strangers is not None and len(due) <= _STRANGERS:
            self._know(listed, 2 * _STRANGERS)

    def _know(self, listed: _List, count: int) -> None:
        """Have more strangers exist."""
        if listed.strangers is None:
            return
        for _ in range(count):
            stranger = next(listed.strangers, None)
            if stranger is None:
                listed.strangers = None
                return
            self._put(stranger)

    def _read(self, found: list[Contact], now: Instant, since: Instant | None) -> list[Contact]:
        """Contacts as the store gives them, with the calls to their numbers where those are asked for."""
        if since is None:
            return found
        return [
            replace(
                one, recent=tuple(at for at in self._starts.get(one.phone, ()) if at > since), read_at=now
            )
            for one in found
        ]

    def _put(self, contact: Contact) -> None:
        ident = contact.id
        self.contacts[ident] = contact
        self._numbers[contact.phone].append(ident)
        if contact.recent:
            self._starts.setdefault(contact.phone, contact.recent)
        listed = self._lists[contact.campaign_id]
        listed.ids.append(ident)
        self._wait(listed, contact)

    def _wait(self, listed: _List, contact: Contact) -> None:
        kind = contact.state.kind
        if kind is not None:
            heaps = listed.later if contact.not_before else listed.due
            heapq.heappush(heaps[kind], (contact.not_before, contact.id))

    def _take_back(self, listed: _List, held: frozenset[ContactId]) -> None:
        """What the engine was given and holds no more, although it still waits, waits here again."""
        for ident in sorted(listed.given - held):
            listed.given.discard(ident)
            self._wait(listed, self.contacts[ident])

    def _save(self, contact: Contact) -> None:
        before = self.contacts[contact.id].state
        self.contacts[contact.id] = contact
        listed = self._lists[contact.campaign_id]
        listed.given.discard(contact.id)
        listed.unfinished += _open(contact.state) - _open(before)
        self._wait(listed, contact)

    def _close(self, listed: _List, final: ContactState) -> None:
        while listed.strangers is not None:
            self._know(listed, _STRANGERS)
        for ident in listed.ids:
            contact = self.contacts[ident]
            if contact.state.waiting:
                self.contacts[ident] = replace(contact, state=final)
                listed.unfinished -= 1
        listed.given.clear()
        for heap in (*listed.due.values(), *listed.later.values()):
            heap.clear()


_STRANGERS = 256
"""So many come to be at a time."""
_LAST = ContactId(1 << 62)


def _open(state: ContactState) -> int:
    """One for a contact that its campaign is not done with."""
    return 1 if state.waiting or state.busy else 0
