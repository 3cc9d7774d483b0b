"""One call in a worker: how it begins, what ends it, and that it ends once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.engine import StandIn
from dialerd.core.errors import Fault, PortError, invalid
from dialerd.core.identity import InstanceId
from dialerd.core.model import AgentReport, AnsweredBy, OnMachine
from dialerd.core.transfer import TransferWish
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.formats import ULAW, Format
from dialerd.media.outcome import Failed, Finished, Outcome
from dialerd.media.playout import SILENCE
from dialerd.media.reception import Reception
from dialerd.media.recorder import Sink
from dialerd.media.session import Session, SessionTiming
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, FRAME, FakeAgent, FakeTalk, call_id, order
from tests.media.fake_agent import frames as fake_frames
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, FakeLeg, channel_of, fake_asterisk
from tests.media.sounds import frames, silence, speech, tone, voice
from tests.media.test_cadence import MACHINE

CALL = call_id()
QUICK = SessionTiming(first_audio=20.0, stall=20.0)
CHANNEL = channel_of(CALL)


@dataclass
class Held:
    """A session that runs, and what it has told."""

    fake: FakeAsterisk
    agent: FakeAgent
    session: Session
    ari: MediaAri
    task: asyncio.Task[None]
    outcomes: list[Outcome]
    reports: list[AgentReport] = field(default_factory=list)
    wishes: list[tuple[TransferWish, int]] = field(default_factory=list)
    heard: int = 0

    stood_in: list[tuple[StandIn, str]] = field(default_factory=list)

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        self.stood_in.append((agent, detail))

    judged: list[AnsweredBy] = field(default_factory=list)
    messages_left: int = 0

    def on_heard(self) -> None:
        self.heard += 1

    def on_judged(self, answered_by: AnsweredBy, detail: str) -> None:
        self.judged.append(answered_by)

    def on_message_left(self) -> None:
        self.messages_left += 1

    def on_report(self, report: AgentReport) -> None:
        self.reports.append(report)

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        self.wishes.append((wish, ask))

    @property
    def talk(self) -> FakeTalk:
        return self.agent.talks[CALL]

    async def leg(self) -> FakeLeg:
        return await self.fake.leg(CALL)

    async def outcome(self) -> Outcome:
        await until(lambda: self.outcomes)
        async with asyncio.timeout(20):
            await self.task
        (only,) = self.outcomes
        return only


class _Relay:
    held: Held

    def on_stood_in(self, agent: StandIn, detail: str) -> None:
        self.held.on_stood_in(agent, detail)

    def on_heard(self) -> None:
        self.held.on_heard()

    def on_judged(self, answered_by: AnsweredBy, detail: str) -> None:
        self.held.on_judged(answered_by, detail)

    def on_message_left(self) -> None:
        self.held.on_message_left()

    def on_report(self, report: AgentReport) -> None:
        self.held.on_report(report)

    def on_escalate(self, wish: TransferWish, ask: int) -> None:
        self.held.on_escalate(wish, ask)


@asynccontextmanager
async def held(
    fake: FakeAsterisk,
    agent: FakeAgent | None = None,
    timing: SessionTiming = QUICK,
    waited: float = 0.0,
    deadline: float = 20.0,
    record: Callable[[str], Sink | None] | None = None,
    form: Format = ULAW,
    **ordered: Any,
) -> AsyncIterator[Held]:
    agent = agent or FakeAgent()
    ari = MediaAri(fake.login, InstanceId(INSTANCE), deadline=deadline)
    reception = Reception(fake.media)
    await reception.open()
    relay = _Relay()
    outcomes: list[Outcome] = []

    def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
        return MediaLeg(ari, reception, order().channel, listener, hears=hears, form=form)

    session = Session(order(**ordered), agent, make_leg, relay, waited=waited, timing=timing, record=record)
    task = asyncio.create_task(session.run(outcomes.append))
    relay.held = Held(fake, agent, session, ari, task, outcomes)
    try:
        yield relay.held
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        reception.close()
        await ari.close()


@asynccontextmanager
async def answered(**settings: Any) -> AsyncIterator[FakeAsterisk]:
    async with fake_asterisk(**settings) as fake:
        fake.answer(CALL)
        yield fake


async def test_a_call_from_its_attach_to_its_end() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        assert fake.bridges == {CHANNEL + "-b": [CHANNEL, CHANNEL + "-m"]}
        assert leg.audio.startswith(FRAME * 10)
        assert {"command": "SET_MEDIA_DIRECTION", "direction": "out"} in leg.commands
        assert call.heard == 1
        await leg.press("9")
        assert await call.outcome() == Finished(DNC)
        assert call.reports == [DNC]
        assert call.ari.requests == len(fake.requests) == 4, "leg, bridge, join, and the bridge's removal"
        await until(lambda: (fake.bridges, fake.channels) == ({}, {CHANNEL}))
        assert leg.closed


async def test_joining_waits_for_the_leg_to_arrive_in_the_application() -> None:
    async with answered(not_ready=3) as fake, held(fake) as call:
        await until(lambda: call.heard)
        assert sum("addChannel" in request for request in fake.requests) == 4


async def test_silence_is_sent_while_it_listens_and_does_not_delay_what_follows() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(SILENCE * 50))
        await leg.press("1")
        await until(lambda: ("played", 2) in call.talk.told)
        assert {"command": "FLUSH_MEDIA"} in leg.commands


async def test_a_key_silences_at_once_and_the_flushed_text_is_not_told_as_played() -> None:
    async with answered(holds_marks=True) as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.marks)
        late = leg.marks[0]
        await leg.press("1")
        await until(lambda: leg.marks and leg.marks[0] != late)
        await leg.say("MEDIA_MARK_PROCESSED", correlation_id=late)
        await fake.play(leg)
        await until(lambda: ("played", 2) in call.talk.told)
        assert ("played", 1) not in call.talk.told
        assert leg.audio.startswith(FRAME * 10), "the opening's frames were flushed, these are the answer's"


async def test_large_prompts_are_sent_in_messages_that_asterisk_takes() -> None:
    async with answered() as fake, held(fake, FakeAgent(make=lambda: FakeTalk(opening=750))) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        assert leg.audio.startswith(FRAME * 750)


async def test_no_more_is_sent_than_the_queue_holds() -> None:
    async with (
        answered(holds_marks=True) as fake,
        held(fake, FakeAgent(make=lambda: FakeTalk(opening=1500))) as call,
    ):
        leg = await call.leg()
        await until(lambda: len(leg.audio) >= 640 * len(FRAME))
        await asyncio.sleep(0.05)
        assert len(leg.audio) <= 810 * len(FRAME)


async def test_xoff_is_obeyed() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        await leg.say("MEDIA_XOFF")
        await leg.press("1")
        await until(lambda: {"command": "FLUSH_MEDIA"} in leg.commands)
        await asyncio.sleep(0.02)
        assert FRAME not in leg.audio
        await leg.say("MEDIA_XON")
        await until(lambda: ("played", 2) in call.talk.told)


async def test_the_callee_hangs_up() -> None:
    async with answered() as fake, held(fake) as call:
        await until(lambda: call.heard)
        call.session.detach()
        call.session.detach()
        assert await call.outcome() == Finished(AgentReport())
        assert ("close",) in call.talk.told
        await until(lambda: fake.bridges == {} and fake.channels == {CHANNEL})


async def test_the_callee_hangs_up_before_the_bridge_is_made() -> None:
    async with fake_asterisk() as fake, held(fake) as call:
        assert await call.outcome() == Finished(AgentReport())
        assert call.heard == 0


@pytest.mark.parametrize("start", ["POST /ari/channels/externalMedia", "POST /ari/bridges"])
async def test_a_callee_who_hangs_up_while_it_is_being_made_leaves_nothing_behind(start: str) -> None:
    async with answered(slow={start: 0.1}) as fake, held(fake) as call:
        await until(lambda: any(request.startswith(start) for request in fake.requests))
        call.session.detach()
        assert await call.outcome() == Finished(AgentReport())
        await until(lambda: (fake.bridges, fake.channels) == ({}, {CHANNEL}))


async def test_a_detach_before_anything_has_begun() -> None:
    async with answered() as fake, held(fake) as call:
        call.session.detach()
        assert await call.outcome() == Finished(AgentReport())
        assert fake.requests == []


# --- what goes wrong -----------------------------------------------------------------------------


def failed(outcome: Outcome) -> tuple[Reason, str]:
    assert isinstance(outcome, Failed), outcome
    return outcome.reason, outcome.detail


async def test_an_agent_that_ends_before_it_is_heard_has_left_a_callee_who_heard_nobody() -> None:
    agent = FakeAgent(make=lambda: FakeTalk(audio=nothing))
    async with answered() as fake, held(fake, agent) as call:
        await until(lambda: call.agent.talks and call.talk.stage is not None)
        assert call.talk.stage is not None
        call.talk.stage.finish(DNC)
        assert await call.outcome() == Finished(DNC, unheard=True)


@pytest.mark.parametrize(("audio", "unheard"), [("nothing", True), ("frames", False)])
async def test_an_agent_that_fails_says_whether_the_callee_had_heard_it(audio: str, unheard: bool) -> None:
    said = nothing if audio == "nothing" else fake_frames
    agent = FakeAgent(make=lambda: FakeTalk(audio=said))
    async with answered() as fake, held(fake, agent) as call:
        await until(lambda: call.agent.talks and call.talk.stage is not None)
        await until(lambda: call.heard != unheard)
        assert call.talk.stage is not None
        call.talk.stage.fail("it broke")
        outcome = Failed(Reason.ENGINE_FAILED, "it broke", AgentReport(), unheard=unheard)
        assert await call.outcome() == outcome


async def nothing(count: int) -> AsyncGenerator[bytes]:
    """An agent that thinks for long."""
    await asyncio.sleep(60)
    yield FRAME * count


async def test_asterisk_does_not_answer_in_time() -> None:
    async with answered(silent={"POST /ari/channels"}) as fake:
        async with held(fake, timing=SessionTiming(first_audio=0.05), deadline=0.3) as call:
            reason, detail = failed(await call.outcome())
            assert (reason, detail) == (Reason.ABANDONED, "no agent audio within 0.05 s")
        assert not any("addChannel" in request for request in fake.requests)


async def test_the_time_the_call_has_waited_before_counts() -> None:
    timing = SessionTiming(first_audio=60.0)
    async with (
        answered(silent={"POST /ari/channels"}) as fake,
        held(fake, timing=timing, waited=59.95, deadline=20.0) as call,
    ):
        async with asyncio.timeout(15):
            assert failed(await call.outcome())[0] is Reason.ABANDONED


async def test_a_voice_that_is_too_slow_abandons_the_call() -> None:
    agent = FakeAgent(make=lambda: FakeTalk(audio=nothing))
    async with answered() as fake, held(fake, agent, timing=SessionTiming(first_audio=0.05)) as call:
        assert failed(await call.outcome())[0] is Reason.ABANDONED
        await until(lambda: fake.bridges == {})


@pytest.mark.parametrize("start", ["POST /ari/channels/externalMedia", "POST /ari/bridges"])
async def test_asterisk_refuses(start: str) -> None:
    async with answered(refuse={start: 500}) as fake, held(fake) as call:
        reason, detail = failed(await call.outcome())
        assert reason is Reason.DROPPED
        assert "500 not today" in detail
        assert fake.bridges == {}


async def test_asterisk_is_not_there() -> None:
    async with answered() as fake:
        pass
    async with held(fake) as call:
        reason, detail = failed(await call.outcome())
        assert reason is Reason.DROPPED
        assert "cannot be reached" in detail


async def test_the_media_socket_breaks_and_the_label_is_kept() -> None:
    async with answered(holds_marks=True) as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        await leg.press("9")
        await until(lambda: call.reports)
        leg.cut()
        outcome = await call.outcome()
        assert outcome == Failed(Reason.DROPPED, "Asterisk closed the media socket", DNC, unheard=False)
        await until(lambda: fake.bridges == {})


async def test_asterisk_closes_the_media_socket() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        assert leg.socket is not None
        await leg.socket.close()
        assert failed(await call.outcome())[0] is Reason.DROPPED


async def test_what_is_sent_is_never_played() -> None:
    timing = SessionTiming(first_audio=1.0, stall=0.05)
    agent = FakeAgent(make=lambda: FakeTalk(opening=1))
    async with answered(holds_marks=True) as fake, held(fake, agent, timing) as call:
        assert failed(await call.outcome()) == (Reason.DROPPED, "Asterisk has played nothing for 0.05 s")


async def test_asterisk_takes_no_audio_for_too_long() -> None:
    timing = SessionTiming(first_audio=1.0, stall=0.05)
    async with answered() as fake, held(fake, timing=timing) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        await leg.say("MEDIA_XOFF")
        await leg.press("1")
        assert failed(await call.outcome()) == (Reason.DROPPED, "Asterisk has taken no audio for 0.05 s")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PortError("no such script", retryable=False), "no such script"),
        (invalid([Fault("variables.amount", "has no value")]), "variables.amount: has no value"),
        (KeyError("bug"), "'bug'"),
        (ValueError(), "ValueError"),
    ],
)
async def test_there_is_no_conversation_to_hold(error: Exception, told: str) -> None:
    async with answered() as fake, held(fake, FakeAgent(broken=error)) as call:
        assert failed(await call.outcome()) == (Reason.ENGINE_FAILED, told)
        assert fake.requests == []


async def test_a_bug_of_the_agent_costs_its_call_only() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        await leg.press("5")
        assert failed(await call.outcome()) == (Reason.ENGINE_FAILED, "a bug")


async def test_a_text_that_cannot_be_rendered() -> None:
    async def hoarse(count: int) -> AsyncGenerator[bytes]:
        raise PortError("the voice is hoarse", retryable=True)
        yield FRAME * count

    agent = FakeAgent(make=lambda: FakeTalk(audio=hoarse))
    async with answered() as fake, held(fake, agent) as call:
        assert failed(await call.outcome()) == (Reason.ENGINE_FAILED, "the voice is hoarse")


async def test_a_bug_in_the_leg_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answered() as fake:
        monkeypatch.setattr(MediaLeg, "_join", lambda _leg: 1 / 0)
        async with held(fake) as call:
            assert failed(await call.outcome()) == (Reason.DROPPED, "division by zero")
        await until(lambda: fake.bridges == {})


async def test_a_bug_in_sending_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answered() as fake:
        monkeypatch.setattr(MediaLeg, "send", lambda _leg, _audio: 1 / 0)
        async with held(fake) as call:
            assert failed(await call.outcome()) == (Reason.ENGINE_FAILED, "division by zero")


async def test_garbage_from_asterisk_is_nothing() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        assert leg.socket is not None
        for text in ("", "{", "[]", "5", "null", '{"event": 5}', '{"event": "DTMF_END", "digit": 7}',
                     '{"event": "DTMF_END", "digit": "12"}', '{"event": "MEDIA_MARK_PROCESSED"}',
                     '{"event": "MEDIA_MARK_PROCESSED", "correlation_id": "x"}',
                     '{"event": "MEDIA_MARK_PROCESSED", "correlation_id": "99"}', "\u0928" * 100):  # fmt: skip
            await leg.socket.send_str(text)
        await leg.socket.send_bytes(b"odd")
        await leg.press("9")
        assert await call.outcome() == Finished(DNC)


async def test_a_lost_answer_to_the_first_request_is_made_good() -> None:
    async with answered(lost_answers=1) as fake, held(fake) as call:
        await until(lambda: call.heard)
        assert fake.requests.count("POST /ari/channels/externalMedia") == 2


async def test_a_session_that_is_cancelled_cleans_up() -> None:
    async with answered() as fake, held(fake) as call:
        await until(lambda: call.heard)
        call.task.cancel()
        await asyncio.gather(call.task, return_exceptions=True)
        assert call.outcomes == []
        await until(lambda: fake.bridges == {} and fake.channels == {CHANNEL})


async def test_the_leftovers_of_a_dead_worker_are_swept() -> None:
    async with answered() as fake:
        second = channel_of(call_id(2))
        fake.bridges = {
            CHANNEL + "-b": [], second + "-b": [], "lab-mine": [], "other-cal_000000000001-1-b": [],
        }  # fmt: skip
        fake.names = dict.fromkeys(fake.bridges, "lab-media") | {second + "-b": "lab-media-2"}
        fake.channels |= {CHANNEL + "-m", "lab-cal_x-m", second + "-m"}
        fake.legs = {name: FakeLeg(name) for name in fake.channels if name.endswith("-m")}
        fake.legs[second + "-m"].client = "lab-media-2"
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        assert await ari.sweep() == 2
        await ari.close()
        assert set(fake.bridges) == {"lab-mine", "other-cal_000000000001-1-b", second + "-b"}
        assert fake.channels == {CHANNEL, "lab-cal_x-m", second + "-m"}, "another worker's are left alone"


async def test_what_another_worker_had_made_for_a_call_before_it_died_goes_first() -> None:
    """The one that comes in its place sweeps that away, and would leave the callee alone."""
    async with answered(lingers=0.05) as fake:
        fake.bridges = {CHANNEL + "-b": ["a leg of which Asterisk does not know yet that its worker is dead"]}
        fake.names = {CHANNEL + "-b": "lab-media-2"}
        fake.channels.add(CHANNEL + "-m")
        fake.legs = {CHANNEL + "-m": FakeLeg(CHANNEL + "-m", "lab-media-2")}
        async with held(fake) as call:
            await until(lambda: call.heard)
            other = MediaAri(fake.login, InstanceId(INSTANCE), worker=2)
            assert await other.sweep() == 0
            await other.close()
            assert fake.bridges == {CHANNEL + "-b": [CHANNEL, CHANNEL + "-m"]}
            assert fake.names == {CHANNEL + "-b": "lab-media"}


async def test_nothing_is_made_while_a_worker_sweeps() -> None:
    async with answered(slow={"DELETE /ari/bridges": 0.1}) as fake:
        fake.bridges, fake.names = {CHANNEL + "-b": []}, {CHANNEL + "-b": "lab-media"}
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        sweeping = asyncio.create_task(ari.sweep())
        await until(lambda: f"DELETE /ari/bridges/{CHANNEL}-b" in fake.requests)
        await ari.make_bridge(CHANNEL)
        assert await sweeping == 1
        await ari.close()
        assert fake.bridges == {CHANNEL + "-b": []}


_DEAF = {"command": "SET_MEDIA_DIRECTION", "direction": "out"}

# --- who has answered ------------------------------------------------------------------------------


@asynccontextmanager
async def held_answered(fake: FakeAsterisk, on_machine: OnMachine) -> AsyncIterator[Held]:
    fake.answer(CALL)
    async with held(fake, on_machine=on_machine) as call:
        yield call


@asynccontextmanager
async def taken_for_a_machine(
    *sounds: bytes, make: Callable[[], FakeTalk] = lambda: FakeTalk(has_message=True)
) -> AsyncIterator[tuple[Held, FakeLeg]]:
    """A call whose agent was heard, and which these sounds have had taken for a machine's; there is a message."""
    async with fake_asterisk() as fake:
        fake.answer(CALL)
        async with held(fake, FakeAgent(make=make), on_machine=OnMachine.MESSAGE) as call:
            leg = await call.leg()
            await until(lambda: call.heard)
            await leg.speak(*frames(*sounds))
            await until(lambda: call.judged)
            yield call, leg


