"""The store's contract for reports: what came of calls, by trunk, caller id, time, reason and campaign."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.clock import Instant, Millis
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, TrunkName
from dialerd.core.journal import CallClosed
from dialerd.core.model import AgentReport, Call, CallStatus
from dialerd.core.report import By, Group, Report, Tally
from dialerd.core.wallclock import offsets
from dialerd.ports import ReportFilter, Store

from .stores import (
    CMP,
    START,
    admitted,
    another_campaign,
    attempt,
    campaign,
    ending,
    first_try,
    opening,
    person,
)

HOUR = 3_600_000
LATER = Instant(START + 1_000 * HOUR)


class Book:
    """Calls in a store, one after the other."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0

    async def call(self, at: int = 0, *routes: str, over: bool = True, **changes: object) -> Call:
        """A call over `routes` (trunk and the caller id's last digit), one after the other."""
        self.count += 1
        made = attempt(None, self.count)
        tries = tuple(
            replace(
                first_try(made.id, number),
                trunk=TrunkName(route[:-1]),
                caller_id=E164(f"+1555010010{route[-1]}"),
            )
            for number, route in enumerate(routes or ("a0",), start=1)
        )
        made = replace(made, started_at=Instant(START + at), tries=tries)
        kept = {key: changes.pop(key) for key in ("campaign_id", "report") if key in changes}
        made = replace(made, **kept)  # type: ignore[arg-type]
        await self.store.commit(opening(made))
        if over:
            await self.store.commit([CallClosed(made, ending(made, **changes))])
        return made

    async def answered(self, at: int = 0, *routes: str, talk: int = 10_000, **changes: object) -> Call:
        closed = {"status": CallStatus.COMPLETED, "reason": None, "duration": Millis(talk)}
        return await self.call(at, *routes, **(closed | changes))

    async def refunded(self, at: int = 0, *routes: str) -> Call:
        return await self.call(at, *routes, counted=False, reason=Reason.CONGESTION)


async def asked(
    store: Store, by: By, first: Instant = START, last: Instant = LATER, zone: str = "UTC", **more: object
) -> Report:
    clock = offsets(zone, first, last) if by.timed else ()
    return await store.report(ReportFilter(by, first, last, clock=clock, **more))  # type: ignore[arg-type]


async def calls_by(store: Store, by: By, **more: object) -> dict[object, int]:
    found = await asked(store, by, **more)  # type: ignore[arg-type]
    return {group.key: group.tally.calls for group in found.groups}


async def test_a_call_belongs_to_its_last_try_and_an_earlier_one_is_a_failover(store: Store) -> None:
    book = Book(store)
    await book.answered(0, "a0", "b1", report=AgentReport("interested", positive=True))
    await book.answered(1, "b1", talk=20_000)
    await book.call(2, "a0")
    await book.refunded(3, "a0", "b1", "c2")
    await book.call(4, "b2", over=False)
    found = await asked(store, By.TRUNK)
    b = Tally(tries=3, calls=2, counted=2, answered=2, positive=1, talk=Millis(30_000))
    a = Tally(tries=3, calls=1, counted=1, reasons={Reason.BUSY: 1})
    c = Tally(tries=1, calls=1, reasons={Reason.CONGESTION: 1})
    assert found.groups == (Group("b", None, b), Group("a", None, a), Group("c", None, c))
    assert [group.tally.failovers for group in found.groups] == [1, 2, 0]
    assert [group.tally.refunds for group in found.groups] == [0, 0, 1]
    assert found.total == Tally(7, 4, 3, 2, 1, Millis(30_000), reasons={Reason.BUSY: 1, Reason.CONGESTION: 1})
    numbers = await asked(store, By.CALLER_ID)
    assert [(group.key, group.tally.calls, group.tally.tries) for group in numbers.groups] == [
        ("+15550100101", 2, 3),
        ("+15550100100", 1, 3),
        ("+15550100102", 1, 1),
    ]
    assert numbers.total == found.total


