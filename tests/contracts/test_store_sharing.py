"""The store's contract for what sharing rests on: calls to a number, caller ids, shares."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact
from dialerd.core.identity import E164, TrunkName, call_id, next_call_number
from dialerd.core.journal import CallClosed, CampaignSaved, ContactSaved, TrunkSaved
from dialerd.core.model import Call, Shares
from dialerd.core.trunk import TrunkChange
from dialerd.ports import Store

from .stores import (
    CMP,
    START,
    admitted,
    another_campaign,
    attempt,
    campaign,
    ending,
    first_try,
    opening,
    person,
)


def timed(contact: Contact | None, at: int, **changes: object) -> Call:
    """A call that began so many milliseconds after `START`, with the id that it would be given then."""
    started = Instant(START + at)
    ident = call_id(next_call_number(0, started))
    tries = (replace(first_try(ident), opened_at=started),)
    return replace(attempt(contact, id=ident, tries=tries, started_at=started), **changes)  # type: ignore[arg-type]


async def test_counted_calls_to_a_number_are_told_with_its_contacts(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    (elsewhere,) = await admitted(store, [person(1)], another_campaign(2))
    single, refunded, running = (
        timed(None, 1_000, phone=contact.phone),
        timed(contact, 2_000),
        timed(elsewhere, 3_000),
    )
    await store.commit([entry for call in (single, refunded, running) for entry in opening(call)])
    await store.commit(
        [CallClosed(single, ending(single)), CallClosed(refunded, ending(refunded, counted=False))]
    )
    told = await store.recent_calls(contact.phone, Instant(START + 500))
    assert told == (START + 1_000, START + 3_000)
    assert await store.recent_calls(contact.phone, Instant(START + 1_500)) == (START + 3_000,)
    assert await store.recent_calls(E164("+919876599999"), START) == ()
    await store.commit([ContactSaved(contact)])
    (ready,) = (await store.ready(CMP, START, frozenset(), (9, 9, 9), Instant(START + 500))).contacts
    assert (sorted(ready.recent), ready.read_at) == ([START + 1_000, START + 3_000], START)
    (plain,) = (await store.ready(CMP, START, frozenset(), (9, 9, 9))).contacts
    assert plain.recent == ()
    (sought,) = await store.ready_under(CMP, START, frozenset(), ("91",), "", 9, Instant(START + 1_500))
    assert sought.recent == (START + 3_000,)


async def test_how_often_each_caller_id_was_shown_is_told_by_the_hour(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    hour = 3_600_000
    first = START // hour
    calls = [timed(contact, at) for at in (0, 1, 2 * hour, 2 * hour + 1, 2 * hour + 2)]
    for call in calls:
        await store.commit(opening(call))
    number = calls[0].current.caller_id
    told = (await store.open_state(Instant(0), START)).shown
    assert told == {number: ((first, 2), (first + 2, 3))}
    assert (await store.open_state(Instant(0), Instant(START + hour))).shown == {number: ((first + 2, 3),)}
    assert (await store.open_state(Instant(0))).shown == {}


async def test_shares_and_caller_ids_are_kept(store: Store) -> None:
    shared = campaign(shares=Shares(2.0, 0.5, 4.0))
    (contact,) = await admitted(store, [person(1)], shared)
    found = await store.campaign(CMP)
    assert found is not None
    assert found[0].shares == Shares(2.0, 0.5, 4.0)
    await store.commit([CampaignSaved(replace(shared, shares=Shares()))])
    found = await store.campaign(CMP)
    assert found is not None
    assert found[0].shares == Shares()
    known = replace(contact, caller_id=E164("+15550100101"))
    await store.commit([ContactSaved(known)])
    assert await store.contact(CMP, contact.phone) == known


async def test_resting_caller_ids_come_back(store: Store) -> None:
    change = TrunkChange(TrunkName("a"), resting={"+15550100101": START + 5})
    await store.commit([TrunkSaved(change)])
    assert (await store.open_state(Instant(0))).trunks == (change,)
