"""The dialer's decisions as a user or a callee would see them, in virtual time."""

from __future__ import annotations

from dataclasses import replace

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import (
    Done,
    PauseCampaign,
    Refused,
    ResumeCampaign,
    StartCampaign,
    StopCampaign,
)
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.messages import (
    CallRecord,
    EvidenceFound,
    HostDown,
    HostUp,
    LiveChannel,
    ManagerDown,
    ManagerUp,
    MediaFailed,
    OriginateRefused,
    OriginateUnanswered,
    OriginateWithheld,
)
from dialerd.core.model import CampaignStatus, TryState

from .world_builder import (
    ANSWERS,
    BUSY,
    CMP,
    CONGESTED,
    RINGS_OUT,
    START,
    Behaviour,
    Driver,
    campaign,
    contacts,
    policy,
    trunk,
)


def status_of(driver: Driver) -> str | None:
    live = driver.world.campaigns.committed.get(CMP)
    return live.status if live else None


def test_every_contact_is_called_once_and_the_campaign_completes() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(50))
    driver.run()
    assert len(driver.originated) == 50
    assert {c.state for c in driver.store.values()} == {ContactState.FINISHED}
    assert "campaign.completed" in driver.announced or status_of(driver) is None
    figures = metrics.figures(driver.counters[CMP])
    assert figures.progress["called"] == 50
    assert figures.dispositions["connected"] == 50
    assert figures.metrics["connect_rate"] == 1.0
    assert driver.world.lines.committed[trunk().name].in_use == 0


def test_counters_equal_a_recount_of_the_contacts() -> None:
    driver = Driver.ready()
    kinds = [ANSWERS, BUSY, RINGS_OUT, CONGESTED, Behaviour(answers=True, disposition="interested")]
    driver.behave = lambda order: kinds[int(order.number) % 5]
    driver.admit(campaign(max_attempts=3), contacts(60))
    driver.run()
    assert metrics.of_contacts(driver.counters[CMP]) == metrics.recount(driver.store.values())


def test_busy_is_retried_after_the_interval_until_attempts_are_used_up() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=3), contacts(1))
    driver.run()
    starts = [at for at, _ in driver.originated]
    assert len(starts) == 3
    ends = [closed.ended_at for closed in driver.closed]
    assert all(start - end >= 60_000 for end, start in zip(ends, starts[1:], strict=False))
    contact = driver.store[contacts(1)[0].id]
    assert (contact.state, contact.disposition, contact.reason) == (
        ContactState.FINISHED,
        "not_reachable",
        Reason.BUSY,
    )


def test_congestion_is_refunded_three_times_then_counts() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: CONGESTED
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run()
    contact = driver.store[contacts(1)[0].id]
    assert len(driver.originated) == 5
    assert (contact.attempts, contact.refunds, contact.reason) == (2, 3, Reason.CONGESTION)


def test_a_terminal_reason_is_never_dialed_again() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(sip=404, cause=1, rings=False)
    driver.admit(campaign(max_attempts=5), contacts(1))
    driver.run()
    assert len(driver.originated) == 1
    assert driver.store[contacts(1)[0].id].reason is Reason.INVALID_NUMBER


def test_another_trunk_is_tried_once_within_the_attempt() -> None:
    driver = Driver.ready(trunk("one"), trunk("two"))
    driver.behave = lambda order: CONGESTED if order.endpoint == "one" else ANSWERS
    driver.admit(campaign(), contacts(3))
    driver.run()
    assert [order.endpoint for _, order in driver.originated].count("two") == 3
    assert all(closed.disposition == "connected" for closed in driver.closed)
    assert all(c.attempts == 1 for c in driver.store.values())


def test_no_failover_after_ringing() -> None:
    driver = Driver.ready(trunk("one"), trunk("two"))
    driver.behave = lambda order: Behaviour(sip=503, cause=34, rings=True)
    driver.admit(campaign(), contacts(1))
    driver.run()
    assert len(driver.originated) == 1
    assert driver.store[contacts(1)[0].id].attempts == 1


