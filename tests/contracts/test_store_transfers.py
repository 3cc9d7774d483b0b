"""The store's contract for transfers and recordings: what is kept of them, and which files are to be deleted."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import ContactState
from dialerd.core.identity import E164, CallId
from dialerd.core.journal import (
    CallClosed,
    CallOpened,
    CallRecorded,
    CallTransferred,
    CampaignDoomed,
    CampaignSaved,
    ContactSaved,
    CountersMoved,
    NumberDoomed,
    RecordingDoomed,
)
from dialerd.core.model import Call, CampaignStatus, Recording, Terms
from dialerd.core.transfer import (
    Target,
    TargetKind,
    Transfer,
    TransferState,
    TransferTrigger,
)
from dialerd.ports import Store, VoiceAgent

from .stores import CMP, START, Place, admitted, another_campaign, attempt, campaign, ending, opening, person

TRANSFER = Transfer(
    target="support",
    where=Target(TargetKind.EXTENSION, "*45", "internal"),
    asked_at=Instant(START + 1),
    warm=True,
    reason="gefragt",
    summary="ऋण चाहिए",
    trigger=TransferTrigger.KEY,
    timeout=Millis(9_000),
    leg=3,
    tried=("desk", "support"),
    announcement="custom/new-call",
    ask=2,
    state=TransferState.CONNECTED,
    answered_at=Instant(START + 2),
    outcome="answered",
)
LATER = Instant(START + 10**9)


def recording(number: int, size: int = 1_000) -> Recording:
    return Recording(f"2026/01/15/cal_{number:012x}.wav", size, Millis(1_500))


async def recorded(store: Store, number: int, size: int = 1_000, phone: str | None = None) -> CallId:
    """A call of its own that is over and has a recording."""
    call = attempt(None, number, **({} if phone is None else {"phone": E164(phone)}))
    await store.commit([*opening(call), CallClosed(call, ending(call))])
    await store.commit([CallRecorded(call.id, recording(number, size))])
    return call.id


async def open_call(store: Store) -> Call:
    (call,) = (await store.open_state(Instant(0))).calls
    return call


async def test_a_transfer_is_kept_as_far_as_it_has_come(place: Place) -> None:
    store = await place.opened()
    call = attempt(None, 1, terms=Terms(transfer_to="support", record=True))
    await store.commit(opening(call))
    await store.commit([CallTransferred(replace(call, transfer=TRANSFER))])
    found = await open_call(store)
    assert found.transfer == TRANSFER
    assert (found.terms.transfer_to, found.terms.record) == ("support", True)
    nowhere = replace(TRANSFER, where=None, state=TransferState.ENDED, outcome="no_target", answered_at=None)
    await store.commit([CallTransferred(replace(call, transfer=nowhere))])
    await store.close()
    store = await place.opened()
    assert (await open_call(store)).transfer == nowhere
    row = await store.call(call.id)
    assert row is not None
    assert row.transfer == nowhere


async def test_who_was_connected_with_a_person_is_counted(store: Store) -> None:
    (one, _) = await admitted(store, [person(1), person(2)])
    talked = replace(one, state=ContactState.FINISHED, attempts=1, connected_attempt=1, escalated=True)
    moved = metrics.moved(one, talked)
    counters = {"total": 2, "state:pending": 2}
    await store.commit([ContactSaved(talked), CountersMoved(CMP, counters), CountersMoved(CMP, moved)])
    assert await store.audit_counters(CMP) == {}
    kept = await store.contact(CMP, one.phone)
    assert kept is not None
    assert kept.escalated
    await store.commit([ContactSaved(replace(talked, escalated=False))])
    assert await store.audit_counters(CMP) == {"escalated": (1, 0)}


async def test_defaults_of_campaigns_and_agents_are_kept(store: Store) -> None:
    await admitted(store, [], campaign(transfer_to="support", record=True, voice="male"))
    found = await store.campaign(CMP)
    assert found is not None
    assert (found[0].transfer_to, found[0].record, found[0].voice) == ("support", True, "male")
    await store.commit([CampaignSaved(replace(found[0], transfer_to=None, record=False))])
    found = await store.campaign(CMP)
    assert found is not None
    assert (found[0].transfer_to, found[0].record) == (None, False)
    for record in (None, False, True):
        agent = VoiceAgent(f"a{record}", "A", None, None, None, "embedded", None, {}, START, "desk", record)
        await store.add_agent(agent, None, None)
        assert await store.agent(agent.id) == agent


async def test_a_recording_is_the_calls_until_it_is_deleted(store: Store) -> None:
    ident = await recorded(store, 1)
    row = await store.call(ident)
    assert row is not None
    assert row.recording == recording(1)
    assert await store.doomed_files(10) == []
    await store.commit([RecordingDoomed(ident, LATER)])
    await store.commit([RecordingDoomed(ident, LATER)])
    row = await store.call(ident)
    assert row is not None
    assert row.recording is None
    assert await store.doomed_files(10) == [recording(1).path]
    await store.forget_file(recording(1).path)
    await store.forget_file(recording(1).path)
    assert await store.doomed_files(10) == []


async def test_a_recording_told_and_deleted_in_one_turn_leaves_its_file_to_be_deleted(store: Store) -> None:
    call = attempt(None, 1)
    await store.commit(opening(call))
    await store.commit([CallRecorded(call.id, recording(1)), RecordingDoomed(call.id, LATER)])
    assert await store.doomed_files(10) == [recording(1).path]


async def test_a_recording_that_was_deleted_before_it_was_whole_is_not_kept(store: Store) -> None:
    call = attempt(None, 1)
    await store.commit(opening(call))
    await store.commit([RecordingDoomed(call.id, LATER)])
    assert await store.doomed_files(10) == []
    for _ in range(2):
        # A worker tells it again to a daemon that was restarted.
        await store.commit([CallRecorded(call.id, recording(1))])
        row = await store.call(call.id)
        assert row is not None
        assert row.recording is None
        assert await store.doomed_files(10) == [recording(1).path]
    assert await store.doom_recordings(Instant(LATER + 10**9), 0, LATER) == 0
    assert await store.doomed_files(10) == [recording(1).path]


async def test_a_recording_of_nobodys_call_is_to_be_deleted(store: Store) -> None:
    await store.commit([CallRecorded(CallId("cal_00000000dead"), recording(9))])
    assert await store.doomed_files(10) == [recording(9).path]


async def test_recordings_go_by_age_and_then_by_size_oldest_first(store: Store) -> None:
    idents = [await recorded(store, number, size=100) for number in (1, 2, 3, 4)]
    assert await store.doom_recordings(None, None, LATER) == 0
    assert await store.doom_recordings(Instant(START + 2), 1_000, LATER) == 1
    assert await store.doomed_files(10) == [recording(1).path]
    assert await store.doom_recordings(Instant(START), 250, LATER) == 1
    assert await store.doom_recordings(Instant(START), 250, LATER) == 0
    assert await store.doomed_files(10) == [recording(1).path, recording(2).path]
    rows = [await store.call(ident) for ident in idents]
    assert [row is not None and row.recording is not None for row in rows] == [False, False, True, True]


async def test_files_of_deleted_calls_are_to_be_deleted(store: Store) -> None:
    await recorded(store, 1)
    assert await store.drop_calls(LATER) == 1
    assert await store.doomed_files(10) == [recording(1).path]


async def test_files_of_deleted_campaigns_are_to_be_deleted(store: Store) -> None:
    over = another_campaign(7, status=CampaignStatus.COMPLETED)
    (one,) = await admitted(store, [person(1)], over)
    call = attempt(one, 5)
    await store.commit([*opening(call), CallClosed(call, ending(call))])
    await store.commit([CallRecorded(call.id, recording(5)), CampaignDoomed(over.id, LATER)])
    while await store.delete_some(over.id, LATER):
        pass
    assert await store.doomed_files(10) == [recording(5).path]


async def test_files_of_erased_persons_are_to_be_deleted_and_what_was_said_of_them_is_gone(
    store: Store,
) -> None:
    phone = "+919876500077"
    ident = await recorded(store, 1, phone=phone)
    other = await recorded(store, 2, phone="+919876500078")
    call = attempt(None, 1, phone=E164(phone))
    await store.commit([CallTransferred(replace(call, transfer=TRANSFER))])
    await store.commit([NumberDoomed(E164(phone), START)])
    while await store.erase_some(E164(phone)):
        pass
    row, kept = await store.call(ident), await store.call(other)
    assert row is not None
    assert kept is not None
    assert (row.recording, row.transfer) == (None, None)
    assert kept.recording is not None
    assert await store.doomed_files(10) == [recording(1).path]
    await store.commit([CallRecorded(ident, recording(3))])
    row = await store.call(ident)
    assert row is not None
    assert row.recording is None, "nothing comes back of a person who is erased"
    assert set(await store.doomed_files(10)) == {recording(1).path, recording(3).path}


async def test_a_call_that_is_recorded_says_so_when_it_is_read_again(store: Store) -> None:
    call = attempt(None, 1, terms=Terms(record=True))
    await store.commit([CallOpened(replace(call, tries=())), *opening(call)[1:]])
    await store.commit([CallRecorded(call.id, recording(1))])
    found = await open_call(store)
    assert (found.terms.record, found.recording) == (True, recording(1))
