"""The store's contract for voice agents, scripts that are gone, requests carried out once, and who talked on a call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InvariantError
from dialerd.core.identity import CampaignId, ScriptId
from dialerd.core.journal import REMEMBERED_REQUESTS, CallReported, DncChanged, RequestDone
from dialerd.core.model import Declared, Label
from dialerd.ports import AnsweredRequest, ApiKey, KeptAnswer, Page, Script, Store, VoiceAgent

from .stores import ALL, START, Place, admitted, attempt, campaign, opening, person

AGENT = VoiceAgent(
    "agt_1",
    "Priya",
    "hi-IN",
    "female",
    ScriptId("s"),
    "embedded",
    "agt_2",
    {"site_visit": Declared(positive=True, terminal=False)},
    Instant(START),
)
SCRIPT = Script(ScriptId("s"), 1, "S", ("hi-IN",), {}, {"name": "S"}, "name: S", Instant(START))
DONE = RequestDone("ident", "asked", Instant(START), "made", "note")
ANSWER = KeptAnswer(201, {"location": "/v1/x"}, b'{"name": "\xe0\xa4\xa8"}' * 2_000)


# --- agents --------------------------------------------------------------------------------------


async def test_an_agent_comes_back_as_it_was_stored_and_changed(place: Place, store: Store) -> None:
    await store.add_agent(AGENT)
    bare = VoiceAgent("agt_2", "Bare", None, None, None, "embedded", None, {}, Instant(START + 1))
    await store.add_agent(bare)
    store = await place.reopened(store)
    assert await store.agent("agt_1") == AGENT
    assert await store.agents(ALL) == ([bare, AGENT], 2)
    assert await store.agents(Page(1, 1)) == ([AGENT], 2)
    changed = replace(AGENT, name="Asha", voice=None, dispositions={}, created_at=Instant(0))
    assert await store.save_agent(changed)
    assert await store.agent("agt_1") == replace(changed, created_at=AGENT.created_at)
    assert not await store.save_agent(replace(AGENT, id="agt_none"))


async def test_agents_that_name_a_script_or_an_agent_are_found(store: Store) -> None:
    await store.add_agent(AGENT)
    assert list(await store.agents_naming(script="s")) == ["agt_1"]
    assert list(await store.agents_naming(agent="agt_2")) == ["agt_1"]
    assert list(await store.agents_naming(script="other", agent="other")) == []
    assert await store.delete_agent("agt_1")
    assert not await store.delete_agent("agt_1")
    assert await store.agent("agt_1") is None
    assert list(await store.agents_naming(script="s")) == []


async def test_an_agent_is_stored_once(store: Store) -> None:
    await store.add_agent(AGENT)
    with pytest.raises(InvariantError):
        await store.add_agent(replace(AGENT, name="other"))
    assert await store.agent("agt_1") == AGENT


# --- scripts -------------------------------------------------------------------------------------


async def test_a_deleted_script_is_there_for_what_was_begun_with_it_and_for_nothing_else(
    place: Place, store: Store
) -> None:
    await store.add_script(SCRIPT)
    await store.add_script(replace(SCRIPT, version=2))
    assert await store.delete_script(ScriptId("s"), Instant(START + 5))
    assert not await store.delete_script(ScriptId("s"), Instant(START + 6))
    store = await place.reopened(store)
    assert await store.script(ScriptId("s")) is None
    assert await store.scripts(ALL) == ([], 0)
    assert await store.script(ScriptId("s"), 1) == SCRIPT
    assert await store.script_versions(ScriptId("s")) == 2
    again = replace(SCRIPT, version=3)
    await store.add_script(again)
    assert await store.script(ScriptId("s")) == again
    assert await store.scripts(ALL) == ([again], 1)
    assert await store.script_versions(ScriptId("none")) == 0


# --- requests ------------------------------------------------------------------------------------


async def test_a_request_is_stored_with_what_it_made_and_its_answer_follows(
    place: Place, store: Store
) -> None:
    await store.add_script(SCRIPT, DONE)
    assert await store.request_done("ident", Instant(START - 1)) == AnsweredRequest(DONE)
    await store.keep_answer(DONE, ANSWER)
    store = await place.reopened(store)
    assert await store.request_done("ident", Instant(START - 1)) == AnsweredRequest(DONE, ANSWER)
    assert await store.request_done("ident", DONE.at) is None, "too old for who asks"
    assert await store.request_done("other", Instant(0)) is None


@pytest.mark.parametrize("way", ["turn", "script", "agent", "key"])
async def test_a_request_that_was_carried_out_makes_nothing_more(way: str, store: Store) -> None:
    await store.commit([DONE])
    again = replace(DONE, asked="something else", at=Instant(START + REMEMBERED_REQUESTS - 1))
    key = ApiKey("key_1", "", "read", b"d" * 32, Instant(START))
    made = {
        "turn": lambda: store.commit([DncChanged(1, (DncEntry("+919876543210"),)), again]),
        "script": lambda: store.add_script(SCRIPT, again),
        "agent": lambda: store.add_agent(AGENT, again),
        "key": lambda: store.add_key(key, again),
    }
    with pytest.raises(InvariantError):
        await made[way]()
    assert await store.request_done("ident", Instant(0)) == AnsweredRequest(DONE)
    assert await store.scripts(ALL) == ([], 0)
    assert await store.agents(ALL) == ([], 0)
    assert await store.dnc_entries(ALL) == ([], 0)
    assert list(await store.keys()) == []


async def test_a_name_is_free_again_when_its_request_is_not_remembered_any_more(store: Store) -> None:
    await store.commit([DONE])
    await store.keep_answer(DONE, ANSWER)
    later = replace(DONE, asked="other", at=Instant(START + REMEMBERED_REQUESTS))
    await store.commit([later])
    assert await store.request_done("ident", DONE.at) == AnsweredRequest(later), "the old answer is gone"


async def test_old_requests_are_forgotten(store: Store) -> None:
    for number in range(3):
        await store.commit([replace(DONE, ident=f"r{number}", at=Instant(START + number))])
    await store.forget_requests(Instant(START + 1))
    known = [await store.request_done(f"r{number}", Instant(0)) is not None for number in range(3)]
    assert known == [False, False, True]


async def test_an_answer_without_its_request_is_kept_too(store: Store) -> None:
    await store.keep_answer(DONE, ANSWER)
    assert await store.request_done("ident", Instant(0)) == AnsweredRequest(DONE, ANSWER)


async def test_the_last_use_of_keys_is_noted(store: Store) -> None:
    for number in (1, 2):
        key = ApiKey(f"key_{number}", "", "read", bytes([number]) * 32, Instant(START + number))
        await store.add_key(key)
    await store.note_use({"key_1": Instant(START + 9), "key_gone": Instant(START + 9)})
    assert [key.last_used_at for key in await store.keys()] == [None, START + 9]


# --- calls ---------------------------------------------------------------------------------------


async def test_who_talks_and_what_was_said_from_outside_survive_a_restart(place: Place, store: Store) -> None:
    (contact,) = await admitted(store, [person(1)], campaign(agent_id="agt_1", voice="male"))
    call = attempt(contact, agent_id="agt_1", voice="male")
    await store.commit(opening(call))
    label = Label("site_visit", positive=True, terminal=False, callback_at=None, captured={"date": "नव"})
    labelled = replace(call, label=label, report=label.over(call.report))
    await store.commit([CallReported(labelled)])
    store = await place.reopened(store)
    state = await store.open_state(Instant(0))
    (found,) = state.calls
    assert (found.agent_id, found.voice, found.label) == ("agt_1", "male", label)
    assert found.report == labelled.report
    row = await store.call(call.id)
    assert row is not None
    assert (row.agent_id, row.voice, row.script_version, row.captured) == ("agt_1", "male", 1, {"date": "नव"})
    held = await store.campaign(CampaignId(contact.campaign_id))
    assert held is not None
    assert (held[0].agent_id, held[0].voice) == ("agt_1", "male")
