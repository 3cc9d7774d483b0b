"""The fake store: its faults, and that no history tells it from the real one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import PortError
from dialerd.core.identity import CallId, ContactId, TrunkName
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CallCut,
    CallReported,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    DaemonSaved,
    DncChanged,
    Entry,
    NumberFreed,
    TrunkSaved,
    TryOpened,
    TrySaved,
    WaitingClosed,
    WaitingShifted,
    WebhookQueued,
    WebhookSaved,
)
from dialerd.core.model import AgentReport, Call, Campaign, TryState
from dialerd.core.policy import Halt
from dialerd.core.trunk import TrunkChange
from dialerd.core.webhook import EventKind, Webhook, WebhookId
from dialerd.ports import CallFilter, Store
from dialerd.sim.disk import FakeDisk
from dialerd.sim.store import FakeStore
from dialerd.store.sqlite import SqliteStore
from tests.contracts.stores import (
    ALL,
    START,
    admitted,
    another_campaign,
    attempt,
    ending,
    first_try,
    opening,
    person,
)


async def test_commits_fail_as_often_as_asked_for() -> None:
    store = FakeStore()
    await store.open()
    store.fail_next_commit(PortError("disk full", retryable=True))
    store.fail_next_commit(PortError("disk still full", retryable=True))
    for message in ("disk full", "disk still full"):
        with pytest.raises(PortError, match=message):
            await store.commit([NumberFreed("+919876500001", 1)])
    await store.commit([NumberFreed("+919876500001", 2)])
    assert (await store.open_state(Instant(0))).rested == {"+919876500001": 2}


async def test_after_a_crash_the_disk_is_free_and_keeps_what_was_committed() -> None:
    disk = FakeDisk()
    store = FakeStore("d1", disk)
    await store.open()
    await store.commit([NumberFreed("+919876500001", 2)])
    store.crash()
    again = FakeStore("d1", disk)
    await again.open()
    assert (await again.open_state(Instant(0))).rested == {"+919876500001": 2}


PATTERNS = ["+919876500001", "+919876500002", "+9198765*", "+4477*"]


@dataclass
class History:
    """Random turns such as the engine takes: any mixture of what may happen to a few calls."""

    random: random.Random
    campaigns: list[Campaign]
    contacts: dict[ContactId, Contact]
    calls: dict[CallId, Call] = field(default_factory=dict)
    count: int = 0

    def turn(self) -> list[Entry]:
        steps: list[Callable[[], list[Entry]]] = [
            *[self.open] * 4,
            *[self.answer, self.report, self.fail_over] * 2,
            *[self.close] * 3,
            self.cut,
            self.close_waiting,
            self.shift,
            self.save_campaign,
            self.count_up,
            *[self.change_dnc] * 2,
            self.halt,
            self.change_trunk,
            self.tell,
        ]
        return [entry for _ in range(self.random.randint(1, 8)) for entry in self.random.choice(steps)()]

    def open(self) -> list[Entry]:
        waiting = [contact for contact in self.contacts.values() if contact.state.waiting]
        if not waiting:
            return []
        self.count += 1
        call = attempt(self.random.choice(waiting), self.count)
        assert call.contact is not None
        self.calls[call.id] = call
        self.contacts[call.contact.id] = call.contact
        return opening(call)

    def answer(self) -> list[Entry]:
        call = self._some_call()
        if call is None:
            return []
        at = self._instant()
        call = self._with_try(call, state=TryState.ANSWERED, answered_at=at)
        return [CallAnswered(call), *self._save(call, state=ContactState.IN_CALL, connected_attempt=1)]

    def report(self) -> list[Entry]:
        call = self._some_call()
        if call is None:
            return []
        label = self.random.choice(["interested", "dnc", None])
        report = AgentReport(label, label == "interested", {"n": self.count}, ({"text": "नमस्ते"},))
        call = self.calls[call.id] = replace(call, report=report, agent_audio_at=self._instant())
        return [CallReported(call)]

    def fail_over(self) -> list[Entry]:
        call = self._some_call()
        if call is None:
            return []
        call = self._with_try(call, state=TryState.ENDED, ended_at=self._instant(), sip_code=503)
        second = first_try(call.id, len(call.tries) + 1)
        self.calls[call.id] = replace(call, tries=(*call.tries, second))
        return [TrySaved(call.id, call.current), TryOpened(call.id, second)]

    def close(self) -> list[Entry]:
        call = self._some_call()
        if call is None:
            return []
        at = self._instant()
        call = self._with_try(call, state=TryState.ENDED, ended_at=at, cause=16)
        del self.calls[call.id]
        closed = ending(
            call, ended_at=at, duration=Millis(5), disposition=call.report.disposition or "connected"
        )
        state = self.random.choice(
            [ContactState.FINISHED, *(state for state in ContactState if state.waiting)]
        )
        retries, unmet = self.random.choice([{}, {"busy": 1}]), self.random.choice([None, at])
        saved = self._save(
            call,
            state=state,
            not_before=at,
            disposition=closed.disposition,
            retries=retries,
            callback_unmet=unmet,
        )
        return [
            TrySaved(call.id, call.current),
            NumberFreed(call.phone, at),
            CallClosed(call, closed),
            *saved,
        ]

    def cut(self) -> list[Entry]:
        call = self._some_call()
        if call is None:
            return []
        call = self.calls[call.id] = replace(call, hangup=Reason.CUT)
        return [CallCut(call)]

    def close_waiting(self) -> list[Entry]:
        if self.random.random() < 0.8:
            return []
        campaign = self.random.choice(self.campaigns).id
        for ident, contact in self.contacts.items():
            if contact.campaign_id == campaign and contact.state.waiting:
                self.contacts[ident] = replace(contact, state=ContactState.EXPIRED)
        return [WaitingClosed(campaign, ContactState.EXPIRED)]

    def shift(self) -> list[Entry]:
        entry = WaitingShifted(self._instant(), Millis(self.random.randint(1, 20)))
        for ident, contact in self.contacts.items():
            moves = contact.state is ContactState.RETRY_WAITING
            if moves and contact.not_before > entry.since:
                later = Instant(contact.not_before + entry.by)
                self.contacts[ident] = replace(contact, not_before=later)
        return [entry]

    def change_dnc(self) -> list[Entry]:
        patterns = [self.random.choice(PATTERNS) for _ in range(4)]
        ends = self.random.choice([None, self._instant()])
        added = tuple(
            DncEntry(pattern, "", f"turn {self.count}", self._instant(), ends) for pattern in patterns
        )
        cut = self.random.randint(0, 4)
        return [DncChanged(self.random.randint(0, 40), added[:cut], tuple(patterns[cut:]))]

    def halt(self) -> list[Entry]:
        return [DaemonSaved(self.random.choice([None, *Halt]))]

    def change_trunk(self) -> list[Entry]:
        paused, channels = self.random.choice([None, "mend it"]), self.random.choice([None, 3])
        return [TrunkSaved(TrunkChange(TrunkName(self.random.choice("ab")), paused, channels))]

    def tell(self) -> list[Entry]:
        self.count += 1
        hook = WebhookId(self.random.choice(["whk_a", "whk_b"]))
        saved = Webhook(hook, f"https://{self.count}.example/", ("*",), "whsec_c2VjcmV0", START)
        number = DeliveryNumber(START + self.count)
        queued = Delivery(number, hook, EventKind.DNC_ADDED, f"dnc {self.count}", START, '{"d":"नमस्ते"}')
        return [WebhookSaved(saved), WebhookQueued(queued)]

    def save_campaign(self) -> list[Entry]:
        campaign = self.random.choice(self.campaigns)
        return [CampaignSaved(replace(campaign, name=f"name {self.count}"))]

    def count_up(self) -> list[Entry]:
        key = self.random.choice(["called", "connected", "reason:busy"])
        return [CountersMoved(self.random.choice(self.campaigns).id, {key: self.random.randint(-2, 3)})]

    def _some_call(self) -> Call | None:
        return self.random.choice(list(self.calls.values())) if self.calls else None

    def _with_try(self, call: Call, **changes: object) -> Call:
        changed = replace(call.current, **changes)  # type: ignore[arg-type]
        self.calls[call.id] = replace(call, tries=(*call.tries[:-1], changed))
        return self.calls[call.id]

    def _save(self, call: Call, **changes: object) -> list[Entry]:
        assert call.contact is not None
        contact = replace(self.contacts[call.contact.id], **changes)  # type: ignore[arg-type]
        self.contacts[contact.id] = contact
        return [ContactSaved(contact)]

    def _instant(self) -> Instant:
        return Instant(START + self.random.randint(0, 50))


async def seen(store: Store, campaigns: list[Campaign]) -> list[object]:
    """All that a store tells."""
    dnc = await store.dnc()
    found: list[object] = [await store.open_state(Instant(START + 10)), await store.calls(CallFilter(), ALL)]
    found += [dnc.version, dict(dnc.patterns), await store.dnc_entries(ALL)]
    for pattern in PATTERNS:
        found.append({contact.id: contact for contact in await store.waiting_under(pattern, 100)})
    for campaign in campaigns:
        found.append(await store.campaign(campaign.id))
        for state in (None, ContactState.RETRY_WAITING):
            contacts, total = await store.contacts(campaign.id, ALL, state)
            found.append((list(contacts), total))
        found.append(await store.audit_counters(campaign.id))
        found.append(await store.ready(campaign.id, Instant(START + 20), frozenset(), (5, 5, 5)))
    for hook in (WebhookId("whk_a"), WebhookId("whk_b")):
        found.append(list(await store.waiting_deliveries(hook, DeliveryNumber(0), 100)))
    found.append(dict(await store.delivery_counts()))
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_no_history_tells_the_fake_from_the_real_one(store: SqliteStore, seed: int) -> None:
    fake = FakeStore()
    await fake.open()
    campaigns = [another_campaign(number) for number in (1, 2)]
    contacts: dict[ContactId, Contact] = {}
    for campaign in campaigns:
        people = [person(number) for number in range(8)]
        listed = await admitted(store, people, campaign)
        assert await admitted(fake, people, campaign) == listed
        contacts.update((contact.id, contact) for contact in listed)
    history = History(random.Random(seed), campaigns, contacts)
    for _ in range(12):
        for _ in range(4):
            turn = history.turn()
            await store.commit(turn)
            await fake.commit(turn)
        assert await seen(fake, campaigns) == await seen(store, campaigns)
