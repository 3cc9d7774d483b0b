"""The figures of a campaign, by the API reference's definitions."""

from __future__ import annotations

from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.metrics import closed_waiting, figures, moved, recount

from .world_builder import contacts


def contact(**changes: object) -> Contact:
    from dataclasses import replace

    return replace(contacts(1)[0], **changes)  # type: ignore[arg-type]


CONNECTED = contact(state=ContactState.FINISHED, attempts=1, connected_attempt=1, disposition="connected")
INTERESTED = contact(
    state=ContactState.FINISHED, attempts=2, connected_attempt=2, disposition="interested", positive=True
)
BUSY = contact(state=ContactState.RETRY_WAITING, attempts=1, disposition="not_reachable", reason=Reason.BUSY)
RINGING_FIRST = contact(state=ContactState.DIALING, attempts=1)
RINGING_AGAIN = contact(
    state=ContactState.DIALING, attempts=2, disposition="not_reachable", reason=Reason.BUSY
)
PENDING = contact()
REFUNDED = contact(state=ContactState.RETRY_WAITING, refunds=1)
SUPPRESSED = contact(state=ContactState.SUPPRESSED)
ALL = [CONNECTED, INTERESTED, BUSY, RINGING_FIRST, RINGING_AGAIN, PENDING, REFUNDED, SUPPRESSED]


def test_progress_and_dispositions() -> None:
    shown = figures(recount(ALL))
    assert shown.progress == {
        "total_contacts": 8,
        "called": 5,
        "pending": 2,
        "callback_unmet": 0,
        "in_progress": 2,
        "retry_waiting": 2,
        "callback_waiting": 0,
        "suppressed": 1,
        "finished": 2,
        "expired": 0,
        "cancelled": 0,
    }
    assert shown.dispositions == {
        "connected": 2,
        "not_reachable": 1,
        "callback_requested": 0,
        "interested": 1,
        "not_interested": 0,
        "dnc": 0,
    }
    assert shown.metrics["connect_rate"] == 0.4
    assert shown.metrics["conversion_rate"] == 0.5
    assert shown.metrics["conversion_rate_of_called"] == 0.2
    assert shown.metrics["retry_rate"] == 0.2
    assert shown.metrics["retried_rate"] == 0.4
    assert {"disposition": "interested", "count": 1, "percentage": 20.0} in shown.breakdown


def test_called_is_connected_plus_not_reachable_plus_running() -> None:
    shown = figures(recount(ALL))
    running = 2
    assert shown.progress["called"] == (
        shown.dispositions["connected"] + shown.dispositions["not_reachable"] + running
    )


def test_ratios_are_null_without_a_denominator() -> None:
    assert set(figures({}).metrics.values()) == {None}


def test_a_move_is_the_difference_of_two_recounts() -> None:
    for before in ALL:
        for now in ALL:
            total = recount([before])
            for key, delta in moved(before, now).items():
                total[key] = total.get(key, 0) + delta
            assert {key: value for key, value in total.items() if value} == recount([now])


def test_closing_the_waiting_moves_their_state_only() -> None:
    before = recount(ALL)
    for key, delta in closed_waiting(before, ContactState.EXPIRED).items():
        before[key] = before.get(key, 0) + delta
    from dataclasses import replace

    closed = [replace(one, state=ContactState.EXPIRED) if one.state.waiting else one for one in ALL]
    assert {key: value for key, value in before.items() if value} == recount(closed)
