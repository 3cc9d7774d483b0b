"""Transfers as the callee, the person and the agent live through them: whoever comes, goes, or is never there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.commands import (
    Command,
    Done,
    HangUpCall,
    Panic,
    PlaceCall,
    Refused,
    StopCampaign,
    TransferCall,
)
from dialerd.core.disposition import Reason
from dialerd.core.effects import (
    CallPerson,
    DetachAgent,
    Effect,
    HangUp,
    HoldForTransfer,
    JoinPerson,
    LimitCall,
    ReleaseMedia,
    ReturnCallee,
    RingCallee,
    SeekEvidence,
    TellTransferFailed,
)
from dialerd.core.identity import E164, ChannelId, InstanceId, ScriptId
from dialerd.core.messages import (
    AgentFinished,
    CallRecord,
    ChannelsCounted,
    DncLoaded,
    Event,
    EvidenceFound,
    HostDown,
    HostUp,
    LiveChannel,
    ManagerUp,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
    Tick,
    TransferAsked,
    TryEnded,
)
from dialerd.core.model import AgentReport, Call, Terms
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
    PersonJoined,
    PersonNotJoined,
    PersonRefused,
)
from dialerd.core.transfer import (
    Target,
    TargetKind,
    Transfer,
    TransferPlan,
    TransferRules,
    TransferState,
    TransferTrigger,
    TransferWish,
)
from dialerd.core.world import World
from dialerd.engine import recovery
from dialerd.sim.store import FakeStore

from .world_builder import CMP, START, Driver, campaign, contacts, now_or_never, policy, trunk

SUPPORT = TransferPlan(Target(TargetKind.QUEUE, "support"), fallback="desk", announcement="new-call")
DESK = TransferPlan(Target(TargetKind.ENDPOINT, "desk"), warm=True, patience=Millis(10_000))
RULES = policy(transfers=TransferRules({"support": SUPPORT, "desk": DESK}, "desk", Millis(1_800_000)))
WISH = TransferWish(None, reason="asked for a person", summary="wants the loan")

E = TypeVar("E", bound=Effect)


@dataclass
class Exchange(Driver):
    """A driver that keeps what it was told to do."""

    done: list[Effect] = field(default_factory=list)

    def _carry_out(self, effect: Effect) -> None:
        self.done.append(effect)
        super()._carry_out(effect)

    def of(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.done if isinstance(effect, kind)]

    @property
    def call(self) -> Call:
        (call,) = self.world.calls.committed.values()
        return call

    @property
    def transfer(self) -> Transfer:
        transfer = self.call.transfer
        assert transfer is not None
        return transfer

    @property
    def stored(self) -> Transfer:
        (kept,) = self.disk.calls.committed.values()
        assert kept.call.transfer is not None
        return kept.call.transfer

    @property
    def callee(self) -> ChannelId:
        return self.call.current.channel

    @property
    def person(self) -> ChannelId:
        """The last person called."""
        return self.of(CallPerson)[-1].channel

    def end(self, cause: int = 16) -> None:
        """The callee's channel is destroyed, and its agent has said its word."""
        call = self.call
        self.events(TryEnded(call.current.channel, cause))
        self.events(AgentFinished(call.id, AgentReport()))

    def ask(self, ask: int = 1, **changes: Any) -> None:
        fields = {"target": None, "reason": WISH.reason, "summary": WISH.summary, **changes}
        self.events(TransferAsked(self.call.id, TransferWish(**fields), ask))

    def connect(self) -> None:
        self.ask()
        self.events(PersonAnswered(self.person))
        self.events(PersonJoined(self.person))

    def reborn(self, *persons: LiveChannel, callee: bool = True, held: bool = True) -> None:
        """The daemon was killed and is back; Asterisk has these channels, the worker the call."""
        store = FakeStore(disk=self.disk)
        now_or_never(store.open())
        state = now_or_never(store.open_state(Instant(0)))
        store.crash()
        self.world = World.empty(InstanceId("d1"), RULES, self.trunks)
        recovery.restore(self.world, state, self.now)
        calls = [call for call in state.calls if callee]
        live = tuple(LiveChannel(call.current.channel, answered=True) for call in calls)
        kept = frozenset(call.id for call in state.calls) if held else frozenset()
        self.events(DncLoaded(0, ()), ManagerUp(), MediaCapacity(100), MediaHeld(kept))
        self.events(HostUp("boot-1", "22.10.1", live, persons))

    def evidence(self, *records: CallRecord) -> None:
        """What the call records say of what was asked for last."""
        asked = self.of(SeekEvidence)[-1]
        self.events(EvidenceFound(asked.boot, asked.channels, frozenset(), records, records_readable=True))


