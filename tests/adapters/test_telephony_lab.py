"""The Telephony port on the real Asterisk of the lab."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from dialerd.asterisk.ami import AmiAccess
from dialerd.asterisk.ari import AriAccess
from dialerd.asterisk.outage import Backoff
from dialerd.asterisk.telephony import AsteriskTelephony, Timing
from dialerd.core.clock import Millis
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ChannelId, InstanceId, TrunkName
from dialerd.core.messages import (
    HostDown,
    HostUp,
    LiveChannel,
    OriginateAccepted,
    OriginateRefused,
    TrunkReachability,
    TrunkRegistration,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from scripts.running import await_death
from tests.adapters.waiting import Heard, until

pytestmark = pytest.mark.lab

LAB = Path(__file__).parents[2] / "asterisk" / "lab" / "lab"
BUSY, RINGING, SILENT = "15550100150", "15550100155", "15550100130"

_calls = itertools.count(int(time.time()))


def lab_command(*arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [str(LAB), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else {}


@dataclass
class Lab:
    """A lab that is up."""

    folder: Path
    told: dict[str, Any]

    def setting(self, name: str) -> str:
        return str(self.told["env"][f"DIALERD_ASTERISK__{name}"])

    @property
    def ari(self) -> AriAccess:
        return AriAccess(self.setting("ARI_URL"), self.setting("ARI_USER"), self.setting("ARI_PASSWORD"))

    @property
    def ami(self) -> AmiAccess:
        return AmiAccess(
            self.setting("AMI_HOST"),
            int(self.setting("AMI_PORT")),
            self.setting("AMI_USER"),
            self.setting("AMI_SECRET"),
        )

    def stop_asterisk(self) -> None:
        os.kill(self.told["pids"]["pbx"], signal.SIGTERM)

    def start_asterisk(self) -> None:
        await_death(self.told["pids"]["pbx"])
        self.told = lab_command("up", "--dir", self.folder, "--json")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    try:
        yield Lab(folder, lab_command("up", "--dir", folder, "--json"))
    finally:
        lab_command("down", "--dir", folder)


@asynccontextmanager
async def running(
    lab: Lab,
    ari: AriAccess | None = None,
    endpoints: tuple[str, ...] = ("lab",),
    registrations: tuple[str, ...] = (),
) -> AsyncIterator[tuple[AsteriskTelephony, Heard]]:
    heard = Heard()
    telephony = AsteriskTelephony(
        InstanceId(lab.told["env"]["DIALERD_INSTANCE"]),
        ari or lab.ari,
        heard,
        ami=lab.ami,
        endpoints=endpoints,
        registrations=registrations,
        cdr_path=Path(lab.setting("CDR_PATH")),
        cdr_causes=True,
        timing=Timing(backoff=Backoff(0.05, 0.3), unfit_wait=0.3),
        rng=random.Random(1),
    )
    task = asyncio.get_running_loop().create_task(telephony.run())
    try:
        yield telephony, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await telephony.close()


@asynccontextmanager
async def connected(lab: Lab) -> AsyncIterator[tuple[AsteriskTelephony, Heard]]:
    async with running(lab) as (telephony, heard):
        await heard.wait(HostUp, seconds=10)
        yield telephony, heard


def order(number: str, endpoint: str = "lab") -> Originate:
    return Originate(
        channel=ChannelId(f"lab-cal_{next(_calls):012x}-1"),
        campaign=None,
        trunk=TrunkName("lab"),
        phone=E164(f"+{number}"),
        endpoint=endpoint,
        number=number,
        caller_id=E164("+15550100100"),
        ring_timeout=Millis(20_000),
        max_call=Millis(60_000),
    )


async def test_a_busy_callee(lab: Lab) -> None:
    call = order(BUSY)
    async with connected(lab) as (telephony, heard):
        telephony.originate(call)
        await heard.wait(TryEnded)
        records = await recorded(telephony, call)
    assert heard.of(OriginateAccepted) == [OriginateAccepted(call.channel)]
    assert heard.of(TryShown) == [TryShown(call.channel)]
    assert heard.of(TryEnded) == [TryEnded(call.channel, 17, 486)]
    (record,) = records
    assert (record.disposition, record.answered, record.cause, record.talk) == ("BUSY", False, 17, 0)
    assert record.ended_at is not None
    assert abs(record.ended_at / 1000 - time.time()) < 60


async def recorded(telephony: AsteriskTelephony, call: Originate) -> tuple[Any, ...]:
    """The call's record; Asterisk writes it a moment after the channel's end."""
    async with asyncio.timeout(20):
        while True:
            found = await telephony.call_records(frozenset({call.channel}))
            if found:
                return found
            await asyncio.sleep(0.02)


async def test_an_answered_call_that_we_end(lab: Lab) -> None:
    call = order(SILENT)
    async with connected(lab) as (telephony, heard):
        telephony.originate(call)
        await heard.wait(TryAnswered)
        assert await telephony.live_channels() == (LiveChannel(call.channel, answered=True),)
        telephony.hang_up(call.channel)
        await heard.wait(TryEnded)
        (record,) = await recorded(telephony, call)
        assert await telephony.live_channels() == ()
    assert heard.of(TryRinging)[0] == TryRinging(call.channel)
    assert heard.of(TryEnded) == [TryEnded(call.channel, 16, None)]
    assert (record.disposition, record.answered) == ("ANSWERED", True)
    assert record.talk > 0


async def test_an_endpoint_that_is_not_there(lab: Lab) -> None:
    call = order(BUSY, endpoint="no-such")
    async with connected(lab) as (telephony, heard):
        telephony.originate(call)
        refused = await heard.wait(OriginateRefused)
    assert refused.channel == call.channel
    assert not refused.ours


async def test_an_id_that_lives_is_not_dialed_again(lab: Lab) -> None:
    call = order(RINGING)
    async with connected(lab) as (telephony, heard):
        telephony.originate(call)
        await heard.wait(TryRinging)
        telephony.originate(call)
        assert await heard.wait(OriginateAccepted, 2) == OriginateAccepted(call.channel)
        assert len(await telephony.live_channels()) == 1
        telephony.hang_up(call.channel)
        await heard.wait(TryEnded)
        assert len(heard.of(TryShown)) == 1


async def test_what_rings_is_found_again_by_the_next_daemon(lab: Lab) -> None:
    call = order(RINGING)
    async with connected(lab) as (telephony, heard):
        telephony.originate(call)
        await heard.wait(TryRinging)
        boot = heard.of(HostUp)[0].boot
    async with connected(lab) as (telephony, heard):
        up = heard.of(HostUp)[0]
        assert (up.boot, up.live) == (boot, (LiveChannel(call.channel, answered=False),))
        telephony.hang_up(call.channel)
        assert await heard.wait(TryEnded) == TryEnded(call.channel, 16, None)


@pytest.mark.alone
async def test_a_restart_of_asterisk_is_seen(lab: Lab) -> None:
    call = order(RINGING)
    async with connected(lab) as (telephony, heard):
        first = heard.of(HostUp)[0]
        await heard.wait(TrunkReachability)
        telephony.originate(call)
        await heard.wait(TryRinging)
        lab.stop_asterisk()
        try:
            down = await heard.wait(HostDown)
            # Told on the way down if the socket is there still; that it is gone, `live` says below.
            assert heard.of(TryEnded) in ([], [TryEnded(call.channel, 0, None)])
            assert not telephony.connected
        finally:
            await asyncio.to_thread(lab.start_asterisk)
        second = await heard.wait(HostUp, 2, seconds=10)
        assert telephony.connected
        await until(lambda: heard.of(TrunkReachability)[-1].reachable, seconds=10)
    assert lab.ari.url in down.detail
    assert second.boot != first.boot
    assert second.live == ()
    assert len(heard.of(HostDown)) == 1
    assert [event.reachable for event in heard.of(TrunkReachability)][:2] == [True, None]


async def test_a_wrong_password_is_named(lab: Lab) -> None:
    async with running(lab, replace(lab.ari, password="wrong")) as (telephony, heard):
        down = await heard.wait(HostDown)
        await asyncio.sleep(0.05)
        assert heard.of(HostUp) == []
        assert telephony.detail == down.detail
    assert "'dialerd' or its password" in down.detail
    assert "ari.conf" in down.detail


async def test_another_daemon_of_the_same_name_is_seen(lab: Lab) -> None:
    async with connected(lab) as (_first, heard), connected(lab):
        down = await heard.wait(HostDown)
    assert "instance name" in down.detail


async def test_the_trunks_are_watched(lab: Lab) -> None:
    async with running(lab, endpoints=("lab", "no-such")) as (_telephony, heard):
        await heard.wait(TrunkReachability, 2)
    assert [(state.endpoint, state.reachable) for state in heard.of(TrunkReachability)] == [
        ("lab", True),
        ("no-such", False),
    ]


async def test_registrations_are_watched(lab: Lab) -> None:
    def pbx(command: str) -> None:
        lab_command("rx", "--dir", lab.folder, "pbx", command)

    async with running(lab, registrations=("lab", "no-such")) as (_telephony, heard):
        await until(lambda: any(state.registered for state in heard.of(TrunkRegistration)), seconds=10)
        seen = len(heard.of(TrunkRegistration))
        await asyncio.to_thread(pbx, "pjsip send unregister lab")
        await heard.wait(TrunkRegistration, seen + 1)
        gone = heard.of(TrunkRegistration)[-1]
        await asyncio.to_thread(pbx, "pjsip send register lab")
        await until(lambda: bool(heard.of(TrunkRegistration)[-1].registered), seconds=10)
    assert gone == TrunkRegistration("lab", False, "Unregistered")
    assert [state.registered for state in heard.of(TrunkRegistration) if state.registration == "no-such"] == [
        False
    ]


@asynccontextmanager
async def anybody(lab: Lab) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody with the ARI user's password."""
    login = base64.b64encode(f"{lab.ari.user}:{lab.ari.password}".encode()).decode()
    async with aiohttp.ClientSession(lab.ari.url, headers={"Authorization": f"Basic {login}"}) as http:
        yield http


