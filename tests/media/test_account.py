"""What an engine says of its call is added up within bounds; its label always counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.model import AgentReport
from dialerd.media import wire, words
from dialerd.media.account import LARGEST, MOST_TURNS, Account
from dialerd.media.fitting import LONGEST_LETTER
from dialerd.media.outbox import Outbox
from dialerd.media.words import MOST_CAPTURED

CALL = "cal_0123456789ab"


def turns(count: int, text: str = "yes") -> list[dict[str, Any]]:
    return [{"speaker": "agent", "time": 1.0, "text": text} for _ in range(count)]


def told(**fields: Any) -> dict[str, Any]:
    return {"event": "dialerd", **fields}


def test_values_and_turns_are_added_to_those_told_before() -> None:
    account = Account({})
    assert account.take(told(captured={"a": 1}, transcript=turns(1)))[1] == []
    assert account.take(told(captured={"a": 2, "b": None}, transcript=turns(2)))[1] == []
    assert account.report == AgentReport(None, False, {"a": 2, "b": None}, tuple(turns(3)))


def test_turns_beyond_the_limit_are_left_out_by_name_and_the_label_stands() -> None:
    account = Account({})
    for _ in range(20):
        account.take(told(transcript=turns(100, "x" * 5_000)))
    (fault,) = account.take(told(transcript=turns(2), captured={"n": 1}, disposition="paid"))[1]
    assert fault["loc"] == "transcript"
    assert "262,144 bytes" in fault["msg"]
    assert (account.report.disposition, account.report.positive) == ("paid", True)
    kept = len(account.report.transcript)
    assert 0 < kept < 100
    assert set(account.take(told(transcript=turns(1)))[1][0]) == {"loc", "msg"}
    assert len(account.report.transcript) == kept


def test_short_turns_are_counted_too() -> None:
    account = Account({})
    faults = [fault for _ in range(21) for fault in account.take(told(transcript=turns(100, "")))[1]]
    assert len(account.report.transcript) == MOST_TURNS
    assert [fault["loc"] for fault in faults] == ["transcript"]


def test_a_call_has_so_many_values_and_no_more() -> None:
    account = Account({})
    assert account.take(told(captured={f"a{n}": n for n in range(MOST_CAPTURED)}))[1] == []
    assert account.take(told(captured={"a0": "new"}))[1] == []
    (fault,) = account.take(told(captured={"b": 1}, transcript=turns(1)))[1]
    assert (fault["loc"], "100 values" in fault["msg"]) == ("captured", True)
    assert len(account.report.captured) == MOST_CAPTURED
    assert account.report.captured["a0"] == "new"
    assert len(account.report.transcript) == 1


def test_a_message_that_is_wrong_changes_nothing() -> None:
    account = Account({})
    with pytest.raises(words.Refused):
        account.take(told(captured={"a": 1}, mood="good"))
    assert account.report == AgentReport()


_TEXT = st.sampled_from(["", "yes", "\u0939\u093e\u0901" * 600, "\x01" * 2_000, "\U0001f600" * 500])
_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "captured": st.dictionaries(st.text("abc", min_size=1, max_size=4), _TEXT, max_size=30),
        "transcript": st.builds(turns, st.integers(0, 100), _TEXT),
        "disposition": st.sampled_from(["paid", "interested", "connected"]),
    },
)


@given(st.lists(_MESSAGES, max_size=25))
def test_whatever_an_engine_says_a_line_holds_it(messages: list[dict[str, Any]]) -> None:
    account, label = Account({}), None
    for message in messages:
        account.take(told(**message))
        label = message.get("disposition", label)
    assert account.report.disposition == label
    assert len(wire.encode(wire.Reported(CALL, account.report))) < LARGEST + 1_000


# --- what is kept for a daemon -------------------------------------------------------------------


@pytest.mark.parametrize("make", [wire.Reported, wire.Ended])
@pytest.mark.parametrize(
    ("captured", "transcript"),
    [
        ({}, tuple(turns(2_000, "x" * 5_000))),
        ({f"a{n}": "x" * 2_000 for n in range(3_000)}, ()),
        ({"one": "x" * 5_000_000}, tuple(turns(2_000, "\u0939" * 2_000))),
    ],
)
def test_a_letter_that_no_line_holds_is_cut_and_keeps_its_label(
    make: Any, captured: dict[str, Any], transcript: tuple[dict[str, Any], ...], tmp_path: Any
) -> None:
    report = AgentReport("interested", True, captured, transcript, None)
    path = tmp_path / "media.outcomes"
    path.write_bytes(wire.encode(make(CALL, report, number=1)))
    box = Outbox()
    box.load(path)
    (kept,) = box
    assert isinstance(kept, wire.Reported | wire.Ended)
    assert len(wire.encode(kept)) <= LONGEST_LETTER
    assert (kept.report.disposition, kept.report.positive) == ("interested", True)
    assert kept.report.transcript == transcript[: len(kept.report.transcript)]
    assert len(kept.report.transcript) > 0 or not transcript


def test_a_letter_that_a_line_holds_is_left_as_it_is() -> None:
    said = wire.Ended(CALL, AgentReport("paid", True, {"a": "x" * 2_000}, tuple(turns(100, "x" * 5_000))))
    assert wire.encode(Outbox().put(said)) == wire.encode(wire.Ended(**{**_fields(said), "number": 1}))


def _fields(message: wire.Ended) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}