def talking() -> Exchange:
    """One call, answered and with its agent."""
    taken = (trunk(),)
    driver = Exchange(World.empty(InstanceId("d1"), RULES, taken), taken)
    driver.events(HostUp("boot-1", "22.10.1", ()), ManagerUp(), MediaCapacity(100), DncLoaded(0, ()))
    driver.silent_agent = True
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=2_000)
    driver.due.clear()
    driver.done.clear()
    return driver


def test_a_person_answers_and_the_agent_is_let_go() -> None:
    driver = talking()
    driver.ask(target="support")
    (order,) = driver.of(CallPerson)
    assert order.channel == f"{driver.callee}-h1"
    assert (order.target, order.caller_id) == (SUPPORT.target, driver.call.current.caller_id)
    assert (order.reason, order.summary) == (WISH.reason, WISH.summary)
    assert driver.of(HoldForTransfer) == [], "its own agent knows"
    driver.events(PersonAnswered(driver.person))
    assert driver.of(JoinPerson) == [JoinPerson(driver.callee, driver.person, Millis(1_800_000))]
    assert driver.of(DetachAgent) == [], "the callee is not left alone before they are together"
    driver.events(PersonJoined(driver.person))
    assert driver.of(DetachAgent) == [DetachAgent(driver.call.id)]
    driver.events(AgentFinished(driver.call.id, AgentReport()))
    assert driver.of(HangUp) == []
    assert driver.world.lines["lab"].in_use == 1, "the trunk's channel is held"
    callee = driver.callee
    driver.events(PersonGone(driver.person, 16))
    assert driver.of(HangUp) == [HangUp(callee)]
    driver.events(TryEnded(callee, 16))
    assert driver.world.lines["lab"].in_use == 0
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("escalated", None)
    assert (driver.stored.outcome, driver.stored.state) == ("answered", TransferState.ENDED)
    assert metrics.figures(driver.counters[CMP]).metrics["escalation_rate"] == 1
    assert driver.kept(CMP) == driver.recount(CMP)


def test_the_callee_hangs_up_first_and_the_person_is_not_left_alone() -> None:
    driver = talking()
    driver.connect()
    person = driver.person
    driver.end()
    assert HangUp(person) in driver.of(HangUp)
    assert (driver.closed[0].disposition, driver.stored.outcome) == ("escalated", "answered")


def test_a_bridge_that_was_made_after_the_callee_had_left_is_removed() -> None:
    driver = talking()
    driver.ask()
    driver.events(PersonAnswered(driver.person))
    person, callee = driver.person, driver.callee
    driver.end()
    driver.done.clear()
    driver.events(PersonJoined(person))
    assert driver.of(HangUp) == [HangUp(person)]
    assert driver.of(ReleaseMedia) == [ReleaseMedia(callee)]


def test_a_label_of_the_agents_own_stands_though_a_person_answered() -> None:
    driver = talking()
    driver.connect()
    driver.events(AgentFinished(driver.call.id, AgentReport("interested")))
    driver.end()
    assert driver.closed[0].disposition == "interested"
    assert metrics.figures(driver.counters[CMP]).metrics["escalation_rate"] == 1


@pytest.mark.parametrize(
    ("cause", "reason"), [(17, "busy"), (21, "busy"), (19, "no_answer"), (0, "no_answer"), (20, "failed")]
)
def test_nobody_comes_and_the_agent_goes_on(cause: int, reason: str) -> None:
    driver = talking()
    driver.ask()
    driver.events(PersonGone(driver.person, cause))
    assert driver.of(TellTransferFailed) == [TellTransferFailed(driver.call.id, reason)]
    assert driver.of(HangUp) == []
    assert (driver.stored.outcome, driver.stored.answered_at) == (reason, None)
    driver.end()
    assert driver.closed[0].disposition == "connected"
    assert metrics.figures(driver.counters[CMP]).metrics["escalation_rate"] == 0


