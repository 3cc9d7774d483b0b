"""The store's contract: what a turn commits is there after a restart as it was committed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, CallId, CampaignId, TrunkName
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CallCut,
    CallReported,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    NumberFreed,
    TryOpened,
    TrySaved,
)
from dialerd.core.model import AgentReport, CallStatus, CampaignStatus, RetryRule, TryState
from dialerd.core.windows import Slot
from dialerd.ports import Store

from .stores import (
    ALL,
    CMP,
    START,
    Place,
    admitted,
    attempt,
    campaign,
    ending,
    first_try,
    opening,
    person,
)

RULES: dict[str, Any] = {
    "hours": (Slot(frozenset({0, 4}), 540, 1_080), Slot(frozenset({5}), 1_320, 120)),
    "holidays": ("IN", "2024-01-26"),
    "closed": frozenset({date(2024, 1, 26), date(2024, 8, 15)}),
    "retry_rules": {Reason.BUSY: RetryRule(Millis(300_000), 3), Reason.NO_ANSWER: RetryRule(Millis(60_000))},
    "max_callbacks": 2,
}
REPORT = AgentReport(
    disposition="interested",
    positive=True,
    captured={"date": "2024-02-01", "amount": 1200.5, "name": "ஆசை"},
    transcript=({"speaker": "agent", "text": "नमस्ते", "at_ms": 120}, {"speaker": "callee", "digits": "1"}),
    callback_at=Instant(START + 86_400_000),
)


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
        **RULES,
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
        **RULES,
        version=7,
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
        retries={"busy": 1, "no_answer": 2},
        callbacks=1,
        callback_unmet=Instant(START + 6),
    )
    await store.commit([ContactSaved(after)])
    found, total = await store.contacts(CMP, ALL)
    assert (list(found), total) == ([after], 1)
    await store.commit([ContactSaved(contact)])
    assert await store.contacts(CMP, ALL) == ([contact], 1)


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
    call = attempt(None, name="आशा", variables={"due": "१०", "plan": {"months": 3}})
    nameless = attempt(None, 2, phone=E164("+919876500001"))
    await store.commit([*opening(call), *opening(nameless)])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls == (call, nameless)
    row = await store.call(call.id)
    assert row is not None
    assert (row.campaign_id, row.name, row.callback) == (None, "आशा", False)
    row = await store.call(nameless.id)
    assert row is not None
    assert row.name is None
    assert await store.call(CallId("cal_none")) is None


async def test_a_callback_is_known_as_one(place: Place, store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    call = attempt(contact, callback=True)
    await store.commit(opening(call))
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls == (call,)
    row = await store.call(call.id)
    assert row is not None
    assert (row.callback, row.name) == (True, "Person 1")


async def test_a_call_that_is_being_cut_comes_back_so(place: Place, store: Store) -> None:
    call, other = attempt(None, 1), attempt(None, 2, phone=E164("+919876500001"))
    await store.commit([*opening(call), *opening(other)])
    cut = replace(call, hangup=Reason.CUT)
    await store.commit([CallCut(cut)])
    await store.commit([CallReported(replace(other, report=REPORT))])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls == (cut, replace(other, report=REPORT))


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
