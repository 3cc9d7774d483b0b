"""The simulator's contacts answer as a store does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.journal import CampaignAdmitted, ContactSaved, WaitingClosed
from dialerd.sim.people import People
from dialerd.sim.store import FakeStore
from tests.core.world_builder import CMP, START, campaign, contacts, list_people, now_or_never

STATES = [
    ContactState.PENDING,
    ContactState.RETRY_WAITING,
    ContactState.CALLBACK_WAITING,
    ContactState.DIALING,
    ContactState.FINISHED,
]
changes = st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(STATES), st.integers(0, 5).map(lambda n: n * 1_000)),
    max_size=30,
)
asked = st.tuples(*[st.integers(0, 6)] * 3)


def both(moves: list[tuple[int, ContactState, int]]) -> tuple[People, FakeStore, list[Contact]]:
    people, store = People(), FakeStore()
    now_or_never(store.open())
    listed = contacts(12)
    people.add(listed)
    import_id = list_people(store.disk, CMP, listed)
    now_or_never(store.commit([CampaignAdmitted(campaign(), import_id)]))
    for place, state, due in moves:
        listed[place] = replace(listed[place], state=state, not_before=Instant(due))
        now_or_never(store.commit([ContactSaved(listed[place])]))
        people.take(ContactSaved(listed[place]))
    return people, store, listed


@given(moves=changes, limits=asked, at=st.integers(0, 5_000), held=st.sets(st.integers(1, 12)))
def test_contacts_that_are_due_come_as_from_the_store(
    moves: list[tuple[int, ContactState, int]], limits: tuple[int, int, int], at: int, held: set[int]
) -> None:
    people, store, _ = both(moves)
    # The engine holds nobody whom it was not given.
    given_ = people.ready(CMP, Instant(at), frozenset(), (12, 12, 12)).contacts
    kept = frozenset(one.id for one in given_ if one.id in held)
    wanted = now_or_never(store.ready(CMP, Instant(at), kept, limits))
    found = people.ready(CMP, Instant(at), kept, limits)
    assert [one.id for one in found.contacts] == [one.id for one in wanted.contacts]
    assert (found.exhausted, found.next_due) == (wanted.exhausted, wanted.next_due)


@given(moves=changes, at=st.integers(0, 5_000), behind=st.integers(0, 12), limit=st.integers(1, 12))
def test_contacts_under_prefixes_come_as_from_the_store(
    moves: list[tuple[int, ContactState, int]], at: int, behind: int, limit: int
) -> None:
    people, store, listed = both(moves)
    after = listed[behind - 1].phone if behind else ""
    for prefixes in (("",), ("919876500", "91987650001"), ("44",)):
        wanted = now_or_never(store.ready_under(CMP, Instant(at), frozenset(), prefixes, after, limit))
        found = people.ready_under(CMP, Instant(at), frozenset(), prefixes, after, limit)
        assert [one.id for one in found] == [one.id for one in wanted]


@given(moves=changes)
def test_who_is_not_done_is_counted(moves: list[tuple[int, ContactState, int]]) -> None:
    people, _, listed = both(moves)
    open_ = sum(one.state.waiting or one.state.busy for one in listed)
    assert people.unfinished(CMP) == open_
    people.take(WaitingClosed(CMP, ContactState.EXPIRED))
    assert people.unfinished(CMP) == sum(one.state.busy for one in listed)
    assert not people.ready(CMP, START, frozenset(), (9, 9, 9)).contacts


def test_strangers_come_to_be_as_they_are_asked_for() -> None:
    people = People()
    people.expect(CMP, iter(contacts(1_000)), 1_000)
    assert people.unfinished(CMP) == 1_000
    found = people.ready(CMP, START, frozenset(), (10, 0, 0))
    assert len(found.contacts) == 10
    assert len(people.contacts) < 1_000
    people.take(WaitingClosed(CMP, ContactState.EXPIRED))
    assert people.unfinished(CMP) == 0
    assert len(people.contacts) == 1_000
