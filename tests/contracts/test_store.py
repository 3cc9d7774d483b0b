"""The store's contract: what a turn commits is there after a restart, whole, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.errors import InvariantError
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CallOpened,
    CallReported,
    CampaignAdmitted,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    Entry,
    NumberFreed,
    TryOpened,
    TrySaved,
    WaitingClosed,
)
from dialerd.core.model import (
    E164,
    AgentReport,
    Call,
    CallId,
    CallStatus,
    CampaignId,
    CampaignStatus,
    Contact,
    ContactId,
    ContactState,
    ImportId,
    Reason,
    TrunkName,
    TryState,
)
from dialerd.ports import Store

from .stores import (
    ALL,
    CMP,
    START,
    Place,
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

REPORT = AgentReport(
    disposition="interested",
    positive=True,
    captured={"date": "2024-02-01", "amount": 1200.5, "name": "ஆசை"},
    transcript=({"speaker": "agent", "text": "नमस्ते", "at_ms": 120}, {"speaker": "callee", "digits": "1"}),
)


# --- round trips ---------------------------------------------------------------------------------


async def test_a_campaign_comes_back_as_it_was_admitted(place: Place, store: Store) -> None:
    new = campaign(
        agent_id="agt_1",
        max_attempts=3,
        max_concurrent_calls=5,
        calls_per_second=0.5,
        weight=2.5,
        trunks=(TrunkName("b"), TrunkName("a")),
        caller_id=E164("+15550100101"),
        keep_open=True,
    )
    await admitted(store, [person(1)], new)
    store = await place.reopened(store)
    assert await store.campaign(CMP) == (new, {})
    assert await store.campaign(CampaignId("cmp_none")) is None


async def test_a_saved_campaign_keeps_what_is_fixed_at_its_creation(store: Store) -> None:
    new = campaign(agent_id="agt_1")
    await admitted(store, [person(1)], new)
    edited = replace(
        new,
        name="renamed",
        status=CampaignStatus.PAUSED,
        start_at=None,
        end_at=None,
        timezone=None,
        max_attempts=2,
        retry_interval=Millis(1),
        ring_timeout=Millis(2),
        max_concurrent_calls=1,
        calls_per_second=1.5,
        weight=0.5,
        trunks=(TrunkName("x"),),
        caller_id=E164("+15550100102"),
        keep_open=True,
        started_at=Instant(START + 1),
        finished_at=Instant(START + 2),
        closing=True,
    )
    await store.commit([CampaignSaved(replace(edited, created_at=Instant(1), agent_id="agt_2"))])
    found = await store.campaign(CMP)
    assert found is not None
    assert found[0] == edited


async def test_what_happened_to_a_contact_comes_back(store: Store) -> None:
    (contact,) = await admitted(store, [person(1, timezone="Asia/Kolkata", external_id="crm-7")])
    assert contact.name == "Person 1"
    assert (contact.timezone, contact.external_id) == ("Asia/Kolkata", "crm-7")
    assert contact.variables == {"due": "१०"}
    after = replace(
        contact,
        state=ContactState.RETRY_WAITING,
        attempts=2,
        turns=4,
        refunds=2,
        not_before=Instant(START + 5),
        disposition="connected",
        reason=Reason.DROPPED,
        positive=True,
        connected_attempt=2,
    )
    await store.commit([ContactSaved(after)])
    found, total = await store.contacts(CMP, ALL)
    assert (list(found), total) == ([after], 1)


async def test_a_call_comes_back_open_with_its_tries_and_its_contact(place: Place, store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact)
    await store.commit(opening(call))
    refused = replace(call.current, state=TryState.ENDED, ended_at=Instant(START + 9), cause=38, sip_code=503)
    second = replace(first_try(call.id, 2), trunk=TrunkName("backup"))
    await store.commit([TrySaved(call.id, refused), TryOpened(call.id, second)])
    store = await place.reopened(store)
    state = await store.open_state(Instant(0))
    assert state.calls == (replace(call, tries=(refused, second)),)
    assert state.last_call == call.id
    assert [found.id for found in state.campaigns] == [CMP]


async def test_an_answered_call_comes_back_answered_with_what_was_reported(
    place: Place, store: Store
) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact)
    await store.commit(opening(call))
    spoken = replace(
        call.current,
        state=TryState.ANSWERED,
        ringing_at=Instant(START + 2),
        answered_at=Instant(START + 3),
    )
    call = replace(call, tries=(spoken,))
    await store.commit([CallAnswered(call)])
    call = replace(call, report=REPORT, agent_audio_at=Instant(START + 4))
    await store.commit([CallReported(call)])
    row = await store.call(call.id)
    assert row is not None
    assert (row.status, row.disposition, row.answered_at) == ("in_progress", "interested", START + 3)
    store = await place.reopened(store)
    state = await store.open_state(Instant(0))
    assert state.calls == (call,)
    assert state.calls[0].answered_at == START + 3


async def test_a_closed_call_is_shown_whole_and_is_open_no_more(place: Place, store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact, attempt=2)
    await store.commit(opening(call))
    ended = replace(
        call.current,
        state=TryState.ENDED,
        ringing_at=Instant(START + 2),
        answered_at=Instant(START + 3),
        ended_at=Instant(START + 6_003),
        cause=16,
        sip_code=200,
    )
    call = replace(call, tries=(ended,), report=REPORT, agent_audio_at=Instant(START + 5))
    closed = ending(
        call,
        status=CallStatus.COMPLETED,
        disposition="interested",
        reason=None,
        ended_at=Instant(START + 6_003),
        duration=Millis(6_000),
    )
    await store.commit([TrySaved(call.id, ended), CallClosed(call, closed)])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls == ()
    row = await store.call(call.id)
    assert row is not None
    assert (row.campaign_id, row.phone, row.name) == (CMP, contact.phone, "Person 1")
    assert (row.status, row.disposition, row.reason) == ("completed", "interested", None)
    assert (row.attempt, row.counted, row.language, row.script_id) == (2, True, "en-IN", "s")
    assert (row.started_at, row.answered_at, row.ended_at) == (call.started_at, START + 3, START + 6_003)
    assert (row.duration_ms, row.answered_by) == (6_000, None)
    assert row.gate == call.gate
    assert row.captured == REPORT.captured
    assert list(row.transcript) == list(REPORT.transcript)
    (shown,) = row.tries
    assert (shown.channel, shown.number, shown.trunk) == (ended.channel, 1, "lab")
    assert (shown.caller_id, shown.state, shown.opened_at) == ("+15550100100", "ended", START)
    assert (shown.ringing_at, shown.answered_at, shown.ended_at) == (START + 2, START + 3, START + 6_003)
    assert (shown.cause, shown.sip_code) == (16, 200)


async def test_a_one_off_call_has_no_campaign_and_no_contact(place: Place, store: Store) -> None:
    call = attempt(None)
    await store.commit(opening(call))
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls == (call,)
    row = await store.call(call.id)
    assert row is not None
    assert (row.campaign_id, row.name) == (None, None)
    assert await store.call(CallId("cal_none")) is None


async def test_counters_add_up(store: Store) -> None:
    await admitted(store, [person(1)])
    await store.commit([CountersMoved(CMP, {"total": 5, "called": 1})])
    await store.commit([CountersMoved(CMP, {"called": 2, "positive": 1}), CountersMoved(CMP, {"called": -1})])
    found = await store.campaign(CMP)
    assert found is not None
    assert found[1] == {"total": 5, "called": 2, "positive": 1}


async def test_a_number_rests_from_its_latest_end(store: Store) -> None:
    await store.commit([NumberFreed("+919876500001", START + 10), NumberFreed("+919876500002", START)])
    await store.commit([NumberFreed("+919876500001", START + 5), NumberFreed("+919876500002", START + 20)])
    state = await store.open_state(Instant(START + 10))
    assert state.rested == {"+919876500001": START + 10, "+919876500002": START + 20}
    assert (await store.open_state(Instant(START + 11))).rested == {"+919876500002": START + 20}


# --- turns ---------------------------------------------------------------------------------------


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
    assert (await store.ready(CMP, START, frozenset(), 10)).contacts == ()


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
        "a contact that does not exist": ContactSaved(stranger),
        "a campaign that exists": CampaignAdmitted(campaign(), ImportId(999)),
        "a campaign that does not exist": CampaignSaved(another_campaign(999)),
        "an import that does not exist": CampaignAdmitted(another_campaign(998), ImportId(999)),
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