async def test_a_machine_hears_its_message_after_the_tone() -> None:
    async with taken_for_a_machine(silence(0.3), speech(MACHINE[0])) as (call, leg):
        assert call.talk.told.count(("played", 1)) <= 1
        await leg.speak(*frames(silence(0.4), tone(0.5, 1_000.0), silence(0.2)))
        assert isinstance(await call.outcome(), Finished)
        assert call.judged == [AnsweredBy.MACHINE]
        assert call.messages_left == 1
        assert len(leg.audio) == 20 * len(FRAME), "what was said to nobody is dropped"


async def test_a_machine_is_hung_up_on_where_there_is_no_message() -> None:
    async with fake_asterisk() as fake, held_answered(fake, OnMachine.MESSAGE) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        await leg.speak(*frames(speech(MACHINE[0]), silence(0.4), tone(0.5, 1_000.0), silence(0.2)))
        assert isinstance(await call.outcome(), Finished)
        assert call.messages_left == 0


async def test_a_person_is_greeted_and_left_alone_and_then_not_listened_to() -> None:
    async with fake_asterisk() as fake, held_answered(fake, OnMachine.HANG_UP) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        assert _DEAF not in leg.commands
        await leg.speak(*frames(silence(0.3), speech("Hello?"), silence(9.0)))
        await until(lambda: _DEAF in leg.commands)
        assert call.judged == [AnsweredBy.HUMAN]
        assert not call.outcomes


