"""Trouble is told once, and attempts grow rarer."""

from __future__ import annotations

import random

import structlog
from structlog.testing import capture_logs

from dialerd.asterisk.outage import Backoff, Outage


class Middle(random.Random):
    """Always the middle of the range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def test_waits_grow_and_are_shortened_at_random() -> None:
    backoff = Backoff(first=0.2, last=5.0)
    rng = random.Random(1)
    waits = [backoff.delay(failures, rng) for failures in range(1, 40)]
    assert all(0.1 <= wait <= 5.0 for wait in waits)
    assert all(wait >= 2.5 for wait in waits[5:])
    assert len(set(waits)) == len(waits)


def test_trouble_is_logged_when_it_changes_and_when_it_ends() -> None:
    with capture_logs() as logs:
        trouble = Outage(structlog.get_logger(), "x.unavailable", "x.recovered", Backoff(), random.Random())
        assert trouble.detail == "not connected yet"
        for kind in ("a", "a", "b", "b"):
            trouble.failed(kind, f"because of {kind}")
        assert trouble.detail == "because of b"
        trouble.recovered(version=1)
        assert trouble.detail == ""
        trouble.failed("b", "again")
    assert [(entry["event"], entry.get("kind")) for entry in logs] == [
        ("x.unavailable", "a"),
        ("x.unavailable", "b"),
        ("x.recovered", None),
        ("x.unavailable", "b"),
    ]


def test_a_connection_that_breaks_at_once_is_not_retried_without_pause() -> None:
    trouble = Outage(structlog.get_logger(), "x", "y", Backoff(0.2, 5.0), Middle())
    with capture_logs():
        waits = []
        for _ in range(8):
            waits.append(trouble.failed("a", "x", lasted=0.5))
            trouble.recovered()
        assert waits[-1] == 3.75
        assert trouble.failed("a", "x", lasted=60.0) == 0.2 * 0.75
