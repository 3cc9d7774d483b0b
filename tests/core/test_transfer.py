"""What may be a target, which one is chosen, and which trigger of two is recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.clock import Instant
from dialerd.core.transfer import (
    Target,
    TargetKind,
    Transfer,
    TransferPlan,
    TransferRules,
    TransferTrigger,
    TransferWish,
    parse_target,
    resolve,
    weightier,
)

PLANS = {
    "support": TransferPlan(Target(TargetKind.QUEUE, "support")),
    "desk": TransferPlan(Target(TargetKind.EXTENSION, "100", "internal")),
}
RULES = TransferRules(PLANS, forbidden=frozenset({"carrier"}))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("endpoint:alice", Target(TargetKind.ENDPOINT, "alice")),
        ("PJSIP/alice", Target(TargetKind.ENDPOINT, "alice")),
        ("queue:loans-hi", Target(TargetKind.QUEUE, "loans-hi")),
        ("extension:*45@internal", Target(TargetKind.EXTENSION, "*45", "internal")),
        ("extension:+919876543210@sales-out", Target(TargetKind.EXTENSION, "+919876543210", "sales-out")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "+919876543210",
        "PJSIP/+919876543210@carrier",
        "endpoint:alice@carrier",
        "endpoint:alice&PJSIP/bob",
        "endpoint:alice/sip:evil.example",
        "queue:a,b",
        "queue:${EXTEN}",
        "queue:a\nb",
        "extension:100",
        "extension:100@internal/n",
        "extension:100&200@internal",
        "extension:${SHELL(id)}@internal",
        "Local/100@internal",
        "endpoint:" + "a" * 65,
    ],
)
def test_what_could_be_more_than_a_target_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_target(text)


@given(st.text(max_size=40), st.sampled_from(["endpoint:", "queue:", "extension:", "PJSIP/", ""]))
def test_no_target_holds_a_separator_of_a_dial_string(text: str, kind: str) -> None:
    try:
        target = parse_target(kind + text)
    except ValueError:
        return
    for part in (target.name, target.context):
        assert not set(part) & set("/&@,|^$%{}()[]<>;:\\\"'` \n\r\t\0=")
        assert part.isascii()
        assert len(part) <= 64


def test_the_wish_comes_first_then_the_calls_own_default_then_the_installations() -> None:
    rules = TransferRules(PLANS, default="desk")
    chosen = [resolve(rules, *asked) for asked in (("support", "desk"), (None, "support"), (None, None))]
    assert [found[0] for found in chosen if found is not None] == ["support", "support", "desk"]
    assert resolve(TransferRules(PLANS), None, None) is None


def test_extensions_and_trunks_are_only_reached_by_configured_names() -> None:
    assert resolve(RULES, "desk", None) is not None
    assert resolve(RULES, "extension:100@internal", None) is None
    assert resolve(RULES, "endpoint:carrier", None) is None
    assert resolve(RULES, "+919876543210", None) is None
    assert resolve(RULES, "endpoint:alice", None) == (
        "endpoint:alice",
        TransferPlan(Target(TargetKind.ENDPOINT, "alice")),
    )


@given(st.lists(st.sampled_from(list(TransferTrigger)), min_size=1))
def test_the_weightiest_trigger_is_recorded(asked: list[TransferTrigger]) -> None:
    transfer = Transfer("support", PLANS["support"].target, Instant(0), trigger=asked[0])
    for number, trigger in enumerate(asked):
        transfer = weightier(transfer, TransferWish(None, trigger=trigger), number)
    assert transfer.trigger == min(asked, key=list(TransferTrigger).index)
    assert transfer.ask == len(asked) - 1
