"""How campaigns, calls, channels and people's numbers are named.

A call's id holds a number that grows with time; a channel's id in Asterisk holds the call's. It knows no records.
"""

from __future__ import annotations

import re
from typing import NewType

from dialerd.core.clock import Instant

CampaignId = NewType("CampaignId", str)
CallId = NewType("CallId", str)
ChannelId = NewType("ChannelId", str)
ContactId = NewType("ContactId", int)
ImportId = NewType("ImportId", int)
InstanceId = NewType("InstanceId", str)
ScriptId = NewType("ScriptId", str)
TrunkName = NewType("TrunkName", str)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
ERASED = "+999"
"""How what stands in the place of an erased number begins: ITU-T has given that code to nobody, no list takes it."""


class E164(str):
    """A number in E.164 form (ITU-T E.164: `+`, no leading zero, at most 15 digits).

    Only a value of this type may reach a dial string, so whatever is not a number cannot.
    Raises `ValueError` for anything else.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> E164:
        if not _E164.fullmatch(value):
            raise ValueError(f"not an E.164 number: {value!r}")
        return super().__new__(cls, value)

    @property
    def digits(self) -> str:
        """The number without its plus sign."""
        return self[1:]

    @property
    def erased(self) -> bool:
        """Whether it stands in the place of a number that was erased (`ERASED`)."""
        return self.startswith(ERASED)

    @property
    def masked(self) -> str:
        """For logs: country prefix and last two digits."""
        return f"{self[:3]}***{self[-2:]}"


NO_SCRIPT = ScriptId("")
"""In the place of a script, version 0: the engine that holds the conversation needs none."""
CALL_IDS_PER_MILLI = 64


def channel_id(instance: InstanceId, call: CallId, number: int) -> ChannelId:
    """The id in Asterisk of a call's n-th try."""
    return ChannelId(f"{instance}-{call}-{number}")


def person_id(channel: ChannelId, leg: int) -> ChannelId:
    """The id in Asterisk of a person's phone, the `leg`-th one that is called for the callee on `channel`."""
    return ChannelId(f"{channel}-h{leg}")


def callee_of(person: ChannelId) -> ChannelId:
    """The callee's channel for whom a person was called."""
    return ChannelId(person.rpartition("-h")[0])


def call_of(channel: ChannelId) -> CallId:
    """The call a channel id of ours belongs to."""
    return CallId(channel.split("-")[1])


def call_number(call: CallId) -> int:
    """The number inside a call id."""
    return int(call.removeprefix("cal_"), 16)


def next_call_number(last: int, now: Instant) -> int:
    """A call number greater than every earlier one, also of a store restored from an old backup."""
    return max(last + 1, now * CALL_IDS_PER_MILLI)


def call_id(number: int) -> CallId:
    """The id of a call number. Ids are ordered by time."""
    return CallId(f"cal_{number:012x}")