def test_never_more_channels_than_the_trunk_has() -> None:
    driver = Driver.ready(trunk(channels=3))
    driver.admit(campaign(), contacts(20))
    driver.run(until=1)
    for step_ms in range(100, 60_000, 100):
        assert driver.world.lines.committed[trunk().name].in_use <= 3
        driver.run(until=step_ms)
    driver.run()
    assert len(driver.originated) == 20


def test_pause_places_no_call_and_resume_finishes() -> None:
    driver = Driver.ready(trunk(channels=5))
    driver.admit(campaign(), contacts(30))
    driver.run(until=10_000)
    before = len(driver.originated)
    assert 0 < before < 30
    answer = driver.command(PauseCampaign(CMP))
    assert isinstance(answer, Done)
    assert driver.command(PauseCampaign(CMP)) == Done(changed=False, await_shown=answer.await_shown)
    driver.run(until=120_000)
    assert len(driver.originated) == before
    assert not driver.world.calls.committed
    driver.command(ResumeCampaign(CMP))
    driver.run()
    assert len({order.phone for _, order in driver.originated}) == 30
    assert len(driver.originated) == 30


def test_pause_names_the_originates_that_have_not_shown_themselves() -> None:
    driver = Driver.ready(trunk(channels=5))
    driver.admit(campaign(), contacts(30))
    driver.run(until=1)
    answer = driver.command(PauseCampaign(CMP))
    assert isinstance(answer, Done)
    assert answer.await_shown == {order.channel for _, order in driver.originated}


def test_stop_is_final_and_cancels_the_waiting() -> None:
    driver = Driver.ready(trunk(channels=5))
    driver.admit(campaign(), contacts(30))
    driver.run(until=3_000)
    driver.command(StopCampaign(CMP, hang_up=True))
    driver.run()
    states = [c.state for c in driver.store.values()]
    assert ContactState.CANCELLED in states
    assert not [state for state in states if state.waiting or state.busy]
    assert any(closed.reason is Reason.CUT for closed in driver.closed)
    assert isinstance(driver.command(ResumeCampaign(CMP)), Refused)


def test_nothing_is_dialed_whose_ringing_would_outlast_the_window() -> None:
    driver = Driver.ready(trunk(channels=1))
    driver.behave = lambda order: RINGS_OUT
    driver.admit(campaign(end_at=Instant(START + 100_000)), contacts(30))
    driver.run()
    assert max(at for at, _ in driver.originated) <= START + 70_000
    assert status_of(driver) is None
    assert {c.state for c in driver.store.values()} == {ContactState.FINISHED, ContactState.EXPIRED}


def test_a_campaign_starts_at_its_time_and_not_before() -> None:
    driver = Driver.ready()
    driver.admit(campaign(start_at=Instant(START + 60_000)), contacts(2))
    assert isinstance(driver.command(StartCampaign(CMP)), Refused)
    driver.run()
    assert min(at for at, _ in driver.originated) >= START + 60_000


def test_a_campaign_without_schedule_waits_for_start() -> None:
    driver = Driver.ready()
    driver.admit(campaign(start_at=None, end_at=None), contacts(2))
    driver.run()
    assert not driver.originated
    driver.command(StartCampaign(CMP))
    driver.run()
    assert len(driver.originated) == 2


def test_a_withheld_originate_costs_nothing_and_is_dialed_later() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(1))
    driver.run(until=1)
    channel = driver.originated[0][1].channel
    driver.due.clear()
    driver.events(OriginateWithheld(channel, "halt"))
    assert driver.tries[channel].state is TryState.NOT_SENT
    driver.run()
    contact = driver.store[contacts(1)[0].id]
    assert (len(driver.originated), contact.attempts, contact.refunds) == (2, 1, 0)


def test_a_refused_originate_is_refunded() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(1))
    driver.run(until=1)
    driver.due.clear()
    driver.events(OriginateRefused(driver.originated[0][1].channel, "Allocation failed"))
    driver.run()
    contact = driver.store[contacts(1)[0].id]
    assert (len(driver.originated), contact.attempts, contact.refunds) == (2, 1, 1)


