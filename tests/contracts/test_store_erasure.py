"""The store's contract for the erasure of a person: nothing tells of them any more, and all figures stay."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import ContactState
from dialerd.core.delivery import DeliveryState
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import E164
from dialerd.core.journal import (
    CallAnswered,
    CallClosed,
    CampaignAdmitted,
    ContactSaved,
    CountersMoved,
    DncChanged,
    NumberDoomed,
    NumberFreed,
    WebhookQueued,
    WebhookSaved,
)
from dialerd.core.leftovers import Leftover
from dialerd.core.model import AgentReport, TryState
from dialerd.core.results import Reject
from dialerd.core.webhook import EventKind
from dialerd.ports import CallFilter, Store

from .stores import (
    ALL,
    CMP,
    START,
    Place,
    admitted,
    another_campaign,
    attempt,
    ending,
    first_try,
    opening,
    person,
)
from .test_store_surface import ANSWER, DONE
from .test_store_webhooks import HOOK, delivery, webhook

ONE = E164("+919876500001")
OTHER = E164("+919876500002")


async def erased(store: Store, phone: E164 = ONE) -> int:
    await store.commit([NumberDoomed(phone, Instant(START))])
    changed = 0
    while bit := await store.erase_some(phone):
        changed += bit
    return changed


async def lived(store: Store) -> None:
    """A person in a campaign, called in it, and listed."""
    people = [person(1, external_id="crm-7", timezone="Asia/Kolkata"), person(2)]
    one, other = await admitted(store, people)
    call = attempt(one, 1, name="Priya", variables={"due": 1}, report=AgentReport("paid", captured={"a": 1}))
    await store.commit(opening(call))
    said = replace(first_try(call.id), state=TryState.ANSWERED, answered_at=Instant(START + 5))
    call = replace(call, tries=(said,))
    closed = ending(call, disposition="paid", reason=None, duration=Millis(9_000))
    finished = replace(one, state=ContactState.FINISHED, attempts=1, turns=1, disposition="paid")
    ends = [CallAnswered(call), CallClosed(call, closed), ContactSaved(finished), NumberFreed(ONE, START)]
    await store.commit([*ends, CountersMoved(CMP, {"total": 2})])
    second = attempt(other, 2)
    await store.commit([*opening(second), CallClosed(second, ending(second))])
    await store.commit([DncChanged(1, (DncEntry(ONE, "asked"),))])


async def test_nothing_but_the_do_not_call_entry_tells_of_an_erased_person(
    place: Place, store: Store
) -> None:
    await lived(store)
    assert [(found.id, one.phone) for found, one in await store.history(ONE, 10)] == [(CMP, ONE)]
    assert await erased(store)
    store = await place.reopened(store)
    assert await store.erasures() == []
    assert (await store.open_state(Instant(0))).erasing == frozenset()
    assert await store.history(ONE, 10) == []
    assert await store.contact(CMP, ONE) is None
    assert await store.calls(CallFilter(phone=ONE), ALL) == ([], 0)
    assert ONE not in (await store.open_state(Instant(0))).rested
    assert await store.recent_calls(ONE, Instant(0)) == ()
    entry = await store.dnc_entry(ONE)
    assert entry is not None
    assert entry.reason == "asked"


async def test_figures_of_campaigns_and_calls_stay_and_so_do_other_persons(store: Store) -> None:
    await lived(store)
    await erased(store)
    people, total = await store.contacts(CMP, ALL)
    assert total == 2
    gone, other = people
    assert gone.phone.erased
    assert (gone.state, gone.attempts, gone.disposition) == (ContactState.FINISHED, 1, "paid")
    assert (gone.name, gone.timezone, gone.external_id, gone.variables) == (None, None, None, {})
    assert (other.phone, other.name) == (OTHER, "Person 2")
    calls, total = await store.calls(CallFilter(campaign=CMP), ALL)
    assert total == 2
    kept, last = calls[1], calls[0]
    assert (kept.phone, kept.disposition, kept.duration_ms) == (gone.phone, "paid", 9_000)
    assert (kept.name, kept.captured, list(kept.transcript)) == (None, {}, [])
    assert last.phone == OTHER


async def test_a_person_who_waits_or_is_being_called_is_erased_when_that_is_over(
    place: Place, store: Store
) -> None:
    (waiting,) = await admitted(store, [person(1)])
    (called,) = await admitted(store, [person(1)], another_campaign(2))
    call = attempt(called, 1)
    await store.commit(opening(call))
    assert not await erased(store)
    store = await place.reopened(store)
    assert await store.erasures() == [ONE]
    assert (await store.open_state(Instant(0))).erasing == {ONE}
    assert len(await store.history(ONE, 10)) == 2
    await store.commit([ContactSaved(replace(waiting, state=ContactState.CANCELLED))])
    assert await erased(store)
    assert await store.erasures() == [ONE]
    finished = replace(called, state=ContactState.FINISHED)
    await store.commit([CallClosed(call, ending(call)), ContactSaved(finished)])
    assert await erased(store)
    assert await store.erasures() == []


async def test_rejected_rows_of_the_person_go_however_they_were_written(store: Store) -> None:
    made = another_campaign(3)
    import_id = await store.begin_import(made.id)
    spelled = ("+919876500001", "98765 00001", "00 91 98765-00001", "+919876500002", "none")
    await store.add_rejects(import_id, [Reject(line, text, "bad") for line, text in enumerate(spelled, 2)])
    await store.commit([CampaignAdmitted(made, import_id)])
    await erased(store)
    part = await store.rejects(made.id, await store.reject_columns(made.id), ())
    assert [row.split(b",")[1] for row in part.text.splitlines()] == [b"5", b"6"]


async def test_answers_that_are_kept_may_name_persons_and_go(store: Store) -> None:
    made = replace(DONE, made="cmp_1", note='{"zone_unknown_examples": ["+919876500001"]}')
    other = replace(DONE, ident="other", made="cmp_2", note='{"received": 5}')
    await store.commit([made, other])
    await store.keep_answer(made, ANSWER)
    await erased(store)
    known = await store.request_done(made.ident, Instant(0))
    assert known is not None
    assert (known.answer, known.done) == (None, replace(made, note=""))
    kept = await store.request_done("other", Instant(0))
    assert kept is not None
    assert kept.done == other


async def test_no_clone_takes_over_an_erased_person_and_a_number_may_come_again(store: Store) -> None:
    await lived(store)
    await erased(store)
    found, _ = await store.leftovers(CMP, Leftover.ALL, ())
    assert [one.phone for one in found] == [OTHER]
    import_id = await store.begin_import(CMP)
    assert await store.add_contacts(import_id, CMP, [person(1)]) == 1


async def test_nobody_is_told_of_an_erased_person_but_that_they_must_not_be_called(store: Store) -> None:
    told = f'{{"data":{{"phone":"{ONE}"}}}}'
    about = {
        1: delivery(1, body=told),
        2: delivery(2, body=told, state=DeliveryState.DELIVERED),
        3: delivery(3, body=told, event=EventKind.DNC_ADDED),
        4: delivery(4, body=told, event=EventKind.DNC_ADDED, state=DeliveryState.DEAD),
        5: delivery(5, body=told.replace(ONE, OTHER)),
        6: delivery(6, body=told.replace(ONE, ONE + "0")),
    }
    await store.commit([WebhookSaved(webhook()), *(WebhookQueued(row) for row in about.values())])
    await erased(store)
    found, _ = await store.deliveries(HOOK, ALL)
    assert found == [about[6], about[5], about[3]]
