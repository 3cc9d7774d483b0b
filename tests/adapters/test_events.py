"""What recorded sessions with the real Asterisk mean, and that nothing else means anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.asterisk.events import (
    EVENT_TYPES,
    ApplicationTaken,
    ChannelNames,
    Parsed,
    Stranger,
    parse,
)
from dialerd.core.identity import ChannelId, InstanceId
from dialerd.core.messages import (
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)

NAMES = ChannelNames(InstanceId("lab"))
CHANNEL = ChannelId("lab-cal_0000000000a1-1")
TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "ari"

SHOWN, RINGING, ANSWERED = TryShown(CHANNEL), TryRinging(CHANNEL), TryAnswered(CHANNEL)


def ended(cause: int, sip_code: int | None = None) -> TryEnded:
    return TryEnded(CHANNEL, cause, sip_code)


EXPECTED: dict[str, list[Parsed]] = {
    "answered": [SHOWN, RINGING, ANSWERED, ended(16)],
    "busy_486": [SHOWN, ended(17, 486)],
    "unknown_404": [SHOWN, ended(1, 404)],
    "declined_603": [SHOWN, RINGING, ended(21, 603)],
    "congested_503": [SHOWN, ended(34, 503)],
    "ring_timeout": [SHOWN, RINGING, ended(19, 480)],
    "cancelled": [SHOWN, RINGING, ended(16)],
    "callee_hangs_up": [SHOWN, RINGING, ANSWERED, ended(0)],
    "early_media": [SHOWN, RINGING, ended(19, 480)],
    "no_such_endpoint": [],
    "media_leg": [SHOWN, RINGING, ANSWERED, ended(16)],
    "replaced": [ApplicationTaken()],
}


def transcript(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TRANSCRIPTS / f"{name}.jsonl").read_text().splitlines()]


def meaning(events: list[dict[str, Any]]) -> list[Parsed]:
    """What the events mean, an 18x told twice (by state and by dial status) only once."""
    found: list[Parsed] = []
    for event in events:
        parsed = parse(event, NAMES)
        if parsed is None or (parsed == RINGING and RINGING in found):
            continue
        found.append(parsed)
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl")))
def test_transcript(name: str) -> None:
    assert meaning(transcript(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_filter_costs_nothing(name: str) -> None:
    """What the daemon has Asterisk leave out would not have told it anything more."""
    passed = [event for event in transcript(name) if event["type"] in EVENT_TYPES]
    assert meaning(passed) == EXPECTED[name]


@pytest.mark.parametrize(
    "name",
    [
        "lab2-cal_0000000000a1-1",
        "lab-cal_0000000000a1-0",
        "lab-cal_0000000000a1-1-x",
        "lab-cal_0000000000A1-1",
        "lab-cal_0000000000a1-1\n",
        "xlab-cal_0000000000a1-1",
        "1795487266.12",
        "lab-cal_0000000000a1-1-m",
        "",
    ],
)
def test_other_channels_are_nobodys(name: str) -> None:
    assert NAMES.dialed(name) is None
    assert parse({"type": "ChannelDestroyed", "channel": {"id": name}, "cause": 16}, NAMES) is None


def test_a_call_that_comes_back_from_the_dialplan_was_answered_before() -> None:
    assert parse({"type": "StasisStart", "channel": {"id": CHANNEL}, "args": ["amd", "HUMAN"]}, NAMES) is None


def came(
    ident: str, name: str = "PJSIP/desk-00000001", app_name: str = "Stasis", **more: Any
) -> dict[str, Any]:
    place = {
        "context": "from-phones",
        "exten": "15550100199",
        "app_name": app_name,
        "app_data": "lab,inbound",
    }
    about = {"id": ident, "name": name, "dialplan": place}
    event = {"type": "StasisStart", "application": "lab", "channel": about, "args": ["inbound", "1"]}
    return event | more


def test_who_is_sent_into_our_application_by_somebody_else_is_a_stranger() -> None:
    assert parse(came("1795487266.12"), NAMES) == Stranger("1795487266.12", "from-phones")
    assert parse(came("1795487266.12", args=["dialed"]), NAMES) == Stranger("1795487266.12", "from-phones")
    assert parse(came("lab2-cal_0000000000a1-1"), NAMES) is not None


@pytest.mark.parametrize(
    "event",
    [
        *(came(f"{CHANNEL}{suffix}") for suffix in ("", "-m", "-a", "-h1", "-h1;2")),
        came("lab-probe_0000000000a1-m"),
        came("1795487266.12", application="other"),
        came("listen-1", name="Snoop/listen-1-00000001"),
        came("made-1", app_name="AppDial2"),
        came("1795487266.12", replace_channel={"id": CHANNEL}),
    ],
)
def test_who_is_ours_or_stands_for_one_of_ours_is_no_stranger(event: dict[str, Any]) -> None:
    assert parse(event, NAMES) is None


def test_state_ringing_is_an_18x() -> None:
    event = {"type": "ChannelStateChange", "channel": {"id": CHANNEL, "state": "Ringing"}}
    assert parse(event, NAMES) == RINGING
    event = {"type": "ChannelStateChange", "channel": {"id": CHANNEL, "state": "Up"}}
    assert parse(event, NAMES) is None


def test_another_applications_takeover_is_not_ours() -> None:
    assert parse({"type": "ApplicationReplaced", "application": "other"}, NAMES) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Dial", "ChannelStateChange", "StasisStart", "ChannelDestroyed", "X"])
            | JSON
        },
        optional={
            name: JSON | st.just({"id": CHANNEL}) | st.fixed_dictionaries({"id": JSON, "state": JSON})
            for name in ("channel", "peer", "dialstatus", "args", "cause", "tech_cause", "application")
        },
    )
)
def test_malformed_events_are_nothing_worse_than_nothing(event: dict[str, Any]) -> None:
    parse(event, NAMES)