def lost_after(
    driver: Driver, *, boot: str, records: tuple[CallRecord, ...] = (), readable: bool = True
) -> None:
    channel = driver.originated[0][1].channel
    driver.due.clear()
    driver.events(OriginateUnanswered(channel), HostDown("cut"))
    driver.events(HostUp(boot, "22.10.1", ()))
    driver.events(EvidenceFound(boot, frozenset({channel}), frozenset(), records, readable))


def test_same_boot_without_channel_or_record_was_never_sent() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(1))
    driver.run(until=1)
    lost_after(driver, boot="boot-1")
    assert driver.store[contacts(1)[0].id].refunds == 1


def test_another_boot_without_record_is_lost_and_bars_the_number() -> None:
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=2, retry_interval=Millis(1_000)), contacts(1))
    driver.run(until=1)
    lost_after(driver, boot="boot-2")
    contact = driver.store[contacts(1)[0].id]
    assert (contact.attempts, contact.reason) == (1, Reason.LOST)
    assert contact.not_before >= driver.now.wall + 90_000


def test_an_unreadable_cdr_proves_nothing() -> None:
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=1)
    lost_after(driver, boot="boot-1", readable=False)
    assert driver.store[contacts(1)[0].id].reason is Reason.LOST


def test_a_call_record_tells_what_happened_while_we_were_away() -> None:
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=1)
    channel = driver.originated[0][1].channel
    lost_after(driver, boot="boot-2", records=(CallRecord(channel, False, "BUSY", START, Millis(0)),))
    assert driver.store[contacts(1)[0].id].reason is Reason.BUSY


def test_a_live_channel_is_adopted_and_a_strange_one_hung_up() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(1))
    driver.run(until=500)
    channel = driver.originated[0][1].channel
    stranger = type(channel)("d1-cal_0000000000ff-1")
    driver.events(HostDown("cut"))
    driver.events(HostUp("boot-1", "22.10.1", (LiveChannel(channel, False), LiveChannel(stranger, False))))
    assert driver.hung_up == [stranger]
    driver.run()
    assert driver.closed[0].disposition == "connected"
    assert len(driver.originated) == 1


def test_nothing_is_dialed_while_asterisk_is_away() -> None:
    driver = Driver.ready()
    driver.events(HostDown("refused"))
    driver.admit(campaign(), contacts(3))
    driver.run(until=60_000)
    assert not driver.originated
    driver.events(HostUp("boot-1", "22.10.1", ()))
    driver.run()
    assert len(driver.originated) == 3


def test_nothing_is_dialed_while_the_manager_interface_is_away() -> None:
    driver = Driver.ready()
    driver.events(ManagerDown("wrong secret"))
    driver.admit(campaign(), contacts(1))
    driver.run(until=60_000)
    assert not driver.originated
    driver.events(ManagerUp())
    driver.run()
    assert len(driver.originated) == 1


def test_a_call_without_agent_is_ended_and_says_why() -> None:
    driver = Driver.ready()
    driver.silent_agent = True
    driver.admit(campaign(), contacts(1))
    driver.run(until=1_500)
    call = next(iter(driver.world.calls.committed.values()))
    driver.events(MediaFailed(call.id, Reason.ABANDONED, "no audio"))
    driver.run()
    assert (driver.closed[0].disposition, driver.closed[0].reason) == ("connected", Reason.ABANDONED)


def test_the_minimum_gap_between_calls_to_a_number_holds_over_campaigns() -> None:
    driver = Driver.ready(rules=policy(min_gap=Millis(300_000)))
    other = type(CMP)("cmp_000000000002")
    driver.admit(campaign(), contacts(1))
    driver.admit(
        campaign(id=other), [replace(contacts(1)[0], id=type(contacts(1)[0].id)(99), campaign_id=other)]
    )
    driver.run()
    starts = [at for at, _ in driver.originated]
    assert len(starts) == 2
    assert starts[1] - driver.closed[0].ended_at >= 300_000


def test_bad_credentials_pause_the_trunk_and_burn_nobody() -> None:
    driver = Driver.ready()
    driver.behave = lambda order: Behaviour(sip=401, cause=21, rings=False, ring_ms=5)
    driver.admit(campaign(), contacts(5))
    driver.run(until=300_000)
    assert "401" in (driver.world.lines.committed[trunk().name].paused or "")
    assert all(c.attempts == 0 for c in driver.store.values())


