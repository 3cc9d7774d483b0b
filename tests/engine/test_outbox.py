"""What webhooks are told is written in the turn that it came about in, or not at all."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from dialerd.core.commands import AddWebhook, ListNumbers
from dialerd.core.delivery import DeliveryNumber
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InDoubtError, PortError
from dialerd.core.journal import CallClosed, DncChanged, WebhookQueued
from dialerd.core.messages import Tick, TryEnded
from dialerd.core.webhook import Webhook, WebhookId
from tests.core.world_builder import START

from .test_runtime import Rig, running

HOOK = Webhook(WebhookId("whk_000000000001"), "https://crm.example/", ("*",), "whsec_c2VjcmV0", START)
LISTED = ListNumbers((DncEntry("+911", "", "", START),))


def queued(rig: Rig) -> list[WebhookQueued]:
    return [entry for entry in rig.store.committed if isinstance(entry, WebhookQueued)]


async def test_without_a_webhook_a_turn_writes_what_it_always_did() -> None:
    async with running(1) as rig:
        await rig.engine.command(LISTED)
        assert queued(rig) == []
        assert rig.engine.outbox.queued == {}
        assert not rig.engine.outbox.filled.is_set()


async def test_the_end_of_a_call_and_what_is_told_of_it_are_one_transaction() -> None:
    async with running(1) as rig:
        await rig.engine.command(AddWebhook(HOOK))
        await rig.admit(1)
        await rig.until(lambda: bool(rig.telephony.originated))
        sizes: list[list[str]] = []
        commit = rig.store.commit

        async def noted(entries: object) -> None:
            sizes.append([type(entry).__name__ for entry in entries])  # type: ignore[attr-defined]
            await commit(entries)  # type: ignore[arg-type]

        rig.store.commit = noted  # type: ignore[method-assign, assignment]
        rig.engine.post(TryEnded(rig.telephony.originated[0].channel, 17, 486))
        await rig.until(lambda: bool(rig.entries(CallClosed)))
        (turn,) = [names for names in sizes if "CallClosed" in names]
        assert "WebhookQueued" in turn
        body = orjson.loads(queued(rig)[-1].delivery.body)
        assert body["type"] in ("call.completed", "campaign.completed")


async def test_a_turn_that_is_not_stored_tells_nothing() -> None:
    async with running(1) as rig:
        await rig.engine.command(AddWebhook(HOOK))
        rig.engine.outbox.queued.clear()
        rig.engine.outbox.filled.clear()
        rig.store.errors = [PortError("disk full", retryable=True)]
        with pytest.raises(PortError, match="disk full"):
            await rig.engine.command(LISTED)
        assert (queued(rig), rig.engine.outbox.queued) == ([], {})
        assert not rig.engine.outbox.filled.is_set()
        await asyncio.sleep(0)
        rig.clock.advance(2_000)
        await rig.engine.command(LISTED)
        assert len(rig.entries(DncChanged)) == len(queued(rig)) == 1
        assert rig.engine.outbox.queued == {HOOK.id: 1}


async def test_a_turn_in_doubt_tells_once_it_is_known_to_be_stored() -> None:
    async with running(1) as rig:
        await rig.engine.command(AddWebhook(HOOK))
        rig.engine.outbox.filled.clear()
        rig.store.errors = [InDoubtError("no answer", 7)]
        rig.store.fates = [True]
        asked = asyncio.create_task(rig.engine.command(LISTED))
        await rig.until(lambda: rig.engine.memory.status().store == "no answer")
        assert not rig.engine.outbox.filled.is_set()
        rig.clock.advance(2_000)
        rig.engine.post(Tick())
        await rig.until(rig.engine.outbox.filled.is_set)
        await asked
        assert len(queued(rig)) == 1


async def test_numbers_are_behind_all_that_were_given_before() -> None:
    async with running(1) as rig:
        await rig.engine.command(AddWebhook(HOOK))
        far = DeliveryNumber(START * 64 * 2)
        rig.engine.outbox.begin_behind(far)
        await rig.engine.command(LISTED)
        await rig.engine.command(LISTED)
        assert [entry.delivery.number for entry in queued(rig)] == [far + 1, far + 2]
