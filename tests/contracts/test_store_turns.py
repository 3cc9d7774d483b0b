"""The store's contract: a turn is stored whole and in its order, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.errors import InvariantError
from dialerd.core.identity import E164, CampaignId, ContactId, ImportId
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CallCut,
    CallOpened,
    CallReported,
    CampaignAdmitted,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    Entry,
    ImportSealed,
    NumberFreed,
    TryOpened,
    TrySaved,
    WaitingClosed,
)
from dialerd.core.model import AgentReport, Call, TryState
from dialerd.ports import Store

from .stores import (
    ALL,
    CMP,
    START,
    admitted,
    another_campaign,
    attempt,
    campaign,
    dialing,
    ending,
    first_try,
    opening,
    person,
)


async def test_closing_the_waiting_spares_those_in_calls_and_those_of_others(store: Store) -> None:
    waiting, busy, over = await admitted(store, [person(n) for n in (1, 2, 3)])
    (foreign,) = await admitted(store, [person(1)], another_campaign(2))
    done = replace(over, state=ContactState.FINISHED)
    await store.commit([ContactSaved(dialing(busy)), ContactSaved(done)])
    await store.commit([WaitingClosed(CMP, ContactState.EXPIRED)])
    found, _ = await store.contacts(CMP, ALL)
    assert [contact.state for contact in found] == ["expired", "dialing", "finished"]
    assert found[0] == replace(waiting, state=ContactState.EXPIRED)
    assert list((await store.contacts(foreign.campaign_id, ALL))[0]) == [foreign]
    assert (await store.ready(CMP, START, frozenset(), (10, 10, 10))).contacts == ()


async def test_a_turn_is_applied_in_order_around_the_closing_of_the_waiting(store: Store) -> None:
    first, second = await admitted(store, [person(1), person(2)])
    await store.commit(
        [
            ContactSaved(replace(first, state=ContactState.RETRY_WAITING, attempts=1)),
            WaitingClosed(CMP, ContactState.CANCELLED),
            ContactSaved(replace(second, state=ContactState.RETRY_WAITING, attempts=2)),
        ]
    )
    found, _ = await store.contacts(CMP, ALL)
    assert [(contact.state, contact.attempts) for contact in found] == [
        ("cancelled", 1),
        ("retry_waiting", 2),
    ]


async def test_the_last_entry_for_a_record_wins(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact)
    over = replace(call.current, state=TryState.NOT_SENT, ended_at=Instant(START + 1))
    back = replace(contact, turns=1)
    await store.commit(
        [
            *opening(call),
            TrySaved(call.id, over),
            CallClosed(replace(call, tries=(over,)), ending(call, counted=False)),
            ContactSaved(back),
        ]
    )
    row = await store.call(call.id)
    assert row is not None
    assert (row.status, row.counted, row.tries[0].state) == ("failed", False, "not_sent")
    assert list((await store.contacts(CMP, ALL))[0]) == [back]


def _impossible(known: Call) -> dict[str, Entry]:
    """Entries that contradict a store in which `known` is open and nothing else is."""
    none = attempt(None, 999)
    stranger = Contact(ContactId(999), CMP, E164("+919876599999"))
    return {
        "a call that exists": CallOpened(known),
        "a try that exists": TryOpened(known.id, known.current),
        "a try of no call": TryOpened(none.id, none.current),
        "a try that does not exist": TrySaved(known.id, first_try(known.id, 7)),
        "an answer of no call": CallAnswered(none),
        "a report of no call": CallReported(none),
        "an end of no call": CallClosed(none, ending(none)),
        "a cut of no call": CallCut(replace(none, hangup=Reason.CUT)),
        "a contact that does not exist": ContactSaved(stranger),
        "a campaign that exists": CampaignAdmitted(campaign(), ImportId(999)),
        "a campaign that does not exist": CampaignSaved(another_campaign(999)),
        "an import that does not exist": CampaignAdmitted(another_campaign(998), ImportId(999)),
        "more contacts that do not exist": ImportSealed(CMP, ImportId(999)),
        "more contacts that are there": ImportSealed(CMP, ImportId(1)),
        "counters of no campaign": CountersMoved(CampaignId("cmp_none"), {"total": 1}),
        "a call of no campaign": CallOpened(attempt(None, 997, campaign_id=CampaignId("cmp_none"))),
    }


@pytest.mark.parametrize("what", sorted(_impossible(attempt(None))))
async def test_a_turn_with_an_impossible_entry_leaves_nothing(store: Store, what: str) -> None:
    (contact,) = await admitted(store, [person(1)])
    known, fresh = attempt(contact, 1), attempt(None, 2)
    await store.commit(opening(known))
    before = await store.open_state(Instant(0))
    with pytest.raises(InvariantError):
        await store.commit(
            [
                *opening(fresh),
                CountersMoved(CMP, {"called": 1}),
                WaitingClosed(CMP, ContactState.EXPIRED),
                _impossible(known)[what],
                NumberFreed(contact.phone, START),
            ]
        )
    assert await store.open_state(Instant(0)) == before
    assert list((await store.contacts(CMP, ALL))[0]) == [dialing(contact)]
    await store.commit(opening(fresh))
    assert len((await store.open_state(Instant(0))).calls) == 2


UNFIT = {
    "a campaign's name": CampaignSaved(campaign(name="a\0b")),
    "what an agent reports": CallReported(attempt(None, report=AgentReport(disposition="a\0b"))),
    "a lone surrogate": CampaignSaved(campaign(name="a\ud800b")),
}


@pytest.mark.parametrize("what", sorted(UNFIT))
async def test_text_that_cannot_be_kept_is_refused_with_its_turn(store: Store, what: str) -> None:
    await admitted(store, [person(1)])
    await store.commit(opening(attempt(None)))
    with pytest.raises(InvariantError):
        await store.commit([NumberFreed(E164("+919876500001"), START), UNFIT[what]])
    assert (await store.open_state(Instant(0))).rested == {}
    found = await store.campaign(CMP)
    assert found is not None
    assert found[0] == campaign()


async def test_json_keeps_what_text_cannot(store: Store) -> None:
    call = attempt(None, report=AgentReport(captured={"keys": "1\0002"}))
    await store.commit(opening(call))
    await store.commit([CallReported(call)])
    row = await store.call(call.id)
    assert row is not None
    assert row.captured == {"keys": "1\0002"}


async def test_an_empty_turn_is_nothing(store: Store) -> None:
    await store.commit([])


async def test_a_turn_goes_through_although_nobody_waits_for_it(store: Store) -> None:
    await admitted(store, [person(1)])
    task = asyncio.create_task(store.commit([CountersMoved(CMP, {"called": 1})]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.commit([CountersMoved(CMP, {"called": 1})])
    found = await store.campaign(CMP)
    assert found is not None
    assert found[1] == {"called": 2}
