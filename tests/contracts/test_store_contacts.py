"""The store's contract for contacts: how lists come in, and in which order they are dialed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.errors import InvariantError
from dialerd.core.identity import E164, CampaignId, ContactId, ImportId
from dialerd.core.journal import CampaignAdmitted, ContactSaved, ImportSealed, WaitingClosed
from dialerd.ports import Page, Store

from .stores import ALL, CMP, START, Place, admitted, another_campaign, campaign, dialing, person

NONE: frozenset[ContactId] = frozenset()
ALL_KINDS = frozenset(ContactKind)


def due_at(contact: Contact, millis: int) -> ContactSaved:
    later = Instant(START + millis)
    return ContactSaved(replace(contact, state=ContactState.RETRY_WAITING, attempts=1, not_before=later))


# --- ready ---------------------------------------------------------------------------------------


async def test_contacts_are_due_in_the_order_of_their_list(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in (3, 1, 2)])
    batch = await store.ready(CMP, START, NONE, (10, 10, 10))
    assert batch.contacts == tuple(listed)
    assert [contact.phone[-1] for contact in batch.contacts] == ["3", "1", "2"]
    assert batch.exhausted == ALL_KINDS
    assert batch.next_due is None


async def test_those_waiting_longest_come_first_and_equals_by_id(store: Store) -> None:
    one, two, three, four = await admitted(store, [person(n) for n in range(1, 5)])
    await store.commit([due_at(one, 30), due_at(two, 20), due_at(three, 30), due_at(four, 10)])
    batch = await store.ready(CMP, Instant(START + 30), NONE, (10, 10, 10))
    assert [contact.id for contact in batch.contacts] == [four.id, two.id, one.id, three.id]


async def test_what_is_not_due_yet_is_announced_by_its_instant(store: Store) -> None:
    one, two, three = await admitted(store, [person(n) for n in (1, 2, 3)])
    await store.commit([due_at(two, 1_000), due_at(three, 2_000)])
    batch = await store.ready(CMP, START, NONE, (10, 10, 10))
    assert ([c.id for c in batch.contacts], batch.exhausted) == ([one.id], ALL_KINDS)
    assert batch.next_due == START + 1_000
    batch = await store.ready(CMP, Instant(START + 999), NONE, (10, 10, 10))
    assert batch.next_due == START + 1_000
    batch = await store.ready(CMP, Instant(START + 1_000), NONE, (10, 10, 10))
    assert [c.id for c in batch.contacts] == [one.id, two.id]
    assert batch.next_due == START + 2_000
    batch = await store.ready(CMP, Instant(START + 2_000), NONE, (10, 10, 10))
    assert (len(batch.contacts), batch.next_due) == (3, None)


async def test_a_batch_says_whether_more_is_due_beyond_it(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in range(1, 6)])
    await store.commit([due_at(listed[4], 1_000)])
    batch = await store.ready(CMP, START, NONE, (3, 3, 3))
    assert (batch.contacts, batch.exhausted) == (tuple(listed[:3]), ALL_KINDS - {ContactKind.FRESH})
    assert batch.next_due == START + 1_000
    batch = await store.ready(CMP, START, NONE, (4, 4, 4))
    assert (batch.contacts, batch.exhausted) == (tuple(listed[:4]), ALL_KINDS)


async def test_each_kind_of_contact_has_its_own_line(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in range(1, 8)])
    called_back = replace(listed[6], state=ContactState.CALLBACK_WAITING, not_before=Instant(START + 5))
    await store.commit(
        [*(due_at(contact, 10 * n) for n, contact in enumerate(listed[3:6])), ContactSaved(called_back)]
    )
    batch = await store.ready(CMP, Instant(START + 10), NONE, (2, 2, 2))
    ids = [contact.id for contact in batch.contacts]
    assert ids == [listed[n].id for n in (0, 1, 3, 4, 6)]
    assert batch.exhausted == {ContactKind.RETRY, ContactKind.CALLBACK}
    assert batch.next_due == START + 20
    batch = await store.ready(CMP, Instant(START + 10), frozenset(ids), (5, 0, 0))
    assert [contact.id for contact in batch.contacts] == [listed[2].id]
    assert batch.exhausted == ALL_KINDS
    batch = await store.ready(CMP, Instant(START + 10), NONE, (0, 0, 0))
    assert (batch.contacts, batch.exhausted) == ((), frozenset())


async def test_contacts_that_are_held_are_passed_over(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in range(1, 6)])
    await store.commit([due_at(listed[3], 1_000), due_at(listed[4], 2_000)])
    held = frozenset({listed[0].id, listed[2].id, listed[3].id})
    batch = await store.ready(CMP, START, held, (1, 1, 1))
    assert (batch.contacts, batch.exhausted, batch.next_due) == ((listed[1],), ALL_KINDS, START + 2_000)


async def test_only_waiting_contacts_of_the_campaign_are_ready(store: Store) -> None:
    states = list(ContactState)
    listed = await admitted(store, [person(n) for n in range(len(states))])
    await admitted(store, [person(1)], another_campaign(2))
    await store.commit(
        [ContactSaved(replace(c, state=state)) for c, state in zip(listed, states, strict=True)]
    )
    batch = await store.ready(CMP, START, NONE, (100, 100, 100))
    assert [c.state for c in batch.contacts] == ["pending", "retry_waiting", "callback_waiting"]
    await store.commit([ContactSaved(replace(c, state=ContactState.IN_CALL)) for c in batch.contacts])
    assert (await store.ready(CMP, START, NONE, (100, 100, 100))).contacts == ()
    await store.commit([ContactSaved(replace(listed[0], state=ContactState.RETRY_WAITING))])
    assert len((await store.ready(CMP, START, NONE, (100, 100, 100))).contacts) == 1


async def test_a_campaign_without_contacts_is_exhausted(store: Store) -> None:
    batch = await store.ready(CMP, START, NONE, (10, 10, 10))
    assert (batch.contacts, batch.exhausted, batch.next_due) == ((), ALL_KINDS, None)


# --- imports -------------------------------------------------------------------------------------


async def test_nothing_of_an_unsealed_import_is_seen(store: Store) -> None:
    await admitted(store, [person(1)])
    import_id = await store.begin_import(CMP)
    assert await store.add_contacts(import_id, CMP, [person(2), person(3)]) == 2
    assert len((await store.ready(CMP, START, NONE, (10, 10, 10))).contacts) == 1
    found, total = await store.contacts(CMP, ALL)
    assert (len(found), total) == (1, 1)


async def test_sealing_belongs_to_the_turn_that_admits_the_campaign(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    await store.add_contacts(import_id, CMP, [person(1)])
    gone = Contact(ContactId(999), CMP, person(1).phone)
    with pytest.raises(InvariantError):
        await store.commit([CampaignAdmitted(campaign(), import_id), ContactSaved(gone)])
    assert await store.contacts(CMP, ALL) == ([], 0)
    await store.commit([CampaignAdmitted(campaign(), import_id)])
    assert (await store.contacts(CMP, ALL))[1] == 1


async def test_more_contacts_join_a_campaign_when_they_are_sealed(place: Place, store: Store) -> None:
    first = await admitted(store, [person(1)])
    more = await store.begin_import(CMP)
    await store.add_contacts(more, CMP, [person(1), person(2)])
    assert (await store.contacts(CMP, ALL))[1] == 1
    await store.commit([ImportSealed(CMP, more)])
    store = await place.reopened(store)
    batch = await store.ready(CMP, START, NONE, (10, 10, 10))
    assert [contact.phone for contact in batch.contacts] == [person(1).phone, person(2).phone]
    assert (await store.contacts(CMP, ALL))[0][0] == first[0]
    with pytest.raises(InvariantError):
        await store.commit([ImportSealed(CMP, more)])


async def test_contacts_join_no_campaign_but_their_own_and_none_that_is_not_there(store: Store) -> None:
    await admitted(store, [person(1)])
    await admitted(store, [person(1)], another_campaign(2))
    none = CampaignId("cmp_none")
    own, lost = await store.begin_import(CMP), await store.begin_import(none)
    for wrong in (ImportSealed(another_campaign(2).id, own), ImportSealed(none, lost)):
        with pytest.raises(InvariantError):
            await store.commit([wrong])
    await store.commit([ImportSealed(CMP, own)])


async def test_a_campaign_may_be_admitted_and_added_to_in_one_turn(store: Store) -> None:
    first, more = await store.begin_import(CMP), await store.begin_import(CMP)
    await store.add_contacts(first, CMP, [person(1)])
    await store.add_contacts(more, CMP, [person(2)])
    await store.commit([CampaignAdmitted(campaign(), first), ImportSealed(CMP, more)])
    assert (await store.contacts(CMP, ALL))[1] == 2


async def test_listed_contacts_are_stored_and_never_ready(store: Store) -> None:
    one, two = await admitted(store, [person(1, suppressed=True), person(2)])
    assert (one.state, two.state) == ("suppressed", "pending")
    assert one == replace(two, id=one.id, phone=one.phone, name=one.name, state=ContactState.SUPPRESSED)
    assert (await store.ready(CMP, START, NONE, (10, 10, 10))).contacts == (two,)
    await store.commit([WaitingClosed(CMP, ContactState.EXPIRED)])
    found, total = await store.contacts(CMP, ALL)
    assert ([contact.state for contact in found], total) == (["suppressed", "expired"], 2)


async def test_numbers_that_the_campaign_has_are_not_new(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    assert await store.add_contacts(import_id, CMP, [person(1), person(2), person(1, name="again")]) == 2
    assert await store.add_contacts(import_id, CMP, [person(2), person(3)]) == 1
    assert await store.add_contacts(import_id, CMP, []) == 0
    other = another_campaign(2)
    assert len(await admitted(store, [person(1)], other)) == 1
    await store.commit([CampaignAdmitted(campaign(), import_id)])
    found, total = await store.contacts(CMP, ALL)
    assert ([contact.name for contact in found], total) == (["Person 1", "Person 2", "Person 3"], 3)


async def test_an_import_takes_at_most_500_rows_at_a_time(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    assert await store.add_contacts(import_id, CMP, [person(n) for n in range(500)]) == 500
    with pytest.raises(InvariantError):
        await store.add_contacts(import_id, CMP, [person(n) for n in range(500, 1_001)])


async def test_rows_for_an_import_that_is_not_open_are_refused(store: Store) -> None:
    await admitted(store, [person(1)])
    dropped = await store.begin_import(CMP)
    await store.drop_import(dropped)
    foreign = await store.begin_import(CampaignId("cmp_other"))
    for import_id in (dropped, foreign, ImportId(999)):
        with pytest.raises(InvariantError):
            await store.add_contacts(import_id, CMP, [person(7)])
    assert (await store.contacts(CMP, ALL))[1] == 1


async def test_a_dropped_import_leaves_nothing_and_cannot_be_sealed(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    for first in range(0, 1_200, 400):
        await store.add_contacts(import_id, CMP, [person(n) for n in range(first, first + 400)])
    await store.drop_import(import_id)
    await store.drop_import(import_id)
    with pytest.raises(InvariantError):
        await store.commit([CampaignAdmitted(campaign(), import_id)])
    assert len(await admitted(store, [person(1), person(2)])) == 2


async def test_ids_of_imports_are_never_given_twice(store: Store) -> None:
    first = await store.begin_import(CMP)
    await store.drop_import(first)
    assert await store.begin_import(CMP) != first


async def test_a_sealed_import_is_not_dropped(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    await store.add_contacts(import_id, CMP, [person(1)])
    await store.commit([CampaignAdmitted(campaign(), import_id)])
    with pytest.raises(InvariantError):
        await store.drop_import(import_id)
    assert (await store.contacts(CMP, ALL))[1] == 1


async def test_what_was_never_sealed_is_gone_after_a_restart(place: Place, store: Store) -> None:
    await admitted(store, [person(1)])
    more = await store.begin_import(CMP)
    await store.add_contacts(more, CMP, [person(2)])
    new = CampaignId("cmp_new")
    await store.add_contacts(await store.begin_import(new), new, [person(3)])
    store = await place.reopened(store)
    await store.open_state(Instant(0))
    again = await store.begin_import(CMP)
    assert await store.add_contacts(again, CMP, [person(1), person(2)]) == 1


# --- lists ---------------------------------------------------------------------------------------


async def test_contacts_are_paged_in_list_order(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in (5, 4, 3, 2, 1)])
    await store.commit([due_at(listed[0], 9), ContactSaved(dialing(listed[1]))])
    found, total = await store.contacts(CMP, Page(2, 1))
    assert ([contact.id for contact in found], total) == ([listed[1].id, listed[2].id], 5)
    assert await store.contacts(CMP, Page(2, 5)) == ([], 5)
    assert await store.contacts(CampaignId("cmp_none"), ALL) == ([], 0)


async def test_contacts_are_listed_by_their_state(store: Store) -> None:
    listed = await admitted(store, [person(n) for n in range(6)])
    await admitted(store, [person(1)], another_campaign(2))
    await store.commit([due_at(listed[place], 9) for place in (1, 3, 4)])
    retry = ContactState.RETRY_WAITING
    found, total = await store.contacts(CMP, ALL, retry)
    assert ([contact.id for contact in found], total) == ([listed[place].id for place in (1, 3, 4)], 3)
    found, total = await store.contacts(CMP, Page(1, 1), retry)
    assert ([contact.id for contact in found], total) == ([listed[3].id], 3)
    assert await store.contacts(CMP, ALL, ContactState.FINISHED) == ([], 0)
    await store.add_contacts(await store.begin_import(CMP), CMP, [person(9)])
    assert (await store.contacts(CMP, ALL, ContactState.PENDING))[1] == 3


async def test_one_contact_is_found_by_its_number(store: Store) -> None:
    one, two = await admitted(store, [person(1), person(2)])
    await admitted(store, [person(1)], another_campaign(2))
    await store.add_contacts(await store.begin_import(CMP), CMP, [person(9)])
    assert await store.contact(CMP, one.phone) == one
    assert await store.contact(CMP, two.phone) == two
    assert await store.contact(another_campaign(2).id, two.phone) is None
    assert await store.contact(CMP, person(9).phone) is None


# --- numbers that one trunk takes ------------------------------------------------------------------


async def test_contacts_under_prefixes_come_by_their_numbers_from_where_the_search_has_come_to(
    store: Store,
) -> None:
    numbers = ("+447001", "+919001", "+447003", "+4915003", "+447002", "+919002")
    people = [person(n, phone=E164(number + "0000")) for n, number in enumerate(numbers)]
    listed = await admitted(store, people)
    by_phone = {contact.phone[:-4]: contact for contact in listed}
    await store.commit([due_at(by_phone["+447003"], 500)])

    async def under(
        prefixes: tuple[str, ...], behind: str, limit: int, held: frozenset[ContactId] = NONE
    ) -> list[str]:
        found = await store.ready_under(CMP, Instant(START + 100), held, prefixes, behind, limit)
        return [contact.phone[:-4] for contact in found]

    assert await under(("44",), "", 10) == ["+447001", "+447002"]
    assert await under(("91", "44"), "", 3) == ["+447001", "+447002", "+919001"]
    assert await under(("91", "44"), "+4470020000", 3) == ["+919001", "+919002"]
    assert await under(("44",), "", 10, frozenset({by_phone["+447001"].id})) == ["+447002"]
    assert await under(("33",), "", 10) == []
    assert await store.ready_under(CMP, Instant(START + 500), NONE, ("447003",), "", 1) == [
        replace(
            by_phone["+447003"], state=ContactState.RETRY_WAITING, attempts=1, not_before=Instant(START + 500)
        )
    ]