async def test_calls_by_reason_and_none(store: Store) -> None:
    book = Book(store)
    for reason in (Reason.BUSY, Reason.NO_ANSWER, Reason.BUSY):
        await book.call(reason=reason)
    for _ in range(3):
        await book.answered()
    found = await asked(store, By.REASON)
    assert [(group.key, group.tally.calls, group.tally.answered) for group in found.groups] == [
        (None, 3, 3),
        (Reason.BUSY, 2, 0),
        (Reason.NO_ANSWER, 1, 0),
    ]


async def test_calls_by_campaign_with_its_name_and_of_one_campaign(store: Store) -> None:
    other = another_campaign(2, name="Cards")
    await admitted(store, [person(1)], campaign(name="Loans"))
    await admitted(store, [person(2)], other)
    book = Book(store)
    await book.call(campaign_id=CMP)
    await book.answered(campaign_id=other.id)
    await book.answered(campaign_id=other.id)
    await book.call()
    found = await asked(store, By.CAMPAIGN)
    assert [(group.key, group.name, group.tally.calls) for group in found.groups] == [
        (other.id, "Cards", 2),
        *sorted([(CMP, "Loans", 1), (None, None, 1)], key=lambda row: str(row[0])),
    ]
    assert found.total.calls == 4
    alone = await asked(store, By.REASON, campaign=other.id)
    assert (alone.total.calls, alone.total.answered) == (2, 2)


async def test_bounds_are_inclusive(store: Store) -> None:
    book = Book(store)
    for at in (0, 1, 2, 3):
        await book.call(at)
    found = await asked(store, By.TRUNK, Instant(START + 1), Instant(START + 2))
    assert found.total.calls == 2
    empty = await asked(store, By.TRUNK, Instant(START + 10), Instant(START + 20))
    assert empty == Report((), Tally())


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York"])
async def test_calls_by_the_clock_of_a_zone(store: Store, zone: str) -> None:
    book = Book(store)
    minutes = [0, 20, 40, 60, 1_439, 1_440, 3_000]
    for at in minutes:
        await book.call(at * 60_000)
    (clock,) = offsets(zone, START, Instant(START + 3_000 * 60_000))
    local = [START + at * 60_000 + clock.offset for at in minutes]
    expected = {
        By.HOUR: [at // HOUR * HOUR - clock.offset for at in local],
        By.DAY: [at // (24 * HOUR) for at in local],
        By.HOUR_OF_DAY: [at // HOUR % 24 for at in local],
    }
    for by, keys in expected.items():
        found = await calls_by(store, by, last=Instant(START + 3_000 * 60_000), zone=zone)
        assert {key: calls for key, calls in found.items() if calls} == {key: keys.count(key) for key in keys}
        assert list(found) == sorted(found), "by time they are in its order"


async def test_the_hour_that_a_clock_shows_twice_is_two_hours_and_one_hour_of_day(store: Store) -> None:
    # 2023-11-05 06:00Z: New York sets its clocks back from 2:00 to 1:00.
    change = 1_699_164_000_000
    first, last = Instant(change - 2 * HOUR), Instant(change + 2 * HOUR)
    book = Book(store)
    for at in range(first, last, HOUR // 2):
        await book.call(at - START)
    bounds = {"first": first, "last": last, "zone": "America/New_York"}
    assert await calls_by(store, By.HOUR, **bounds) == {change + hour * HOUR: 2 for hour in (-2, -1, 0, 1)}
    found = await calls_by(store, By.HOUR_OF_DAY, **bounds)
    assert {hour: calls for hour, calls in found.items() if calls} == {0: 2, 1: 4, 2: 2}
    assert list(found) == list(range(24))


async def test_a_running_call_is_in_no_report(store: Store) -> None:
    await Book(store).call(over=False)
    assert (await asked(store, By.TRUNK)).groups == ()
