"""The Telephony port on a fake ARI: one verdict for each originate, one HostDown for each loss, whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from dialerd.asterisk.ari import AriAccess, AriTiming
from dialerd.asterisk.outage import Backoff
from dialerd.asterisk.telephony import AsteriskTelephony, Timing
from dialerd.core.clock import Millis
from dialerd.core.effects import Originate
from dialerd.core.errors import PortError
from dialerd.core.identity import E164, ChannelId, InstanceId, TrunkName
from dialerd.core.messages import (
    Event,
    HostDown,
    HostUp,
    LiveChannel,
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
    TryAnswered,
    TryEnded,
    TryShown,
)
from tests.adapters.fake_ari import BOOT, INSTANCE, PASSWORD, VERSION, FakeAri, Request, fake_ari
from tests.adapters.waiting import Heard, until

CHANNEL = ChannelId(f"{INSTANCE}-cal_0000000000a1-1")
# A busy machine may take long for any answer: only a test of silence has a short deadline.
PATIENT = Timing(
    ari=AriTiming(connect=20.0, request=20.0, heartbeat=20.0), backoff=Backoff(0.01, 0.05), unfit_wait=0.05
)
HASTY = replace(PATIENT, ari=AriTiming(connect=20.0, request=0.3, heartbeat=20.0, sweep=0.02))
ORDER = Originate(
    channel=CHANNEL,
    campaign=None,
    trunk=TrunkName("main"),
    phone=E164("+15550100150"),
    endpoint="main",
    number="15550100150",
    caller_id=E164("+15550100100"),
    ring_timeout=Millis(20_000),
    max_call=Millis(600_000),
)


class Side:
    """The telephony side being run, and what it has told."""

    def __init__(self, fake: FakeAri, password: str = PASSWORD, timing: Timing = PATIENT) -> None:
        self.heard = Heard()
        self.telephony = AsteriskTelephony(
            InstanceId(INSTANCE),
            AriAccess(fake.url, "dialerd", password),
            self.heard,
            timing=timing,
            rng=random.Random(1),
        )
        self.task = asyncio.get_running_loop().create_task(self.telephony.run())

    async def verdict(self) -> Event:
        """What came of the only originate; fails if more than one thing did."""
        kinds = (OriginateAccepted, OriginateRefused, OriginateUnanswered)

        def verdicts() -> list[Event]:
            return [event for event in self.heard.events if isinstance(event, kinds)]

        await until(verdicts)
        await asyncio.sleep(0.03)
        (verdict,) = verdicts()
        return verdict


@asynccontextmanager
async def running(fake: FakeAri, **settings: Any) -> AsyncIterator[Side]:
    side = Side(fake, **settings)
    try:
        yield side
    finally:
        side.task.cancel()
        await asyncio.gather(side.task, return_exceptions=True)
        await side.telephony.close()


@asynccontextmanager
async def connected(timing: Timing = PATIENT, **settings: Any) -> AsyncIterator[tuple[FakeAri, Side]]:
    async with fake_ari(**settings) as fake, running(fake, timing=timing) as side:
        await side.heard.wait(HostUp)
        yield fake, side


# --- connecting ------------------------------------------------------------------------------------


async def test_what_lives_is_told_first_and_then_what_happened_meanwhile() -> None:
    early: list[asyncio.Task[None]] = []

    def on_open(fake: FakeAri) -> None:
        event = {"type": "Dial", "dialstatus": "", "peer": {"id": CHANNEL}}
        early.append(asyncio.get_running_loop().create_task(fake.say(**event)))

    channels = [{"id": CHANNEL, "state": "Up"}, {"id": "PJSIP/other", "state": "Up"}]
    async with connected(on_open=on_open, channels=channels) as (fake, side):
        await side.heard.wait(TryShown)
        assert side.heard.events == [
            HostUp(BOOT, VERSION, (LiveChannel(CHANNEL, answered=True),)),
            TryShown(CHANNEL),
        ]
        assert side.telephony.connected
        assert (side.telephony.detail, side.telephony.version) == ("", VERSION)
        assert [sorted(kind["type"] for kind in asked["allowed"]) for asked in fake.filters] == [
            [
                "ApplicationReplaced",
                "ChannelDestroyed",
                "Dial",
                "PlaybackFinished",
                "RESTResponse",
                "StasisStart",
            ]
        ]
        assert await side.telephony.live_channels() == (LiveChannel(CHANNEL, answered=True),)


async def test_a_booting_asterisk_is_waited_for() -> None:
    with capture_logs() as logs:
        async with connected(failures=[404, 404, 503, 503]) as (_fake, side):
            (down, up) = side.heard.events
    assert isinstance(down, HostDown)
    assert "404" in down.detail
    assert isinstance(up, HostUp)
    assert [entry["event"] for entry in logs] == ["ari.unavailable", "ari.recovered"]


async def test_a_wrong_password_is_named_and_tried_again() -> None:
    with capture_logs() as logs:
        async with fake_ari(password="changed") as fake, running(fake) as side:
            down = await side.heard.wait(HostDown)
            await asyncio.sleep(0.05)
            assert not side.telephony.connected
            assert "ari.conf" in side.telephony.detail
            fake.password = PASSWORD
            await side.heard.wait(HostUp)
    assert "'dialerd'" in down.detail
    assert PASSWORD not in down.detail + str(logs)
    assert [entry["event"] for entry in logs] == ["ari.unavailable", "ari.recovered"]
    assert len(side.heard.of(HostDown)) == 1


async def test_an_old_asterisk_is_refused_until_it_is_a_new_one() -> None:
    async with fake_ari(version="22.7.0") as fake, running(fake) as side:
        down = await side.heard.wait(HostDown)
        assert "22.7.0" in down.detail
        assert "22.8" in down.detail
        assert not fake.sockets
        fake.version = "23.2.0"
        up = await side.heard.wait(HostUp)
        assert up.version == "23.2.0"


async def test_a_user_that_may_only_read_is_named() -> None:
    async with fake_ari(filter_status=403) as fake, running(fake) as side:
        down = await side.heard.wait(HostDown)
    assert "read_only" in down.detail
    assert side.heard.of(HostUp) == []


async def test_nobody_listens() -> None:
    async with fake_ari() as fake:
        url = fake.url
    async with running(FakeAri(url=url)) as side:
        down = await side.heard.wait(HostDown)
        await asyncio.sleep(0.05)
    assert url in down.detail
    assert side.heard.events == [down]


# --- losing ----------------------------------------------------------------------------------------


async def test_a_loss_is_told_once_and_another_boot_is_seen() -> None:
    async with connected() as (fake, side):
        fake.boot = "2026-01-01T12:30:00.000+0000"
        fake.failures = [503] * 3
        fake.cut()
        await side.heard.wait(HostUp, 2)
        kinds = [type(event) for event in side.heard.events]
        assert kinds == [HostUp, HostDown, HostUp]
        assert [up.boot for up in side.heard.of(HostUp)] == [BOOT, fake.boot]
        assert len(fake.filters) == 2


async def test_another_client_of_the_same_name_is_a_loss() -> None:
    async with connected() as (fake, side):
        await fake.say(type="ApplicationReplaced")
        down = await side.heard.wait(HostDown)
        assert f"'{INSTANCE}'" in down.detail
        await side.heard.wait(HostUp, 2)


async def test_a_half_open_connection_is_a_loss() -> None:
    timing = replace(PATIENT, ari=replace(PATIENT.ari, heartbeat=0.06))
    async with fake_ari(pongs=False) as fake, running(fake, timing=timing) as side:
        await side.heard.wait(HostUp)
        down = await side.heard.wait(HostDown)
    assert "pings" in down.detail


async def test_stopping_is_no_loss() -> None:
    async with connected() as (_fake, side):
        pass
    assert [type(event) for event in side.heard.events] == [HostUp]


# --- originating -----------------------------------------------------------------------------------


async def test_an_originate_is_accepted() -> None:
    async with connected() as (fake, side):
        side.telephony.originate(ORDER)
        assert await side.verdict() == OriginateAccepted(CHANNEL)
    (request,) = fake.requests
    assert (request["method"], request["uri"]) == ("POST", f"channels/{CHANNEL}")


async def test_an_originate_is_refused() -> None:
    async with connected(answer=lambda _request: (500, {"error": "Allocation failed"})) as (_fake, side):
        side.telephony.originate(ORDER)
        verdict = await side.verdict()
    assert isinstance(verdict, OriginateRefused)
    assert not verdict.ours


@pytest.mark.parametrize(("alive", "expected"), [(200, OriginateAccepted), (404, OriginateUnanswered)])
async def test_a_conflict_is_looked_into(alive: int, expected: type) -> None:
    def answer(request: Request) -> tuple[int, Any]:
        return (409, {"message": "exists"}) if request["method"] == "POST" else (alive, {"message": "m"})

    async with connected(answer=answer) as (fake, side):
        side.telephony.originate(ORDER)
        assert isinstance(await side.verdict(), expected)
    assert [request["uri"] for request in fake.requests] == [f"channels/{CHANNEL}"] * 2


async def test_an_originate_without_reply_is_unanswered() -> None:
    async with connected(HASTY, answer=lambda _request: None) as (_fake, side):
        side.telephony.originate(ORDER)
        assert await side.verdict() == OriginateUnanswered(CHANNEL)
        await side.heard.wait(HostUp, 2)


async def test_an_originate_cut_off_is_unanswered_and_never_repeated() -> None:
    async with connected(answer=lambda _request: None) as (fake, side):
        side.telephony.originate(ORDER)
        await until(lambda: fake.requests)
        fake.cut()
        assert await side.verdict() == OriginateUnanswered(CHANNEL)
        await side.heard.wait(HostUp, 2)
        await asyncio.sleep(0.03)
    assert len(fake.requests) == 1
    kinds = [type(event) for event in side.heard.events]
    assert kinds == [HostUp, OriginateUnanswered, HostDown, HostUp]


async def test_an_originate_is_answered_also_when_the_daemon_stops() -> None:
    async with connected(answer=lambda _request: None) as (fake, side):
        side.telephony.originate(ORDER)
        await until(lambda: fake.requests)
    assert side.heard.events[-1] == OriginateUnanswered(CHANNEL)


async def test_nothing_is_sent_while_not_connected() -> None:
    async with fake_ari(failures=[503] * 1000) as fake, running(fake) as side:
        await side.heard.wait(HostDown)
        side.telephony.originate(ORDER)
        verdict = await side.verdict()
    assert isinstance(verdict, OriginateRefused)
    assert not verdict.ours
    assert "503" in verdict.detail


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, number="1@evil"),
        replace(ORDER, endpoint="a&PJSIP/1@b"),
        replace(ORDER, channel=ChannelId("x/../../bridges")),
    ],
)
async def test_what_could_be_injected_is_refused(order: Originate) -> None:
    async with connected() as (fake, side):
        side.telephony.originate(order)
        verdict = await side.verdict()
    assert isinstance(verdict, OriginateRefused)
    assert verdict.ours
    assert fake.requests == []


# --- calls and their ends --------------------------------------------------------------------------


async def test_events_are_told() -> None:
    async with connected() as (fake, side):
        await fake.say(type="StasisStart", args=["dialed"], channel={"id": CHANNEL})
        await fake.say(type="StasisStart", args=[], channel={"id": f"{CHANNEL}-m"})
        await fake.say(type="ChannelDestroyed", cause=16, channel={"id": f"{CHANNEL}-m"})
        await fake.say(type="ChannelDestroyed", cause=16, channel={"id": CHANNEL})
        await side.heard.wait(TryEnded)
        assert side.heard.events[1:] == [TryAnswered(CHANNEL), TryEnded(CHANNEL, 16, None)]


async def test_a_caller_that_a_dialplan_hands_to_us_is_hung_up_and_told_of() -> None:
    async with connected() as (fake, side):
        with capture_logs() as logs:
            place = {"context": "from-phones", "exten": "15550100199", "app_name": "Stasis"}
            channel = {"id": "1795487266.12", "dialplan": place}
            await fake.say(type="StasisStart", args=["inbound", "15550100199"], channel=channel)
            await until(lambda: fake.deleted)
        assert side.heard.events[1:] == []
    assert fake.deleted == ["/ari/channels/1795487266.12?reason_code=21"]
    ((entry),) = logs
    assert (entry["event"], entry["channel"], entry["context"]) == (
        "ari.stranger_hung_up", "1795487266.12", "from-phones",
    )  # fmt: skip
    assert "15550100199" not in str(entry), "a number is personal data"


async def test_who_was_handed_to_us_while_we_were_away_is_hung_up_too() -> None:
    def channel(ident: str, data: str, application: str = "Stasis") -> dict[str, Any]:
        place = {"context": "c", "app_name": application, "app_data": data}
        return {"id": ident, "state": "Up", "dialplan": place}

    channels = [
        channel("1.1", f"{INSTANCE},inbound,15550100199"),
        channel("1.2", f"{INSTANCE}2,inbound"),
        channel("1.3", f"{INSTANCE}", "Dial"),
        channel("1.4", INSTANCE),
        channel(CHANNEL, INSTANCE),
        {"id": "1.5"},
    ]
    bridges = [{"id": f"{CHANNEL}-t", "channels": [CHANNEL, "1.4"]}, {"id": "x"}]
    async with connected(channels=channels, bridges=bridges) as (fake, _side):
        assert fake.deleted == ["/ari/channels/1.1?reason_code=21"]


async def test_hanging_up_goes_over_the_socket() -> None:
    async with connected(answer=lambda _request: (404, {"message": "Channel not found"})) as (fake, side):
        with capture_logs() as logs:
            side.telephony.hang_up(CHANNEL)
            await until(lambda: fake.requests)
            await asyncio.sleep(0.03)
    (request,) = fake.requests
    assert (request["method"], request["uri"]) == ("DELETE", f"channels/{CHANNEL}")
    assert request["query_strings"] == [{"name": "reason_code", "value": "16"}]
    assert logs == []
    assert fake.deleted == []


async def test_hanging_up_is_tried_once_more_over_http() -> None:
    async with connected(HASTY, answer=lambda _request: None) as (fake, side):
        side.telephony.hang_up(CHANNEL)
        await until(lambda: fake.deleted)
    assert fake.deleted == [f"/ari/channels/{CHANNEL}?reason_code=16"]


async def test_hanging_up_needs_no_socket() -> None:
    async with fake_ari(filter_status=500) as fake, running(fake) as side:
        await side.heard.wait(HostDown)
        side.telephony.hang_up(CHANNEL)
        await until(lambda: fake.deleted)


async def test_a_failed_hang_up_is_logged() -> None:
    async with connected(answer=lambda _request: (500, {"message": "no"})) as (_fake, side):
        with capture_logs() as logs:
            side.telephony.hang_up(CHANNEL)
            await until(lambda: logs)
    assert [entry["event"] for entry in logs] == ["ari.hangup_failed"]


async def test_without_call_records_there_is_no_evidence() -> None:
    async with connected() as (_fake, side):
        with pytest.raises(PortError, match=r"asterisk\.cdr_path"):
            await side.telephony.call_records(frozenset({CHANNEL}))


async def test_live_channels_of_an_asterisk_that_is_gone() -> None:
    async with fake_ari() as fake:
        url = fake.url
    async with running(FakeAri(url=url)) as side:
        with pytest.raises(PortError, match="http"):
            await side.telephony.live_channels()