def test_the_next_target_is_tried_before_the_agent_is_told() -> None:
    driver = talking()
    driver.ask(target="support")
    driver.events(PersonGone(driver.person, 17))
    assert [order.target for order in driver.of(CallPerson)] == [SUPPORT.target, DESK.target]
    assert driver.person.endswith("-h2")
    assert driver.of(TellTransferFailed) == []
    driver.events(PersonGone(driver.person, 19))
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["no_answer"]
    driver.ask(2)
    assert driver.person.endswith("-h3"), "no channel id is used twice"


def test_a_refused_phone_is_a_failure_at_once() -> None:
    driver = talking()
    driver.ask()
    driver.events(PersonRefused(driver.person, "Allocation failed"))
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["failed"]


def test_who_cannot_be_brought_together_is_let_go_and_the_agent_goes_on() -> None:
    driver = talking()
    driver.ask()
    driver.events(PersonAnswered(driver.person))
    driver.events(PersonNotJoined(driver.person, "no bridge"))
    assert driver.of(HangUp) == [HangUp(driver.person)]
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["failed"]
    driver.events(PersonGone(driver.person, 16))
    assert len(driver.of(TellTransferFailed)) == 1


@pytest.mark.parametrize("how", ["gone", "not joined", "gone while no daemon was there", "never heard of"])
@pytest.mark.parametrize("target", ["support", "desk"])
def test_a_callee_who_may_be_with_a_person_already_goes_back_to_its_agent_if_that_comes_to_nothing(
    how: str, target: str
) -> None:
    driver = talking()
    driver.ask(target=target)
    driver.events(PersonAnswered(driver.person))
    person = driver.person
    if how == "gone":
        driver.events(PersonGone(person, 16))
    elif how == "not joined":
        driver.events(PersonNotJoined(driver.person, "it does not answer"))
    elif how == "never heard of":
        driver.run(until=driver.elapsed + 40_000)
    else:
        driver.reborn()
    if "gone" in how:
        assert driver.of(ReturnCallee) == [], "the two may have talked"
        driver.evidence(CallRecord(person, True, "ANSWERED", driver.now.wall, Millis(100)))
    (back,) = driver.of(ReturnCallee)
    assert back.channel == driver.callee
    after = driver.done[driver.done.index(back) :]
    limit = next(effect for effect in after if isinstance(effect, LimitCall))
    assert (limit.most < RULES.max_call) is (target == "desk"), "the call lasts no longer for it"
    told = TellTransferFailed if target == "desk" else CallPerson
    assert [kind for kind in map(type, after) if kind in (TellTransferFailed, CallPerson)] == [told]


def test_a_callee_without_an_agent_hears_it_ring_again() -> None:
    driver = talking()
    driver.ask(target="support")
    driver.events(AgentFinished(driver.call.id, AgentReport()))
    driver.events(PersonAnswered(driver.person))
    driver.events(PersonGone(driver.person, 16))
    driver.evidence()
    assert driver.of(ReturnCallee) == []
    assert driver.of(RingCallee) == [RingCallee(driver.callee)] * 2


def test_a_target_that_there_is_not_is_told_at_once() -> None:
    driver = talking()
    driver.ask(target="nobody")
    assert driver.of(CallPerson) == []
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["no_target"]
    assert driver.stored.outcome == "no_target"


def test_one_transfer_at_a_time_and_a_wish_told_twice_is_one() -> None:
    driver = talking()
    driver.ask(1, trigger=TransferTrigger.CONDITION)
    driver.ask(1, trigger=TransferTrigger.KEY)
    driver.ask(2, target="support", trigger=TransferTrigger.KEYWORD)
    assert len(driver.of(CallPerson)) == 1
    assert driver.transfer.trigger is TransferTrigger.KEYWORD
    driver.events(PersonGone(driver.person, 17))
    driver.ask(2)
    assert len(driver.of(CallPerson)) == 1
    driver.ask(3)
    assert len(driver.of(CallPerson)) == 2


def test_somebody_else_asks_and_the_agent_is_told_to_hold() -> None:
    driver = talking()
    driver.command(TransferCall(driver.call.id, TransferWish("support")))
    assert driver.of(HoldForTransfer) == [HoldForTransfer(driver.call.id, warm=False)]
    answer = driver.command(TransferCall(driver.call.id, WISH))
    assert isinstance(answer, Refused)
    assert answer.state == "transferring"


