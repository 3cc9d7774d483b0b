"""One turn of the dialer: the changes, journal entries and effects that its events have brought about.

Everything a turn changes lives in the pending layer of the world's tables until its entries are committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.core import metrics
from dialerd.core.clock import Instant, Now
from dialerd.core.contact import Contact
from dialerd.core.dnc import DncEntry
from dialerd.core.effects import (
    Announce,
    Effect,
)
from dialerd.core.fact import Fact, NumberFact, Told
from dialerd.core.identity import CampaignId, TrunkName
from dialerd.core.journal import ContactSaved, CountersMoved, DncChanged, Entry
from dialerd.core.queue import Queue
from dialerd.core.record import replace
from dialerd.core.webhook import EventKind
from dialerd.core.world import Flow, Host, World


class Turn:
    """Collects what a turn does. `entries` must be durable before `effects` are carried out."""

    __slots__ = ("_deltas", "_entries", "effects", "facts", "now", "planning", "world")

    def __init__(self, world: World, now: Now, *, planning: bool = True) -> None:
        self.planning = planning
        """Whether this turn may place calls at all."""
        self.world = world
        self.now = now
        self.effects: list[Effect] = []
        self.facts: list[Told] = []
        """What webhooks are to be told: written with the entries, in the form that the engine gives it."""
        self._entries: list[Entry] = []
        self._deltas: dict[CampaignId, dict[str, int]] = {}

    @property
    def entries(self) -> list[Entry]:
        """The journal of this turn, counters last."""
        moved: list[Entry] = []
        for campaign, deltas in self._deltas.items():
            net = {key: value for key, value in deltas.items() if value}
            if net:
                moved.append(CountersMoved(campaign, net))
        return self._entries + moved

    def record(self, entry: Entry) -> None:
        """Add an entry to the journal of this turn."""
        self._entries.append(entry)

    def do(self, effect: Effect) -> None:
        """Have an effect carried out after the commit."""
        self.effects.append(effect)

    def announce(self, kind: str, fields: Mapping[str, Any], phone: str | None = None) -> None:
        """Tell whoever listens that something happened."""
        self.effects.append(Announce(kind, fields, {"phone": phone} if phone else None))

    def wants(self, kind: EventKind) -> bool:
        """Whether any webhook is to be told of such events: without one, telling it costs nothing."""
        hooks = self.world.webhooks
        return len(hooks) > 0 and any(hook.takes(kind) for hook in hooks.values())

    def tell(self, fact: Fact) -> None:
        """Have webhooks told of something, as it is now."""
        hooks = tuple(hook.id for hook in self.world.webhooks.values() if hook.takes(fact.kind))
        if hooks:
            self.facts.append(Told(fact, hooks))

    @property
    def host(self) -> Host:
        """Asterisk and the media workers as this turn sees them."""
        return self.world.host[""]

    def set_host(self, host: Host) -> None:
        """Replace the host's record."""
        self.world.host.put("", host)

    @property
    def flow(self) -> Flow:
        """Originates unanswered, and the last call number."""
        return self.world.flow[""]

    def set_flow(self, flow: Flow) -> None:
        """Replace the flow's record."""
        self.world.flow.put("", flow)

    def queue(self, campaign: CampaignId) -> Queue:
        """The campaign's queue; an empty one if it has none yet."""
        return self.world.queues.get(campaign) or Queue()

    def set_queue(self, campaign: CampaignId, queue: Queue) -> None:
        """Replace the campaign's queue."""
        self.world.queues.put(campaign, queue)

    def use_line(self, trunk: TrunkName, channels: int) -> None:
        """Take (1) or free (-1) a channel of a trunk."""
        line = self.world.lines.get(trunk)
        if line is not None:
            self.world.lines.put(trunk, replace(line, in_use=max(0, line.in_use + channels)))

    def count(self, campaign: CampaignId, deltas: Mapping[str, int]) -> None:
        """Move counters of a campaign."""
        pending = self._deltas.get(campaign)
        if pending is None:
            pending = self._deltas[campaign] = {}
            self.world.counters.put(campaign, dict(self.world.counters.get(campaign) or {}))
        totals: dict[str, int] = self.world.counters[campaign]  # type: ignore[assignment]
        for key, delta in deltas.items():
            pending[key] = pending.get(key, 0) + delta
            totals[key] = totals.get(key, 0) + delta

    def save_contact(self, before: Contact, contact: Contact) -> None:
        """Journal a contact's new state and move the counters with it."""
        self._entries.append(ContactSaved(contact))
        self.count(contact.campaign_id, metrics.moved(before, contact))

    def change_dnc(self, added: tuple[DncEntry, ...], removed: tuple[str, ...]) -> None:
        """Change the do-not-call list: the gate sees it from here on."""
        dnc = self.world.dnc
        for entry in added:
            dnc.add(entry)
        for pattern in removed:
            dnc.remove(pattern)
        dnc.version += 1
        self._entries.append(DncChanged(dnc.version, added, removed))
        for entry in added:
            self.announce(
                "dnc.added", {"source": entry.source, "prefix": entry.pattern.endswith("*")}, entry.pattern
            )
            self.tell(NumberFact(EventKind.DNC_ADDED, entry))

    def wait_for(self, contact: Contact) -> None:
        """A contact waits in the store again: know when it is due."""
        queue = self.queue(contact.campaign_id)
        due = contact.not_before
        earliest = due if queue.next_due is None else min(queue.next_due, due)
        self.set_queue(contact.campaign_id, replace(queue, next_due=Instant(earliest)))
        self.world.look_at(contact.campaign_id, due)
