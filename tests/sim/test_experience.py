"""What past calls teach: from this campaign, from all, or nothing; and what is said to be given."""

from __future__ import annotations

from dialerd.core.clock import Instant
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, CallId
from dialerd.engine.case import Assumptions
from dialerd.ports import PastCall
from dialerd.sim.experience import ANSWER_RATE, TALK_SECONDS, Experience, learn

HOUR = 3_600_000


def call(
    number: int, reason: Reason | None = None, talk: int | None = 20_000, hour: int = 9, **more: str
) -> PastCall:
    return PastCall(
        CallId(f"cal_{number:012x}"),
        E164(f"+9198765{number:05d}"),
        None,
        Instant(hour * HOUR),
        4_000,
        None if reason else talk,
        more.get("disposition", "not_reachable" if reason else "interested"),
        reason,
    )


def learned(past: list[PastCall], of_all: list[PastCall] | None = None, **assumed: float) -> Experience:
    hour = lambda phone, zone, at: at // HOUR  # noqa: E731
    return learn(past, of_all or [], Assumptions(**assumed), hour)  # type: ignore[arg-type]


def test_enough_calls_of_the_campaign_teach_its_rates() -> None:
    past = [call(n) for n in range(60)] + [call(n, Reason.BUSY) for n in range(100, 240)]
    found = learned(past, [call(n, Reason.NO_ANSWER) for n in range(900)])
    assert found.sources["answer_rate"] == {"value": 0.3, "source": "campaign", "calls": 200}
    assert found.sources["talk_seconds"] == {"value": 20, "source": "campaign", "calls": 60}
    assert found.sources["dispositions"] == {"value": {"interested": 1.0}, "source": "campaign", "calls": 60}
    assert found.sources["failures"]["value"] == {"busy": 1.0}
    assert found.habits.failing[Reason.BUSY].mean == 4_000


def test_too_few_calls_of_the_campaign_leave_it_to_those_of_all() -> None:
    found = learned([call(1)], [call(n, Reason.BUSY if n % 4 else None) for n in range(400)])
    assert found.sources["answer_rate"] == {"value": 0.25, "source": "installation", "calls": 400}


def test_without_calls_the_defaults_are_said_to_be_guesses() -> None:
    found = learned([])
    assert found.sources["answer_rate"] == {"value": ANSWER_RATE, "source": "default", "calls": 0}
    assert found.sources["talk_seconds"] == {"value": TALK_SECONDS, "source": "default", "calls": 0}
    assert found.habits.labels == {"connected": 1.0}


def test_what_is_given_goes_before_what_is_learned() -> None:
    past = [call(n) for n in range(100)]
    found = learned(past, answer_rate=0.1, talk_seconds=90)
    assert found.sources["answer_rate"] == {"value": 0.1, "source": "given", "calls": 0}
    assert found.sources["talk_seconds"] == {"value": 90, "source": "given", "calls": 0}
    assert found.habits.talk.mean == 90_000
    assert found.habits.by_hour == {}


def test_hours_with_enough_calls_have_a_rate_of_their_own() -> None:
    morning = [call(n, hour=9) for n in range(40)]
    evening = [call(n, Reason.NO_ANSWER, hour=20) for n in range(40)]
    night = [call(n, hour=23) for n in range(5)]
    found = learned([*morning, *evening, *night])
    assert found.habits.by_hour == {9: 1.0, 20: 0.0}
    assert found.sources["answer_rate_by_hour"]["value"] == {"09": 1.0, "20": 0.0}


def test_what_was_never_sent_or_is_lost_teaches_nothing() -> None:
    unsent = [call(n, talk=None) for n in range(100)]
    lost = [call(n, Reason.LOST) for n in range(100)]
    assert learned([*unsent, *lost]).sources["answer_rate"]["source"] == "default"
