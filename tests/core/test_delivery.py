"""What a receiver's answer means for a delivery, and when it is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.clock import Instant, Millis
from dialerd.core.delivery import (
    JITTER,
    LONGEST_WAIT,
    MOST_PATIENCE,
    Delivery,
    DeliveryNumber,
    DeliveryState,
    Patience,
    Reply,
    judge,
    message_id,
    next_number,
    number_of,
    wait_before_retry,
)
from dialerd.core.record import replace
from dialerd.core.webhook import EventKind, WebhookId

from .world_builder import START

FRESH = Delivery(
    DeliveryNumber(7), WebhookId("whk_1"), EventKind.CALL_COMPLETED, "cal_1", START, "{}", due_at=START
)
PATIENCE = Patience(retries=3, first_wait=Millis(1_000))
NOBODY = Reply(None, "connection refused")


def test_what_is_answered_with_2xx_is_delivered() -> None:
    for status in (200, 204, 299):
        after = judge(FRESH, Reply(status), PATIENCE, Instant(START + 5), 0.5)
        assert (after.state, after.attempts, after.status) == (DeliveryState.DELIVERED, 1, status)
        assert (after.finished_at, after.detail) == (START + 5, None)


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(404), Reply(302), Reply(199), NOBODY], ids=lambda reply: str(reply.status)
)
def test_whatever_else_happens_is_tried_three_times_again_and_then_dead(reply: Reply) -> None:
    delivery, waits = FRESH, []
    for _ in range(3):
        delivery = judge(delivery, reply, PATIENCE, START, 0.5)
        assert (delivery.state, delivery.status) == (DeliveryState.WAITING, reply.status)
        waits.append(delivery.due_at - START)
    assert waits == [1_000, 3_000, 9_000]
    delivery = judge(delivery, reply, PATIENCE, START, 0.5)
    assert (delivery.state, delivery.attempts, delivery.finished_at) == (DeliveryState.DEAD, 4, START)
    assert delivery.detail


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    assert judge(FRESH, Reply(410), PATIENCE, START, 0.5).state is DeliveryState.DEAD


@pytest.mark.parametrize(
    ("asked", "wait"), [(60_000, 60_000), (10, 1_000), (10**9, MOST_PATIENCE), (None, 1_000)]
)
def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_ever(asked: int | None, wait: int) -> None:
    reply = Reply(503, retry_after=Millis(asked) if asked is not None else None)
    assert judge(FRESH, reply, PATIENCE, START, 0.5).due_at == START + wait


def test_an_attempt_keeps_what_was_queued() -> None:
    after = judge(FRESH, NOBODY, PATIENCE, START, 0.0)
    assert replace(after, attempts=0, due_at=FRESH.due_at, detail=None) == FRESH


@given(st.integers(1, 60), st.floats(0, 1), st.integers(1, 3_600_000))
def test_waits_grow_to_a_bound_whatever_the_jitter(failures: int, jitter: float, first: int) -> None:
    patience = Patience(first_wait=Millis(first))
    wait = wait_before_retry(patience, failures, jitter)
    plain = wait_before_retry(patience, failures, 0.5)
    assert plain <= wait_before_retry(patience, failures + 1, 0.5) <= LONGEST_WAIT
    assert abs(wait - plain) <= JITTER * plain + 1


@given(st.integers(0, 2**47), st.integers(0, 2**41))
def test_numbers_only_grow_and_are_found_by_their_ids(last: int, now: int) -> None:
    number = next_number(last, Instant(now))
    assert number > last
    assert number_of(message_id(number)) == number


@pytest.mark.parametrize(
    "ident", ["", "msg_", "msg_12", "msg_00000000000g", "000000000001", "MSG_000000000001"]
)
def test_what_is_no_id_is_nobodys(ident: str) -> None:
    assert number_of(ident) is None
