"""Calls on the fake Asterisk whose audio does not run: they end by name; others are left alone."""

from __future__ import annotations

import asyncio

from dialerd.core.disposition import Reason
from dialerd.core.model import AgentReport
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.outcome import Failed
from dialerd.media.playout import SILENCE
from dialerd.media.session import SessionTiming
from tests.adapters.waiting import until
from tests.media.fake_agent import FakeAgent, FakeTalk
from tests.media.test_session import CHANNEL, answered, held


def limits(**seconds: float) -> SessionTiming:
    return SessionTiming(first_audio=20.0, stall=20.0, audio=AudioLimits(**{"one_way": 0, **seconds}))


async def test_a_call_of_which_no_audio_comes_is_dropped_by_name() -> None:
    agent = FakeAgent(make=lambda: FakeTalk(hears=True, opening=500))
    async with answered() as fake, held(fake, agent, timing=limits(one_way=1.5)) as call:
        outcome = await call.outcome()
        assert isinstance(outcome, Failed)
        assert outcome.reason is Reason.DROPPED
        assert "audio" in outcome.detail
        assert "1.5 s" in outcome.detail
        await until(lambda: fake.bridges == {} and fake.channels == {CHANNEL})


async def test_a_call_that_nobody_listens_to_is_not_watched() -> None:
    async with answered() as fake, held(fake, timing=limits(one_way=1.0)) as call:
        await until(lambda: call.heard)
        await asyncio.sleep(2.5)
        assert call.outcomes == []


async def test_a_call_in_which_nobody_says_anything_is_ended_but_not_while_a_person_is_called() -> None:
    async with answered() as fake, held(fake, timing=limits(silence=1.5)) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        await leg.press("7")
        await until(lambda: call.wishes)
        await leg.speak(SILENCE)
        await asyncio.sleep(3.0)
        assert call.outcomes == []
        call.session.transfer_failed("busy")
        outcome = await call.outcome()
        assert outcome == Failed(
            Reason.DROPPED, "max silence: neither side was audible for 1.5 s", AgentReport(), unheard=False
        )
