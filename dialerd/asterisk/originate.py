"""The originate request: whether an order may be sent at all, its body, and what its reply means.

Pure. A reply is judged here and nowhere else, because the difference between "refused" and "perhaps sent" is
what keeps a number from being called twice.
"""

from __future__ import annotations

import re

import orjson

from dialerd.asterisk.ari import NoReply, Reply
from dialerd.asterisk.events import DIALED
from dialerd.core.clock import SECOND, Millis
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, ChannelId, InstanceId
from dialerd.core.messages import (
    OriginateAccepted,
    OriginateRefused,
    OriginateUnanswered,
)

HANGUP_HANDLER = "dialerd-hangup,s,1"
"""The dialplan's part (asterisk/dialerd-extensions.conf) that keeps the reason of the end in the call record."""

MARGIN = Millis(10_000)
"""By how much Asterisk's limit on a channel is beyond the daemon's."""

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MAX_DETAIL = 200

Verdict = OriginateAccepted | OriginateRefused | OriginateUnanswered


def fault(order: Originate) -> str | None:
    """Why `order` must not reach a dial string; None: it may.

    A dial string has separators of its own (`@`, `/`, `&`), so only what cannot contain one is let through.
    """
    if not _NUMBER.fullmatch(order.number):
        return "the number to dial is not a number"
    if not _ENDPOINT.fullmatch(order.endpoint):
        return f"{order.endpoint!r} is not the name of a PJSIP endpoint"
    if not isinstance(order.caller_id, E164):
        return "the caller id is not an E.164 number"
    return None


def body(order: Originate, instance: InstanceId, *, keep_cause: bool) -> bytes:
    """The JSON body of `POST /channels/<id>`. `keep_cause`: have the call record tell why the call ended.

    Ring time and absolute life are both bounded in Asterisk, so a call ends also when nobody is left to end it. A
    daemon that is there does that first, and says why.
    """
    life = _seconds(Millis(order.ring_timeout + order.max_call + MARGIN))
    variables = {"TIMEOUT(absolute)": str(life)}
    if keep_cause:
        variables["CHANNEL(hangup_handler_push)"] = HANGUP_HANDLER
    return orjson.dumps(
        {
            "endpoint": f"PJSIP/{order.number}@{order.endpoint}",
            "app": instance,
            "appArgs": DIALED,
            "callerId": order.caller_id,
            "timeout": _seconds(order.ring_timeout),
            "formats": ",".join(order.codecs),
            "variables": variables,
        }
    )


def verdict(channel: ChannelId, result: Reply | NoReply) -> Verdict | None:
    """What came of the originate of `channel`; None: a 409, of which only the channel itself tells (`confirmed`).

    A 409 says that the channel lives, but Asterisk also repeats it for the next originate of the connection that
    fails before a channel is made (its error code is per thread and not reset).
    """
    if isinstance(result, NoReply):
        if result is NoReply.UNSENT:
            return OriginateRefused(channel, "the connection to Asterisk's ARI broke before it was sent")
        return OriginateUnanswered(channel)
    if result.status == 409:
        return None
    if 200 <= result.status < 300:
        return OriginateAccepted(channel)
    message = result.message
    if message is not None and (result.status == 500 or 400 <= result.status < 500):
        return OriginateRefused(channel, _detail(result.status, message), ours=result.status < 500)
    return OriginateUnanswered(channel)


def confirmed(channel: ChannelId, result: Reply | NoReply) -> Verdict:
    """The verdict on a 409, from the reply to `GET /channels/<id>`. A channel that is not there may have ended."""
    if isinstance(result, Reply) and result.status == 200:
        return OriginateAccepted(channel)
    return OriginateUnanswered(channel)


def _detail(status: int, message: str) -> str:
    if message == "Allocation failed":
        return (
            "Asterisk cannot make the channel: the trunk's endpoint is unknown, unreachable or in maintenance"
        )
    if status in (401, 403):
        return f"Asterisk refuses ARI requests ({status} {message}): the user in ari.conf must have read_only = no"
    return f"Asterisk refused the originate: {status} {message[:_MAX_DETAIL]}"


def _seconds(duration: Millis) -> int:
    return max(1, -(-duration // SECOND))
