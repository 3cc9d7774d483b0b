"""StatusCallbacks to receivers that hang: how many wait, how many are under way, and whose order is kept."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog

from dialerd.core.clock import Instant, Mono, Now
from dialerd.core.effects import Announce
from dialerd.core.errors import PortError
from dialerd.core.identity import CallId
from dialerd.core.model import CallStatus
from dialerd.engine.callbacks import AT_ONCE, AT_ONCE_TO_ONE, MOST_FOR_ONE, StatusCallbacks
from dialerd.engine.settings import TwilioAccess
from tests.adapters.waiting import until

KINDS = ("call.placed", "call.ringing", "call.answered", "call.completed")


class Row:
    """As much of a stored call as is told."""

    def __init__(self, call: CallId, host: str) -> None:
        self.id, self.phone, self.tries = call, "+15550100100", ()
        self.status, self.answered_at, self.duration_ms = CallStatus.IN_PROGRESS, None, 0
        self.disposition = self.reason = None
        events = ("initiated", "ringing", "answered", "completed")
        self.instructions = {"status_callback": f"https://{host}/x", "status_callback_events": events}


class Rows:
    def __init__(self) -> None:
        self.hosts: dict[CallId, str] = defaultdict(lambda: "slow.example")
        self.out = False

    async def call(self, call: CallId) -> Row:
        if self.out:
            raise PortError("the store is out", retryable=True)
        return Row(call, self.hosts[call])


class Hanging:
    """Receivers that answer once they are let go."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_at_once = 0
        self.told: dict[str, list[str]] = defaultdict(list)
        self.free: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def fetch(
        self, method: str, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        host, fields = urlsplit(url).netloc, dict(form)
        self.now[host] += 1
        self.most[host] = max(self.most[host], self.now[host])
        self.most_at_once = max(self.most_at_once, self.now.total())
        try:
            await self.free[host].wait()
            self.told[fields["CallSid"]].append(fields["SequenceNumber"])
            return 204, b""
        finally:
            self.now[host] -= 1


class Still:
    def now(self) -> Now:
        return Now(Instant(0), Mono(0))


@asynccontextmanager
async def telling() -> AsyncIterator[tuple[StatusCallbacks, Rows, Hanging]]:
    rows, hanging = Rows(), Hanging()
    callbacks = StatusCallbacks(rows, Still(), TwilioAccess("AC" + "0" * 32, "token"), hanging)  # type: ignore[arg-type]
    running = asyncio.create_task(callbacks.run())
    try:
        yield callbacks, rows, hanging
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def happen(callbacks: StatusCallbacks, call: CallId, *kinds: str) -> None:
    for kind in kinds:
        callbacks.hear(Announce(kind, {"call": call}))
        await until(lambda: not callbacks._heard.qsize())


def of(number: int) -> CallId:
    return CallId(f"cal_{number:012x}")


async def test_a_receiver_that_hangs_has_few_requests_and_a_bounded_queue() -> None:
    with structlog.testing.capture_logs() as logged:
        async with telling() as (callbacks, _, hanging):
            for number in range(3_000):
                callbacks.hear(Announce("call.placed", {"call": of(number)}))
                await asyncio.sleep(0)
            await until(lambda: not callbacks._heard.qsize())
            assert hanging.most["slow.example"] == hanging.most_at_once == AT_ONCE_TO_ONE
            hanging.free["slow.example"].set()
            await until(lambda: len(hanging.told) == MOST_FOR_ONE + AT_ONCE_TO_ONE)
    dropped = [line for line in logged if line["event"] == "twilio.callbacks_dropped"]
    assert dropped[0]["dropped"] == 1
    assert "slow.example" in dropped[0]["detail"]
    assert dropped[-1]["dropped"] == 1_900
    assert len(dropped) == 20, "a line for a hundred of them"


async def test_many_that_hang_share_a_bound_too_and_one_that_answers_is_told() -> None:
    async with telling() as (callbacks, rows, hanging):
        for number in range(300):
            rows.hosts[of(number)] = f"slow{number % 3}.example"
            await happen(callbacks, of(number), "call.placed")
        rows.hosts[of(999)] = "quick.example"
        hanging.free["quick.example"].set()
        await happen(callbacks, of(999), *KINDS)
        await until(lambda: len(hanging.told) == 1)
        await until(lambda: next(iter(hanging.told.values())) == ["0", "1", "2", "3"])
        assert hanging.most_at_once <= AT_ONCE


async def test_what_happens_to_a_call_is_told_in_its_order() -> None:
    async with telling() as (callbacks, _, hanging):
        for kind in KINDS:
            for number in range(40):
                await happen(callbacks, of(number), kind)
        hanging.free["slow.example"].set()
        await until(lambda: sum(map(len, hanging.told.values())) == 160)
        assert set(map(tuple, hanging.told.values())) == {("0", "1", "2", "3")}


async def test_nothing_is_left_behind_when_it_ends() -> None:
    async with telling() as (callbacks, _, hanging):
        await happen(callbacks, of(1), "call.placed")
        await until(lambda: hanging.now.total() == 1)
        hanging.free["slow.example"].set()
        await until(lambda: not callbacks._receivers)
    assert hanging.now.total() == 0


async def test_a_store_that_is_out_costs_one_event() -> None:
    async with telling() as (callbacks, rows, hanging):
        hanging.free["slow.example"].set()
        rows.out = True
        await happen(callbacks, of(1), "call.placed")
        rows.out = False
        await happen(callbacks, of(1), "call.answered")
        await until(lambda: list(hanging.told.values()) == [["0"]])
