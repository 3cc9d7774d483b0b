"""One side of the dispatch ratio: the real engine on a real store, with a network in which everybody is busy.

The network answers each originate after a millisecond, so what is measured is the engine and the store alone: gate,
planner, journal, outcome, counters. A process of its own, so that its resident memory is the engine's and nobody
else's. Prints one line of JSON.

    python -m benchmarks.dispatch STORE [--calls 5000] [--warm-up 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop

from benchmarks.testbed import peak_memory, resident_memory
from dialerd.clock import SystemClock
from dialerd.core.clock import Instant, minutes
from dialerd.core.commands import Unmet
from dialerd.core.compliance import Compliance
from dialerd.core.effects import (
    Announce,
    AttachAgent,
    CallPerson,
    JoinPerson,
    LimitCall,
    Originate,
    PrepareMedia,
    ReturnCallee,
)
from dialerd.core.identity import E164, CallId, ChannelId, InstanceId, TrunkName
from dialerd.core.messages import (
    CallRecord,
    HostUp,
    LiveChannel,
    ManagerUp,
    MediaCapacity,
    OriginateAccepted,
    TryEnded,
    TryShown,
)
from dialerd.core.policy import Policy
from dialerd.core.trunk import Trunk
from dialerd.engine.runtime import Engine
from dialerd.numbering import callee_zones, pin_zones, tzdata_version
from dialerd.ports import MediaWorker, Script, Sink, Snapshot, Store
from dialerd.store.choice import store_at

CHANNELS = 200
BUSY_AFTER = 0.001
USER_BUSY = 17
DEADLINE = 120.0


class BusyNetwork:
    """Telephony in which every callee is busy. Counts the calls that have ended."""

    def __init__(self) -> None:
        self.sink: Sink = lambda event: None
        self.ended = 0
        self.first_at: float | None = None
        """When the first originate was handed over (monotonic)."""
        self._wanted: list[tuple[int, asyncio.Event]] = []

    async def until(self, ended: int) -> None:
        """Return when that many calls have ended."""
        reached = asyncio.Event()
        self._wanted.append((ended, reached))
        await reached.wait()

    def originate(self, order: Originate) -> None:
        if self.first_at is None:
            self.first_at = time.monotonic()
        asyncio.get_running_loop().call_later(BUSY_AFTER, self._refuse, order.channel)

    def _refuse(self, channel: ChannelId) -> None:
        self.sink(OriginateAccepted(channel))
        self.sink(TryShown(channel))
        self.sink(TryEnded(channel, USER_BUSY, 486))
        self.ended += 1
        for ended, reached in self._wanted:
            if self.ended >= ended:
                reached.set()

    def hang_up(self, channel: ChannelId) -> None:
        """Nobody ever answers."""

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        return ()

    async def snapshot(self) -> Snapshot:
        return Snapshot(frozenset(), frozenset())

    def call_person(self, order: CallPerson) -> None:
        """Never asked."""

    def join_person(self, order: JoinPerson) -> None:
        """Never asked."""

    def return_callee(self, order: ReturnCallee) -> None:
        """Never asked."""

    def limit_call(self, order: LimitCall) -> None:
        """Never asked."""

    def ring_callee(self, channel: ChannelId) -> None:
        """Never asked."""

    def release_media(self, channel: ChannelId) -> None:
        """There is none."""

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        return ()


class NoMedia:
    """Nobody answers, so nobody needs an agent."""

    def expect(self, order: PrepareMedia) -> None:
        """There is nothing to be made."""

    def forgo(self, call: CallId) -> None:
        """There is nothing to be let go of."""

    def attach(self, order: AttachAgent) -> None:
        """Never asked."""

    def detach(self, call: CallId) -> None:
        """Never asked."""

    def hold(self, call: CallId, *, warm: bool) -> None:
        """Never asked."""

    def callback_unmet(self, call: CallId, asked: Instant, unmet: Unmet) -> None:
        """Never asked for."""

    def transfer_failed(self, call: CallId, reason: str) -> None:
        """Never asked."""

    def redirect(self, call: CallId, instructions: Mapping[str, Any]) -> bool:
        """Nobody redirects here."""
        return False

    def standing(self) -> Sequence[MediaWorker]:
        return ()

    def held(self) -> frozenset[CallId] | None:
        return None

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """Nothing is spoken."""


def engine_on(store: Store) -> Engine:
    """An engine with the rules that an installation has by default, but for the legal hours."""
    trunk = Trunk(TrunkName("lab"), "lab", (E164("+15550100100"),), CHANNELS, 1_000_000)
    policy = Policy(min_gap=minutes(15), refund_spacing=(minutes(1), minutes(5), minutes(15)))
    rules = Compliance(None, callee_zones(), tzdata_version())

    def hear(announcement: Announce) -> None:
        """Nobody listens."""

    return Engine(InstanceId("bench"), policy, (trunk,), store, SystemClock(), hear, rules)


async def measure(address: str, calls: int, warm_up: int) -> dict[str, float]:
    """Dial over the campaigns of the store; calls a second from the end of the warm-up on."""
    pin_zones()
    begun = time.monotonic()
    store = store_at(address, "bench")
    await store.open()
    network = BusyNetwork()
    engine = engine_on(store)
    network.sink = engine.post
    try:
        await engine.restore()
        running = asyncio.create_task(engine.run(network, NoMedia()))
        engine.post(HostUp("bench", "0", ()))
        engine.post(ManagerUp())
        engine.post(MediaCapacity(10_000))
        async with asyncio.timeout(DEADLINE):
            await network.until(warm_up)
            started, spent = time.perf_counter(), time.process_time()
            await network.until(warm_up + calls)
            seconds, spent = time.perf_counter() - started, time.process_time() - spent
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        await store.close()
    return {
        "calls_per_second": calls / seconds,
        "cpu_ms_per_call": 1_000 * spent / calls,
        "first_dial_s": (network.first_at or 0) - begun,
        "resident_mb": resident_memory(),
        "peak_mb": peak_memory(),
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", help="the address of a prepared store; it is changed")
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--warm-up", type=int, default=1_000, help="calls that are not counted")
    options = parser.parse_args()
    print(json.dumps(uvloop.run(measure(options.store, options.calls, options.warm_up))))


if __name__ == "__main__":
    main()
