"""A recording against what Asterisk itself heard: the right side, the right tone, and at the right time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import aiohttp
import pytest

from dialerd.asterisk.ari import AriAccess
from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.identity import E164, CallId, ChannelId, InstanceId
from dialerd.core.model import AgentReport
from dialerd.core.mulaw import encode_sample
from dialerd.media.address import Address
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.conversation import Stage
from dialerd.media.reception import Reception
from dialerd.media.recordings import Kept, Outcome, RecordingWriter
from dialerd.media.session import Session
from scripts.running import Lab, lab
from tests.adapters.waiting import until
from tests.e2e.listening import Sound
from tests.media.told import Told

pytestmark = pytest.mark.lab

AGENT, AGAIN, CALLEE = 1_000, 1_500, 700
"""Hertz."""
NEAR = 0.1
"""Seconds."""


def tone(hertz: int, seconds: float) -> bytes:
    samples = range(round(8_000 * seconds))
    return bytes(encode_sample(round(8_000 * math.sin(2 * math.pi * hertz * at / 8_000))) for at in samples)


class Whistler:
    """An agent that whistles five seconds, is interrupted after one, and whistles another tone a second later."""

    hears = False

    def start(self, stage: Stage) -> None:
        loop = asyncio.get_running_loop()
        stage.play(1, self.sound(AGENT, 5))
        loop.call_later(1.0, stage.stop)
        loop.call_later(2.0, stage.play, 2, self.sound(AGAIN, 0.5))
        loop.call_later(3.5, stage.finish, AgentReport())

    async def sound(self, hertz: int, seconds: float) -> AsyncGenerator[bytes]:
        yield tone(hertz, seconds)

    def key_pressed(self, digit: str, at: Millis) -> None: ...
    def played(self, number: int, at: Millis) -> None: ...
    def silence(self, number: int, at: Millis) -> None: ...
    def transfer_failed(self, reason: str, at: Millis) -> None: ...

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None: ...

    def close(self, at: Millis) -> AgentReport:
        return AgentReport()


class Whistlers:
    """As many of them as are wanted."""

    def converse(self, order: AttachAgent) -> Whistler:
        return Whistler()


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


async def whistle(running: Lab, folder: Path) -> Path:
    """A call to `bursts` with a whistling agent, recorded."""
    about = running.facts["ari"]
    login = AriAccess(about["url"], about["user"], about["password"])
    ari = MediaAri(login, InstanceId("lab"))
    reception = Reception(Address.parse(running.facts["media"]["lab-media"]))
    await reception.open()
    kept: list[Outcome] = []
    writer = RecordingWriter(folder, kept.append)
    call = CallId(f"cal_{int(time.time()):012x}")
    channel = ChannelId(f"lab-{call}-1")
    order = AttachAgent(call, channel, "s", 1, "en-IN", E164("+15550100100"), None, {}, record=True)

    def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
        return MediaLeg(ari, reception, channel, listener, hears=hears)

    async with (
        aiohttp.ClientSession(headers=login.headers) as http,
        http.ws_connect(f"{login.root}events?app=lab") as events,
    ):
        body = {"endpoint": "Local/bursts@lab-people/n", "app": "lab", "appArgs": "dialed", "formats": "ulaw"}
        async with http.post(f"{login.root}channels/{channel}", json=body) as made:
            assert made.status == 200, await made.text()
        async with asyncio.timeout(10):
            while True:
                event = await events.receive_json()
                if event["type"] == "StasisStart" and event["channel"]["id"] == channel:
                    break
        session = Session(order, Whistlers(), make_leg, Told(), record=writer.begin)  # type: ignore[arg-type]
        outcomes: list[object] = []
        await session.run(outcomes.append)
        await ari.hang_up(channel)
    await until(lambda: kept)
    await writer.stop()
    reception.close()
    await ari.close()
    (found,) = kept
    assert isinstance(found, Kept), found
    return folder / found.path


def spells(sound: Sound, hertz: int) -> list[tuple[float, float]]:
    """From when to when a tone is heard, in windows of 20 ms."""
    found: list[tuple[float, float]] = []
    for step in range(len(sound.samples) // 160):
        part = Sound(sound.samples[step * 160 : (step + 1) * 160])
        if part.level(hertz) < 300 or part.level(hertz) < 0.3 * part.loudness:
            continue
        at = step / 50
        if found and at - found[-1][1] < 0.05:
            found[-1] = (found[-1][0], at + 0.02)
        else:
            found.append((at, at + 0.02))
    return [(start, end) for start, end in found if end - start > 0.1]


@pytest.mark.alone
async def test_both_sides_are_where_and_when_asterisk_heard_them(running_lab: Lab, tmp_path: Path) -> None:
    path = await whistle(running_lab, tmp_path)
    left, right = Sound.read(path), Sound.read(path, 1)
    monitor = Path(running_lab.facts["dir"]) / "pbx" / "spool" / "monitor"
    said, heard = [
        await asyncio.to_thread(Sound.mixed, monitor / f"bursts-{side}.wav") for side in ("said", "heard")
    ]
    # Nothing of the one side is on the other's channel.
    assert spells(left, AGENT) == spells(left, AGAIN) == spells(right, CALLEE) == []
    (first,), (second,) = spells(right, AGENT), spells(right, AGAIN)
    (true_first,), (true_second,) = spells(heard, AGENT), spells(heard, AGAIN)
    # The interruption cut what had been sent but was not heard.
    assert first[1] - first[0] == pytest.approx(1.0, abs=NEAR)
    assert first[1] - first[0] == pytest.approx(true_first[1] - true_first[0], abs=NEAR)
    assert second[1] - second[0] == pytest.approx(0.5, abs=NEAR)
    assert second[0] - first[0] == pytest.approx(true_second[0] - true_first[0], abs=NEAR)
    # The sides against each other: the callee's bursts, counted from the agent's first sound.
    mine = [start - first[0] for start, _ in spells(left, CALLEE)[1:-1]]
    true = [start - true_first[0] for start, _ in spells(said, CALLEE)]
    assert len(mine) >= 2
    for start in mine:
        assert min(abs(start - other) for other in true) < NEAR
