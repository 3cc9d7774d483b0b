"""Calls on the real Asterisk of the lab: the callee hears the agent, and the key that is pressed is the label.

A little dialer stands in for the engine: it attaches what answers, hangs up what has finished.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dialerd.agent.script import parse_script
from dialerd.asterisk.ari import AriAccess
from dialerd.asterisk.telephony import AsteriskTelephony
from dialerd.core.clock import Instant, Millis
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    AttachAgent,
    Originate,
    PrepareMedia,
)
from dialerd.core.engine import EMBEDDED
from dialerd.core.identity import E164, CallId, ChannelId, InstanceId, ScriptId, TrunkName, call_of
from dialerd.core.messages import (
    AgentFinished,
    AgentHeard,
    AgentReported,
    Event,
    HostUp,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    TryAnswered,
    TryEnded,
    TryRinging,
)
from dialerd.media.pool import MediaPool
from dialerd.ports import Script
from scripts.running import Lab, lab
from tests.adapters.waiting import Heard, until
from tests.agent.scripts import EXAMPLES

pytestmark = pytest.mark.lab

EXAMPLE = (EXAMPLES / "personal-loan-cross-sell.yaml").read_text(encoding="utf-8")
SHORT = """\
name: Short
keys: {1: {disposition: interested}, 2: {disposition: not_interested}, 9: {disposition: dnc}}
no_input: {seconds: 4, repeats: 0}
languages:
  en-IN:
    opening: Please listen to this line to its end, and press a key.
    closings: {1: Thanks., 2: Fine., 9: Sorry.}
    no_input: {closing: Goodbye.}
    invalid_key: No.
