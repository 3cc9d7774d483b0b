"""Evidence is gathered twice before its absence is told: a record is written a moment after its channel is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from dialerd.core.clock import Millis
from dialerd.core.effects import SeekEvidence
from dialerd.core.messages import CallRecord, Event, EvidenceFound, LiveChannel
from dialerd.core.model import ChannelId, InstanceId
from dialerd.core.world import World
from dialerd.engine.dispatcher import Dispatcher
from tests.core.world_builder import START, policy, trunk

from .fakes import ManualClock, RecordingMedia, RecordingStore, RecordingTelephony

CHANNEL = ChannelId("d1-cal_000000000001-1")
BUSY = CallRecord(CHANNEL, False, "BUSY", START, Millis(0))


Scene = tuple[tuple[LiveChannel, ...], tuple[CallRecord, ...]]
"""The channels that live, and all records there are."""


@dataclass
class Looks(RecordingTelephony):
    """An Asterisk that shows something else at each look."""

    scenes: Sequence[Scene] = ()
    looks: int = 0

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        self.live, self.records = self.scenes[min(self.looks, len(self.scenes) - 1)]
        self.looks += 1
        return self.live


async def evidence(*scenes: Scene, asked: frozenset[ChannelId] = frozenset({CHANNEL})) -> EvidenceFound:
    found: asyncio.Queue[Event] = asyncio.Queue()
    world = World.empty(InstanceId("d1"), policy(), [trunk()])
    dispatcher = Dispatcher(
        world,
        RecordingStore([]),
        Looks(scenes=scenes),
        RecordingMedia(),
        ManualClock(),
        found.put_nowait,
        lambda announcement: None,
    )
    dispatcher.carry_out([SeekEvidence("boot-1", asked, Millis(1))], lambda campaign: False)
    event = await asyncio.wait_for(found.get(), 5)
    await dispatcher.close()
    assert isinstance(event, EvidenceFound)
    assert found.empty()
    return event


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialerd.engine.dispatcher.SECOND_LOOK", 0.01)


async def test_a_record_that_is_written_late_is_found() -> None:
    event = await evidence(((), ()), ((), (BUSY,)))
    assert event.records == (BUSY,)


async def test_a_channel_that_comes_late_is_found() -> None:
    event = await evidence(((), ()), ((LiveChannel(CHANNEL, False),), ()))
    assert event.live == {CHANNEL}


async def test_a_channel_seen_at_the_first_look_is_not_called_absent_at_the_second() -> None:
    """Its record is still to come: whoever waits for it asks again."""
    other = CallRecord(ChannelId("d1-cal_000000000002-1"), False, "BUSY", START, Millis(0))
    lives, gone = ((LiveChannel(CHANNEL, False),), ()), ((), (other,))
    event = await evidence(lives, gone, asked=frozenset({CHANNEL, other.channel}))
    assert (event.live, event.records) == ({CHANNEL}, (other,))


async def test_what_neither_look_shows_is_told_as_absent() -> None:
    event = await evidence(((), ()))
    assert (event.live, event.records, event.records_readable) == (frozenset(), (), True)