def test_a_call_that_nobody_has_answered_cannot_be_transferred() -> None:
    driver = Exchange.ready()
    driver.admit(campaign(), contacts(1))
    driver.run(until=5)
    (call,) = driver.world.calls.committed.values()
    answer = driver.command(TransferCall(call.id, WISH))
    assert isinstance(answer, Refused)
    assert answer.state == "not-answered"


def test_without_any_target_the_command_is_refused_by_name() -> None:
    driver = Exchange.ready()
    driver.silent_agent = True
    driver.admit(campaign(), contacts(1))
    driver.run(until=2_000)
    answer = driver.command(TransferCall(driver.call.id, WISH))
    assert isinstance(answer, Refused)
    assert answer.state == "no-transfer"


@pytest.mark.parametrize("order", ["panic", "hangup", "stop"])
@pytest.mark.parametrize("connected", [False, True])
def test_panic_stop_and_hang_up_end_the_persons_side_too(order: str, connected: bool) -> None:
    driver = talking()
    driver.connect() if connected else driver.ask()
    call, person = driver.call, driver.person
    commands = {
        "panic": Panic(),
        "hangup": HangUpCall(call.id),
        "stop": StopCampaign(CMP, hang_up=True),
    }
    driver.command(commands[order])
    assert {HangUp(person), HangUp(call.current.channel)} <= set(driver.of(HangUp))
    driver.events(PersonGone(person, 16))
    assert driver.of(TellTransferFailed) == []
    driver.end()
    assert driver.closed[0].disposition == ("escalated" if connected else "connected")
    assert driver.stored.outcome == ("answered" if connected else "cancelled")


def test_who_answers_after_the_callee_has_left_is_let_go() -> None:
    driver = talking()
    driver.ask()
    person = driver.person
    driver.end()
    assert driver.of(HangUp) == [HangUp(person)]
    driver.events(PersonAnswered(person))
    assert driver.of(HangUp) == [HangUp(person), HangUp(person)]
    assert driver.of(JoinPerson) == []
    assert driver.stored.outcome == "cancelled"


def test_an_agent_that_leaves_meanwhile_leaves_the_callee_with_ringing_until_somebody_comes() -> None:
    driver = talking()
    driver.ask()
    driver.events(MediaFailed(driver.call.id, Reason.DROPPED, "its worker died"))
    assert driver.of(RingCallee) == [RingCallee(driver.callee)]
    assert driver.of(HangUp) == []
    driver.events(PersonAnswered(driver.person))
    driver.events(PersonJoined(driver.person))
    assert driver.of(DetachAgent) == []
    driver.end()
    assert driver.closed[0].disposition == "escalated"


def test_and_if_nobody_comes_the_call_ends() -> None:
    driver = talking()
    driver.ask()
    driver.events(AgentFinished(driver.call.id, AgentReport()))
    callee = driver.callee
    driver.events(PersonGone(driver.person, 19))
    assert driver.of(HangUp) == [HangUp(callee)]
    assert driver.of(TellTransferFailed) == []


def test_a_phone_of_which_nothing_is_heard_is_given_up() -> None:
    driver = talking()
    driver.ask()
    person, begun = driver.person, driver.elapsed
    driver.run(until=begun + 10_000 + 10_000 + 1_500)
    assert driver.of(HangUp) == [HangUp(person)]
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["no_answer"]


@pytest.mark.parametrize("warm", [True, False])
def test_an_agent_that_is_gone_holds_no_session_while_callee_and_person_talk(warm: bool) -> None:
    driver = talking()
    driver.events(MediaCapacity(1))
    call, later = driver.call.id, PlaceCall(E164("+919876599999"), ScriptId("s"), 1, "en-IN", Terms())
    driver.ask(warm=warm)
    driver.events(PersonAnswered(driver.person))
    driver.events(PersonJoined(driver.person))
    refused = driver.command(later)
    assert isinstance(refused, Refused)
    assert [check.rule for check in refused.why] == ["engine-session"], "its agent says its last word still"
    driver.events(AgentFinished(call, AgentReport()))
    assert driver.world.lines["lab"].in_use == 1, "the trunk's channel is held until it is destroyed"
    assert isinstance(driver.command(later), Done)
    driver.events(AgentFinished(call, AgentReport()))
    held = driver.world.engaged.committed["embedded"]
    assert held == 1, "that of the second call; a word that is said again gives nothing back twice"


