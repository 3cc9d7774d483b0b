"""A start with many campaigns: dialing begins while most of their queues still have to be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from dialerd.core.clock import Instant
from dialerd.core.contact import ContactKind
from dialerd.core.identity import CampaignId, ContactId, InstanceId
from dialerd.core.messages import HostUp, ManagerUp, MediaCapacity
from dialerd.core.model import CampaignStatus
from dialerd.engine.runtime import Engine
from dialerd.ports import Dnc, OpenState, ReadyBatch
from tests.core.world_builder import campaign, contacts, policy, trunk

from .fakes import ManualClock, RecordingMedia, RecordingStore, RecordingTelephony

MANY = 300


@dataclass
class OneReader(RecordingStore):
    """A store of many campaigns with a contact each, which answers one question after another, in the order asked."""

    queues_read: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        names = [CampaignId(f"cmp_{number:012x}") for number in range(MANY)]
        live = tuple(campaign(id=name, status=CampaignStatus.RUNNING, end_at=None) for name in names)
        return OpenState(live, {name: {"state:pending": 1} for name in names}, (), None, {})

    async def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        async with self.turn:
            await asyncio.sleep(0)
            self.queues_read += 1
            number = int(campaign.removeprefix("cmp_"), 16)
            (waiting,) = contacts(1, campaign, first=number + 1)
            return ReadyBatch(() if waiting.id in held else (waiting,), frozenset(ContactKind), None)

    async def dnc(self) -> Dnc:
        for _ in range(3):
            async with self.turn:
                await asyncio.sleep(0)
        return Dnc(0, ())


async def test_the_first_call_waits_neither_for_all_queues_nor_for_the_list_behind_them() -> None:
    store, telephony = OneReader([]), RecordingTelephony()
    engine = Engine(
        InstanceId("d1"), policy(), [trunk(rate=1000.0)], store, ManualClock(), lambda announcement: None
    )
    await engine.restore()
    task = asyncio.create_task(engine.run(telephony, RecordingMedia()))
    for event in (HostUp("boot-1", "22.10.1", ()), ManagerUp(), MediaCapacity(100)):
        engine.post(event)
    async with asyncio.timeout(20):
        while not telephony.originated:
            await asyncio.sleep(0)
        read_by_then = store.queues_read
        while store.queues_read < MANY:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read_by_then < MANY // 10