async def lose_a_caller(http: aiohttp.ClientSession) -> None:
    """Have a dialplan send one into the daemon's application."""
    caller = {
        "endpoint": "Local/15550100199@lab-lost/n",
        "context": "lab-hold",
        "extension": "60",
        "priority": 1,
    }
    async with http.post("/ari/channels", json=caller) as reply:
        assert reply.status == 200, await reply.text()


async def contexts(http: aiohttp.ClientSession) -> list[str]:
    async with http.get("/ari/channels") as reply:
        return [channel["dialplan"]["context"] for channel in await reply.json()]


async def nobody_is_left(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(10):
        while await contexts(http):
            await asyncio.sleep(0.02)


async def test_a_stranger_in_the_application_is_gone_at_once(lab: Lab) -> None:
    async with anybody(lab) as http, connected(lab):
        with capture_logs() as logs:
            await lose_a_caller(http)
            await until(lambda: logs)
        await nobody_is_left(http)
    assert [(entry["event"], entry["context"]) for entry in logs] == [("ari.stranger_hung_up", "lab-lost")]


async def test_a_stranger_that_somebody_else_has_left_is_gone_with_the_connect(lab: Lab) -> None:
    instance = lab.told["env"]["DIALERD_INSTANCE"]
    async with anybody(lab) as http, http.ws_connect(f"/ari/events?app={instance}") as socket:
        await lose_a_caller(http)
        while (await socket.receive_json(timeout=10))["type"] != "StasisStart":
            pass
        assert "lab-lost" in await contexts(http)
        async with connected(lab):
            await nobody_is_left(http)
