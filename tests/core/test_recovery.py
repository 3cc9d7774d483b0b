"""What recovery concludes, as a user would see it: true outcomes, no channel left up, nobody called twice."""

from __future__ import annotations

import pytest

from dialerd.core.clock import Instant, Millis, Mono, Now
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.messages import (
    AgentFinished,
    CallRecord,
    EvidenceFound,
    HostDown,
    HostUp,
    LiveChannel,
    MediaCapacity,
    MediaFailed,
    MediaHeld,
)
from dialerd.core.model import AgentReport, Call, RetryRule

from .world_builder import CMP, START, Driver, campaign, contacts, trunk


def talking() -> tuple[Driver, Call]:
    """One call, answered and with its agent; the agent says nothing by itself."""
    driver = Driver.ready()
    driver.silent_agent = True
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=2_000)
    (call,) = driver.world.calls.committed.values()
    assert call.agent_attached
    driver.due.clear()
    return driver, call


def gone(driver: Driver, call: Call, boot: str, *records: CallRecord) -> None:
    """Asterisk is back, and the call's channel is not."""
    channel = call.current.channel
    driver.events(HostDown("cut"))
    driver.events(HostUp(boot, "22.10.1", ()))
    driver.events(EvidenceFound(boot, frozenset({channel}), frozenset(), records, records_readable=True))


def test_a_callee_who_hung_up_while_we_were_away_was_not_dropped() -> None:
    driver, call = talking()
    answered = CallRecord(call.current.channel, True, "ANSWERED", Instant(START + 3_000), Millis(2_000), 16)
    gone(driver, call, "boot-1", answered)
    driver.events(AgentFinished(call.id, AgentReport()))
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("connected", None)


def test_a_call_whose_asterisk_died_was_dropped() -> None:
    driver, call = talking()
    gone(driver, call, "boot-2")
    driver.events(AgentFinished(call.id, AgentReport()))
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("connected", Reason.DROPPED)


def test_a_call_lasted_no_longer_because_its_asterisk_was_away_for_long() -> None:
    driver, call = talking()
    assert call.answered_at is not None
    driver.events(HostDown("refused"))
    lost = driver.now.wall
    driver.now = Now(Instant(lost + 600_000), Mono(driver.now.mono + 600_000_000))
    driver.events(HostDown("refused still"))
    gone(driver, call, "boot-2")
    driver.events(AgentFinished(call.id, AgentReport()))
    (closed,) = driver.closed
    assert (closed.reason, closed.ended_at, closed.duration) == (
        Reason.DROPPED,
        lost,
        lost - call.answered_at,
    )


def test_a_hang_up_that_may_not_have_arrived_is_asked_for_again() -> None:
    driver, call = talking()
    driver.events(MediaFailed(call.id, Reason.DROPPED, "its media worker died"))
    assert driver.hung_up == [call.current.channel]
    driver.due.clear()
    driver.events(HostDown("cut"))
    driver.events(HostUp("boot-1", "22.10.1", (LiveChannel(call.current.channel, True),)))
    assert driver.hung_up == [call.current.channel] * 2


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        ({}, ContactState.FINISHED),
        ({Reason.NO_ANSWER: RetryRule(Millis(60_000))}, ContactState.FINISHED),
        ({Reason.ABANDONED: RetryRule(Millis(60_000))}, ContactState.RETRY_WAITING),
    ],
)
def test_who_answered_and_met_silence_while_no_daemon_was_there_is_not_called_as_if_it_had_never_answered(
    rules: dict[Reason, RetryRule], state: ContactState
) -> None:
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=5, retry_rules=rules), contacts(1))
    driver.run(until=1)
    (call,) = driver.world.calls.committed.values()
    driver.due.clear()
    driver.events(HostDown("cut"))
    driver.now = Now(Instant(driver.now.wall + 60_000), Mono(driver.now.mono + 60_000_000))
    gone(
        driver, call, "boot-1",
        CallRecord(call.current.channel, True, "ANSWERED", Instant(START + 5_000), Millis(3_000), 16),
    )  # fmt: skip
    (closed,) = driver.closed
    contact = driver.store[contacts(1)[0].id]
    assert (closed.disposition, closed.reason) == ("connected", Reason.ABANDONED)
    assert (closed.ended_at, closed.duration) == (START + 5_000, 3_000), "as long as the record says"
    assert (contact.state, contact.disposition, contact.connected_attempt) == (state, "connected", 1)
    assert contact.state is ContactState.FINISHED or contact.not_before >= driver.now.wall + 72 * 3_600_000
    assert driver.kept(CMP) == driver.recount(CMP)


def ended_unseen(sip: int, cause: int) -> Driver:
    """One call, sent and then ended while nobody listened: only its record tells of it."""
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=1)
    (call,) = driver.world.calls.committed.values()
    driver.due.clear()
    record = CallRecord(
        call.current.channel, False, "CONGESTION", Instant(START + 900), Millis(0), cause, sip
    )
    gone(driver, call, "boot-1", record)
    return driver


def test_what_a_record_does_not_deny_to_have_rung_is_not_refunded() -> None:
    contact = ended_unseen(503, 34).store[contacts(1)[0].id]
    assert (contact.attempts, contact.refunds, contact.reason) == (1, 0, Reason.CONGESTION)


def test_credentials_that_were_refused_while_we_were_away_burn_nobody() -> None:
    driver = ended_unseen(401, 21)
    contact = driver.store[contacts(1)[0].id]
    assert (contact.attempts, contact.refunds) == (0, 1)
    assert "401" in (driver.world.lines.committed[trunk().name].paused or "")


def test_the_agents_last_word_is_awaited_until_its_worker_is_back() -> None:
    driver, call = talking()
    driver.events(MediaCapacity(0, "the worker is starting"))
    answered = CallRecord(call.current.channel, True, "ANSWERED", Instant(START + 3_000), Millis(2_000), 16)
    gone(driver, call, "boot-1", answered)
    driver.due.clear()
    driver.run(until=8_000)
    assert not driver.closed
    driver.events(MediaHeld(frozenset({call.id})), AgentFinished(call.id, AgentReport("interested", True)))
    (closed,) = driver.closed
    assert (closed.disposition, closed.reason) == ("interested", None)
