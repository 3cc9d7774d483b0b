"""The store's contract for what the rules of dialing rest on: the do-not-call list, halts, trunks, steps of the clock.

And the counters, which an audit must find in step with the contacts.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InvariantError
from dialerd.core.identity import E164, CampaignId, ContactId, TrunkName
from dialerd.core.journal import (
    REMEMBERED,
    ContactSaved,
    CountersMoved,
    DaemonSaved,
    DncChanged,
    NumberFreed,
    TrunkSaved,
    WaitingShifted,
)
from dialerd.core.model import CampaignStatus
from dialerd.core.policy import Halt
from dialerd.core.trunk import TrunkChange
from dialerd.ports import Page, Store

from .stores import ALL, CMP, START, Place, admitted, another_campaign, dialing, person

NONE: frozenset[ContactId] = frozenset()
NUMBER = "+919876500001"

# --- the do-not-call list ------------------------------------------------------------------------


def entry(pattern: str, created: int = 0, ends: int | None = None) -> DncEntry:
    ended = None if ends is None else Instant(START + ends)
    return DncEntry(pattern, f"reason of {pattern}", "नियामक", Instant(START + created), ended)


async def listed(store: Store) -> dict[str, int | None]:
    return dict((await store.dnc()).patterns)


async def test_an_empty_list_is_a_list(store: Store) -> None:
    dnc = await store.dnc()
    assert (dnc.version, len(dnc.patterns)) == (0, 0)
    assert await store.dnc_entries(ALL) == ([], 0)
    assert await store.dnc_entry(NUMBER) is None


async def test_listed_numbers_and_prefixes_come_back_with_their_ends(place: Place, store: Store) -> None:
    entries = (entry(NUMBER), entry("+919876500002", ends=5), entry("+4477*"), entry("+4478*", ends=9))
    await store.commit([DncChanged(3, entries)])
    store = await place.reopened(store)
    dnc = await store.dnc()
    assert dnc.version == 3
    assert dict(dnc.patterns) == {
        NUMBER: None,
        "+919876500002": START + 5,
        "+4477*": None,
        "+4478*": START + 9,
    }
    assert [await store.dnc_entry(known.pattern) for known in entries] == list(entries)


async def test_a_pattern_that_is_listed_again_is_replaced(store: Store) -> None:
    await store.commit([DncChanged(1, (entry(NUMBER, ends=5), entry("+4477*")))])
    again = DncEntry(NUMBER, "the callee asked for it", "call cal_1", Instant(START + 9))
    await store.commit([DncChanged(2, (again,))])
    assert await listed(store) == {NUMBER: None, "+4477*": None}
    assert await store.dnc_entry(NUMBER) == again


async def test_a_pattern_that_is_taken_off_is_gone_and_a_strange_one_no_error(store: Store) -> None:
    await store.commit([DncChanged(1, (entry(NUMBER), entry("+4477*")))])
    await store.commit([DncChanged(2, (), (NUMBER, "+919876599999"))])
    assert await listed(store) == {"+4477*": None}


async def test_within_a_turn_the_last_change_of_a_pattern_wins(store: Store) -> None:
    await store.commit([DncChanged(1, (entry(NUMBER),)), DncChanged(2, (), (NUMBER,))])
    assert await listed(store) == {}
    await store.commit([DncChanged(3, (), (NUMBER,)), DncChanged(4, (entry(NUMBER),))])
    assert await listed(store) == {NUMBER: None}


async def test_the_version_of_the_list_never_goes_back(store: Store) -> None:
    for version, kept in ((9, 9), (2, 9), (10, 10), (100, 100)):
        await store.commit([DncChanged(version, (entry(NUMBER),))])
        assert (await store.dnc()).version == kept


async def test_entries_are_listed_newest_first(store: Store) -> None:
    patterns = [f"+91987650000{number}" for number in range(5)]
    await store.commit([DncChanged(1, tuple(entry(p, created=n // 2) for n, p in enumerate(patterns)))])
    found, total = await store.dnc_entries(ALL)
    assert ([known.pattern for known in found], total) == (patterns[::-1], 5)
    found, total = await store.dnc_entries(Page(2, 1))
    assert ([known.pattern for known in found], total) == ([patterns[3], patterns[2]], 5)
    assert await store.dnc_entries(Page(2, 5)) == ([], 5)


async def test_a_long_list_is_read_whole(store: Store) -> None:
    patterns = [f"+9198{number:08d}" for number in range(0, 250_000, 10)]
    await store.commit([DncChanged(1, tuple(entry(pattern) for pattern in patterns))])
    assert await listed(store) == dict.fromkeys(patterns)


async def test_who_asks_for_the_list_may_change_it(store: Store) -> None:
    await store.commit([DncChanged(1, (entry(NUMBER),))])
    (await store.dnc()).patterns.drop(NUMBER)
    assert await listed(store) == {NUMBER: None}


# --- contacts that must not be called any more ---------------------------------------------------


async def under(store: Store, pattern: str, limit: int = 100) -> set[ContactId]:
    found = await store.waiting_under(pattern, limit)
    assert len({contact.id for contact in found}) == len(found) <= limit
    return {contact.id for contact in found}


async def test_a_number_is_found_in_every_live_campaign(store: Store) -> None:
    wanted = set()
    for number, status in enumerate(CampaignStatus, start=1):
        one, _ = await admitted(store, [person(1), person(2)], another_campaign(number, status=status))
        wanted |= {one.id} if status.live else set()
    assert await under(store, str(person(1).phone)) == wanted
    assert len(wanted) == 3
    assert await under(store, "+919999999999") == set()


async def test_numbers_are_found_by_their_prefix_and_no_others(store: Store) -> None:
    phones = ("+9198", "+9197", "+9199", "+919", "+919850000000000", "+91980000000", "+91989999999", "+9298")
    people = [person(1, phone=E164(phone.ljust(11, "5"))) for phone in phones]
    contacts = await admitted(store, people)
    for pattern in ("+9198*", "+91985*", "+919*", "+92*", "+93*", "+91985555555*"):
        wanted = {contact.id for contact in contacts if contact.phone.startswith(pattern[:-1])}
        assert await under(store, pattern) == wanted


async def test_only_sealed_waiting_contacts_are_found_as_they_are(store: Store) -> None:
    states = list(ContactState)
    contacts = await admitted(store, [person(number) for number in range(len(states))])
    saved = [replace(known, state=state) for known, state in zip(contacts, states, strict=True)]
    await store.commit([ContactSaved(contact) for contact in saved])
    await store.add_contacts(await store.begin_import(CMP), CMP, [person(99)])
    found = sorted(await store.waiting_under("+9198765*", 100), key=lambda contact: contact.id)
    assert found == [contact for contact in saved if contact.state.waiting]
    assert await under(store, str(contacts[1].phone)) == set()


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 21])
async def test_a_sweep_takes_out_all_of_them_batch_by_batch(store: Store, limit: int) -> None:
    left = set()
    for number in (1, 2, 3):
        contacts = await admitted(store, [person(n) for n in range(7)], another_campaign(number))
        left |= {contact.id for contact in contacts}
    while left:
        found = await store.waiting_under("+9198765*", limit)
        assert len(found) == min(limit, len(left))
        left -= {contact.id for contact in found}
        await store.commit([ContactSaved(replace(c, state=ContactState.SUPPRESSED)) for c in found])
    assert await under(store, "+9198765*") == set()


async def test_a_sweep_finds_what_came_behind_it_and_what_was_left(store: Store) -> None:
    contacts = await admitted(store, [person(n) for n in range(6)])
    by_id = {contact.id: contact for contact in contacts}
    first = await under(store, "+9198765*", 3)
    await store.commit([ContactSaved(dialing(by_id[ident])) for ident in first])
    await store.commit([ContactSaved(by_id[ident]) for ident in first])
    assert await under(store, "+9198765*", 5) <= set(by_id)
    assert await under(store, "+9198765*", 6) == set(by_id)
    assert await under(store, "+9198*", 2) <= set(by_id)
    assert await under(store, "+9198765*", 6) == set(by_id)


# --- the daemon and its trunks -------------------------------------------------------------------


async def test_a_halt_lasts_until_it_is_lifted(place: Place, store: Store) -> None:
    assert (await store.open_state(Instant(0))).halt is None
    for halt in (Halt.PAUSE, Halt.PANIC, None, Halt.PAUSE):
        await store.commit([DaemonSaved(halt)])
        store = await place.reopened(store)
        assert (await store.open_state(Instant(0))).halt is halt


async def test_the_last_halt_of_a_turn_wins(store: Store) -> None:
    await store.commit([DaemonSaved(Halt.PAUSE), DaemonSaved(None), DaemonSaved(Halt.PANIC)])
    assert (await store.open_state(Instant(0))).halt is Halt.PANIC
    await store.commit([DaemonSaved(Halt.PAUSE), DaemonSaved(None)])
    assert (await store.open_state(Instant(0))).halt is None


async def test_what_was_decided_of_trunks_comes_back(place: Place, store: Store) -> None:
    a, b = TrunkName("a: first"), TrunkName("b")
    paused = TrunkChange(b, paused="401 from the carrier", max_channels=5, calls_per_second=2.5)
    await store.commit([TrunkSaved(paused), TrunkSaved(TrunkChange(a, max_channels=1))])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).trunks == (TrunkChange(a, max_channels=1), paused)
    mended = replace(paused, paused=None)
    await store.commit([TrunkSaved(mended), TrunkSaved(TrunkChange(a))])
    assert (await store.open_state(Instant(0))).trunks == (mended,)


async def test_the_last_change_of_a_trunk_in_a_turn_wins(store: Store) -> None:
    none, some = TrunkChange(TrunkName("a")), TrunkChange(TrunkName("a"), paused="mend it")
    await store.commit([TrunkSaved(some), TrunkSaved(none)])
    assert (await store.open_state(Instant(0))).trunks == ()
    await store.commit([TrunkSaved(none), TrunkSaved(some)])
    assert (await store.open_state(Instant(0))).trunks == (some,)


async def test_a_turn_that_fails_changes_no_rule(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    await store.commit([NumberFreed(NUMBER, START), ContactSaved(waiting(contact, 5))])
    before = await store.open_state(Instant(0))
    with pytest.raises(InvariantError):
        await store.commit(
            [
                DaemonSaved(Halt.PANIC),
                TrunkSaved(TrunkChange(TrunkName("a"), paused="mend it")),
                DncChanged(1, (entry(NUMBER),)),
                WaitingShifted(START, Millis(1_000)),
                CountersMoved(CampaignId("cmp_none"), {"total": 1}),
            ]
        )
    assert await store.open_state(Instant(0)) == before
    assert (await store.dnc()).version == len((await store.dnc()).patterns) == 0
    assert await store.contact(CMP, contact.phone) == waiting(contact, 5)


# --- steps of the clock --------------------------------------------------------------------------


def waiting(contact: Contact, millis: int, state: ContactState = ContactState.RETRY_WAITING) -> Contact:
    return replace(contact, state=state, not_before=Instant(START + millis))


async def test_what_waits_for_an_interval_waits_longer_by_the_step(store: Store) -> None:
    people = await admitted(store, [person(n) for n in range(7)])
    fresh, due, later, barred, asked, over, live = people
    await store.commit(
        [
            ContactSaved(waiting(due, 0)),
            ContactSaved(waiting(later, 1)),
            ContactSaved(waiting(barred, 2, ContactState.PENDING)),
            ContactSaved(waiting(asked, 3, ContactState.CALLBACK_WAITING)),
            ContactSaved(waiting(over, 4, ContactState.FINISHED)),
            ContactSaved(waiting(live, 5, ContactState.IN_CALL)),
        ]
    )
    await store.commit([WaitingShifted(START, Millis(3_600_000))])
    found, _ = await store.contacts(CMP, ALL)
    moved = [contact.not_before - START for contact in found]
    assert moved == [-START, 0, 3_600_001, 2, 3, 4, 5]
    assert found[0] == fresh
    batch = await store.ready(CMP, Instant(START + 3_600_000), NONE, (10, 10, 10))
    assert [contact.id for contact in batch.contacts] == [fresh.id, barred.id, due.id, asked.id]
    assert batch.next_due == START + 3_600_001


async def test_a_step_concerns_live_campaigns_alone(store: Store) -> None:
    for number, status in enumerate(CampaignStatus, start=1):
        (contact,) = await admitted(store, [person(1)], another_campaign(number, status=status))
        await store.commit([ContactSaved(waiting(contact, 1))])
    await store.commit([WaitingShifted(START, Millis(10))])
    for number, status in enumerate(CampaignStatus, start=1):
        found = await store.contact(another_campaign(number).id, person(1).phone)
        assert found is not None
        assert found.not_before - START == (11 if status.live else 1)


async def test_the_ends_of_calls_move_with_the_clock(store: Store) -> None:
    ends = {
        "+919876500001": START - REMEMBERED - 1,
        "+919876500002": START - REMEMBERED,
        "+919876500003": START,
        "+919876500004": START + 60_000,
    }
    await store.commit([NumberFreed(phone, ended) for phone, ended in ends.items()])
    await store.commit([WaitingShifted(START, Millis(500))])
    (old, *later) = ends
    wanted = {old: ends[old]} | {phone: ends[phone] + 500 for phone in later}
    assert (await store.open_state(Instant(0))).rested == wanted


async def test_a_step_is_taken_in_its_place_within_the_turn(store: Store) -> None:
    first, second = await admitted(store, [person(1), person(2)])
    await store.commit(
        [
            NumberFreed("+919876500001", START),
            ContactSaved(waiting(first, 1)),
            WaitingShifted(START, Millis(100)),
            ContactSaved(waiting(second, 1)),
            NumberFreed("+919876500002", START),
        ]
    )
    found, _ = await store.contacts(CMP, ALL)
    assert [contact.not_before - START for contact in found] == [101, 1]
    assert (await store.open_state(Instant(0))).rested == {
        "+919876500001": START + 100,
        "+919876500002": START,
    }


# --- counters ------------------------------------------------------------------------------------


def in_every_way(contacts: list[Contact]) -> list[Contact]:
    """Contacts to which different things have happened."""
    plain: list[dict[str, object]] = [{"state": state} for state in ContactState]
    called = [
        known | {"attempts": 1, "disposition": "not_reachable", "reason": Reason.BUSY} for known in plain
    ]
    again = [known | {"attempts": 2, "reason": Reason.NO_ANSWER} for known in called]
    talked: list[dict[str, object]] = [
        {"attempts": 2, "connected_attempt": number, "disposition": label, "positive": label == "paid"}
        for number in (1, 2)
        for label in ("connected", "paid", "callback_requested", None)
    ]
    unmet: dict[str, object] = {"callback_unmet": Instant(START), "disposition": "callback_requested"}
    changes = [*plain, *called, *again, *talked, *(known | unmet for known in talked)]
    # Twice each, and not side by side: groups must have more than one member.
    return [
        replace(contact, **changes[place % len(changes)])  # type: ignore[arg-type]
        for place, contact in enumerate(contacts[: 2 * len(changes)])
    ]


async def test_an_audit_counts_as_the_metrics_do(store: Store) -> None:
    contacts = await admitted(store, [person(n) for n in range(100)])
    await admitted(store, [person(n) for n in range(3)], another_campaign(2))
    changed = in_every_way(contacts)
    now = changed + contacts[len(changed) :]
    counted = metrics.recount(now)
    assert len(counted) > 20
    await store.commit([*map(ContactSaved, changed), CountersMoved(CMP, counted)])
    per_call = {"talks": 3, "talk_millis": 9_000, "trunk:lab:calls": 5, "hour:2025-11-24T16Z:answered": 1}
    await store.commit([CountersMoved(CMP, per_call | {"label:gone": 0})])
    assert await store.audit_counters(CMP) == {}
    await store.commit([CountersMoved(CMP, {"called": 2, "suppressed": -1, "label:strange": 1})])
    assert await store.audit_counters(CMP) == {
        "called": (counted["called"] + 2, counted["called"]),
        "label:strange": (1, 0),
        "suppressed": (counted["suppressed"] - 1, counted["suppressed"]),
    }


async def test_an_audit_leaves_out_what_is_not_sealed(store: Store) -> None:
    await admitted(store, [person(1), person(2, suppressed=True)])
    await store.add_contacts(await store.begin_import(CMP), CMP, [person(9)])
    assert await store.audit_counters(CMP) == {
        "state:pending": (0, 1),
        "state:suppressed": (0, 1),
        "suppressed": (0, 1),
        "total": (0, 2),
    }
    await store.commit([CountersMoved(CMP, metrics.imported(2, 1))])
    assert await store.audit_counters(CMP) == {}
    assert await store.audit_counters(CampaignId("cmp_none")) == {}
