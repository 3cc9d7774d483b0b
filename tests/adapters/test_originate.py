"""What may be dialed, how it is asked for, and what each reply means."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import orjson
import pytest

from dialerd.asterisk.ari import NoReply, Reply
from dialerd.asterisk.originate import Verdict, body, confirmed, fault, verdict
from dialerd.core.clock import Millis
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ChannelId, InstanceId, TrunkName
from dialerd.core.messages import (
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
)

CHANNEL = ChannelId("dialer-cal_0000000000a1-1")
INSTANCE = InstanceId("dialer")

ORDER = Originate(
    channel=CHANNEL,
    campaign=None,
    trunk=TrunkName("main"),
    phone=E164("+15550100150"),
    endpoint="carrier-1",
    number="+15550100150",
    caller_id=E164("+15550100100"),
    ring_timeout=Millis(20_500),
    max_call=Millis(600_000),
)


def test_the_request() -> None:
    assert orjson.loads(body(ORDER, INSTANCE, keep_cause=True)) == {
        "endpoint": "PJSIP/+15550100150@carrier-1",
        "app": "dialer",
        "appArgs": "dialed",
        "callerId": "+15550100100",
        "timeout": 21,
        "formats": "ulaw",
        "variables": {
            "TIMEOUT(absolute)": "631",
            "CHANNEL(hangup_handler_push)": "dialerd-hangup,s,1",
        },
    }
    assert list(orjson.loads(body(ORDER, INSTANCE, keep_cause=False))["variables"]) == ["TIMEOUT(absolute)"]


def test_the_carrier_is_offered_the_codecs_of_its_trunk() -> None:
    asked = orjson.loads(body(replace(ORDER, codecs=("g722", "alaw")), INSTANCE, keep_cause=False))
    assert asked["formats"] == "g722,alaw"


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "1@evil",
        "1&PJSIP/2@x",
        "1/2",
        "1\n",
        "१२३",
        "1" * 21,
        "sip:1",
        "1,2",
        "${EXTEN}",
        "1 2",
        "++1",
    ],
)
def test_what_is_no_number_is_not_dialed(number: str) -> None:
    assert fault(replace(ORDER, number=number)) is not None


@pytest.mark.parametrize(
    "endpoint", ["", "a&PJSIP/1@b", "a/sip:x", "a@b", "a b", "a\n", "-a", "a" * 65, "${X}"]
)
def test_what_is_no_endpoint_is_not_dialed(endpoint: str) -> None:
    assert fault(replace(ORDER, endpoint=endpoint)) is not None


def test_what_is_no_caller_id_is_not_shown() -> None:
    assert fault(replace(ORDER, caller_id=cast(E164, '"Bank" <+15550100100>'))) is not None
    assert fault(ORDER) is None


def refused(detail: str, ours: bool = False) -> OriginateRefused:
    return OriginateRefused(CHANNEL, detail, ours)


ACCEPTED, UNANSWERED = OriginateAccepted(CHANNEL), OriginateUnanswered(CHANNEL)
NO_CHANNEL = refused(
    "Asterisk cannot make the channel: the trunk's endpoint is unknown, unreachable or in maintenance"
)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Reply(200, "{}"), ACCEPTED),
        (Reply(409, '{"message":"Channel with given unique ID already exists"}'), None),
        (Reply(500, '{"error":"Allocation failed"}'), NO_CHANNEL),
        (Reply(400, '{"message":"bad"}'), refused("Asterisk refused the originate: 400 bad", ours=True)),
        (Reply(404, '{"message":"bad"}'), refused("Asterisk refused the originate: 404 bad", ours=True)),
        (
            Reply(403, '{"message":"Write access denied"}'),
            refused(
                "Asterisk refuses ARI requests (403 Write access denied): "
                "the user in ari.conf must have read_only = no",
                ours=True,
            ),
        ),
        (Reply(404, "<html>"), UNANSWERED),
        (Reply(503, '{"message":"Asterisk not booted"}'), UNANSWERED),
        (Reply(500, ""), UNANSWERED),
        (Reply(302, "{}"), UNANSWERED),
        (NoReply.UNANSWERED, UNANSWERED),
        (NoReply.UNSENT, refused("the connection to Asterisk's ARI broke before it was sent")),
    ],
)
def test_what_a_reply_means(result: Reply | NoReply, expected: Verdict | None) -> None:
    assert verdict(CHANNEL, result) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Reply(200, "{}"), ACCEPTED),
        (Reply(404, '{"message":"Channel not found"}'), UNANSWERED),
        (NoReply.UNSENT, UNANSWERED),
        (NoReply.UNANSWERED, UNANSWERED),
    ],
)
def test_a_conflict_is_believed_only_if_the_channel_lives(result: Reply | NoReply, expected: Verdict) -> None:
    assert confirmed(CHANNEL, result) == expected
