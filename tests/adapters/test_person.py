"""A person's phone as it is asked for, what it is told of the callee, and how the two are brought together."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.asterisk import person
from dialerd.asterisk.events import ChannelNames, SoundEnded, parse
from dialerd.asterisk.host import media_of, persons_of
from dialerd.core.clock import Millis
from dialerd.core.effects import CallPerson, JoinPerson, LimitCall, ReturnCallee
from dialerd.core.identity import E164, CallId, ChannelId, InstanceId
from dialerd.core.messages import (
    HostUp,
    LiveChannel,
)
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
    PersonJoined,
    PersonNotJoined,
    PersonRefused,
)
from dialerd.core.transfer import Target, TargetKind
from tests.adapters.test_telephony import connected
from tests.adapters.waiting import until

CALLEE = ChannelId("dialer-cal_0000000000a1-1")
PERSON = ChannelId(f"{CALLEE}-h1")
NAMES = ChannelNames(InstanceId("dialer"))
ORDER = CallPerson(
    channel=PERSON,
    call=CallId("cal_0000000000a1"),
    target=Target(TargetKind.QUEUE, "support"),
    caller_id=E164("+15550100100"),
    ring_timeout=Millis(25_000),
    most=Millis(3_600_000),
    reason="asked",
    summary="Wants it; now, says ${SHELL(id)}",
    captured={"city": "पुणे", "loan amount": 50_000, "…": 1},
)


def test_the_request() -> None:
    assert orjson.loads(person.body(ORDER, InstanceId("dialer"))) == {
        "endpoint": "Local/support@dialerd-queue/n",
        "app": "dialer",
        "appArgs": "person",
        "callerId": "+15550100100",
        "timeout": 25,
        "formats": "ulaw",
        "variables": {
            "TIMEOUT(absolute)": "3625",
            "__DIALERD_CALL": "cal_0000000000a1",
            "__DIALERD_REASON": "asked",
            "__DIALERD_SUMMARY": "Wants it now says SHELL(id)",
            "__DIALERD_TIMEOUT": "25",
            "__DIALERD_VAR_CITY": "पुणे",
            "__DIALERD_VAR_LOAN_AMOUNT": "50000",
        },
    }
    phone = orjson.loads(
        person.body(replace(ORDER, target=Target(TargetKind.ENDPOINT, "desk")), InstanceId("d"))
    )
    assert phone["endpoint"] == "PJSIP/desk"
    given = {name: value for name, value in phone["variables"].items() if name.startswith("PJSIP_HEADER(")}
    assert given == {
        "PJSIP_HEADER(add,X-Dialerd-Call)": "cal_0000000000a1",
        "PJSIP_HEADER(add,X-Dialerd-Reason)": "asked",
        "PJSIP_HEADER(add,X-Dialerd-Summary)": "Wants it now says SHELL(id)",
        "PJSIP_HEADER(add,X-Dialerd-Var-City)": "%E0%A4%AA%E0%A5%81%E0%A4%A3%E0%A5%87",
        "PJSIP_HEADER(add,X-Dialerd-Var-Loan-Amount)": "50000",
    }
    desk = Target(TargetKind.EXTENSION, "*45", "internal")
    assert person.dial_string(desk) == "Local/*45@internal/n"


@given(st.text(max_size=2_000))
def test_a_channel_variable_holds_nothing_that_a_dialplan_takes_apart(text: str) -> None:
    told = person.plain(text)
    assert not set(told) & set('${}[]"`\\;,|&<>^~\n\r\t\0')
    assert len(told) <= person.LONGEST_VALUE
    assert person.plain(told) == told


@given(
    st.text(max_size=2_000),
    st.text(max_size=200),
    st.dictionaries(st.text(max_size=60), st.text(max_size=600)),
)
def test_a_header_holds_one_line_of_ascii_that_says_the_same(
    summary: str, reason: str, captured: dict[str, str]
) -> None:
    headers = person.headers(replace(ORDER, summary=summary, reason=reason, captured=captured))
    assert sum(len(f"{name}: {value}\r\n") for name, value in headers.items()) < person.MOST_HEADERS + 50
    for name, value in headers.items():
        assert re.fullmatch(r"X-Dialerd-[A-Za-z0-9-]+", name)
        assert re.fullmatch(r"[ !#%'()*+./0-9:=?@A-Z_a-z-]{1,512}", value), value
        unquote(value, errors="strict")
    said = unquote(headers.get("X-Dialerd-Summary", ""))
    assert person.plain(summary).startswith(said)
    assert said or not person.plain(summary)


def test_a_short_word_finds_room_behind_long_ones() -> None:
    long = {f"v{n}": "ж" * 500 for n in range(5)} | {"city": "Pune"}
    headers = person.headers(replace(ORDER, summary="पुणे " * 200, captured=long))
    assert list(headers) == [
        "X-Dialerd-Call", "X-Dialerd-Reason", "X-Dialerd-Summary", "X-Dialerd-Var-V0", "X-Dialerd-Var-City",
    ]  # fmt: skip
    assert headers["X-Dialerd-Var-City"] == "Pune"
    assert unquote(headers["X-Dialerd-Summary"], errors="strict").startswith("पुणे पुणे")


def test_not_every_captured_value_of_a_long_list_is_told() -> None:
    told = person.told(replace(ORDER, captured={f"v{n}": "x" * 9_999 for n in range(100)}))
    assert len([name for name in told if "_VAR_" in name]) == person.MOST_VALUES
    assert max(map(len, told.values())) == person.LONGEST_VALUE


def test_what_becomes_of_a_person_is_understood_and_of_strangers_not() -> None:
    def start(channel: str, *args: str) -> dict[str, Any]:
        return {"type": "StasisStart", "channel": {"id": channel}, "args": list(args)}

    assert parse(start(PERSON, "person"), NAMES) == PersonAnswered(PERSON)
    assert parse(start(PERSON, "dialed"), NAMES) is None
    assert parse(start(CALLEE, "person"), NAMES) is None
    assert parse(start("other-cal_0000000000a1-1-h1", "person"), NAMES) is None
    assert parse(start(f"{PERSON};2", "person"), NAMES) is None
    gone = {"type": "ChannelDestroyed", "channel": {"id": PERSON}, "cause": 17, "tech_cause": 486}
    assert parse(gone, NAMES) == PersonGone(PERSON, 17)
    sound = {"type": "PlaybackFinished", "playback": {"id": f"{PERSON}-a"}}
    assert parse(sound, NAMES) == SoundEnded(f"{PERSON}-a")
    assert parse({"type": "PlaybackFinished", "playback": 7}, NAMES) is None
    listed = [{"id": PERSON, "state": "Up"}, {"id": f"{PERSON};2", "state": "Up"}, {"id": CALLEE}]
    assert persons_of(listed, NAMES) == (LiveChannel(PERSON, answered=True),)
    assert media_of(listed, [{"id": f"{CALLEE}-t"}, {"id": "x-t"}], NAMES) == {CALLEE}


# --- over a connection ----------------------------------------------------------------------------


async def test_a_phone_that_is_refused_is_told_and_one_that_rings_is_not() -> None:
    async with connected() as (fake, side):
        side.telephony.call_person(ORDER)
        await until(lambda: fake.requests)
        assert (fake.requests[0]["method"], fake.requests[0]["uri"]) == ("POST", f"channels/{PERSON}")
        fake.answer = lambda request: (500, {"error": "Allocation failed"})
        side.telephony.call_person(ORDER)
        refused = await side.heard.wait(PersonRefused)
        assert refused == PersonRefused(PERSON, "500 Allocation failed")
        side.telephony.call_person(replace(ORDER, channel=ChannelId("someone-else")))
        assert (await side.heard.wait(PersonRefused, 2)).detail == "the channel id is not ours"


async def test_without_a_connection_no_phone_rings() -> None:
    async with connected() as (fake, side):
        fake.cut()
        await until(lambda: not side.telephony.connected)
        side.telephony.call_person(ORDER)
        assert "not connected" in (await side.heard.wait(PersonRefused)).detail
        await side.heard.wait(HostUp, 2)


async def test_callee_and_person_come_into_one_bridge_with_a_limit_of_its_own() -> None:
    async with connected() as (fake, side):
        side.telephony.join_person(JoinPerson(CALLEE, PERSON, Millis(1_800_000)))
        assert await side.heard.wait(PersonJoined) == PersonJoined(PERSON)
        assert fake.posted == [
            (f"channels/{CALLEE}/variable", {"variable": "TIMEOUT(absolute)", "value": "1810"}),
            (f"bridges/{CALLEE}-t", {"type": "mixing"}),
            (f"bridges/{CALLEE}-t/addChannel", {"channel": [CALLEE, PERSON]}),
        ]


async def test_who_cannot_be_bridged_is_told_with_the_reason() -> None:
    async with connected(refuses="addChannel") as (fake, side):
        side.telephony.join_person(JoinPerson(CALLEE, PERSON, Millis(1_000)))
        told = await side.heard.wait(PersonNotJoined)
        assert told.detail == "Asterisk refused to bridge a callee and a person: 409 not now"
        await until(lambda: fake.deleted == [f"/ari/bridges/{CALLEE}-t"])


@pytest.mark.parametrize("refuses", ["", "/play/"])
async def test_a_person_hears_what_is_announced_first_if_that_can_be(refuses: str) -> None:
    async with connected(refuses=refuses) as (fake, side):
        side.telephony.join_person(JoinPerson(CALLEE, PERSON, Millis(1_000), "new-call"))
        await until(lambda: fake.posted)
        assert fake.posted[0] == (f"channels/{PERSON}/play/{PERSON}-a", {"media": "sound:new-call"})
        if not refuses:
            await asyncio.sleep(0.02)
            assert len(fake.posted) == 1
            await fake.say(type="PlaybackFinished", playback={"id": f"{PERSON}-a"})
        await side.heard.wait(PersonJoined)


async def test_a_callee_is_taken_back_after_all_that_was_asked_for_it_before() -> None:
    """A person who hangs up during the announcement; the callee ends with its agent, not in the bridge of the two."""
    async with connected() as (fake, side):
        join = JoinPerson(CALLEE, PERSON, Millis(1_800_000), "new-call")
        side.telephony.join_person(join)
        await until(lambda: fake.posted)
        side.telephony.join_person(join)
        side.telephony.return_callee(ReturnCallee(CALLEE))
        side.telephony.limit_call(LimitCall(CALLEE, Millis(540_000)))
        await asyncio.sleep(0.02)
        assert len(fake.posted) == 1, "and asked twice it is done once"
        await fake.say(type="PlaybackFinished", playback={"id": f"{PERSON}-a"})
        await until(lambda: len(fake.posted) == 6)
        assert [path for path, _ in fake.posted[1:4]] == [
            f"channels/{CALLEE}/variable", f"bridges/{CALLEE}-t", f"bridges/{CALLEE}-t/addChannel",
        ]  # fmt: skip
        assert fake.posted[4:] == [
            (f"bridges/{CALLEE}-b/addChannel", {"channel": [CALLEE]}),
            (f"channels/{CALLEE}/variable", {"variable": "TIMEOUT(absolute)", "value": "550"}),
        ]
        assert side.heard.of(PersonJoined) == [PersonJoined(PERSON)]


async def test_a_callee_without_an_agent_hears_it_ring() -> None:
    async with connected() as (fake, side):
        side.telephony.ring_callee(CALLEE)
        await until(lambda: fake.posted == [(f"channels/{CALLEE}/ring", {})])
