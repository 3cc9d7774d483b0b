"""The store's contract for its life: one opener, an orderly end, and what a restart takes up."""

from __future__ import annotations

import asyncio

import pytest

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.journal import CallClosed, CountersMoved, NumberFreed
from dialerd.core.model import CampaignStatus
from dialerd.ports import CallFilter, Store

from .stores import ALL, CMP, Place, admitted, another_campaign, attempt, ending, opening, person


async def test_a_second_opener_is_told_who_holds_the_store(place: Place, store: Store) -> None:
    second = place.store("d2")
    with pytest.raises(PortError, match="in use by instance 'd1'") as caught:
        await second.open()
    assert not caught.value.retryable
    with pytest.raises(PortError, match="closed"):
        await second.commit([NumberFreed("+919876500001", 1)])
    await store.close()
    await second.open()


async def test_a_closed_store_refuses_everything(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(PortError, match="closed"):
        await store.commit([NumberFreed("+919876500001", 1)])
    with pytest.raises(PortError, match="closed"):
        await store.campaign(CMP)
    await store.open()
    await store.commit([NumberFreed("+919876500001", 1)])


async def test_what_was_begun_is_finished_before_the_store_closes(place: Place, store: Store) -> None:
    await admitted(store, [person(1)])
    commits = [asyncio.create_task(store.commit([CountersMoved(CMP, {"called": 1})])) for _ in range(20)]
    await asyncio.sleep(0)
    store = await place.reopened(store)
    await asyncio.gather(*commits)
    found = await store.campaign(CMP)
    assert found is not None
    assert found[1] == {"called": 20}


async def test_nothing_is_in_doubt_but_what_was_said_to_be(store: Store) -> None:
    await store.commit([NumberFreed("+919876500001", 1)])
    with pytest.raises(InvariantError, match="not in doubt"):
        await store.settle(1)


async def test_an_empty_store_has_nothing_to_take_up(store: Store) -> None:
    state = await store.open_state(Instant(0))
    assert (state.campaigns, state.calls, state.last_call) == ((), (), None)
    assert (dict(state.counters), dict(state.rested)) == ({}, {})


async def test_only_campaigns_that_live_or_have_open_calls_are_taken_up(place: Place, store: Store) -> None:
    over = {"status": CampaignStatus.COMPLETED}
    for number, status in enumerate(CampaignStatus, start=10):
        await admitted(store, [person(1)], another_campaign(number, status=status))
    (contact,) = await admitted(store, [person(1)], another_campaign(20, **over))
    closed, still_open = attempt(contact, 1), attempt(contact, 2)
    await store.commit([*opening(closed), *opening(still_open)])
    await store.commit(
        [CallClosed(closed, ending(closed)), CountersMoved(contact.campaign_id, {"called": 1})]
    )
    store = await place.reopened(store)
    state = await store.open_state(Instant(0))
    assert [found.status for found in state.campaigns] == ["scheduled", "running", "paused", "completed"]
    assert [call.id for call in state.calls] == [still_open.id]
    assert state.counters[contact.campaign_id] == {"called": 1}
    assert state.last_call == still_open.id
    await store.commit([CallClosed(still_open, ending(still_open))])
    state = await store.open_state(Instant(0))
    assert contact.campaign_id not in [found.id for found in state.campaigns]
    assert state.last_call == still_open.id


async def test_open_calls_are_listed_as_in_progress(store: Store) -> None:
    await store.commit(opening(attempt(None)))
    rows, total = await store.calls(CallFilter(), ALL)
    assert total == 1
    assert (rows[0].status, rows[0].disposition, rows[0].ended_at) == ("in_progress", None, None)
    assert (rows[0].counted, rows[0].duration_ms, rows[0].reason) == (True, 0, None)
