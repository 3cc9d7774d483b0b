"""Promises about the order of deliveries, over random histories of one webhook."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.backlog import NOW, Backlog
from dialerd.core.clock import Mono
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState
from dialerd.core.record import replace
from dialerd.core.webhook import EventKind, WebhookId
from tests.core.world_builder import START

MOST = 3
HOOK = WebhookId("whk_1")
actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 9)),
        st.tuples(st.just("fail"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
        st.tuples(st.just("hurry"), st.just(0)),
    ),
    max_size=80,
)


@dataclass
class History:
    """A backlog, and what was done to it."""

    backlog: Backlog = field(default_factory=lambda: Backlog(MOST))
    now: int = 1
    queued: dict[int, Delivery] = field(default_factory=dict)
    flying: list[Delivery] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def do(self, what: str, value: int) -> None:
        match what:
            case "add":
                number = DeliveryNumber(len(self.queued) + 1)
                row = Delivery(number, HOOK, EventKind.CALL_COMPLETED, f"cal_{value}", START, "{}")
                self.queued[number] = row
                self.backlog.add(row, NOW)
            case "take":
                self.take()
            case "wait":
                self.now += value
            case "hurry":
                self.backlog.hurry()
            case _ if self.flying:
                row = self.flying.pop(value % len(self.flying))
                if what == "settle":
                    self.backlog.done(row.number)
                    self.done.append(row.number)
                else:
                    self.backlog.again(replace(row, attempts=row.attempts + 1), Mono(self.now + value))

    def take(self) -> bool:
        row = self.backlog.take(Mono(self.now))
        if row is None:
            return False
        older = [n for n, one in self.queued.items() if one.subject == row.subject and n < row.number]
        assert set(older) <= set(self.done), "what is older is over before the next one is sent"
        assert row.subject not in {one.subject for one in self.flying}
        self.flying.append(row)
        assert len(self.flying) == self.backlog.flying <= MOST
        return True


@given(actions)
def test_a_subjects_events_are_sent_one_at_a_time_and_in_their_order(
    history: list[tuple[str, int]],
) -> None:
    run = History()
    for what, value in history:
        run.do(what, value)


@given(actions)
def test_nothing_is_lost_or_sent_after_it_is_over(history: list[tuple[str, int]]) -> None:
    run = History()
    for what, value in history:
        run.do(what, value)
    while len(run.backlog):
        due = run.backlog.next_due()
        if due is not None:
            run.now = max(run.now, due)
        while run.take():
            pass
        assert run.flying, "what waits is due at some time"
        while run.flying:
            run.do("settle", 0)
    assert sorted(run.done) == sorted(run.queued)


@given(st.integers(1, 8), st.integers(1, 20))
def test_different_subjects_are_sent_side_by_side_within_the_bound(most: int, count: int) -> None:
    backlog = Backlog(most)
    for number in range(count):
        backlog.add(
            Delivery(DeliveryNumber(number), HOOK, EventKind.CALL_COMPLETED, f"cal_{number}", START, "{}"),
            NOW,
        )
    taken = [row.number for _ in range(count) if (row := backlog.take(Mono(1))) is not None]
    assert taken == list(range(min(most, count)))


def test_what_is_older_and_comes_back_goes_first() -> None:
    backlog = Backlog(1)
    rows = [
        Delivery(DeliveryNumber(number), HOOK, EventKind.CALL_COMPLETED, "cal_1", START, "{}")
        for number in (1, 2, 3)
    ]
    backlog.add(rows[1], NOW)
    assert backlog.take(Mono(1)) == rows[1]
    backlog.add(rows[0], NOW)
    backlog.add(rows[2], NOW)
    backlog.done(rows[1].number)
    assert backlog.take(Mono(1)) == rows[0]


def test_a_receiver_that_is_back_gets_at_once_what_nobody_answered() -> None:
    backlog = Backlog(9)
    for number in (1, 2):
        row = Delivery(DeliveryNumber(number), HOOK, EventKind.DNC_ADDED, f"dnc {number}", START, "{}")
        backlog.add(row, NOW)
        backlog.take(Mono(1))
        failed = replace(row, attempts=1, state=DeliveryState.WAITING, status=None if number == 1 else 500)
        backlog.again(failed, Mono(100))
    assert backlog.take(Mono(2)) is None
    backlog.hurry()
    taken = backlog.take(Mono(2))
    assert taken is not None
    assert taken.number == 1
    assert backlog.take(Mono(2)) is None, "one that was refused keeps its own schedule"