def test_after_a_restart_a_session_is_held_until_it_is_known_that_no_agent_is_there() -> None:
    driver = talking()
    driver.connect()
    person = driver.person
    driver.events(AgentFinished(driver.call.id, AgentReport()))
    driver.reborn(LiveChannel(person, answered=True))
    assert driver.world.engaged.committed["embedded"] == 1
    assert driver.of(DetachAgent)[-1] == DetachAgent(driver.call.id)
    driver.reborn(LiveChannel(person, answered=True), held=False)
    assert driver.transfer.state is TransferState.CONNECTED
    assert driver.world.engaged.committed["embedded"] == 0


def test_a_connected_call_lasts_as_long_as_a_transfer_may() -> None:
    driver = talking()
    driver.connect()
    assert driver.call.deadline > driver.now.mono + 1_800_000 * 1_000


# --- the daemon is killed ------------------------------------------------------------------------


def test_a_person_who_still_rings_is_waited_for() -> None:
    driver = talking()
    driver.ask()
    person = driver.person
    driver.reborn(LiveChannel(person, answered=False))
    driver.events(PersonAnswered(person))
    driver.events(PersonJoined(person))
    assert driver.of(DetachAgent) == [DetachAgent(driver.call.id)]
    assert driver.of(HangUp) == []


def test_a_person_who_is_gone_by_then_is_not() -> None:
    driver = talking()
    driver.ask()
    driver.reborn()
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["failed"]


def test_a_connection_that_was_begun_is_made_again() -> None:
    driver = talking()
    driver.ask()
    driver.events(PersonAnswered(driver.person))
    person = driver.person
    driver.reborn(LiveChannel(person, answered=True))
    assert [join.person for join in driver.of(JoinPerson)] == [person, person]


def test_a_talk_that_goes_on_is_adopted_and_one_that_is_over_ended() -> None:
    driver = talking()
    driver.connect()
    person = driver.person
    driver.done.clear()
    driver.reborn(LiveChannel(person, answered=True), held=False)
    assert driver.of(HangUp) == []
    driver.reborn(held=False)
    assert driver.of(HangUp) == [HangUp(driver.callee)]
    driver.end()
    assert (driver.closed[0].disposition, driver.closed[0].reason) == ("escalated", None)


def joining() -> tuple[Exchange, ChannelId]:
    """A person has answered, and Asterisk is asked to bring it together with the callee; and the person."""
    driver = talking()
    driver.ask()
    driver.events(PersonAnswered(driver.person))
    return driver, driver.person


def record(channel: ChannelId, *, was_together: bool) -> CallRecord:
    return CallRecord(
        channel, True, "ANSWERED", Instant(START + 4_000), Millis(2_000), 16, None, was_together
    )


@pytest.mark.parametrize("person_lives", [True, False])
@pytest.mark.parametrize(
    ("was_together", "disposition", "outcome"),
    [(True, "escalated", "answered"), (False, "connected", "cancelled")],
)
def test_a_talk_that_began_and_ended_while_no_daemon_was_there_is_known_by_the_callees_record(
    person_lives: bool, was_together: bool, disposition: str, outcome: str
) -> None:
    driver, person = joining()
    call, callee = driver.call.id, driver.callee
    driver.reborn(*([LiveChannel(person, answered=True)] if person_lives else []), callee=False)
    driver.evidence(record(callee, was_together=was_together))
    driver.events(AgentFinished(call, AgentReport()))
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == (disposition, None)
    assert (driver.stored.state, driver.stored.outcome) == (TransferState.ENDED, outcome)
    assert metrics.figures(driver.counters[CMP]).metrics["escalation_rate"] == int(was_together)
    assert driver.kept(CMP) == driver.recount(CMP)
    assert driver.announced.count("call.escalated") == int(was_together)
    assert HangUp(person) in driver.of(HangUp)


