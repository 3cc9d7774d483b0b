"""What a store keeps of answering machines: what is done with them, who has answered, whose message is left."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant
from dialerd.core.journal import CallJudged, CampaignSaved, ContactSaved
from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.ports import Page, Store

from .stores import CMP, Place, admitted, attempt, campaign, opening, person


async def test_a_campaign_keeps_what_is_done_with_machines(place: Place, store: Store) -> None:
    new = campaign(on_machine=OnMachine.MESSAGE)
    await admitted(store, [person(1)], new)
    store = await place.reopened(store)
    assert await store.campaign(CMP) == (new, {})
    edited = replace(new, on_machine=OnMachine.IGNORE)
    await store.commit([CampaignSaved(edited)])
    assert await store.campaign(CMP) == (edited, {})


async def test_a_contact_keeps_that_its_machine_has_the_message(place: Place, store: Store) -> None:
    await admitted(store, [person(1)])
    (listed,), _ = await store.contacts(CMP, Page(10, 0))
    assert not listed.message_left
    await store.commit([ContactSaved(replace(listed, message_left=True))])
    store = await place.reopened(store)
    (listed,), _ = await store.contacts(CMP, Page(10, 0))
    assert listed.message_left


async def test_a_call_keeps_who_has_answered(place: Place, store: Store) -> None:
    call = attempt(None, 1, on_machine=OnMachine.HANG_UP)
    await store.commit(opening(call))
    store = await place.reopened(store)
    (found,) = (await store.open_state(Instant(0))).calls
    assert (found.on_machine, found.answered_by, found.message_left) == (OnMachine.HANG_UP, None, False)
    judged = replace(call, answered_by=AnsweredBy.MACHINE, message_left=True)
    await store.commit([CallJudged(judged)])
    store = await place.reopened(store)
    (found,) = (await store.open_state(Instant(0))).calls
    assert (found.answered_by, found.message_left) == (AnsweredBy.MACHINE, True)
    row = await store.call(call.id)
    assert row is not None
    assert (row.answered_by, row.message_left) == ("machine", True)
