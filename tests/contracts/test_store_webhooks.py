"""The store's contract: webhooks, and what is on its way to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState, first_number_of
from dialerd.core.errors import InvariantError
from dialerd.core.journal import NumberFreed, WebhookQueued, WebhookRemoved, WebhookSaved
from dialerd.core.webhook import EventKind, Webhook, WebhookId
from dialerd.ports import Kept, Page, Store

from .stores import ALL, START, Place

HOOK, OTHER = WebhookId("whk_000000000001"), WebhookId("whk_000000000002")
FIRST = first_number_of(START)


def webhook(ident: WebhookId = HOOK, **changes: object) -> Webhook:
    plain = Webhook(ident, "https://crm.example/hook", ("*",), "whsec_c2VjcmV0", START)
    return replace(plain, **changes)  # type: ignore[arg-type]


def delivery(place: int, hook: WebhookId = HOOK, **changes: object) -> Delivery:
    plain = Delivery(
        number=DeliveryNumber(FIRST + place),
        webhook=hook,
        event=EventKind.CALL_COMPLETED,
        subject=f"cal_{place:012x}",
        created_at=START,
        body=f'{{"type":"call.completed","data":{{"place":{place},"name":"दिव्या"}}}}',
        due_at=START,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


async def queued(store: Store, *rows: Delivery) -> None:
    await store.commit([WebhookQueued(row) for row in rows])


async def waiting(store: Store, hook: WebhookId = HOOK, behind: int = 0, limit: int = 100) -> list[Delivery]:
    return list(await store.waiting_deliveries(hook, DeliveryNumber(behind), limit))


async def test_webhooks_are_kept_over_a_restart(place: Place) -> None:
    store = await place.opened()
    second = webhook(OTHER, events=("call.completed", "dnc.added"), description="CRM", created_at=START + 1)
    await store.commit([WebhookSaved(second), WebhookSaved(webhook())])
    await store.commit([WebhookSaved(webhook(disabled="it answered 410"))])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).webhooks == (webhook(disabled="it answered 410"), second)
    await store.commit([WebhookRemoved(OTHER)])
    store = await place.reopened(store)
    assert [hook.id for hook in (await store.open_state(Instant(0))).webhooks] == [HOOK]


async def test_what_is_queued_is_found_as_it_was_recorded(place: Place) -> None:
    store = await place.opened()
    await queued(store, delivery(1), delivery(2), delivery(3, OTHER))
    store = await place.reopened(store)
    assert await waiting(store) == [delivery(1), delivery(2)]
    assert await waiting(store, behind=FIRST + 1) == [delivery(2)]
    assert await waiting(store, limit=1) == [delivery(1)]
    assert await store.delivery(HOOK, delivery(2).number) == delivery(2)
    assert await store.delivery(OTHER, delivery(2).number) is None
    assert (await store.open_state(Instant(0))).last_delivery == FIRST + 3


async def test_a_store_without_deliveries_has_given_no_number(store: Store) -> None:
    assert (await store.open_state(Instant(0))).last_delivery == 0
    assert await store.delivery_counts() == {}


async def test_a_delivery_is_queued_with_its_turn_or_not_at_all(store: Store) -> None:
    await queued(store, delivery(1))
    with pytest.raises(InvariantError):
        await store.commit([NumberFreed("+919876500001", 7), WebhookQueued(delivery(1))])
    assert (await store.open_state(Instant(0))).rested == {}
    with pytest.raises(InvariantError):
        await store.commit([WebhookQueued(delivery(2)), WebhookRemoved(HOOK)])
    assert await waiting(store) == [delivery(1)]


async def test_what_became_of_deliveries_is_kept(store: Store) -> None:
    await queued(store, *(delivery(place) for place in (1, 2, 3)))
    taken = delivery(1, state=DeliveryState.DELIVERED, attempts=1, status=204, finished_at=START + 5)
    failed = delivery(2, attempts=1, due_at=START + 5_000, detail="nobody answers")
    dead = delivery(
        3, state=DeliveryState.DEAD, attempts=9, status=500, detail="answered 500", finished_at=START
    )
    await store.note_deliveries([taken, failed, dead, delivery(9, state=DeliveryState.DEAD)])
    assert await waiting(store) == [failed]
    found, total = await store.deliveries(HOOK, ALL)
    assert (list(found), total) == ([dead, failed, taken], 3)
    assert await store.delivery_counts() == {(HOOK, "waiting"): 1, (HOOK, "dead"): 1}


async def test_deliveries_are_listed_newest_first_by_webhook_and_state(store: Store) -> None:
    await queued(store, *(delivery(place) for place in range(5)), delivery(9, OTHER))
    await store.note_deliveries(
        [delivery(place, state=DeliveryState.DEAD, finished_at=START) for place in (1, 3)]
    )
    found, total = await store.deliveries(HOOK, Page(2, 1))
    assert ([row.number - FIRST for row in found], total) == ([3, 2], 5)
    found, total = await store.deliveries(HOOK, Page(10, 1), DeliveryState.DEAD)
    assert ([row.number - FIRST for row in found], total) == ([1], 2)


async def test_the_dead_of_one_webhook_wait_again(store: Store) -> None:
    rows = [delivery(place) for place in range(120)] + [delivery(200, OTHER)]
    await queued(store, *rows)
    dead = [replace(row, state=DeliveryState.DEAD, attempts=9, finished_at=START) for row in rows]
    await store.note_deliveries(dead)
    assert await store.revive_dead(HOOK, Instant(START + 7)) == 120
    assert await waiting(store, limit=200) == [
        replace(row, due_at=START + 7) for row in rows if row.webhook == HOOK
    ]
    assert await store.delivery_counts() == {(HOOK, "waiting"): 120, (OTHER, "dead"): 1}
    assert await store.revive_dead(HOOK, Instant(START + 8)) == 0


async def test_what_is_too_old_or_too_much_is_forgotten_by_state(store: Store) -> None:
    day = 86_400_000
    ages = [delivery(place, number=first_number_of(Instant(START + place * day))) for place in range(6)]
    await queued(store, *ages, delivery(7, OTHER))
    over = [replace(row, state=DeliveryState.DELIVERED, finished_at=START) for row in ages[:4]]
    dead = replace(ages[4], state=DeliveryState.DEAD, finished_at=START)
    await store.note_deliveries([*over, dead])
    ever = Kept(Instant(0), 100)
    by_age = {DeliveryState.DELIVERED: Kept(Instant(START + day), 100), DeliveryState.DEAD: ever}
    assert await store.drop_deliveries(HOOK, by_age) == 1
    by_count = {DeliveryState.DELIVERED: Kept(Instant(0), 2), DeliveryState.DEAD: ever}
    assert await store.drop_deliveries(HOOK, by_count) == 1
    found, _ = await store.deliveries(HOOK, ALL)
    assert [row.number for row in found] == [row.number for row in ages[5:1:-1]]
    none = {DeliveryState.DEAD: Kept(Instant(0), 0)}
    assert await store.drop_deliveries(HOOK, none) == 1
    assert await waiting(store) == [ages[5]], "what waits is never forgotten"
    assert len(await waiting(store, OTHER)) == 1


async def test_deliveries_of_removed_webhooks_are_forgotten(store: Store) -> None:
    await store.commit([WebhookSaved(webhook()), WebhookSaved(webhook(OTHER))])
    await queued(store, *(delivery(place) for place in range(120)), delivery(200, OTHER))
    await store.commit([WebhookRemoved(HOOK)])
    assert await store.drop_orphans() == 120
    assert await store.drop_orphans() == 0
    assert (await store.deliveries(HOOK, ALL))[1] == 0
    assert len(await waiting(store, OTHER)) == 1