async def test_a_key_takes_a_message_back_and_the_agent_hears_it() -> None:
    async with taken_for_a_machine(speech(MACHINE[0])) as (call, leg):
        await leg.press("1")
        await until(lambda: ("key", "1") in call.talk.told)
        assert call.judged == [AnsweredBy.MACHINE, AnsweredBy.HUMAN]
        await until(lambda: ("played", 2) in call.talk.told)
        assert ("resume",) not in call.talk.told, "it says something already"
        assert call.messages_left == 0


async def test_a_person_who_was_taken_for_a_machine_hears_the_agent_again() -> None:
    async with taken_for_a_machine(voice(5.0)) as (call, leg):
        await leg.speak(*frames(silence(0.7), voice(0.4), silence(1.4)))
        await until(lambda: ("played", 3) in call.talk.told)
        assert call.judged == [AnsweredBy.MACHINE, AnsweredBy.HUMAN]
        assert call.talk.told.count(("resume",)) == 1
        assert call.messages_left == 0
        assert not call.outcomes


async def test_who_answers_a_silenced_agent_in_words_is_answered() -> None:
    async with taken_for_a_machine(voice(5.0), make=lambda: FakeTalk(has_message=True, hears=True)) as (
        call,
        leg,
    ):
        before = len(call.talk.told)
        assert not call.session.spoken(understood=True), "too long for an answer"
        await leg.speak(*frames(silence(0.7), voice(0.4), silence(0.4)))
        await until(lambda: len([what for what, *_ in call.talk.told[before:] if what == "heard"]) >= 75)
        assert not call.session.spoken(understood=False)
        assert call.session.spoken(understood=True)
        await until(lambda: ("played", 3) in call.talk.told)
        assert call.judged == [AnsweredBy.MACHINE, AnsweredBy.HUMAN]


async def test_a_silenced_agent_without_ears_for_words_hears_nothing_of_a_machine() -> None:
    async with taken_for_a_machine(voice(5.0), make=lambda: Deaf(has_message=True, hears=True)) as (
        call,
        leg,
    ):
        known = call.talk.told.count(("heard", frames(voice(0.02))[0]))
        await leg.speak(*frames(voice(1.2), silence(2.3)))
        assert isinstance(await call.outcome(), Finished)
        assert call.messages_left == 1
        assert call.talk.told.count(("heard", frames(voice(0.02))[0])) == known


class Deaf(FakeTalk):
    """Wants the callee's audio, and finds no words in it."""

    knows_words = False
