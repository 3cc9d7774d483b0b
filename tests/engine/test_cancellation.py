"""Slots are conserved wherever a caller, or the engine itself, is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from dialerd.core.commands import HangUpCall, Panic, PauseCampaign, PauseDaemon, ResumeCampaign, StopCampaign
from dialerd.core.messages import OriginateAccepted, TryEnded, TryShown
from tests.core.world_builder import CMP

from .test_runtime import Rig, running

COMMANDS = [PauseCampaign(CMP), StopCampaign(CMP), PauseDaemon(), Panic(), ResumeCampaign(CMP)]


class SlowJournal:
    """A commit that takes several turns of the loop, so that a cancellation can come anywhere in it."""

    def __init__(self, rig: Rig) -> None:
        self._commit = rig.store.commit
        rig.store.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, entries: object) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        await self._commit(entries)  # type: ignore[arg-type]


async def settle(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def end_everything(rig: Rig) -> None:
    for order in rig.telephony.originated:
        rig.engine.post(OriginateAccepted(order.channel))
        rig.engine.post(TryShown(order.channel))
        rig.engine.post(TryEnded(order.channel, 17, 486))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("after", range(12))
async def test_a_command_cancelled_at_any_await_leaves_no_slot_behind(command: object, after: int) -> None:
    async with running(6, channels=3) as rig:
        SlowJournal(rig)
        await rig.admit(6)
        await settle(8)
        asked = asyncio.create_task(rig.engine.command(command))  # type: ignore[arg-type]
        await settle(after)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        for _ in range(60):
            end_everything(rig)
            await settle(10)
        status = rig.engine.memory.status()
        assert status.live_calls == 0
        assert all(trunk.channels_in_use == 0 for trunk in status.trunks)
        assert status.slot_drift == 0
        # Later commands are carried out as ever.
        assert await rig.engine.command(HangUpCall("cal_000000000001")) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("after", range(16))
async def test_an_engine_cancelled_at_any_await_has_written_whole_turns_only(after: int) -> None:
    rig = Rig(6, 3)
    SlowJournal(rig)
    await rig.engine.restore()
    task = asyncio.create_task(rig.engine.run(rig.telephony, rig.media))
    asked = asyncio.create_task(rig.admit(6))
    await settle(after)
    task.cancel()
    asked.cancel()
    await asyncio.gather(task, asked, return_exceptions=True)
    opened = [entry for entry in rig.store.committed if type(entry).__name__ == "CallOpened"]
    tries = [entry for entry in rig.store.committed if type(entry).__name__ == "TryOpened"]
    assert len(opened) == len(tries)
    assert len(rig.telephony.originated) <= len(tries)
