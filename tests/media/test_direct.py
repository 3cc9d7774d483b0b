"""Calls that Asterisk itself leads to an engine: what it is told, how they end, and who takes them if it cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.model import AgentReport
from dialerd.media import direct
from dialerd.media.outcome import Failed, Finished
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME, call_id
from tests.media.fake_asterisk import channel_of
from tests.media.talking import STAND_IN, Talk, talking

CALL = call_id()
LEG = channel_of(CALL) + "-m"


@asynccontextmanager
async def led(connection: str = "engine", **changes: Any) -> AsyncIterator[Talk]:
    engine: dict[str, Any] = {"kind": "asterisk", "connection": connection, "url": ""}
    async with talking(engine=engine, direct=True, **changes) as talk:
        yield talk


async def test_callee_and_engine_are_joined_and_the_engine_is_told_whose_call_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(direct, "LOOK", 0.02)
    monkeypatch.setattr(direct, "STAYS", 0.02)
    async with led(variables={"loan": 5, "odd name": 1}, caller_id="+15550100199") as talk:
        await until(lambda: talk.heard)
        assert talk.fake.bridges[channel_of(CALL) + "-b"] == [channel_of(CALL), LEG]
        told = talk.fake.direct[LEG]
        assert (told["DIALERD_CALL_ID"], told["DIALERD_LOAN"]) == (CALL, "5")
        assert (told["DIALERD_FROM_NUMBER"], told["DIALERD_TO_NUMBER"]) == ("+15550100199", "+15550100100")
        assert not [name for name in told if " " in name]
        talk.fake.channels.discard(LEG)
        assert await talk.outcome() == Finished(AgentReport())
        await until(lambda: talk.fake.bridges == {})


async def test_a_callee_who_leaves_takes_the_leg_along() -> None:
    async with led() as talk:
        await until(lambda: talk.heard)
        assert talk.session is not None
        talk.session.detach()
        assert await talk.outcome() == Finished(AgentReport())
        await until(lambda: talk.fake.bridges == {} and LEG not in talk.fake.channels)


async def test_a_connection_that_asterisk_does_not_have_is_named() -> None:
    async with led("nowhere") as talk:
        outcome = await talk.outcome()
        assert isinstance(outcome, Failed)
        assert outcome.reason is Reason.ENGINE_FAILED
        assert outcome.detail.endswith(
            "Its websocket_client.conf must have a section [nowhere] with the engine's uri: add it, then reload "
            "res_websocket_client.so"
        )
        await until(lambda: talk.fake.bridges == {})


async def test_an_engine_that_does_not_run_is_named() -> None:
    async with led() as talk:
        talk.fake.reachable = False
        assert await talk.failure() == (
            Reason.ENGINE_FAILED,
            "Asterisk could not open a WebSocket to the engine, or it was closed at once: start the engine where the "
            "uri of [engine] in websocket_client.conf leads, and look at Asterisk's log",
        )
        await until(lambda: talk.fake.bridges == {})


async def test_the_fallback_has_the_call_if_asterisk_cannot_lead_to_the_engine() -> None:
    async with led("nowhere", stand_ins=(STAND_IN,)) as talk:
        leg = await talk.leg()
        await until(lambda: FRAME * 10 in bytes(leg.audio))
        assert [agent for agent, _ in talk.stood_in] == [STAND_IN]


async def test_where_nobody_can_take_the_call_either_it_ends_at_once() -> None:
    nobody = replace(STAND_IN, engine="gone")
    async with led(connection="nowhere", stand_ins=(nobody,)) as talk:
        reason, detail = await talk.failure()
        assert (reason, "there is no engine 'gone'" in detail) == (Reason.ENGINE_FAILED, True)


async def test_the_engine_is_reached_only_when_the_callee_can_hear_it() -> None:
    """What it says with its first frame is for the callee: the fake takes no dial of a leg that is in no bridge."""
    async with led() as talk:
        await until(lambda: talk.heard)
        asked = [line.rpartition("/")[2] for line in talk.fake.requests if line.startswith("POST")]
        assert asked.index("addChannel") < asked.index("dial")


async def test_an_engine_that_leaves_at_once_has_not_taken_the_call() -> None:
    """It may break on every call: the callee gets the fallback, and the engine counts as failing."""
    async with led(stand_ins=(STAND_IN,)) as talk:
        talk.fake.parts = True
        leg = await talk.leg()
        await until(lambda: FRAME * 10 in bytes(leg.audio))
        assert len(talk.stood_in) == 1
        assert "as soon as it had begun" in talk.stood_in[0][1]
