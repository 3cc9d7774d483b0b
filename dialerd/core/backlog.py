"""What waits for one webhook in memory, and what of it may be sent now: in order by subject, side by side otherwise.

Of what has the same subject (a call, a campaign) nothing is sent before everything older is delivered or dead. It
holds a window of what the store has; it sends nothing and knows no clock.
"""

from __future__ import annotations

import heapq
from bisect import insort

from dialerd.core.clock import Mono
from dialerd.core.delivery import Delivery, DeliveryNumber

NOW = Mono(0)
"""Due whatever the clock says."""


class Backlog:
    """The deliveries of one webhook that wait or are under way."""

    def __init__(self, side_by_side: int) -> None:
        """`side_by_side`: how many may be under way at once."""
        self._most = side_by_side
        self._rows: dict[DeliveryNumber, Delivery] = {}
        self._due: dict[DeliveryNumber, Mono] = {}
        self._queues: dict[str, list[DeliveryNumber]] = {}
        """Each subject's deliveries, oldest first."""
        self._heap: list[tuple[Mono, DeliveryNumber]] = []
        """Those that are first of their subject, with entries that are out of date among them."""
        self._flying: set[DeliveryNumber] = set()
        self._unanswered: set[DeliveryNumber] = set()
        """Those that nobody has answered, last time."""

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, number: DeliveryNumber) -> bool:
        return number in self._rows

    @property
    def flying(self) -> int:
        """How many are under way."""
        return len(self._flying)

    def is_flying(self, number: DeliveryNumber) -> bool:
        """Whether it is under way."""
        return number in self._flying

    def add(self, delivery: Delivery, due: Mono) -> None:
        """One more that waits; one that is known already changes nothing."""
        if delivery.number in self._rows:
            return
        self._rows[delivery.number] = delivery
        self._due[delivery.number] = due
        insort(self._queues.setdefault(delivery.subject, []), delivery.number)
        self._offer(delivery.subject)

    def take(self, now: Mono) -> Delivery | None:
        """The next one to be sent, under way from here on; None: nothing may be sent now."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, number = heapq.heappop(self._heap)
        self._flying.add(number)
        return self._rows[number]

    def next_due(self) -> Mono | None:
        """When `take` may find something; None: not before something changes."""
        return None if len(self._flying) >= self._most else self._first_due()

    def again(self, delivery: Delivery, due: Mono) -> None:
        """One that was under way was not delivered, and waits as `delivery` says."""
        self._flying.discard(delivery.number)
        self._rows[delivery.number] = delivery
        self._due[delivery.number] = due
        if delivery.status is None:
            self._unanswered.add(delivery.number)
        else:
            self._unanswered.discard(delivery.number)
        self._offer(delivery.subject)

    def done(self, number: DeliveryNumber) -> None:
        """One is delivered or dead, or waits no longer: the next of its subject may be sent."""
        gone = self._rows.pop(number, None)
        if gone is None:
            return
        del self._due[number]
        self._flying.discard(number)
        self._unanswered.discard(number)
        queue = self._queues[gone.subject]
        queue.remove(number)
        if queue:
            self._offer(gone.subject)
        else:
            del self._queues[gone.subject]

    def hurry(self) -> None:
        """The receiver answers again: what nobody answered before need not wait any longer."""
        for number in self._unanswered - self._flying:
            self._due[number] = NOW
            self._offer(self._rows[number].subject)
        self._unanswered &= self._flying

    def _offer(self, subject: str) -> None:
        """Let the first of a subject be found, unless one of them is under way."""
        queue = self._queues[subject]
        if self._flying.isdisjoint(queue):
            heapq.heappush(self._heap, (self._due[queue[0]], queue[0]))

    def _first_due(self) -> Mono | None:
        while self._heap and not self._is_current(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _is_current(self, due: Mono, number: DeliveryNumber) -> bool:
        row = self._rows.get(number)
        if row is None or self._due[number] != due:
            return False
        queue = self._queues[row.subject]
        return queue[0] == number and self._flying.isdisjoint(queue)
