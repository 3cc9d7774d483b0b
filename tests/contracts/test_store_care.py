"""The store's contract for the care of data: files of a campaign, and campaigns deleted bit by bit."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.identity import CampaignId
from dialerd.core.journal import (
    Author,
    CallAnswered,
    CallClosed,
    CampaignAdmitted,
    CampaignDoomed,
    ContactSaved,
    CountersMoved,
    Deed,
)
from dialerd.core.leftovers import Leftover, is_left
from dialerd.core.model import AgentReport, CampaignStatus, TryState
from dialerd.core.report import By
from dialerd.core.results import Columns, Reject
from dialerd.ports import CallFilter, CampaignFilter, DeedFilter, ExportPart, Page, ReportFilter, Store

from .stores import (
    ALL,
    CMP,
    START,
    Place,
    admitted,
    another_campaign,
    attempt,
    campaign,
    ending,
    first_try,
    opening,
    person,
)

FOREVER = Instant(START + 10**12)

Ask = Callable[[CampaignId, Columns, tuple[int, ...]], Awaitable[ExportPart]]


async def whole(ask: Ask, columns: Columns, ident: CampaignId = CMP) -> list[list[str]]:
    """All parts of a file together."""
    text, behind = b"", ()
    while True:
        part = await ask(ident, columns, behind)
        text += part.text
        if part.behind is None:
            return list(csv.reader(io.StringIO(text.decode(), newline="")))
        assert part.behind > behind
        behind = part.behind


async def call_to(store: Store, contact: Contact, number: int, captured: dict[str, object]) -> None:
    """A call that was answered after a second, and lasted another nine."""
    made = attempt(contact, number, report=AgentReport("paid", captured=captured))
    await store.commit(opening(made))
    said = replace(first_try(made.id), state=TryState.ANSWERED, answered_at=Instant(made.started_at + 1_000))
    made = replace(made, tries=(said,))
    closed = ending(made, disposition="paid", reason=None, duration=Millis(9_000))
    await store.commit([CallAnswered(made), CallClosed(made, closed)])


# --- results -------------------------------------------------------------------------------------


async def test_a_file_has_a_row_for_each_contact_in_list_order(store: Store) -> None:
    people = [person(number, variables={"due": str(number)}) for number in reversed(range(1, 1_203))]
    await admitted(store, people)
    await admitted(store, [person(1)], another_campaign(2))
    columns = await store.result_columns(CMP)
    assert columns == Columns(("due",))
    rows = await whole(store.results, columns)
    assert [(row[1], row[-1]) for row in rows] == [(one.phone, one.variables["due"]) for one in people]


async def test_the_columns_are_all_names_of_all_contacts(store: Store) -> None:
    await admitted(store, [person(1, variables={"a": 1, "b": "x"}), person(2, variables={"c": True})])
    assert set((await store.result_columns(CMP)).variables) == {"a", "b", "c"}
    assert (await store.result_columns(CampaignId("cmp_none"))) == Columns()


async def test_a_row_tells_of_the_last_call_and_of_everything_captured(store: Store) -> None:
    first, second = await admitted(store, [person(1, variables={}), person(2, variables={})])
    await call_to(store, first, 1, {"amount": 5, "when": "mon"})
    await call_to(store, first, 2, {"amount": 7})
    (other,) = await admitted(store, [person(1)], another_campaign(2))
    await call_to(store, other, 3, {"elsewhere": 1})
    columns = await store.result_columns(CMP)
    assert columns == Columns((), ("amount", "when"))
    rows = await whole(store.results, columns)
    assert rows[0][12] == f"cal_{2:012x}"
    assert rows[0][13:16] == [
        "2023-11-14T22:13:20.002Z",
        "2023-11-14T22:13:21.002Z",
        "2023-11-14T22:13:24.002Z",
    ]
    assert rows[0][16:] == ["9", "7", "mon"]
    assert rows[1][12:] == ["", "", "", "", "", "", ""]
    assert second.phone == rows[1][1]


async def test_contacts_of_a_list_that_is_not_sealed_are_in_no_file(store: Store) -> None:
    await admitted(store, [person(1, variables={})])
    adding = await store.begin_import(CMP)
    await store.add_contacts(adding, CMP, [person(2, variables={"x": 1})])
    await store.add_rejects(adding, [Reject(2, "x", "no number")])
    columns = await store.result_columns(CMP)
    assert columns == Columns()
    assert len(await whole(store.results, columns)) == 1
    assert await whole(store.rejects, await store.reject_columns(CMP)) == []


# --- rejects -------------------------------------------------------------------------------------


async def test_rejected_rows_are_kept_with_what_they_gave(store: Store) -> None:
    rejects = [
        Reject(line, f"0{line}", f"reason {line}", {"phone": f"0{line}", "due": "१०"}) for line in range(700)
    ]
    made = campaign()
    import_id = await store.begin_import(made.id)
    await store.add_rejects(import_id, rejects[:500])
    await store.add_rejects(import_id, [*rejects[500:], Reject(9_000, None, "broken")])
    await admitted(store, [person(1)], another_campaign(2))
    with pytest.raises(InvariantError):
        await store.add_rejects(import_id, [replace(rejects[0], line=line) for line in range(501)])
    await store.commit([CampaignAdmitted(made, import_id)])
    with pytest.raises(InvariantError):
        await store.add_rejects(import_id, [Reject(1, None, "too late")])
    columns = await store.reject_columns(CMP)
    assert columns == Columns(("due",))
    rows = await whole(store.rejects, columns)
    assert rows[0] == ["1", "0", "reason 0", "00", "", "", "", "१०"]
    assert [int(row[1]) for row in rows] == [*range(700), 9_000]
    assert rows[-1] == ["1", "9000", "broken", "", "", "", "", ""]


async def test_rejected_rows_go_with_a_list_that_is_dropped(store: Store) -> None:
    import_id = await store.begin_import(CMP)
    await store.add_rejects(import_id, [Reject(line, None, "bad") for line in range(120)])
    await store.drop_import(import_id)
    await admitted(store, [person(1)])
    assert await whole(store.rejects, Columns()) == []


# --- leftovers -----------------------------------------------------------------------------------


async def test_a_clone_finds_those_that_the_rule_names_in_list_order(store: Store) -> None:
    people = await admitted(store, [person(number) for number in reversed(range(520))])
    states = itertools.product(ContactState, (None, 1), (None, *Reason))
    changed = [
        replace(contact, state=state, connected_attempt=connected, reason=reason, attempts=1)
        for contact, (state, connected, reason) in zip(people, states, strict=False)
    ]
    await store.commit([ContactSaved(contact) for contact in changed])
    after = changed + people[len(changed) :]
    assert len(changed) > 250
    for which in Leftover:
        found: list[Contact] = []
        behind: tuple[int, ...] | None = ()
        while behind is not None:
            some, behind = await store.leftovers(CMP, which, behind)
            found += some
        assert [one.id for one in found] == [one.id for one in after if is_left(one, which)], which


# --- deletions -----------------------------------------------------------------------------------


async def finished(store: Store, contacts: int = 1, ident: int = 1) -> list[Contact]:
    """A campaign that is over."""
    over = another_campaign(ident, status=CampaignStatus.COMPLETED)
    return await admitted(store, [person(number) for number in range(contacts)], over)


def named(ident: int) -> CampaignId:
    return CampaignId(f"cmp_{ident:012x}")


async def test_nothing_of_a_campaign_is_shown_once_it_is_marked(store: Store) -> None:
    (contact,) = await finished(store)
    (kept,) = await finished(store, ident=2)
    await call_to(store, contact, 1, {})
    await call_to(store, kept, 2, {})
    await store.commit([CampaignDoomed(named(1), START)])
    assert list(await store.deletions()) == [named(1)]
    assert await store.campaign(named(1)) is None
    assert [one.id for one, _ in (await store.campaigns(CampaignFilter(), ALL))[0]] == [named(2)]
    assert (await store.campaigns(CampaignFilter(), ALL))[1] == 1
    rows, total = await store.calls(CallFilter(), ALL)
    assert ([row.id for row in rows], total) == ([f"cal_{2:012x}"], 1)
    assert (await store.calls(CallFilter(campaign=named(1)), ALL)) == ([], 0)
    assert await store.call(rows[0].id) is not None
    assert await store.call(attempt(contact).id) is None
    report = await store.report(ReportFilter(By.TRUNK, START, FOREVER))
    assert report.total.calls == 1
    with pytest.raises(PortError):
        await store.results(named(1), Columns(), ())


async def test_only_a_finished_campaign_can_be_marked(store: Store) -> None:
    await admitted(store, [person(1)])
    await store.commit([CampaignDoomed(CMP, START), CampaignDoomed(CampaignId("cmp_none"), START)])
    assert list(await store.deletions()) == []
    assert await store.campaign(CMP) is not None


async def test_a_marked_campaign_goes_bit_by_bit_and_over_a_restart(place: Place, store: Store) -> None:
    people = await finished(store, 1_100)
    for number, contact in enumerate(people[:3], 1):
        await call_to(store, contact, number, {})
    await store.commit([CountersMoved(named(1), {"total": 1_100})])
    (kept,) = await finished(store, ident=2)
    await call_to(store, kept, 9, {})
    await store.commit([CampaignDoomed(named(1), START), CampaignDoomed(named(1), START)])
    assert 0 < await store.delete_some(named(1), FOREVER) <= 500
    store = await place.reopened(store)
    assert list(await store.deletions()) == [named(1)]
    while deleted := await store.delete_some(named(1), FOREVER):
        assert deleted <= 500
    assert list(await store.deletions()) == []
    assert await store.delete_some(named(1), FOREVER) == 0
    assert (await store.contacts(named(1), Page(10, 0))) == ([], 0)
    assert (await store.calls(CallFilter(), ALL))[1] == 1
    assert (await store.contacts(named(2), ALL))[1] == 1
    assert await store.recent_calls(people[0].phone, Instant(0)) == (Instant(START + 9),), "the other's"


async def test_calls_that_caps_still_count_stay_behind(store: Store) -> None:
    people = await finished(store, 2)
    await call_to(store, people[0], 1, {})
    await call_to(store, people[1], 60_000, {})
    await store.commit([CampaignDoomed(named(1), START)])
    since = Instant(START + 1_000)
    while await store.delete_some(named(1), since):
        pass
    assert list(await store.deletions()) == [named(1)], "it is not done with"
    assert await store.recent_calls(people[1].phone, Instant(0)) == (Instant(START + 60_000),)
    assert await store.recent_calls(people[0].phone, Instant(0)) == ()
    assert await store.calls(CallFilter(), ALL) == ([], 0)
    while await store.delete_some(named(1), FOREVER):
        pass
    assert list(await store.deletions()) == []


async def test_a_campaign_to_which_a_list_is_being_added_waits_for_it(store: Store) -> None:
    await finished(store)
    adding = await store.begin_import(named(1))
    await store.commit([CampaignDoomed(named(1), START)])
    while await store.delete_some(named(1), FOREVER):
        pass
    assert list(await store.deletions()) == [named(1)]
    await store.drop_import(adding)
    while await store.delete_some(named(1), FOREVER):
        pass
    assert list(await store.deletions()) == []


# --- by age --------------------------------------------------------------------------------------


async def test_calls_are_dropped_by_their_age_and_live_ones_never(store: Store) -> None:
    one, other = await admitted(store, [person(1), person(2)])
    for number, contact in ((1, one), (2, one)):
        call = attempt(contact, number)
        await store.commit([*opening(call), CallClosed(call, ending(call))])
    await store.commit(opening(attempt(other, 3)))
    assert await store.drop_calls(Instant(START + 2)) == 1
    assert await store.drop_calls(Instant(START + 2)) == 0
    assert await store.drop_calls(FOREVER) == 1
    found, _ = await store.calls(CallFilter(), ALL)
    assert [row.status for row in found] == ["in_progress"]
    assert (await store.contacts(CMP, ALL))[1] == 2


async def test_finished_campaigns_are_found_by_their_age_until_they_are_being_deleted(store: Store) -> None:
    ends = {1: START + 5, 2: START + 4, 3: None, 4: START + 9}
    made = {}
    for number, end in ends.items():
        status = CampaignStatus.RUNNING if end is None else CampaignStatus.COMPLETED
        at = None if end is None else Instant(end)
        made[number] = another_campaign(number, status=status, finished_at=at)
        await admitted(store, [person(number)], made[number])
    assert list(await store.finished_before(Instant(START + 9), 5)) == [made[2].id, made[1].id]
    assert list(await store.finished_before(Instant(START + 9), 1)) == [made[2].id]
    await store.commit([CampaignDoomed(made[2].id, START)])
    assert list(await store.finished_before(Instant(START + 9), 5)) == [made[1].id]


async def test_entries_of_the_audit_trail_are_dropped_by_their_age_and_no_id_comes_again(
    place: Place, store: Store
) -> None:
    for number in range(3):
        await store.commit([Deed(Instant(START + number), Author(), "campaign.edited", str(number))])
    before, _ = await store.deeds(DeedFilter(), ALL)
    assert await store.drop_deeds(Instant(START + 2)) == 2
    assert await store.drop_deeds(FOREVER) == 1
    store = await place.reopened(store)
    await store.commit([Deed(Instant(START), Author(), "campaign.edited")])
    (kept,), _ = await store.deeds(DeedFilter(), ALL)
    assert kept.id > before[0].id
