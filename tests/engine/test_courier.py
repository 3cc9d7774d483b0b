"""Deliveries from the turn that queues them to the receiver: in order, retried, kept over crashes, never lost.

On a loop of virtual time: hours of retries pass at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest

from dialerd.core.clock import Millis
from dialerd.core.commands import (
    AddWebhook,
    AdmitCampaign,
    ChangeWebhook,
    ListNumbers,
    PauseCampaign,
    RemoveWebhook,
    ResumeCampaign,
)
from dialerd.core.delivery import Delivery, DeliveryState, Patience, Reply, message_id
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import InstanceId
from dialerd.core.webhook import Webhook, WebhookId
from dialerd.engine.courier import SIDE_BY_SIDE, Courier
from dialerd.engine.runtime import Engine
from dialerd.ports import Message
from dialerd.sim.disk import FakeDisk
from dialerd.sim.webhooks import NOBODY, TAKEN, FakeWebhooks
from tests.control.installation import ToldStore
from tests.core.world_builder import CMP, START, campaign, contacts, list_people, policy, trunk

from .fakes import RecordingMedia, RecordingTelephony
from .virtual_time import VirtualTimeLoop

HOOK, OTHER = WebhookId("whk_000000000001"), WebhookId("whk_000000000002")
HOUR = 3_600.0
DAY = Millis(86_400_000)
KEEP = {DeliveryState.DELIVERED: (DAY, 5), DeliveryState.DEAD: (Millis(30 * DAY), 5)}


def hook(ident: WebhookId = HOOK, *events: str) -> Webhook:
    return Webhook(ident, f"https://{ident}.example/", events or ("*",), "whsec_c2VjcmV0", START)


class Rig:
    """A daemon's inside with receivers that answer as they are told; a crash leaves its disk."""

    def __init__(self, disk: FakeDisk, loop: VirtualTimeLoop) -> None:
        self.disk = disk
        self.store = ToldStore()
        self.store.disk = disk
        self.webhooks = FakeWebhooks()
        self.engine = Engine(
            InstanceId("d1"), policy(), [trunk()], self.store, loop, lambda announcement: None
        )
        self.courier = Courier(
            self.engine, self.store, self.webhooks, loop, Patience(3, Millis(5_000)), KEEP, lambda: 0.5
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.store.open()
        await self.engine.restore()
        work = (self.engine.run(RecordingTelephony(), RecordingMedia()), self.courier.run())
        self.tasks = [asyncio.ensure_future(part) for part in work]

    async def stop(self) -> None:
        """In order: what is under way ends and is written."""
        for task in reversed(self.tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.store.crash()

    def kill(self) -> None:
        """Nothing more is written."""
        self.store.out = "killed"
        self.disk.holder = None

    async def listen(self, *hooks: Webhook) -> None:
        for one in hooks or (hook(),):
            await self.engine.command(AddWebhook(one))

    async def list_numbers(self, *patterns: str) -> None:
        for pattern in patterns:
            await self.engine.command(ListNumbers((DncEntry(pattern, "", "", START),)))

    def taken(self, ident: WebhookId = HOOK) -> list[str]:
        """What a receiver has taken, in order: patterns, and kinds of other events."""
        return [_shown(message) for message in self.webhooks.taken if message.webhook == ident]

    def rows(self, state: DeliveryState | None = None) -> list[Delivery]:
        rows = self.disk.deliveries.committed.values()
        return sorted((row for row in rows if state in (None, row.state)), key=lambda row: row.number)


def _shown(message: Message) -> str:
    content = orjson.loads(message.body)
    return str(content["data"].get("phone") or content["type"])


def play(*lives: Callable[[Rig], Awaitable[None]]) -> FakeDisk:
    """Live one daemon after another on the same disk; each is stopped in order if it was not killed."""
    loop, disk = VirtualTimeLoop(10), FakeDisk()

    async def all_of_them() -> None:
        for life in lives:
            rig = Rig(disk, loop)
            await rig.start()
            try:
                await life(rig)
            finally:
                await rig.stop()

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.close()
    return disk


def test_what_was_queued_is_sent_as_it_was_recorded_and_marked() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen(hook(), hook(OTHER, "campaign.started"))
        await rig.list_numbers("+911", "+912")
        await asyncio.sleep(2)
        assert (sorted(rig.taken()), rig.taken(OTHER)) == (["+911", "+912"], [])
        rows = rig.rows()
        sent = {message.id: message.body for message in rig.webhooks.taken}
        assert sent == {message_id(row.number): row.body for row in rows}
        assert {(row.state, row.attempts, row.status) for row in rows} == {(DeliveryState.DELIVERED, 1, 204)}
        assert rig.courier.figures.delivered == 2

    play(life)


def test_without_a_webhook_nothing_is_written() -> None:
    async def life(rig: Rig) -> None:
        await rig.list_numbers("+911")
        await rig.listen()
        await rig.engine.command(RemoveWebhook(HOOK))
        await rig.list_numbers("+912")

    assert play(life).deliveries.committed == {}


def test_a_subjects_events_keep_their_order_and_others_do_not_wait_for_them() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        mended = asyncio.Event()

        def answer(message: Message) -> Reply:
            return Reply(500) if "campaign." in message.body and not mended.is_set() else TAKEN

        rig.webhooks.answer = answer
        import_id = list_people(rig.disk, CMP, contacts(1))
        await rig.engine.command(AdmitCampaign(campaign(), import_id, 1))
        await asyncio.sleep(1)
        await rig.engine.command(PauseCampaign(CMP))
        await rig.list_numbers("+911")
        await rig.engine.command(ResumeCampaign(CMP))
        await asyncio.sleep(10)
        assert rig.taken() == ["+911"]
        assert {_shown(message) for message in rig.webhooks.attempts[1:]} == {"+911", "campaign.started"}
        mended.set()
        await asyncio.sleep(60)
        assert rig.taken() == ["+911", "campaign.started", "campaign.paused", "campaign.resumed"]

    play(life)


def test_at_most_so_many_are_under_way_to_one_webhook_and_another_is_not_held_up() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen(hook(), hook(OTHER))
        rig.webhooks.held = asyncio.Event()
        await rig.list_numbers(*(f"+91{number:03}" for number in range(SIDE_BY_SIDE + 10)))
        await asyncio.sleep(1)
        attempts = [message.webhook for message in rig.webhooks.attempts]
        assert (attempts.count(HOOK), attempts.count(OTHER)) == (SIDE_BY_SIDE, SIDE_BY_SIDE)
        rig.webhooks.held.set()
        await asyncio.sleep(1)
        assert len(rig.taken()) == len(rig.taken(OTHER)) == SIDE_BY_SIDE + 10

    play(life)


def test_what_is_not_taken_is_tried_again_with_the_same_id_and_at_last_dead_and_sent_again_on_demand() -> (
    None
):
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: Reply(500)
        await rig.list_numbers("+911", "+912")
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(21)
        assert len(rig.webhooks.attempts) == 6, "at once, after 5 and after 15 seconds"
        await asyncio.sleep(50)
        assert asyncio.get_running_loop().time() - began < 80
        assert len({message.id for message in rig.webhooks.attempts}) == 2
        assert [(row.state, row.attempts, row.detail) for row in rig.rows()] == [
            (DeliveryState.DEAD, 4, "answered 500")
        ] * 2
        await asyncio.sleep(HOUR / 2)
        assert len(rig.webhooks.attempts) == 8
        rig.webhooks.answer = lambda message: TAKEN
        first, second = rig.rows()
        assert await rig.courier.again(HOOK, first.number) is not None
        await asyncio.sleep(1)
        assert rig.taken() == ["+911"]
        assert await rig.courier.again_dead(HOOK) == 1
        await asyncio.sleep(1)
        assert [message.id for message in rig.webhooks.taken] == [
            message_id(first.number),
            message_id(second.number),
        ]
        assert await rig.courier.again(OTHER, first.number) is None

    play(life)


def test_one_that_is_under_way_is_not_sent_twice_by_asking_for_it() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.held = asyncio.Event()
        await rig.list_numbers("+911")
        await asyncio.sleep(1)
        (row,) = rig.rows()
        await rig.courier.again(HOOK, row.number)
        await rig.courier.again_dead(HOOK)
        await asyncio.sleep(1)
        rig.webhooks.held.set()
        await asyncio.sleep(1)
        assert rig.taken() == ["+911"]

    play(life)


def test_a_receiver_that_is_back_gets_everything_soon() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: NOBODY
        await rig.list_numbers(*(f"+91{number:03}" for number in range(40)))
        await asyncio.sleep(25)
        rig.webhooks.answer = lambda message: TAKEN
        await rig.list_numbers("+92")
        await asyncio.sleep(1)
        assert len(rig.taken()) == 41, "one that was taken says that the others may be tried"

    play(life)


def test_a_killed_daemon_loses_nothing() -> None:
    first_taken: list[str] = []

    async def killed(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: TAKEN if "+910" in message.body else NOBODY
        await rig.list_numbers("+910", "+911", "+912")
        await asyncio.sleep(0.1)
        first_taken.extend(message.id for message in rig.webhooks.taken)
        rig.kill()

    async def restarted(rig: Rig) -> None:
        await asyncio.sleep(30)
        assert sorted(set(rig.taken())) == ["+910", "+911", "+912"]
        again = [message.id for message in rig.webhooks.taken if message.id in first_taken]
        assert again == first_taken, "what was not written down is sent again under its id"
        await rig.list_numbers("+913")
        await asyncio.sleep(1)
        assert len({row.number for row in rig.rows()}) == 4, "no number is given twice"

    disk = play(killed, restarted)
    assert {row.state for row in disk.deliveries.committed.values()} == {DeliveryState.DELIVERED}


def test_a_daemon_that_is_stopped_writes_what_was_under_way() -> None:
    async def stopped(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.held = asyncio.Event()
        await rig.list_numbers("+911")
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_later(0.5, rig.webhooks.held.set)

    async def restarted(rig: Rig) -> None:
        await asyncio.sleep(10)
        assert rig.webhooks.attempts == []

    play(stopped, restarted)


def test_a_restart_keeps_count_of_the_attempts() -> None:
    async def failing(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: Reply(500)
        await rig.list_numbers("+911")
        await asyncio.sleep(7)

    async def restarted(rig: Rig) -> None:
        rig.webhooks.answer = lambda message: Reply(500)
        await asyncio.sleep(HOUR / 2)
        assert len(rig.webhooks.attempts) == 2, "of four"
        assert [row.state for row in rig.rows()] == [DeliveryState.DEAD]

    play(failing, restarted)


def test_a_store_that_is_out_delays_and_loses_nothing() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.held = asyncio.Event()
        await rig.list_numbers("+911", "+912")
        await asyncio.sleep(1)
        rig.store.out = "disk full"
        rig.webhooks.held.set()
        await asyncio.sleep(20)
        assert len(rig.taken()) == 2
        assert {row.state for row in rig.rows()} == {DeliveryState.WAITING}
        rig.store.out = None
        await asyncio.sleep(10)
        assert {row.state for row in rig.rows()} == {DeliveryState.DELIVERED}
        assert len(rig.webhooks.attempts) == 2
        await rig.list_numbers("+913")
        await asyncio.sleep(5)
        assert rig.taken()[2:] == ["+913"]

    play(life)


def test_a_receiver_that_is_gone_is_told_nothing_more_until_somebody_enables_it() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: Reply(410) if "+911" in message.body else Reply(500)
        await rig.list_numbers("+912", "+911")
        await asyncio.sleep(1)
        assert "410" in (rig.engine.memory.webhooks[HOOK].disabled or "")
        await rig.list_numbers("+913")
        await asyncio.sleep(HOUR)
        assert len(rig.webhooks.attempts) == 2
        rig.webhooks.answer = lambda message: TAKEN
        await rig.engine.command(ChangeWebhook(HOOK, {"disabled": None}))
        await asyncio.sleep(1)
        assert rig.taken() == ["+912"], "what waited is sent, what came meanwhile was not queued"

    play(life)


def test_a_receiver_that_takes_nothing_for_days_is_given_up_and_nothing_of_it_is_lost() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: NOBODY
        for day in range(3):
            await rig.list_numbers(f"+91{day}")
            await asyncio.sleep(24 * HOUR)
        assert rig.engine.memory.webhooks[HOOK].disabled is None
        await rig.list_numbers("+913")
        await asyncio.sleep(HOUR)
        assert "taken nothing for 72 hours" in (rig.engine.memory.webhooks[HOOK].disabled or "")
        await rig.list_numbers("+914")
        rig.webhooks.answer = lambda message: TAKEN
        await rig.engine.command(ChangeWebhook(HOOK, {"disabled": None}))
        await asyncio.sleep(1)
        assert rig.taken() == ["+913"]
        await rig.courier.again_dead(HOOK)
        await asyncio.sleep(1)
        assert sorted(rig.taken()) == ["+910", "+911", "+912", "+913"]

    play(life)


def test_a_receiver_that_takes_something_now_and_then_is_not_given_up() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        for day in range(6):
            rig.webhooks.answer = lambda message, day=day: TAKEN if day % 2 else NOBODY  # type: ignore[misc]
            await rig.list_numbers(f"+91{day}")
            await asyncio.sleep(24 * HOUR)
        assert rig.engine.memory.webhooks[HOOK].disabled is None

    play(life)


def test_a_changed_url_and_secret_are_used_by_what_waits() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: TAKEN if message.url == "https://new.example/" else NOBODY
        await rig.list_numbers("+911")
        await asyncio.sleep(1)
        changes = {"url": "https://new.example/", "secret": "whsec_bmV1"}
        await rig.engine.command(ChangeWebhook(HOOK, changes))
        await asyncio.sleep(10)
        assert [message.secret for message in rig.webhooks.taken] == ["whsec_bmV1"]

    play(life)


def test_a_removed_webhook_is_told_nothing_and_nothing_of_it_is_kept() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: NOBODY
        await rig.list_numbers("+911", "+912")
        await asyncio.sleep(1)
        await rig.engine.command(RemoveWebhook(HOOK))
        await asyncio.sleep(60)
        assert len(rig.webhooks.attempts) == 2
        assert rig.webhooks.forgotten == [HOOK]
        assert rig.rows() == []

    play(life)


def test_a_backlog_larger_than_memory_is_delivered_whole() -> None:
    async def away(rig: Rig) -> None:
        await rig.listen()
        rig.webhooks.answer = lambda message: NOBODY
        for hundred in range(25):
            entries = [DncEntry(f"+91{hundred:02}{n:02}", "", "", START) for n in range(100)]
            await rig.engine.command(ListNumbers(tuple(entries)))
        rig.kill()

    async def back(rig: Rig) -> None:
        await asyncio.sleep(60)
        assert len(set(rig.taken())) == 2_500

    play(away, back)


def test_what_was_delivered_is_kept_for_a_while_and_not_too_much_of_it() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        await rig.list_numbers(*(f"+91{number:03}" for number in range(20)))
        await asyncio.sleep(2)
        assert len(rig.rows()) == 20
        await asyncio.sleep(HOUR)
        assert len(rig.rows(DeliveryState.DELIVERED)) == 5
        await asyncio.sleep(25 * HOUR)
        assert rig.rows() == []

    play(life)


def test_webhooks_may_come_and_go_while_the_store_is_asked() -> None:
    async def life(rig: Rig) -> None:
        real = rig.store.waiting_deliveries

        async def slow(*arguments: Any) -> Any:
            await asyncio.sleep(0.5)
            return await real(*arguments)

        rig.store.waiting_deliveries = slow  # type: ignore[method-assign]
        await rig.listen()
        await asyncio.sleep(0.2)
        await rig.listen(hook(OTHER))
        await asyncio.sleep(0.7)
        await rig.engine.command(RemoveWebhook(OTHER))
        await asyncio.sleep(0.2)
        await rig.list_numbers("+911")
        await rig.listen(hook(OTHER))
        await rig.list_numbers("+912")
        await asyncio.sleep(10)
        assert (rig.taken(), rig.taken(OTHER)) == (["+911", "+912"], ["+912"])
        assert not any(task.done() for task in rig.tasks)

    play(life)


def test_a_sender_that_raises_costs_its_own_attempt_alone() -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        raised = iter([ZeroDivisionError()])

        def answer(message: Message) -> Reply:
            for error in raised:
                raise error
            return TAKEN

        rig.webhooks.answer = answer
        await rig.list_numbers("+911")
        await asyncio.sleep(20)
        assert rig.taken() == ["+911"]

    play(life)


@pytest.mark.parametrize("waits", [1.0, 40.0])
def test_an_idle_courier_sleeps(waits: float) -> None:
    async def life(rig: Rig) -> None:
        await rig.listen()
        await rig.list_numbers("+911")
        await asyncio.sleep(2)
        asked: list[int] = []
        real = rig.store.waiting_deliveries

        async def counted(*arguments: object) -> object:
            asked.append(1)
            return await real(*arguments)  # type: ignore[arg-type]

        rig.store.waiting_deliveries = counted  # type: ignore[method-assign, assignment]
        await asyncio.sleep(waits)
        assert asked == []

    play(life)
