"""Evidence is gathered twice before its absence is told: a record is written a moment after its channel is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from dialerd.core.clock import Millis
from dialerd.core.effects import SeekEvidence
from dialerd.core.identity import ChannelId
from dialerd.core.messages import CallRecord, Event, EvidenceFound, LiveChannel
from dialerd.engine.evidence import seek
from tests.core.world_builder import START

from .fakes import RecordingTelephony

CHANNEL = ChannelId("d1-cal_000000000001-1")
BUSY = CallRecord(CHANNEL, False, "BUSY", START, Millis(0))
OTHER = replace(BUSY, channel=ChannelId("d1-cal_000000000002-1"))

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


async def evidence(
    *scenes: Scene, asked: frozenset[ChannelId] = frozenset({CHANNEL}), delay: int = 0
) -> list[EvidenceFound]:
    found: list[Event] = []
    order = SeekEvidence("boot-1", asked, Millis(delay))
    async with asyncio.timeout(20):
        await seek(order, Looks(scenes=scenes), found.append, lambda announcement: None)
    return [event for event in found if isinstance(event, EvidenceFound)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialerd.engine.evidence.SECOND_LOOK", 0.01)


async def test_a_record_that_is_written_late_is_found() -> None:
    [event] = await evidence(((), ()), ((), (BUSY,)))
    assert event.records == (BUSY,)


async def test_a_channel_that_comes_late_is_found() -> None:
    [event] = await evidence(((), ()), ((LiveChannel(CHANNEL, False),), ()))
    assert event.live == {CHANNEL}


async def test_a_channel_seen_at_the_first_look_is_not_called_absent_at_the_second() -> None:
    """Its record is still to come: whoever waits for it asks again."""
    lives, gone = ((LiveChannel(CHANNEL, False),), ()), ((), (OTHER,))
    [event] = await evidence(lives, gone, asked=frozenset({CHANNEL, OTHER.channel}))
    assert (event.live, event.records) == ({CHANNEL}, (OTHER,))


async def test_what_neither_look_shows_is_told_as_absent() -> None:
    [event] = await evidence(((), ()))
    assert (event.live, event.records, event.records_readable) == (frozenset(), (), True)


async def test_what_has_a_record_is_told_before_absence_means_anything() -> None:
    early, late = await evidence(((), (OTHER,)), asked=frozenset({CHANNEL, OTHER.channel}), delay=1)
    assert (early.asked, early.records) == ({OTHER.channel}, (OTHER,))
    assert (late.asked, late.records) == ({CHANNEL}, ())


async def test_a_live_channel_is_not_judged_by_a_record_of_its_first_bridge() -> None:
    [event] = await evidence(((LiveChannel(CHANNEL, True),), (BUSY,)), delay=1)
    assert event.live == {CHANNEL}