def test_who_talked_with_a_person_that_hung_up_while_no_daemon_was_there_is_not_given_back_to_its_agent() -> (
    None
):
    driver, person = joining()
    callee = driver.callee
    driver.reborn()
    driver.evidence(record(person, was_together=True))
    assert driver.of(ReturnCallee) == []
    assert driver.of(HangUp) == [HangUp(callee)]
    assert (driver.stored.state, driver.stored.outcome) == (TransferState.ENDED, "answered")
    driver.end()
    assert driver.closed[0].disposition == "escalated"


def test_a_person_who_hangs_up_while_the_callees_end_is_being_found_out_changes_nothing() -> None:
    driver, person = joining()
    call, callee = driver.call.id, driver.callee
    driver.reborn(LiveChannel(person, answered=True), callee=False)
    assert HangUp(person) in driver.of(HangUp)
    driver.events(PersonGone(person, 16))
    (seek, other) = driver.of(SeekEvidence)
    assert (seek.channels, other.channels) == ({callee}, {person})
    driver.events(
        EvidenceFound(
            seek.boot, seek.channels, frozenset(), (record(callee, was_together=True),), records_readable=True
        )
    )
    driver.evidence(record(person, was_together=True))
    driver.events(AgentFinished(call, AgentReport()))
    assert driver.closed[0].disposition == "escalated"
    assert driver.stored.outcome == "answered"


@pytest.mark.parametrize("told", ["by its record", "by Asterisk, late"])
def test_a_person_who_was_gone_before_it_was_told_that_it_was_connected_has_talked(told: str) -> None:
    driver, person = joining()
    callee = driver.callee
    driver.events(PersonGone(person, 16))
    assert driver.of(HangUp) == []
    if told == "by its record":
        driver.evidence(record(person, was_together=True))
    else:
        driver.events(PersonJoined(person))
        driver.evidence(record(person, was_together=True))
    assert driver.of(HangUp) == [HangUp(callee)]
    driver.end()
    assert (driver.closed[0].disposition, driver.stored.outcome) == ("escalated", "answered")
    assert driver.announced.count("call.escalated") == 1


def test_a_person_of_whom_no_record_is_found_comes_to_nothing() -> None:
    driver, _ = joining()
    driver.reborn()
    driver.evidence()
    assert [told.reason for told in driver.of(TellTransferFailed)] == ["no_answer"]
    assert len(driver.of(ReturnCallee)) == 1


def test_without_evidence_a_callee_is_not_left_alone_for_good() -> None:
    driver, _ = joining()
    driver.reborn()
    driver.due.clear()
    driver.run(until=driver.elapsed + 40_000)
    assert len(driver.of(ReturnCallee)) == 1


def test_a_person_whose_callee_is_gone_is_let_go() -> None:
    driver = talking()
    driver.connect()
    person = driver.person
    driver.reborn(LiveChannel(person, answered=True), callee=False)
    assert HangUp(person) in driver.of(HangUp)


def test_nobodys_person_is_let_go() -> None:
    driver = talking()
    stranger = ChannelId("d1-cal_000000000009-1-h1")
    driver.events(HostDown("cut"))
    driver.events(
        HostUp(
            "boot-1", "22.10.1", (LiveChannel(driver.callee, answered=True),), (LiveChannel(stranger, True),)
        )
    )
    assert driver.of(HangUp) == [HangUp(stranger)]


def test_the_audit_finds_persons_left_over_and_ends_that_were_missed() -> None:
    driver = talking()
    driver.connect()
    stranger, person, callee = ChannelId("d1-cal_000000000009-1-h1"), driver.person, driver.callee
    for _ in range(2):
        driver.events(
            ChannelsCounted("boot-1", frozenset({callee}), frozenset(), None, frozenset({person, stranger}))
        )
    assert driver.of(HangUp) == [HangUp(stranger)]
    for _ in range(2):
        driver.events(ChannelsCounted("boot-1", frozenset({callee}), frozenset(), None, frozenset()))
    assert driver.of(HangUp) == [HangUp(stranger), HangUp(callee)]


# --- whatever happens ----------------------------------------------------------------------------

happenings = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "ask", "again", "command", "refused", "answered", "joined", "not-joined", "gone", "finished",
                "failed", "panic", "hangup", "wait", "reborn", "reborn-alone", "down", "end",
            ]
        ),
        st.integers(0, 30_000),
    ),
    max_size=14,
)  # fmt: skip


