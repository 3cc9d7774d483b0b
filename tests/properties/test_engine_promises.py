"""Promises of the dialing engine over random callees, campaigns, orders and the disorder of events."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import (
    EditCampaign,
    ListNumbers,
    Panic,
    PauseCampaign,
    PauseDaemon,
    PlaceCall,
    ResumeCampaign,
    ResumeDaemon,
    StopCampaign,
)
from dialerd.core.contact import ContactState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.effects import Originate
from dialerd.core.identity import E164, CampaignId, ScriptId
from dialerd.core.model import RetryRule, Terms, TryState
from tests.core.world_builder import CMP, START, Behaviour, Driver, campaign, contacts, policy, trunk

OTHER = CampaignId("cmp_000000000002")
FINAL = {
    ContactState.FINISHED,
    ContactState.EXPIRED,
    ContactState.CANCELLED,
    ContactState.SUPPRESSED,
}

callees = st.builds(
    Behaviour,
    sip=st.sampled_from([None, 403, 404, 408, 410, 480, 484, 486, 487, 500, 502, 503, 603, 607]),
    cause=st.sampled_from([1, 16, 17, 19, 21, 34, 127]),
    rings=st.booleans(),
    answers=st.booleans(),
    disposition=st.sampled_from([None, "interested", "not_interested", "dnc", "callback_requested"]),
    callback_after_ms=st.sampled_from([None, 1_000, 60_000, 400_000, 9_000_000]),
    ring_ms=st.integers(20, 30_000),
    talk_ms=st.integers(1, 60_000),
)
rules = st.dictionaries(
    st.sampled_from(
        [Reason.BUSY, Reason.NO_ANSWER, Reason.REJECTED, Reason.DROPPED, Reason.CUT, Reason.FAILED]
    ),
    st.builds(RetryRule, st.integers(0, 200_000).map(Millis), st.none() | st.integers(0, 3)),
    max_size=3,
)
orders = st.lists(
    st.tuples(
        st.integers(1, 400_000),
        st.sampled_from(["pause", "daemon", "panic", "one-off", "list", "slower", "fewer", "step"]),
        st.integers(1, 14),
    ),
    max_size=5,
)
settings_of_a_run = {
    "behaviours": st.lists(callees, min_size=1, max_size=6),
    "max_attempts": st.integers(1, 4),
    "retry_rules": rules,
    "channels": st.integers(1, 5),
    "orders": orders,
    "seed": st.integers(0, 2**32),
}


def _order(driver: Driver, what: str, number: int) -> None:
    phone = E164(f"+9198765{number:05d}")
    if what == "pause":
        driver.command(PauseCampaign(CMP))
        driver.run(until=driver.elapsed + 5_000)
        driver.command(ResumeCampaign(CMP))
    elif what in ("daemon", "panic"):
        driver.command(PauseDaemon() if what == "daemon" else Panic())
        driver.run(until=driver.elapsed + 5_000)
        driver.command(ResumeDaemon())
    elif what == "one-off":
        driver.command(PlaceCall(phone, ScriptId("s"), 1, "en-IN", Terms(ring_timeout=Millis(30_000))))
    elif what == "list":
        driver.command(ListNumbers((DncEntry(str(phone)),)))
    elif what == "slower":
        driver.command(EditCampaign(CMP, {"calls_per_second": 1.0 + number}))
    elif what == "fewer":
        driver.command(EditCampaign(CMP, {"max_attempts": 1 + number % 3, "max_concurrent_calls": 1}))
    else:
        driver.step_clock((number - 7) * 30_000)


def dialed(
    behaviours: list[Behaviour],
    max_attempts: int,
    retry_rules: dict[Reason, RetryRule],
    channels: int,
    orders: list[tuple[int, str, int]],
    seed: int,
    *,
    chaos: bool = False,
    min_gap: int = 0,
    crash_at: tuple[int, bool] | None = None,
    records: bool = True,
) -> Driver:
    """Two campaigns that share numbers, on two trunks."""
    driver = Driver.ready(
        trunk("t0", channels, 50.0),
        trunk("t1", channels, 3.0),
        rules=policy(min_gap=Millis(min_gap), clock_settle=Millis(2_000)),
    )
    driver.chaos = Random(seed) if chaos else None
    driver.crash_at = crash_at
    driver.records = records
    placed: dict[str, int] = defaultdict(int)

    def behave(order: Originate) -> Behaviour:
        placed[order.phone] += 1
        return behaviours[(int(order.phone.digits) + placed[order.phone]) % len(behaviours)]

    driver.behave = behave
    driver.admit(campaign(max_attempts=max_attempts, retry_rules=retry_rules), contacts(12))
    driver.admit(campaign(id=OTHER, max_attempts=max_attempts), contacts(8, OTHER, first=1001, phone=5))
    for at, what, number in sorted(orders):
        driver.run(until=max(at, driver.elapsed))
        _order(driver, what, number)
    driver.run()
    return driver


def spans(driver: Driver) -> dict[str, list[tuple[int, int]]]:
    """Per number, when its tries began and ended, on a clock that nobody steps."""
    found = defaultdict(list)
    for at, phone, channel in driver.sent:
        found[phone].append((at, driver.over[channel]))
    return found


@given(**settings_of_a_run)
def test_one_live_call_per_number_over_campaigns_callbacks_and_single_calls(**run: object) -> None:
    for calls in spans(dialed(**run)).values():  # type: ignore[arg-type]
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(calls)))


@given(gap=st.sampled_from([1_000, 60_000, 900_000]), **settings_of_a_run)
def test_the_minimum_gap_holds_over_campaigns_callbacks_and_single_calls(gap: int, **run: object) -> None:
    driver = dialed(min_gap=gap, **run)  # type: ignore[arg-type]
    for phone, calls in spans(driver).items():
        for first, second in pairwise(sorted(calls)):
            same_attempt = driver.attempt_of[(phone, first[0])] == driver.attempt_of[(phone, second[0])]
            assert same_attempt or second[0] - first[1] >= gap - 1


@given(**settings_of_a_run)
def test_attempts_never_exceed_their_maximum_whatever_rules_and_edits_say(**run: object) -> None:
    driver = dialed(**run)  # type: ignore[arg-type]
    for contact in driver.store.values():
        assert contact.attempts <= max(3, run["max_attempts"])  # type: ignore[call-overload]
        assert contact.callbacks <= 1
        assert contact.refunds <= 3
        for reason, rule in run["retry_rules"].items():  # type: ignore[attr-defined]
            if rule.most is not None and contact.campaign_id == CMP:
                assert contact.retries.get(reason, 0) <= rule.most


@given(**settings_of_a_run)
def test_every_contact_ends_in_a_named_state_and_the_books_balance(**run: object) -> None:
    driver = dialed(**run)  # type: ignore[arg-type]
    assert {contact.state for contact in driver.store.values()} <= FINAL
    assert_at_rest(driver)
    assert driver.world.host.committed[""].drift == 0
    for ident in (CMP, OTHER):
        assert driver.kept(ident) == driver.recount(ident)


@settings(max_examples=50)
@given(**settings_of_a_run)
def test_slots_are_conserved_under_duplicated_late_lost_and_reordered_events(**run: object) -> None:
    driver = dialed(chaos=True, **run)  # type: ignore[arg-type]
    assert {contact.state for contact in driver.store.values()} <= FINAL
    assert_at_rest(driver)


@given(**settings_of_a_run)
def test_a_number_that_asked_not_to_be_called_is_never_dialed_again(**run: object) -> None:
    driver = dialed(**run)  # type: ignore[arg-type]
    for at, phone, _ in driver.sent:
        assert at <= driver.listed_at.get(phone, at)


@given(**settings_of_a_run)
def test_no_trunk_ever_holds_more_channels_or_starts_than_it_may(**run: object) -> None:
    driver = dialed(**run)  # type: ignore[arg-type]
    for name, rate in (("t0", 50), ("t1", 3)):
        mine = [
            (order.channel, at)
            for (at, _, channel), (_, order) in zip(driver.sent, driver.originated, strict=True)
            if order.trunk == name
        ]
        starts = [at for _, at in mine]
        assert all(later - first >= 1_000 for first, later in zip(starts, starts[rate:], strict=False))
        for _, at in mine:
            held = sum(1 for channel, began in mine if began <= at < driver.over[channel])
            assert held <= run["channels"]  # type: ignore[operator]


@given(order=st.permutations(range(12)), channels=st.integers(1, 4))
def test_the_plan_does_not_depend_on_the_order_in_which_contacts_arrive(
    order: list[int], channels: int
) -> None:
    placed = []
    for arrangement in (list(range(12)), order):
        driver = Driver.ready(trunk(channels=channels))
        listed = contacts(12)
        driver.admit(campaign(), [listed[index] for index in arrangement])
        driver.run()
        placed.append([phone for _, phone, _ in driver.sent])
    assert placed[0] == placed[1]


@given(campaigns=st.integers(2, 6), channels=st.integers(1, 3), each=st.integers(3, 12))
def test_no_campaign_starves_while_others_have_work(campaigns: int, channels: int, each: int) -> None:
    driver = Driver.ready(trunk(channels=channels))
    idents = [CampaignId(f"cmp_{number:012d}") for number in range(campaigns)]
    for number, ident in enumerate(idents):
        driver.admit(campaign(id=ident), contacts(each, ident, first=1 + number * 1_000))
    driver.run()
    turns = [order.campaign for _, order in driver.originated]
    for ident in idents:
        places = [index for index, taken in enumerate(turns) if taken == ident]
        assert len(places) == each
        # Between two turns of a campaign every other one has at most two.
        assert all(later - first <= 2 * campaigns for first, later in pairwise(places))


@given(stop_at=st.integers(1, 60_000), hang_up=st.booleans(), **settings_of_a_run)
def test_nothing_is_dialed_after_stop(stop_at: int, hang_up: bool, **run: object) -> None:
    run["orders"] = []
    driver = Driver.ready(trunk("t0", 3, 20.0))
    behaviours: list[Behaviour] = run["behaviours"]  # type: ignore[assignment]
    driver.behave = lambda order: behaviours[int(order.phone.digits) % len(behaviours)]
    driver.admit(campaign(max_attempts=3), contacts(12))
    driver.run(until=stop_at)
    stopped = driver.elapsed
    driver.command(StopCampaign(CMP, hang_up=hang_up))
    driver.run()
    assert all(at <= stopped for at, _, _ in driver.sent)
    assert {contact.state for contact in driver.store.values()} <= FINAL
    assert_at_rest(driver)


@given(turn=st.integers(2, 250), written=st.booleans(), records=st.booleans(), **settings_of_a_run)
def test_a_crash_at_any_journal_boundary_ends_in_a_state_an_uncrashed_run_could_reach(
    turn: int, written: bool, records: bool, **run: object
) -> None:
    driver = dialed(crash_at=(turn, written), records=records, **run)  # type: ignore[arg-type]
    assert_at_rest(driver)
    stored = set(driver.tries)
    assert {channel for _, _, channel in driver.sent} <= stored
    for calls in spans(driver).values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(calls)))
    for contact in driver.store.values():
        assert contact.state in FINAL
        assert contact.attempts <= max(3, run["max_attempts"])  # type: ignore[call-overload]
        assert (contact.disposition is None) is (contact.attempts + contact.callbacks == 0)
    for ident in {contact.campaign_id for contact in driver.store.values()}:
        if ident in driver.counters:
            assert driver.kept(ident) == driver.recount(ident)


def assert_at_rest(driver: Driver) -> None:
    world = driver.world
    assert not world.calls.committed
    assert not world.numbers.committed
    assert all(line.in_use == 0 for line in world.lines.committed.values())
    assert all(not queue.live for queue in world.queues.committed.values())
    assert all(attempt.state in (TryState.ENDED, TryState.NOT_SENT) for attempt in driver.tries.values())
    assert Instant(driver.now.wall) >= START or driver.now.mono
