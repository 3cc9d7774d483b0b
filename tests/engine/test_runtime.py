"""The engine's turns: commit before act, one failure at a time, a pause that keeps its promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dialerd.core.commands import (
    AdmitCampaign,
    Done,
    Panic,
    PauseCampaign,
    Refused,
    ResumeDaemon,
    StopCampaign,
)
from dialerd.core.errors import InDoubtError, InvariantError, PortError
from dialerd.core.identity import CampaignId, ImportId, InstanceId
from dialerd.core.journal import Author, CallClosed, CampaignAdmitted, DaemonSaved, Deed, TryOpened, TrySaved
from dialerd.core.messages import (
    HostUp,
    ManagerUp,
    MediaCapacity,
    OriginateAccepted,
    Tick,
    TryAnswered,
    TryEnded,
    TryShown,
)
from dialerd.core.model import TryState
from dialerd.core.policy import Halt
from dialerd.engine.author import acting
from dialerd.engine.failpoint import Failpoint
from dialerd.engine.runtime import Engine
from tests.core.world_builder import CMP, START, campaign, contacts, policy, trunk

from .fakes import ManualClock, RecordingMedia, RecordingStore, RecordingTelephony


class Rig:
    """An engine with recording ports around it."""

    def __init__(
        self,
        people: int,
        channels: int,
        failpoint: Failpoint | None = None,
        store: RecordingStore | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.store = store or RecordingStore(contacts(people))
        self.telephony = RecordingTelephony()
        self.media = RecordingMedia()
        self.engine = Engine(
            InstanceId("d1"),
            policy(),
            [trunk(channels=channels, rate=1000.0)],
            self.store,
            self.clock,
            lambda announcement: None,
            failpoint=failpoint,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    async def admit(self, people: int) -> None:
        await self.engine.command(AdmitCampaign(campaign(), ImportId(1), people))

    def entries(self, kind: type) -> list[object]:
        return [entry for entry in self.store.committed if isinstance(entry, kind)]


@asynccontextmanager
async def running(people: int, channels: int = 10, failpoint: Failpoint | None = None) -> AsyncIterator[Rig]:
    rig = Rig(people, channels, failpoint)
    await rig.engine.restore()
    task = asyncio.create_task(rig.engine.run(rig.telephony, rig.media))
    rig.engine.post(HostUp("boot-1", "22.10.1", ()))
    rig.engine.post(ManagerUp())
    rig.engine.post(MediaCapacity(100))
    try:
        yield rig
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_attempt_is_committed_before_its_originate_leaves() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        rig.store.gate = asyncio.Event()
        rig.store.in_commit.clear()
        await asyncio.wait_for(rig.store.in_commit.wait(), 2)
        assert rig.telephony.originated == []
        rig.store.gate.set()
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        assert len(rig.entries(TryOpened)) == 1


async def test_at_most_sixteen_originates_are_unanswered() -> None:
    async with running(50, channels=40) as rig:
        await rig.admit(50)
        await rig.until(lambda: len(rig.telephony.originated) >= 16)
        await asyncio.sleep(0.02)
        assert len(rig.telephony.originated) == 16
        rig.engine.post(OriginateAccepted(rig.telephony.originated[0].channel))
        await rig.until(lambda: len(rig.telephony.originated) == 17)


async def test_a_failed_commit_sends_nothing_and_dialing_resumes_with_the_store() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        rig.store.errors = [PortError("disk full", retryable=True)]
        await rig.until(lambda: rig.engine.memory.status().store == "disk full")
        assert rig.telephony.originated == []
        assert not rig.engine.memory.status().dialing
        assert rig.engine.memory.blocked(CMP)[0]["reason"] == "store"
        rig.clock.advance(1_500)
        rig.engine.post(MediaCapacity(100))
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        assert rig.engine.memory.status().dialing


async def test_a_command_is_refused_while_the_store_is_out() -> None:
    async with running(0) as rig:
        rig.store.errors = [PortError("disk full", retryable=True)]
        with pytest.raises(PortError, match="disk full"):
            await rig.admit(0)


async def test_a_panic_hangs_up_though_the_store_is_out_and_nothing_is_dialed_when_it_is_back() -> None:
    async with running(5, channels=1) as rig:
        await rig.admit(5)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        channel = rig.telephony.originated[0].channel
        rig.store.errors = [PortError("disk full", retryable=True)]
        operator = Author("uid:0", "root", "unix")
        with pytest.raises(PortError, match="every call is being hung up"), acting(operator):
            await rig.engine.command(Panic())
        assert rig.telephony.hung_up == [channel]
        rig.engine.post(TryEnded(channel, 16, None))
        rig.clock.advance(1_500)
        await rig.until(lambda: bool(rig.entries(CallClosed)))
        assert rig.entries(DaemonSaved) == [DaemonSaved(Halt.PANIC)]
        told = [deed for deed in rig.entries(Deed) if deed.action == "daemon.panicked"]  # type: ignore[attr-defined]
        assert [deed.by for deed in told] == [operator], "who panicked is known though it was written later"  # type: ignore[attr-defined]
        await asyncio.sleep(0.02)
        assert len(rig.telephony.originated) == 1
        await rig.engine.command(ResumeDaemon())
        rig.clock.advance(60_000)
        rig.engine.post(Tick())
        await rig.until(lambda: len(rig.telephony.originated) == 2)


NO_ANSWER = InDoubtError("no answer", 7)
OUT = PortError("still no answer", retryable=True)


@asynccontextmanager
async def in_doubt(*fates: bool | Exception) -> AsyncIterator[Rig]:
    """An engine whose first attempt is in doubt, and the fate of it."""
    async with running(1) as rig:
        await rig.admit(1)
        rig.store.errors, rig.store.fates = [NO_ANSWER], list(fates)
        await rig.until(lambda: rig.engine.memory.status().store == "no answer")
        yield rig


async def test_nothing_is_dialed_while_a_commit_is_in_doubt() -> None:
    async with in_doubt(OUT, OUT, True) as rig:
        assert not rig.engine.memory.status().dialing
        assert rig.engine.memory.blocked(CMP)[0]["reason"] == "store"
        for left in (2, 1):
            rig.clock.advance(1_500)
            rig.engine.post(Tick())
            await rig.until(lambda wanted=left: len(rig.store.fates) == wanted)  # type: ignore[misc]
        assert rig.entries(TryOpened) == []
        assert rig.telephony.originated == []


@pytest.mark.parametrize("stored", [True, False])
async def test_a_commit_in_doubt_is_done_once_whatever_became_of_it(stored: bool) -> None:
    async with in_doubt(OUT, stored) as rig:
        for _ in range(3):
            rig.clock.advance(1_500)
            rig.engine.post(MediaCapacity(100))
            await asyncio.sleep(0.01)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        assert len(rig.entries(TryOpened)) == 1
        assert rig.engine.memory.status().dialing


@pytest.mark.parametrize("stored", [True, False])
async def test_a_command_in_doubt_is_answered_when_it_is_known(stored: bool) -> None:
    async with running(0) as rig:
        rig.store.errors, rig.store.fates = [NO_ANSWER], [stored]
        admitting = asyncio.create_task(rig.admit(0))
        await rig.until(lambda: rig.engine.memory.status().store == "no answer")
        assert not admitting.done()
        rig.clock.advance(1_500)
        rig.engine.post(Tick())
        await admitting
        assert [entry.campaign.id for entry in rig.entries(CampaignAdmitted)] == [CMP]  # type: ignore[attr-defined]


async def test_a_command_is_refused_while_another_is_in_doubt() -> None:
    async with in_doubt(OUT, True) as rig:
        with pytest.raises(PortError, match="still no answer"):
            await rig.engine.command(PauseCampaign(CMP))


async def test_a_panic_in_doubt_hangs_up_at_once_and_holds_when_it_is_known() -> None:
    async with running(5, channels=1) as rig:
        await rig.admit(5)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        rig.store.errors, rig.store.fates = [NO_ANSWER], [False]
        panicking = asyncio.create_task(rig.engine.command(Panic()))
        await rig.until(lambda: rig.telephony.hung_up == [rig.telephony.originated[0].channel])
        rig.clock.advance(1_500)
        rig.engine.post(Tick())
        await panicking
        assert rig.engine.memory.status().halt is Halt.PANIC


async def test_a_panic_does_not_wait_for_a_store_that_is_out() -> None:
    async with running(5, channels=1) as rig:
        await rig.admit(5)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        channel = rig.telephony.originated[0].channel
        rig.store.errors = [PortError("stalled", retryable=True)]
        with pytest.raises(PortError, match="stalled"):
            await rig.engine.command(PauseCampaign(CMP))
        rig.store.gate = asyncio.Event()
        panicking = asyncio.create_task(rig.engine.command(Panic()))
        await rig.until(lambda: channel in rig.telephony.hung_up)
        assert not panicking.done()
        rig.store.gate.set()
        await panicking
        told = [deed for deed in rig.entries(Deed) if deed.action == "daemon.panicked"]  # type: ignore[attr-defined]
        assert len(told) == 1


async def test_an_integrity_error_costs_its_own_event_alone() -> None:
    async with running(2) as rig:
        await rig.admit(2)
        await rig.until(lambda: len(rig.telephony.originated) == 2)
        first, second = (order.channel for order in rig.telephony.originated)
        # The batch fails, then the first event fails alone, and the second is taken.
        rig.store.errors = [InvariantError("unique"), InvariantError("unique")]
        rig.engine.post(TryEnded(first, 17, 486))
        rig.engine.post(TryEnded(second, 17, 486))
        await rig.until(lambda: len(rig.entries(CallClosed)) == 1)
        assert rig.entries(TrySaved)[0].attempt.channel == second  # type: ignore[attr-defined]


async def test_a_pause_that_arrives_during_the_commit_withholds_the_originate() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        rig.store.gate = asyncio.Event()
        rig.store.in_commit.clear()
        await asyncio.wait_for(rig.store.in_commit.wait(), 2)
        paused = asyncio.create_task(rig.engine.command(PauseCampaign(CMP)))
        await asyncio.sleep(0)
        rig.store.gate.set()
        rig.store.gate = None
        carried = await paused
        assert isinstance(carried.answer, Done)
        assert carried.in_flight == 0
        assert rig.telephony.originated == []
        await rig.until(lambda: bool(rig.entries(TrySaved)))
        saved = rig.entries(TrySaved)
        assert saved[0].attempt.state is TryState.NOT_SENT  # type: ignore[attr-defined]


async def test_a_pause_answers_when_every_sent_originate_has_shown_itself() -> None:
    async with running(2) as rig:
        await rig.admit(2)
        await rig.until(lambda: len(rig.telephony.originated) == 2)
        first, second = (order.channel for order in rig.telephony.originated)
        rig.engine.post(OriginateAccepted(first))
        rig.engine.post(TryShown(first))
        paused = asyncio.create_task(rig.engine.command(PauseCampaign(CMP)))
        await asyncio.sleep(0.05)
        assert not paused.done()
        rig.engine.post(TryShown(second))
        carried = await asyncio.wait_for(paused, 1)
        assert carried.in_flight == 0


async def test_a_stop_names_what_it_could_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialerd.engine.barrier.PATIENCE", 0.02)
    async with running(2) as rig:
        await rig.admit(2)
        await rig.until(lambda: len(rig.telephony.originated) == 2)
        carried = await rig.engine.command(StopCampaign(CMP))
        assert carried.in_flight == 2


async def test_an_answered_call_gets_its_agent_once() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        channel = rig.telephony.originated[0].channel
        rig.engine.post(TryAnswered(channel))
        rig.engine.post(TryAnswered(channel))
        await rig.until(lambda: bool(rig.media.attached))
        await asyncio.sleep(0.01)
        assert len(rig.media.attached) == 1


async def test_an_unknown_campaign_is_refused() -> None:
    async with running(0) as rig:
        carried = await rig.engine.command(PauseCampaign(CampaignId("cmp_ffffffffffff")))
        assert isinstance(carried.answer, Refused)
        assert carried.answer.unknown


async def test_draining_places_no_call_and_ends_with_the_last_one() -> None:
    async with running(2) as rig:
        await rig.admit(2)
        await rig.until(lambda: len(rig.telephony.originated) == 2)
        drained = asyncio.create_task(rig.engine.drain())
        await asyncio.sleep(0.01)
        assert not drained.done()
        for order in rig.telephony.originated:
            rig.engine.post(TryEnded(order.channel, 17, 486))
        await asyncio.wait_for(drained, 2)
        assert rig.engine.memory.campaign(CMP) is None
        assert rig.clock.now().wall >= START


async def test_a_store_that_is_well_again_is_noticed_without_anything_to_write() -> None:
    async with running(0) as rig:
        rig.store.errors = [PortError("disk full", retryable=True)]
        with pytest.raises(PortError):
            await rig.admit(0)
        assert rig.engine.memory.status().store == "disk full"
        rig.clock.advance(1_500)
        await rig.until(lambda: rig.engine.memory.status().store == "ok")


async def test_while_the_store_is_out_events_wait_instead_of_hammering_it() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        rig.store.errors = [PortError("disk full", retryable=True)] * 1_000
        rig.engine.post(TryEnded(rig.telephony.originated[0].channel, 17, 486))
        await rig.until(lambda: rig.engine.memory.status().store == "disk full")
        await asyncio.sleep(0.05)
        assert len(rig.store.errors) == 999, "one failed commit, then a second of rest"
        rig.store.errors.clear()
        rig.clock.advance(1_500)
        await rig.until(lambda: len(rig.entries(CallClosed)) == 1)


async def test_a_wake_up_that_comes_a_moment_before_the_rest_is_over_is_not_the_last_one() -> None:
    async with running(1) as rig:
        await rig.admit(1)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        rig.store.errors = [PortError("disk full", retryable=True)]
        rig.engine.post(TryEnded(rig.telephony.originated[0].channel, 17, 486))
        await rig.until(lambda: rig.engine.memory.status().store == "disk full")
        rig.clock.mono += 999_000
        # The loop's timer fires after the second it was set to; the engine's clock is a millisecond behind it.
        await asyncio.sleep(1.1)
        assert rig.engine.memory.status().store == "disk full"
        rig.clock.mono += 1_000
        await rig.until(lambda: rig.engine.memory.status().store == "ok")


async def test_the_engine_stops_when_told_though_the_store_is_out() -> None:
    rig = Rig(1, 1)
    await rig.engine.restore()
    task = asyncio.create_task(rig.engine.run(rig.telephony, rig.media))
    rig.engine.post(HostUp("boot-1", "22.10.1", ()))
    rig.engine.post(ManagerUp())
    rig.engine.post(MediaCapacity(1))
    await rig.admit(1)
    await rig.until(lambda: len(rig.telephony.originated) == 1)
    rig.store.gate = asyncio.Event()
    rig.store.in_commit.clear()
    rig.engine.post(TryEnded(rig.telephony.originated[0].channel, 17, 486))
    await asyncio.wait_for(rig.store.in_commit.wait(), 2)
    rig.store.errors = [PortError("disk full", retryable=True)]
    task.cancel()
    rig.store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 2)


async def test_a_damaged_store_stops_dialing_for_good_and_says_that_it_needs_a_restore() -> None:
    async with running(3, channels=1) as rig:
        await rig.admit(3)
        await rig.until(lambda: len(rig.telephony.originated) == 1)
        rig.store.errors = [PortError("the store is damaged: restore it from a backup", retryable=False)]
        rig.engine.post(TryEnded(rig.telephony.originated[0].channel, 17, 486))
        await rig.until(lambda: "restore" in rig.engine.memory.status().store)
        rig.clock.advance(60_000)
        with pytest.raises(PortError, match="restore"):
            await rig.engine.command(PauseCampaign(CMP))
        assert not rig.engine.memory.status().dialing
        assert len(rig.telephony.originated) == 1


async def test_contacts_that_cannot_be_read_are_a_reason_and_are_read_again() -> None:
    async with running(2) as rig:
        rig.store.unread = [PortError("the disk does not answer", retryable=True)]
        await rig.admit(2)
        await rig.until(lambda: [reason["reason"] for reason in rig.engine.memory.blocked(CMP)] == ["store"])
        assert [*map(str, rig.engine.memory.status().problems)] == ["store: the disk does not answer"]
        assert rig.telephony.originated == []
        rig.clock.advance(1_500)
        rig.engine.post(Tick())
        await rig.until(lambda: len(rig.telephony.originated) == 2)
        assert rig.engine.memory.status().dialing


async def test_a_store_found_damaged_by_reading_stops_dialing_for_good() -> None:
    async with running(2) as rig:
        rig.store.unread = [PortError("the store is damaged: restore it from a backup", retryable=False)]
        await rig.admit(2)
        await rig.until(lambda: "restore" in rig.engine.memory.status().store)
        rig.clock.advance(60_000)
        rig.engine.post(Tick())
        with pytest.raises(PortError, match="restore"):
            await rig.engine.command(PauseCampaign(CMP))
        assert rig.engine.memory.blocked(CMP)[0]["reason"] == "store"
        assert rig.telephony.originated == []
        await asyncio.wait_for(rig.engine.drain(), 2)
