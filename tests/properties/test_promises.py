"""Promises about dialing, each a property over random callees, trunks and faults."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.commands import (
    PauseCampaign,
    ResumeCampaign,
)
from dialerd.core.contact import ContactState
from dialerd.core.effects import Originate
from dialerd.core.model import TryState
from dialerd.core.pacing import Meter
from tests.core.world_builder import CMP, START, Behaviour, Driver, campaign, contacts, trunk

callees = st.builds(
    Behaviour,
    sip=st.sampled_from([None, 403, 404, 408, 410, 480, 484, 486, 487, 500, 502, 503, 603, 607]),
    cause=st.sampled_from([1, 16, 17, 19, 21, 34, 127]),
    rings=st.booleans(),
    answers=st.booleans(),
    disposition=st.sampled_from([None, "interested", "not_interested", "dnc"]),
    ring_ms=st.integers(20, 30_000),
    talk_ms=st.integers(1, 60_000),
)


def run(
    behaviours: list[Behaviour], max_attempts: int, channels: int, trunks: int, pauses: list[int]
) -> Driver:
    driver = Driver.ready(*(trunk(f"t{n}", channels, 50.0) for n in range(trunks)))
    placed: dict[str, int] = defaultdict(int)

    def behave(order: Originate) -> Behaviour:
        placed[order.phone] += 1
        return behaviours[(int(order.phone.digits) + placed[order.phone]) % len(behaviours)]

    driver.behave = behave
    driver.admit(campaign(max_attempts=max_attempts), contacts(12))
    for at in sorted(pauses):
        driver.run(until=at)
        driver.command(PauseCampaign(CMP))
        driver.run(until=at + 5_000)
        driver.command(ResumeCampaign(CMP))
    driver.run()
    return driver


world = {
    "behaviours": st.lists(callees, min_size=1, max_size=6),
    "max_attempts": st.integers(1, 4),
    "channels": st.integers(1, 5),
    "trunks": st.integers(1, 2),
    "pauses": st.lists(st.integers(1, 200_000), max_size=2),
}


@given(**world)
def test_every_contact_ends_in_a_named_state_and_every_channel_is_freed(**given_world: object) -> None:
    driver = run(**given_world)  # type: ignore[arg-type]
    final = {ContactState.FINISHED, ContactState.EXPIRED}
    assert {contact.state for contact in driver.store.values()} <= final
    assert not driver.world.calls.committed
    assert not driver.world.numbers.committed
    assert all(line.in_use == 0 for line in driver.world.lines.committed.values())
    assert all(attempt.state in (TryState.ENDED, TryState.NOT_SENT) for attempt in driver.tries.values())


@given(**world)
def test_no_contact_is_tried_more_often_than_its_attempts_refunds_and_failovers_allow(
    **given_world: object,
) -> None:
    driver = run(**given_world)  # type: ignore[arg-type]
    tries = defaultdict(int)
    for _, order in driver.originated:
        tries[order.phone] += 1
    for contact in driver.store.values():
        assert contact.attempts <= given_world["max_attempts"]  # type: ignore[operator]
        assert contact.refunds <= 3
        assert tries[contact.phone] <= (contact.attempts + contact.refunds) * given_world["trunks"]  # type: ignore[operator]


@given(**world)
def test_the_retry_interval_is_never_shortened(**given_world: object) -> None:
    driver = run(**given_world)  # type: ignore[arg-type]
    by_phone = defaultdict(list)
    for channel, attempt in driver.tries.items():
        order = next(o for _, o in driver.originated if o.channel == channel)
        by_phone[order.phone].append(attempt)
    for tries in by_phone.values():
        for earlier, later in pairwise(tries):
            if earlier.ringing_at is not None:
                assert earlier.ended_at is not None
                assert later.opened_at - earlier.ended_at >= 60_000


@given(**world)
def test_one_live_call_per_number(**given_world: object) -> None:
    driver = run(**given_world)  # type: ignore[arg-type]
    spans = defaultdict(list)
    phones = {order.channel: order.phone for _, order in driver.originated}
    for attempt in driver.tries.values():
        spans[phones[attempt.channel]].append((attempt.opened_at, attempt.ended_at))
    for calls in spans.values():
        calls.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(calls))


@given(**world)
def test_counters_always_equal_a_recount(**given_world: object) -> None:
    driver = run(**given_world)  # type: ignore[arg-type]
    assert metrics.of_contacts(driver.counters[CMP]) == metrics.recount(driver.store.values())


@given(
    end=st.integers(31_000, 400_000),
    ring=st.integers(5_000, 30_000),
    behaviours=st.lists(callees, min_size=1, max_size=4),
)
def test_no_phone_rings_past_the_end_of_the_window(end: int, ring: int, behaviours: list[Behaviour]) -> None:
    driver = Driver.ready(trunk(channels=2))
    driver.behave = lambda order: behaviours[int(order.number) % len(behaviours)]
    driver.admit(
        campaign(max_attempts=3, end_at=Instant(START + end), ring_timeout=Millis(ring)), contacts(10)
    )
    driver.run()
    assert all(at + ring <= START + end for at, _ in driver.originated)


@given(rate=st.floats(0.2, 300), gaps=st.lists(st.integers(0, 400_000), min_size=1, max_size=400))
def test_no_second_ever_holds_more_starts_than_the_rate(rate: float, gaps: list[int]) -> None:
    meter = Meter(rate)
    now = Mono(0)
    starts: list[int] = []
    for gap in gaps:
        now = Mono(now + gap)
        if meter.allows(now):
            meter.take(now)
            starts.append(now)
    limit = max(1, int(rate))
    window = 1_000_000 if rate >= 1 else round(1_000_000 / rate)
    for index in range(len(starts) - limit):
        assert starts[index + limit] - starts[index] > window


@given(rate=st.sampled_from([1.0, 2.0, 5.0, 20.0, 100.0, 400.0]))
def test_a_waiting_meter_reaches_its_rate(rate: float) -> None:
    meter = Meter(rate)
    now = Mono(0)
    count = 0
    while now < 20_000_000:
        if meter.allows(now):
            meter.take(now)
            count += 1
        now = Mono(max(now + 1, meter.free_at(now)))
    assert count >= 20 * rate * 0.95
