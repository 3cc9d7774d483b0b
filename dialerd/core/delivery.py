"""One event on its way to one webhook: what a receiver's answer means for it, and when it is tried again.

A receiver that answers 2xx has it. Whatever else happens is tried again, each time after a longer wait; after the last
one the delivery is dead: it is kept, and only somebody's word sends it again. Nothing here sends or waits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from dialerd.core.clock import Instant, Millis
from dialerd.core.record import record, replace
from dialerd.core.webhook import EventKind, WebhookId

DeliveryNumber = NewType("DeliveryNumber", int)
"""Greater than the number of every delivery that was queued before."""

NUMBERS_PER_MILLI = 64
FACTOR = 3
"""Each wait is that many times the one before."""
JITTER = 0.25
"""A wait is that part longer or shorter, so that what failed together is not tried again together."""
LONGEST_WAIT = Millis(6 * 3_600_000)
MOST_PATIENCE = Millis(3_600_000)
"""So long a receiver may ask to be left alone (`Retry-After`)."""
GONE = 410
"""The receiver says that it does not want to be told any more (RFC 9110 §15.5.11)."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@record
class Delivery:
    """One event for one webhook, its text as it was when the event came about."""

    number: DeliveryNumber
    webhook: WebhookId
    event: EventKind
    subject: str
    """What the event is about: what has the same subject is delivered in its order."""
    created_at: Instant
    body: str
    """What is sent: JSON."""
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    due_at: Instant = Instant(0)
    """When it is to be tried, or tried again."""
    finished_at: Instant | None = None
    """When it was delivered, or given up."""
    status: int | None = None
    """The HTTP status of the last answer; None: there was none."""
    detail: str | None = None
    """Why it was not delivered, last time."""


@record
class Reply:
    """What came of an attempt to deliver. `status` None: nobody answered, `detail` says why."""

    status: int | None
    detail: str | None = None
    retry_after: Millis | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


@record
class Patience:
    """How often a delivery is tried again, how long after the first failure, and when all hope is lost."""

    retries: int = 8
    first_wait: Millis = Millis(5_000)
    give_up: Millis = Millis(72 * 3_600_000)
    """A webhook whose receiver has taken nothing for so long is disabled, lest its events fill the disk."""


def wait_before_retry(patience: Patience, failures: int, jitter: float) -> Millis:
    """How long to wait after so many failures (1 and more). `jitter`: 0 to 1, drawn anew for each wait."""
    plain = min(LONGEST_WAIT, patience.first_wait * FACTOR ** min(failures - 1, 32))
    return Millis(round(plain * (1 - JITTER + 2 * JITTER * jitter)))


def judge(delivery: Delivery, reply: Reply, patience: Patience, now: Instant, jitter: float) -> Delivery:
    """The delivery after an attempt: delivered, to be tried again, or dead."""
    attempts = delivery.attempts + 1
    after = replace(
        delivery,
        attempts=attempts,
        status=reply.status,
        detail=None if reply.accepted else (reply.detail or f"answered {reply.status}"),
    )
    if reply.accepted:
        return replace(after, state=DeliveryState.DELIVERED, finished_at=now)
    if attempts > patience.retries or reply.status == GONE:
        return replace(after, state=DeliveryState.DEAD, finished_at=now)
    wait = wait_before_retry(patience, attempts, jitter)
    asked = min(MOST_PATIENCE, reply.retry_after) if reply.retry_after is not None else Millis(0)
    return replace(after, due_at=Instant(now + max(wait, asked)))


def next_number(last: int, now: Instant) -> DeliveryNumber:
    """A number greater than every earlier one, also of a store restored from an old backup."""
    return DeliveryNumber(max(last + 1, now * NUMBERS_PER_MILLI))


def first_number_of(instant: Instant) -> DeliveryNumber:
    """What was queued before an instant has a lower number."""
    return DeliveryNumber(instant * NUMBERS_PER_MILLI)


def message_id(number: DeliveryNumber) -> str:
    """The id under which receivers know a delivery (`webhook-id`): the same at every attempt."""
    return f"msg_{number:012x}"


def number_of(ident: str) -> DeliveryNumber | None:
    """The delivery of a message id; None: it is no such id."""
    digits = ident.removeprefix("msg_")
    if len(digits) != _DIGITS or digits == ident or set(digits) - set("0123456789abcdef"):
        return None
    return DeliveryNumber(int(digits, 16))


_DIGITS = 12