@dataclass
class Fate:
    """One call, to which anything may happen."""

    driver: Exchange = field(default_factory=talking)
    asks: int = 0
    joined: bool = False
    gone: bool = False

    def __post_init__(self) -> None:
        self.ident, self.callee = self.driver.call.id, self.driver.callee

    def happens(self, what: str, millis: int) -> None:
        driver, event = self.driver, self.event(what, millis)
        if event is not None:
            driver.events(event)
        elif what == "joined":
            self._join()
        elif what == "ask":
            self.asks += 1
            driver.ask(self.asks, target=["support", "desk", "nobody"][millis % 3])
        elif what == "wait":
            wall, mono = driver.now.wall + millis, driver.now.mono + millis * 1_000
            driver.now = Now(Instant(wall), Mono(mono))
            driver.events(Tick())
        elif what.startswith("reborn"):
            live = (LiveChannel(self.person, answered=millis > 15_000),)
            driver.reborn(*(live if what == "reborn" else ()))
        elif (command := self.command(what)) is not None:
            driver.command(command)

    def event(self, what: str, millis: int) -> Event | None:
        person, ident = self.person, self.ident
        self.gone = self.gone or what == "gone"
        events: dict[str, Event] = {
            "again": TransferAsked(ident, WISH, self.asks),
            "refused": PersonRefused(person, "no"),
            "answered": PersonAnswered(person),
            "not-joined": PersonNotJoined(person, "no"),
            "gone": PersonGone(person, millis % 22),
            "finished": AgentFinished(ident, AgentReport()),
            "failed": MediaFailed(ident, Reason.DROPPED, "dead"),
            "down": HostDown("cut"),
        }
        return events.get(what)

    def command(self, what: str) -> Command | None:
        commands: dict[str, Command] = {
            "command": TransferCall(self.ident, WISH),
            "panic": Panic(),
            "hangup": HangUpCall(self.ident),
        }
        return commands.get(what)

    def _join(self) -> None:
        """Only who is being joined can be."""
        transfer = self.driver.call.transfer
        if transfer is not None and transfer.state is TransferState.JOINING:
            self.driver.events(PersonJoined(self.person))
            self.joined = True

    @property
    def person(self) -> ChannelId:
        called = self.driver.of(CallPerson)
        return called[-1].channel if called else ChannelId(f"{self.callee}-h1")

    @property
    def hung_up(self) -> bool:
        return HangUp(self.callee) in self.driver.of(HangUp)


@given(happenings)
@example([("ask", 0), ("refused", 0), ("answered", 0), ("joined", 0), ("refused", 0)])
@settings(max_examples=300, deadline=None)
def test_whatever_happens_nobody_is_left_alone(happened: list[tuple[str, int]]) -> None:
    fate = Fate()
    driver = fate.driver
    for what, millis in happened:
        if fate.hung_up:
            break
        fate.happens(what, millis)
        held = [call for call in driver.world.calls.committed.values() if not call.agent_done]
        assert driver.world.engaged.committed["embedded"] == len(held), (
            "a session is held as long as its agent"
        )
    if driver.world.host.committed[""].boot is None:
        driver.events(HostUp("boot-1", "22.10.1", (LiveChannel(fate.callee, answered=True),), ()))
    driver.events(TryEnded(fate.callee, 16), AgentFinished(fate.ident, AgentReport()))
    called = [order.channel for order in driver.of(CallPerson)]
    assert len(called) == len(set(called)), "no channel id is used twice"
    (closed,) = driver.closed
    assert (closed.disposition == "escalated") == fate.joined
    assert driver.world.lines["lab"].in_use == 0
    assert driver.world.engaged.committed["embedded"] == 0
    assert driver.kept(CMP) == driver.recount(CMP)
    kept = next(iter(driver.disk.calls.committed.values())).call.transfer
    if kept is not None:
        assert (kept.state, kept.outcome is None) == (TransferState.ENDED, False)
    if called and not fate.gone:
        assert set(called) <= {order.channel for order in driver.of(HangUp)} | refused_or_missing(
            happened, called
        )


def refused_or_missing(happened: list[tuple[str, int]], called: list[ChannelId]) -> set[ChannelId]:
    """Persons who were never there as far as is known need not be hung up."""
    unheard = {"refused", "reborn-alone", "down"}
    return set(called) if unheard & {what for what, _ in happened} else set()