def test_a_campaign_paused_stays_so_past_its_end_and_completes() -> None:
    driver = Driver.ready(trunk(channels=1))
    driver.admit(campaign(), contacts(30))
    driver.run(until=10_000)
    driver.command(PauseCampaign(CMP))
    driver.run()
    assert status_of(driver) is None
    assert {c.state for c in driver.store.values()} == {ContactState.FINISHED, ContactState.EXPIRED}


def test_live_campaign_statuses() -> None:
    assert CampaignStatus.PAUSED.live
    assert not CampaignStatus.STOPPED.live


def test_recovery_never_dials_another_trunk() -> None:
    driver = Driver.ready(trunk("one"), trunk("two"))
    driver.admit(campaign(max_attempts=1), contacts(1))
    driver.run(until=1)
    channel = driver.originated[0][1].channel
    lost_after(driver, boot="boot-2", records=(CallRecord(channel, False, "CONGESTION", START, Millis(0)),))
    assert len(driver.originated) == 1


def test_evidence_of_an_earlier_boot_proves_nothing() -> None:
    driver = Driver.ready()
    driver.admit(campaign(max_attempts=2), contacts(1))
    driver.run(until=1)
    channel = driver.originated[0][1].channel
    driver.due.clear()
    driver.events(HostDown("killed"))
    driver.events(HostUp("boot-2", "22.10.1", ()))
    driver.events(EvidenceFound("boot-1", frozenset({channel}), frozenset(), (), records_readable=True))
    assert driver.store[contacts(1)[0].id].state is ContactState.DIALING
    driver.events(EvidenceFound("boot-2", frozenset({channel}), frozenset(), (), records_readable=True))
    assert driver.store[contacts(1)[0].id].reason is Reason.LOST


def test_a_lost_number_is_barred_in_every_campaign() -> None:
    driver = Driver.ready()
    other = type(CMP)("cmp_000000000002")
    driver.admit(campaign(max_attempts=1, retry_interval=Millis(600_000)), contacts(1))
    driver.run(until=1)
    lost_after(driver, boot="boot-2")
    barred_at = driver.now.wall
    driver.admit(
        campaign(id=other), [replace(contacts(1)[0], id=type(contacts(1)[0].id)(99), campaign_id=other)]
    )
    driver.run()
    assert len(driver.originated) == 2
    assert driver.originated[1][0] - barred_at >= 600_000


def test_a_withheld_failover_does_not_take_back_what_was_sent() -> None:
    driver = Driver.ready(trunk("one"), trunk("two"))
    driver.behave = lambda order: Behaviour(sip=503, cause=34, rings=False, ring_ms=5)
    driver.admit(campaign(max_attempts=1), contacts(1))
    driver.run(until=6)
    second = driver.originated[1][1].channel
    driver.due.clear()
    driver.events(OriginateWithheld(second, "halt"))
    contact = driver.store[contacts(1)[0].id]
    assert contact.refunds == 1
    assert contact.not_before > driver.now.wall


def test_the_agenda_does_not_grow_with_calls() -> None:
    driver = Driver.ready(trunk(channels=50, rate=1000.0))
    driver.behave = lambda order: BUSY
    driver.admit(campaign(), contacts(500))
    driver.run()
    assert len(driver.world.agenda) < 200


def test_the_gap_runs_from_the_last_call_also_if_it_ends_as_the_one_before_runs_out() -> None:
    driver = Driver.ready(rules=policy(min_gap=Millis(1_000), refund_spacing=(Millis(0),) * 3))
    kinds = iter([Behaviour(sip=503, cause=34, rings=False, ring_ms=500)] * 2 + [ANSWERS])
    driver.behave = lambda order: next(kinds)
    driver.admit(campaign(), contacts(1))
    driver.run()
    ends = sorted(driver.over.values())
    starts = [at for at, _ in driver.placed]
    assert all(start - end >= 1_000 for end, start in zip(ends, starts[1:], strict=False))