"""
PATIENT = SHORT.replace("seconds: 4", "seconds: 60")

_calls = itertools.count(int(time.time()))


@dataclass
class Dialer:
    """Places calls, gives them their agent, and hangs up."""

    lab: Lab
    folder: Path
    workers: int = 1
    heard: Heard = field(default_factory=Heard)
    telephony: AsteriskTelephony | None = None
    pool: MediaPool | None = None
    holding: asyncio.Task[None] | None = None
    numbers: dict[CallId, str] = field(default_factory=dict)
    scripts: dict[CallId, tuple[str, str]] = field(default_factory=dict)
    codecs: dict[CallId, tuple[str, ...]] = field(default_factory=dict)

    @property
    def ari(self) -> AriAccess:
        about = self.lab.facts["ari"]
        return AriAccess(about["url"], about["user"], about["password"])

    def __call__(self, event: Event) -> None:
        self.heard(event)
        if self.telephony is None or self.pool is None:
            return
        match event:
            case TryAnswered(channel):
                script, language = self.scripts[call_of(channel)]
                self.pool.attach(
                    AttachAgent(
                        call_of(channel),
                        channel,
                        script,
                        1,
                        language,
                        E164("+15550100100"),
                        "Priya",
                        {},
                        codec=self.codecs[call_of(channel)][0],
                    )
                )
            case TryRinging(channel):
                call = call_of(channel)
                self.pool.expect(PrepareMedia(call, channel, self.engine_of(call), self.codecs[call][0]))
            case TryEnded(channel):
                self.pool.detach(call_of(channel))
                self.pool.forgo(call_of(channel))
            case AgentFinished(call) | MediaFailed(call):
                self.telephony.hang_up(self.channel(call))

    def engine_of(self, call: CallId) -> str:
        """Who holds the call."""
        return EMBEDDED

    def channel(self, call: CallId) -> ChannelId:
        return ChannelId(f"lab-{call}-1")

    def call(
        self,
        number: str,
        script: str = "short",
        language: str = "en-IN",
        codecs: tuple[str, ...] = ("ulaw",),
    ) -> CallId:
        """Over the trunk whose endpoint has these codecs."""
        call = CallId(f"cal_{next(_calls):012x}")
        self.numbers[call] = number
        self.scripts[call] = script, language
        self.codecs[call] = codecs
        endpoint = "lab" if codecs == ("ulaw",) else f"lab-{codecs[0]}"
        assert self.telephony is not None
        self.telephony.originate(
            Originate(
                self.channel(call), None, TrunkName("lab"), E164(f"+{number}"), endpoint, number,
                E164("+15550100100"), Millis(15_000), Millis(120_000), codecs,
            )
        )  # fmt: skip
        return call

    async def ended(self, call: CallId, seconds: float = 30) -> None:
        await until(lambda: any(call_of(each.channel) == call for each in self.heard.of(TryEnded)), seconds)

    def label(self, call: CallId) -> str | None:
        (finished,) = [each for each in self.heard.of(AgentFinished) if each.call == call]
        return finished.report.disposition

    async def start_pool(self) -> None:
        self.pool = MediaPool(
            state_dir=self.folder,
            ari=self.ari,
            listen=self.lab.facts["media"]["lab-media"],
            instance=InstanceId("lab"),
            max_sessions=20,
            workers=self.workers,
            cache_dir=self.folder / "prompts",
            sink=self,
        )
        for ident, text in (("example", EXAMPLE), ("short", SHORT), ("patient", PATIENT)):
            script = as_stored(ident, text)
            for language in script.languages:
                await self.pool.prepare(script, language)
        self.holding = asyncio.create_task(self.pool.run())

    async def adopted(self) -> frozenset[CallId]:
        """Start a pool; gives the calls that it finds its workers hold."""
        told = len(self.heard.of(MediaHeld))
        await self.start_pool()
        return (await self.heard.wait(MediaHeld, told + 1, seconds=10)).calls

    async def stop_pool(self) -> None:
        """The pool is gone as if its daemon had been killed."""
        if self.holding is not None:
            self.holding.cancel()
            await asyncio.gather(self.holding, return_exceptions=True)

    def crash(self) -> None:
        assert self.pool is not None
        for seat in self.pool.seats:
            if seat.link is not None:
                seat.link.close()

    async def ready(self, count: int = 1) -> None:
        await until(lambda: sum(c.sessions == 20 for c in self.heard.of(MediaCapacity)) >= count, 15)

    @property
    def worker(self) -> int:
        return self.worker_of(1)

    def worker_of(self, number: int) -> int:
        assert self.pool is not None
        process = self.pool.seats[number - 1].supervisor._process
        assert process is not None
        return process.pid

    async def successor(self, number: int, former: int) -> int:
        """The process of the worker that has followed on `former`."""
        assert self.pool is not None
        supervisor = self.pool.seats[number - 1].supervisor
        await until(lambda: supervisor._process is not None and supervisor._process.pid != former)
        return self.worker_of(number)

    def homes(self) -> dict[CallId, int]:
        """The worker of each call."""
        assert self.pool is not None
        return {call: seat.number for seat in self.pool.seats for call in seat.calls}

    async def left_in_asterisk(self) -> list[str]:
        """Channels and bridges that exist."""
        found = []
        async with aiohttp.ClientSession(headers=self.ari.headers) as http:
            for kind in ("channels", "bridges"):
                async with http.get(f"{self.ari.root}{kind}") as reply:
                    found += [entry["id"] for entry in await reply.json()]
        return found

    async def members(self, bridge: str) -> set[str]:
        """The channels in a bridge."""
        async with (
            aiohttp.ClientSession(headers=self.ari.headers) as http,
            http.get(f"{self.ari.root}bridges/{bridge}") as reply,
        ):
            return set((await reply.json()).get("channels", ()))

    async def nothing_is_left(self) -> None:
        async with asyncio.timeout(20):
            while await self.left_in_asterisk():
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


def as_stored(ident: str, text: str) -> Script:
    document = parse_script(text)
    return Script(
        ScriptId(ident), 1, document.name, document.languages, document.variables, document.body, text, Instant(0)
    )  # fmt: skip


@asynccontextmanager
async def dialing(running_lab: Lab, folder: Path, workers: int = 1) -> AsyncIterator[Dialer]:
    dialer = Dialer(running_lab, folder, workers)
    dialer.telephony = AsteriskTelephony(InstanceId("lab"), dialer.ari, dialer)
    connecting = asyncio.create_task(dialer.telephony.run())
    try:
        await dialer.start_pool()
        await dialer.ready()
        await dialer.heard.wait(HostUp, seconds=10)
        yield dialer
    finally:
        await dialer.stop_pool()
        if dialer.pool is not None:
            await dialer.pool.close(kill=True)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await dialer.telephony.close()


def carrier_saw(running_lab: Lab, number: str) -> dict[str, str]:
    """What the carrier noted of the call to `number`."""
    path = running_lab.facts["cdr"]["carrier"]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
        rows = database.execute("SELECT userfield FROM cdr WHERE dst = ?", (number,)).fetchall()
    assert len(rows) == 1
    return dict(part.split("=") for part in rows[0][0].split(";"))


async def test_keys_become_labels(running_lab: Lab, tmp_path: Path) -> None:
    expected = {
        "15550100100": "interested",
        "15550100120": "not_interested",
        "15550100190": "dnc",
        "15550100130": None,
        "15550100140": None,
    }
    async with dialing(running_lab, tmp_path) as dialer:
        calls = {dialer.call(number): label for number, label in expected.items()}
        calls[dialer.call("15550100201", "example", "en-IN")] = "interested"
        calls[dialer.call("15550100291", "example", "hi-IN")] = "dnc"
        for call in calls:
            await dialer.ended(call)
        await until(lambda: len(dialer.heard.of(AgentFinished)) >= len(calls))
        assert {call: dialer.label(call) for call in calls} == calls
        assert {heard.call for heard in dialer.heard.of(AgentHeard)} == set(calls)
        labelled = [call for call, label in calls.items() if label is not None]
        assert sorted(each.call for each in dialer.heard.of(AgentReported)) == sorted(labelled)
        assert dialer.heard.of(MediaFailed) == []
        assert_transcript(dialer, next(iter(calls)))
        await dialer.nothing_is_left()
        for call, label in calls.items():
            seen = carrier_saw(running_lab, dialer.numbers[call])
            assert seen["heard"] == "yes"
            assert seen["digits"] == {"interested": "1", "not_interested": "2", "dnc": "9", None: ""}[label]


def assert_transcript(dialer: Dialer, call: CallId) -> None:
    """The opening heard to its end, key 1, the closing line."""
    (finished,) = [each for each in dialer.heard.of(AgentFinished) if each.call == call]
    turns: list[Any] = [dict(turn) for turn in finished.report.transcript]
    assert [(turn["speaker"], turn.get("text", turn.get("digits"))) for turn in turns] == [
        ("agent", "Please listen to this line to its end, and press a key."),
        ("callee", "1"),
        ("agent", "Thanks."),
    ]
    assert 0 == turns[0]["time"] < turns[1]["time"] == turns[2]["time"] < 10
    assert not any("interrupted" in turn for turn in turns)


async def test_a_worker_that_dies_costs_its_calls_and_leaves_nothing(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with dialing(running_lab, tmp_path) as dialer:
        call = dialer.call("15550100430", "patient")
        await dialer.heard.wait(AgentHeard, seconds=10)
        os.kill(dialer.worker, signal.SIGKILL)
        failed = await dialer.heard.wait(MediaFailed)
        assert (failed.call, failed.reason) == (call, Reason.DROPPED)
        await dialer.ended(call)
        await dialer.ready(2)
        await dialer.nothing_is_left()


async def test_one_of_two_workers_dies_and_the_calls_of_the_other_go_on(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with dialing(running_lab, tmp_path, workers=2) as dialer:
        calls = [dialer.call(number, "patient") for number in ("15550100500", "15550100501")]
        await dialer.heard.wait(AgentHeard, 2, seconds=10)
        homes = dialer.homes()
        assert sorted(homes.values()) == [1, 2]
        (mine,) = [call for call in calls if homes[call] == 1]
        (lost,) = [call for call in calls if homes[call] == 2]
        os.kill(dialer.worker_of(2), signal.SIGKILL)
        failed = await dialer.heard.wait(MediaFailed)
        assert (failed.call, failed.reason) == (lost, Reason.DROPPED)
        await dialer.ended(lost)
        again = dialer.call("15550100100")
        await dialer.heard.wait(AgentHeard, 3, seconds=10)
        await dialer.ready(2)
        for call in (mine, again):
            await dialer.ended(call)
            assert dialer.label(call) == "interested"
        assert len(dialer.heard.of(MediaFailed)) == 1
        assert 0 not in {told.sessions for told in dialer.heard.of(MediaCapacity)[1:]}
        await dialer.nothing_is_left()


async def test_two_workers_outlive_their_daemon(running_lab: Lab, tmp_path: Path) -> None:
    async with dialing(running_lab, tmp_path, workers=2) as dialer:
        calls = [dialer.call(number, "patient") for number in ("15550100502", "15550100503")]
        await dialer.heard.wait(AgentHeard, 2, seconds=10)
        pids, homes = [dialer.worker_of(1), dialer.worker_of(2)], dialer.homes()
        await dialer.stop_pool()
        dialer.crash()
        assert await dialer.adopted() == set(calls)
        assert ([dialer.worker_of(1), dialer.worker_of(2)], dialer.homes()) == (pids, homes)
        for call in calls:
            await dialer.ended(call)
            assert dialer.label(call) == "interested"
        await dialer.nothing_is_left()


async def test_a_callee_whose_worker_died_while_the_phone_rang_stays_with_the_agent_that_takes_the_call(
    running_lab: Lab, tmp_path: Path
) -> None:
    async with dialing(running_lab, tmp_path, workers=2) as dialer:
        assert dialer.pool is not None
        call = dialer.call("15550100585", "patient")
        await dialer.heard.wait(TryRinging, seconds=10)
        bridge = f"{dialer.channel(call)}-b"
        await until(lambda: any(call in seat.expected for seat in dialer.pool.seats))
        dead = next(seat for seat in dialer.pool.seats if call in seat.expected)
        async with asyncio.timeout(4):
            while bridge not in await dialer.left_in_asterisk():
                await asyncio.sleep(0.02)
        first = dialer.worker_of(dead.number)
        os.kill(first, signal.SIGKILL)
        # The next worker comes, and sweeps, once the other one has the call.
        following = await dialer.successor(dead.number, first)
        os.kill(following, signal.SIGSTOP)
        await dialer.heard.wait(AgentHeard, seconds=10)
        assert dialer.homes()[call] != dead.number
        os.kill(following, signal.SIGCONT)
        await until(lambda: dead.capacity, 15)
        assert await dialer.members(bridge) == {dialer.channel(call), f"{dialer.channel(call)}-m"}
        await dialer.ended(call)
        assert dialer.label(call) == "not_interested"
        await dialer.nothing_is_left()


async def test_a_call_goes_on_while_the_daemon_is_restarted(running_lab: Lab, tmp_path: Path) -> None:
    async with dialing(running_lab, tmp_path) as dialer:
        call = dialer.call("15550100500", "patient")
        await dialer.heard.wait(AgentHeard, seconds=10)
        first = dialer.worker
        await dialer.stop_pool()
        dialer.crash()
        assert await dialer.adopted() == {call}
        assert dialer.worker == first
        await dialer.ended(call)
        assert dialer.label(call) == "interested"
        await dialer.nothing_is_left()


async def test_an_instance_that_asterisk_brings_no_sockets_to_is_named(
    running_lab: Lab, tmp_path: Path
) -> None:
    for instance, listen, named in (
        ("nobody", running_lab.facts["media"]["lab-media"], "must have a section [nobody-media]"),
        ("lab", running_lab.facts["media"]["bare-media"], "[lab-media] must have uri = ws://"),
    ):
        heard = Heard()
        about = running_lab.facts["ari"]
        pool = MediaPool(
            state_dir=tmp_path,
            ari=AriAccess(about["url"], about["user"], about["password"]),
            listen=listen,
            instance=InstanceId(instance),
            max_sessions=20,
            cache_dir=tmp_path / "prompts",
            sink=heard,
        )
        holding = asyncio.create_task(pool.run())
        capacity = await heard.wait(MediaCapacity, seconds=15)
        assert capacity.sessions == 0
        assert named in capacity.detail
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await pool.close(kill=True)
