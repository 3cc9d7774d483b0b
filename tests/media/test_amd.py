"""Asterisk's own opinion on who has answered: asked beside the call, and no fault of it where it cannot be had."""

from __future__ import annotations

from typing import cast

import pytest

from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.core.model import AnsweredBy
from dialerd.media import amd
from dialerd.media.amd import judge
from dialerd.media.ari import MediaAri

CHANNEL = ChannelId("lab-cal_000000000001-1")


class Asterisk:
    """As much of it as is asked."""

    def __init__(self, *, status: str | None, cause: str = "", ready_after: int = 0, fails: str = "") -> None:
        self.status, self.cause = status, cause
        self.ready_after = ready_after
        self.fails = fails
        self.asked: list[str] = []

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what == self.fails:
            raise PortError("Asterisk does not answer", retryable=True)

    async def make_snoop(self, channel: ChannelId) -> None:
        self._note("snoop")

    async def send_to_amd(self, channel: ChannelId) -> bool:
        self._note("continue")
        return self.asked.count("continue") > self.ready_after

    async def variable_of_snoop(self, channel: ChannelId, name: str) -> str | None:
        self._note(name)
        looks = self.asked.count("AMDSTATUS")
        if name == "AMDSTATUS":
            return self.status if looks > 1 else None
        return self.cause

    async def drop_snoop(self, channel: ChannelId) -> None:
        self._note("drop")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amd, "LOOK", 0.001)
    monkeypatch.setattr(amd, "PATIENCE", 0.005)


async def judged(asterisk: Asterisk) -> AnsweredBy | None:
    verdict = await judge(cast(MediaAri, asterisk), CHANNEL)
    return None if verdict is None else verdict[0]


@pytest.mark.parametrize(
    ("status", "cause", "expected"),
    [
        ("HUMAN", "HUMAN-900-800", AnsweredBy.HUMAN),
        ("MACHINE", "MAXWORDS-5-5", AnsweredBy.MACHINE),
        ("MACHINE", "LONGGREETING-1600-1500", AnsweredBy.MACHINE),
        ("MACHINE", "INITIALSILENCE-2500-2500", None),
        ("NOTSURE", "TOOLONG-4900", None),
        ("HANGUP", "", None),
        (None, "", None),
    ],
)
async def test_what_it_says_is_taken_for_what_it_is(
    status: str | None, cause: str, expected: AnsweredBy | None
) -> None:
    asterisk = Asterisk(status=status, cause=cause)
    assert await judged(asterisk) is expected
    assert asterisk.asked[0] == "snoop"
    assert asterisk.asked[-1] == "drop", "nothing of it stays"


async def test_a_channel_that_is_not_in_our_hands_yet_is_waited_for() -> None:
    asterisk = Asterisk(status="HUMAN", ready_after=2)
    assert await judged(asterisk) is AnsweredBy.HUMAN
    assert asterisk.asked.count("continue") == 3


@pytest.mark.parametrize("fails", ["snoop", "continue", "AMDSTATUS", "drop"])
async def test_an_asterisk_that_cannot_be_asked_has_no_opinion(fails: str) -> None:
    asterisk = Asterisk(status="MACHINE", cause="MAXWORDS-5-5", fails=fails)
    assert await judged(asterisk) is (AnsweredBy.MACHINE if fails == "drop" else None)


async def test_a_channel_that_never_comes_is_given_up() -> None:
    asterisk = Asterisk(status="MACHINE", ready_after=100)
    assert await judged(asterisk) is None
    assert asterisk.asked[-1] == "drop"
