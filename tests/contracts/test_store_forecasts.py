"""The store's contract: what a forecast asks."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import CallId, CampaignId
from dialerd.core.journal import CallAnswered, CallClosed, ContactSaved, TrySaved
from dialerd.core.model import CallStatus, TryState
from dialerd.ports import PastCall, Store

from .stores import CMP, START, admitted, another_campaign, attempt, ending, opening, person


async def test_waiting_contacts_come_by_their_numbers_whether_they_are_due_or_not(store: Store) -> None:
    first, second, third, fourth = await admitted(
        store, [person(n, timezone="Asia/Kolkata") for n in (4, 2, 3, 1)]
    )
    later = replace(second, state=ContactState.RETRY_WAITING, attempts=1, not_before=Instant(START + 10**9))
    await store.commit([ContactSaved(later), ContactSaved(replace(third, state=ContactState.FINISHED))])
    await admitted(store, [person(2)], another_campaign(2))

    found = await store.waiting(CMP, "", 2)
    assert list(found) == [fourth, later]
    assert list(await store.waiting(CMP, found[-1].phone, 2)) == [first]
    assert list(await store.waiting(CMP, first.phone, 2)) == []


async def test_contacts_of_a_list_that_is_not_sealed_are_not_told(store: Store) -> None:
    await admitted(store, [person(1)])
    import_id = await store.begin_import(CMP)
    await store.add_contacts(import_id, CMP, [person(2)])
    assert len(await store.waiting(CMP, "", 10)) == 1


async def test_past_calls_tell_how_long_they_rang_and_talked_newest_first(store: Store) -> None:
    people = await admitted(store, [person(n, timezone="Asia/Kolkata") for n in (1, 2, 3)])
    busy, answered, open_ = (attempt(contact, n) for n, contact in enumerate(people, 1))
    rung = replace(busy.current, state=TryState.ENDED, ended_at=Instant(START + 700))
    talked = replace(
        answered.current,
        state=TryState.ENDED,
        answered_at=Instant(START + 4_000),
        ended_at=Instant(START + 14_000),
    )
    spoken = ending(
        answered, status=CallStatus.COMPLETED, disposition="interested", reason=None, duration=Millis(10_000)
    )
    await store.commit([*opening(busy), *opening(answered), *opening(open_)])
    await store.commit(
        [
            TrySaved(busy.id, rung),
            CallClosed(busy, ending(busy)),
            CallAnswered(replace(answered, tries=(talked,))),
            TrySaved(answered.id, talked),
            CallClosed(answered, spoken),
        ]
    )
    interested = PastCall(
        answered.id, people[1].phone, "Asia/Kolkata", answered.started_at, 4_000, 10_000, "interested", None
    )
    unmet = PastCall(
        busy.id, people[0].phone, "Asia/Kolkata", busy.started_at, 700, None, "not_reachable", Reason.BUSY
    )
    assert list(await store.past_calls(CMP, None, 10)) == [interested, unmet]
    assert list(await store.past_calls(None, None, 1)) == [interested]
    assert list(await store.past_calls(None, answered.id, 10)) == [unmet]
    assert list(await store.past_calls(CampaignId("cmp_another"), None, 10)) == []
    assert list(await store.past_calls(None, CallId("cal_000000000000"), 10)) == []


async def test_of_a_call_with_several_tries_the_last_one_tells(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact)
    first = replace(call.current, state=TryState.ENDED, ended_at=Instant(START + 100))
    second = replace(first, number=2, opened_at=Instant(START + 100), ended_at=Instant(START + 900))
    both = replace(call, tries=(first, replace(second, channel=f"d1-{call.id}-2")))
    await store.commit([*opening(both), CallClosed(both, ending(both))])
    (told,) = await store.past_calls(CMP, None, 5)
    assert told.ring_ms == 800
