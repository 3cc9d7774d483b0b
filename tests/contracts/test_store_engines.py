"""What a store keeps of engines: whose a campaign's and a call's conversations are, who stands in, who did."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core.clock import Instant
from dialerd.core.engine import StandIn, Takeover
from dialerd.core.identity import NO_SCRIPT
from dialerd.core.journal import AgentReplaced, CampaignAdmitted, CampaignSaved
from dialerd.ports import Store

from .stores import Place, attempt, campaign, opening

STAND_INS = (
    StandIn("helper", "embedded", "s", 3, "en-IN", "male"),
    StandIn("last", "other", NO_SCRIPT, 0, "en-IN"),
)


async def test_a_campaign_keeps_its_engine_and_who_stands_in(place: Place, store: Store) -> None:
    given = campaign(
        engine="pipecat", stand_ins=STAND_INS, script_id=NO_SCRIPT, script_version=0, agent_id="a"
    )
    await store.commit([CampaignAdmitted(given, await store.begin_import(given.id))])
    await store.commit([CampaignSaved(replace(given, engine="another", stand_ins=(), version=2))])
    store = await place.reopened(store)
    kept = replace(given, version=2)
    assert list((await store.open_state(Instant(0))).campaigns) == [kept], "they cannot be changed afterwards"
    found = await store.campaign(given.id)
    assert found is not None
    assert found[0] == kept


async def test_a_call_keeps_its_engine_its_instructions_and_who_took_it(place: Place, store: Store) -> None:
    plain, call = attempt(None, 1), attempt(
        None, 2, engine="pipecat", stand_ins=STAND_INS, instructions={"twiml": "<Response/>", "events": ["completed"]}
    )  # fmt: skip
    await store.commit([*opening(plain), *opening(call)])
    store = await place.reopened(store)
    assert set(map(repr, (await store.open_state(Instant(0))).calls)) == {repr(plain), repr(call)}
    taken = replace(call, takeover=Takeover("helper", "embedded", "pipecat does not answer"))
    await store.commit([AgentReplaced(taken)])
    store = await place.reopened(store)
    assert (await store.open_state(Instant(0))).calls[-1] == taken
    row = await store.call(call.id)
    assert row is not None
    assert (row.engine, row.instructions) == ("pipecat", dict(call.instructions))
    assert row.takeover == {"agent_id": "helper", "engine": "embedded", "detail": "pipecat does not answer"}
    other = await store.call(plain.id)
    assert other is not None
    assert (other.engine, other.takeover, other.instructions) == ("embedded", None, {})
