"""A daemon that starts again takes up what its store says was going on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from dialerd.core.clock import Instant, Mono
from dialerd.core.contact import ContactState
from dialerd.core.identity import E164, CallId, ChannelId, ScriptId, TrunkName
from dialerd.core.journal import CallClosed
from dialerd.core.messages import AgentFinished, MediaHeld, Tick
from dialerd.core.model import AgentReport, Call, CampaignStatus, Try, TryState
from dialerd.ports import OpenState
from tests.core.world_builder import START, campaign, contacts

from .fakes import RecordingStore
from .test_runtime import Rig

CALL = CallId("cal_000000000001")


def ended_call() -> Call:
    """Answered and over; its record waits for the agent's last word."""
    attempt = Try(
        ChannelId(f"d1-{CALL}-1"),
        1,
        TrunkName("lab"),
        E164("+15550100100"),
        TryState.ENDED,
        "boot-1",
        START,
        answered_at=Instant(START + 1_000),
        ended_at=Instant(START + 5_000),
    )
    person = replace(contacts(1)[0], state=ContactState.IN_CALL, attempts=1, turns=1, connected_attempt=1)
    return Call(
        CALL,
        person.phone,
        "en-IN",
        ScriptId("s"),
        1,
        1,
        (attempt,),
        START,
        Mono(0),
        campaign_id=person.campaign_id,
        contact=person,
    )


@dataclass
class Restarted(RecordingStore):
    """The store of a daemon that died between the end of a call and its last word."""

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        running = campaign(status=CampaignStatus.RUNNING)
        counters = {"total": 1, "state:in_call": 1, "called": 1, "connected": 1}
        return OpenState((running,), {running.id: counters}, (ended_call(),), CALL, {})


async def test_the_last_word_of_a_call_that_ended_before_the_death_is_awaited() -> None:
    """A media worker that has to be started for it takes longer than one that is there."""
    rig = Rig(0, 1, store=Restarted([]))
    await rig.engine.restore()
    task = asyncio.create_task(rig.engine.run(rig.telephony, rig.media))
    rig.clock.advance(4_000)
    rig.engine.post(Tick())
    await asyncio.sleep(0.01)
    assert not rig.entries(CallClosed)
    rig.engine.post(MediaHeld(frozenset({CALL})))
    rig.engine.post(AgentFinished(CALL, AgentReport("interested", positive=True)))
    await rig.until(lambda: bool(rig.entries(CallClosed)))
    assert rig.entries(CallClosed)[0].closed.disposition == "interested"  # type: ignore[attr-defined]
    task.cancel()
