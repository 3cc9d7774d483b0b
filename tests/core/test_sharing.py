"""Who dials next: campaigns on a trunk by weight, kinds of contacts by share, and no trunk behind another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import PauseCampaign, ResumeCampaign
from dialerd.core.contact import Contact, ContactState
from dialerd.core.identity import E164, CampaignId, ContactId, TrunkName
from dialerd.core.model import Shares
from dialerd.core.sharing import Rota
from tests.core.world_builder import BUSY, CMP, Behaviour, Driver, campaign, contacts, trunk

OTHER = CampaignId("cmp_000000000002")
THIRD = CampaignId("cmp_000000000003")
QUICK = Behaviour(answers=True, ring_ms=100, talk_ms=400)


def started(driver: Driver, since: int = 0) -> Counter[CampaignId | None]:
    """Starts by campaign, from so many milliseconds on."""
    return Counter(
        order.campaign
        for (at, _, _), (_, order) in zip(driver.sent, driver.originated, strict=True)
        if at >= since
    )


def two(weight: float, people: int = 400, **of_the_first: object) -> Driver:
    """Two campaigns on one trunk of 5 calls a second, the second of weight 1."""
    driver = Driver.ready(trunk(channels=50, rate=5.0))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(weight=weight, **of_the_first), contacts(people))
    driver.admit(campaign(id=OTHER), contacts(people, OTHER, first=10_001))
    return driver


def test_a_campaign_of_three_times_the_weight_gets_three_starts_of_four() -> None:
    driver = two(3.0)
    driver.run(until=60_000)
    counted = started(driver)
    assert abs(counted[CMP] - 3 * counted[OTHER]) <= 4


def test_what_a_paused_campaign_leaves_the_other_takes_and_no_credit_is_saved_up() -> None:
    driver = two(3.0, people=900)
    driver.run(until=20_000)
    driver.command(PauseCampaign(CMP))
    before = started(driver)
    driver.run(until=50_000)
    alone = started(driver)
    assert alone[CMP] == before[CMP]
    assert alone[OTHER] - before[OTHER] >= 0.9 * 30 * 5
    driver.command(ResumeCampaign(CMP))
    driver.run(until=90_000)
    after = started(driver, since=50_000)
    assert abs(after[CMP] - 3 * after[OTHER]) <= 4


def test_what_a_capped_campaign_cannot_use_the_other_takes() -> None:
    driver = two(9.0, calls_per_second=1.0)
    driver.run(until=60_000)
    counted = started(driver)
    assert 50 <= counted[CMP] <= 60
    assert counted[CMP] + counted[OTHER] >= 0.9 * 60 * 5


def test_a_campaign_that_comes_later_gets_its_share_at_once_and_no_more() -> None:
    driver = Driver.ready(trunk(channels=50, rate=5.0))
    driver.behave = lambda order: QUICK
    driver.admit(campaign(), contacts(900))
    driver.run(until=60_000)
    driver.admit(campaign(id=OTHER), contacts(400, OTHER, first=10_001))
    driver.run(until=80_000)
    late = started(driver, since=60_000)
    assert abs(late[CMP] - late[OTHER]) <= 4


def test_a_trunk_that_is_full_delays_no_contact_of_another() -> None:
    slow = replace(trunk("slow", channels=1), prefixes=("91",))
    fast = replace(trunk("fast", channels=5), prefixes=("44",))
    driver = Driver.ready(slow, fast)
    driver.behave = lambda order: replace(QUICK, talk_ms=60_000 if order.trunk == "slow" else 400)
    people = [c for pair in zip(contacts(40), british(40), strict=True) for c in pair]
    driver.admit(campaign(), people)
    driver.run(until=20_000)
    dialed = Counter(order.trunk for _, order in driver.originated)
    assert dialed == {TrunkName("slow"): 1, TrunkName("fast"): 40}


def test_numbers_of_a_full_trunk_ahead_in_the_list_do_not_hide_those_of_another() -> None:
    slow = replace(trunk("slow", channels=1), prefixes=("91",))
    fast = replace(trunk("fast", channels=5), prefixes=("44",))
    driver = Driver.ready(slow, fast)
    driver.behave = lambda order: replace(QUICK, talk_ms=600_000 if order.trunk == "slow" else 400)
    driver.admit(campaign(), [*contacts(3_000), *british(40, first=5_001)])
    driver.run(until=60_000)
    dialed = Counter(order.trunk for _, order in driver.originated)
    assert dialed[TrunkName("fast")] == 40


def test_a_full_trunk_sends_contacts_on_to_the_next_one() -> None:
    driver = Driver.ready(trunk("a", channels=2), trunk("b", channels=2), trunk("c", channels=2))
    driver.admit(campaign(trunks=(TrunkName("b"), TrunkName("a"))), contacts(10))
    driver.run(until=100)
    assert Counter(order.trunk for _, order in driver.originated) == {"b": 2, "a": 2}


def british(count: int, first: int = 1_001) -> list[Contact]:
    return [
        Contact(ContactId(number), CMP, E164(f"+4420794{number:05d}"))
        for number in range(first, first + count)
    ]


# --- kinds ---------------------------------------------------------------------------------------


def mixed(shares: Shares) -> Counter[ContactState]:
    """What the first 40 calls of a campaign waited for, of which all kinds wait."""
    driver = Driver.ready(trunk(channels=1, rate=100.0))
    driver.behave = lambda order: QUICK
    fresh = contacts(100)
    retries = [replace(c, state=ContactState.RETRY_WAITING, attempts=1) for c in contacts(100, first=201)]
    callbacks = [
        replace(c, state=ContactState.CALLBACK_WAITING, attempts=1) for c in contacts(100, first=401)
    ]
    waited = {c.phone: c.state for c in (*fresh, *retries, *callbacks)}
    driver.admit(campaign(max_attempts=2, shares=shares), [*fresh, *retries, *callbacks])
    while len(driver.originated) < 40:
        driver.run(until=driver.elapsed + 500)
    return Counter(waited[order.phone] for _, order in driver.originated[:40])


def test_starts_are_shared_between_kinds_of_contacts() -> None:
    assert mixed(Shares(2, 1, 1)) == {
        ContactState.PENDING: 20,
        ContactState.RETRY_WAITING: 10,
        ContactState.CALLBACK_WAITING: 10,
    }


def test_callbacks_are_promises_and_come_first_by_default() -> None:
    assert mixed(Shares())[ContactState.CALLBACK_WAITING] == 32


def test_retries_are_dialed_while_a_long_list_is_still_fresh() -> None:
    driver = Driver.ready(trunk(channels=5, rate=5.0))
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=2, retry_interval=Millis(10_000)), contacts(2_000))
    driver.run(until=60_000)
    tries = Counter(order.phone for _, order in driver.originated)
    assert sum(1 for count in tries.values() if count == 2) >= 80
    spans: dict[str, list[Instant]] = {}
    for at, order in driver.originated:
        spans.setdefault(order.phone, []).append(at)
    assert all(later - first >= 10_000 for at in spans.values() for first, later in pairwise(at))


# --- the rota itself -----------------------------------------------------------------------------


def test_nobody_saves_up_while_away() -> None:
    rota: Rota[str] = Rota()
    for name in ("a", "b"):
        rota.enter(name)
    for _ in range(10):
        rota.leave("b")
        rota.took("a", 1)
    rota.enter("b")
    order = []
    for _ in range(4):
        name = rota.first()
        assert name is not None
        order.append(name)
        rota.took(name, 1)
    assert order in (["b", "a", "b", "a"], ["a", "b", "a", "b"])


def test_a_start_out_of_turn_costs_its_member_alone() -> None:
    rota: Rota[str] = Rota()
    for name in ("a", "b", "c"):
        rota.enter(name)
    rota.took("b", 1)
    assert [_next(rota) for _ in range(5)] == ["a", "c", "b", "a", "c"]


def _next(rota: Rota[str]) -> str:
    name = rota.first()
    assert name is not None
    rota.took(name, 1)
    return name
