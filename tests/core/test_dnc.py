"""The do-not-call list in memory: whom it bars, until when, and what a turn may do to it."""

from __future__ import annotations

import pytest

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry, DncList, DncMatch, DncPatterns, is_pattern, span
from dialerd.core.identity import E164

PHONE, OTHER = E164("+919876500001"), E164("+919876500002")
NOW = Instant(1_000)


def listed(*patterns: tuple[str, int | None]) -> DncList:
    dnc = DncList()
    dnc.load((pattern, None if end is None else Instant(end)) for pattern, end in patterns)
    dnc.detail = None
    return dnc


@pytest.mark.parametrize("text", ["+919876500001", "+1234567", "+9*", "+9198*", "+12345678901234*"])
def test_numbers_and_prefixes_are_patterns(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    ["", "*", "+*", "+0*", "919876500001", "+9198", "+91 98*", "+91*98*", "+123456789012345*", "+९१98*"],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_pattern(text)


def test_a_listed_number_is_barred_and_its_neighbours_are_not() -> None:
    dnc = listed((PHONE, None))
    assert dnc.match(PHONE, NOW) == DncMatch(PHONE, None)
    for free in (OTHER, E164("+91987650000"), E164("+9198765000010")):
        assert dnc.match(free, NOW) is None


def test_a_prefix_bars_all_numbers_that_begin_with_it() -> None:
    dnc = listed(("+9198*", None), ("+4*", None), ("+12025550123*", None))
    assert dnc.match(PHONE, NOW) == DncMatch("+9198*", None)
    assert dnc.match(E164("+447700900123"), NOW) == DncMatch("+4*", None)
    assert dnc.match(E164("+12025550123"), NOW) == DncMatch("+12025550123*", None)
    assert dnc.match(E164("+919776500001"), NOW) is None
    assert dnc.match(E164("+1202555012"), NOW) is None


def test_an_entry_bars_until_the_instant_it_ends() -> None:
    dnc = listed((PHONE, NOW), ("+44*", NOW))
    for phone in (PHONE, E164("+447700900123")):
        match = dnc.match(phone, Instant(NOW - 1))
        assert match is not None
        assert match.expires_at == NOW
        assert dnc.match(phone, NOW) is None


def test_of_several_entries_the_one_that_bars_longest_is_named() -> None:
    dnc = listed((PHONE, NOW + 5), ("+91*", NOW + 9), ("+9198*", NOW + 7), ("+919*", NOW))
    assert dnc.match(PHONE, NOW) == DncMatch("+91*", Instant(NOW + 9))
    dnc.add(DncEntry("+91987*"))
    assert dnc.match(PHONE, NOW) == DncMatch("+91987*", None)


def test_a_change_is_seen_at_once_kept_when_adopted_and_gone_when_discarded() -> None:
    dnc = listed((PHONE, None))
    dnc.add(DncEntry("+44*"))
    dnc.remove(PHONE)
    assert dnc.match(E164("+447700900123"), NOW) is not None
    assert dnc.match(PHONE, NOW) is None
    dnc.discard()
    assert dnc.match(E164("+447700900123"), NOW) is None
    assert dnc.match(PHONE, NOW) is not None
    dnc.remove(PHONE)
    dnc.adopt()
    dnc.discard()
    assert dnc.match(PHONE, NOW) is None
    assert len(dnc) == 0


def test_a_number_listed_again_takes_the_new_end() -> None:
    dnc = listed((PHONE, None), ("+44*", None))
    dnc.add(DncEntry(PHONE, expires_at=NOW))
    dnc.add(DncEntry("+44*", expires_at=NOW))
    for _ in range(2):
        assert dnc.match(PHONE, NOW) is None
        assert dnc.match(E164("+447700900123"), NOW) is None
        dnc.adopt()
    assert len(dnc) == 2


def test_taking_off_one_of_two_prefixes_of_a_length_leaves_the_other() -> None:
    dnc = listed(("+9198*", None), ("+9197*", None))
    for pattern in ("+9197*", "+9196*", "+91*"):
        dnc.remove(pattern)
        dnc.adopt()
    assert dnc.match(PHONE, NOW) is not None
    dnc.remove("+9198*")
    dnc.adopt()
    assert dnc.match(PHONE, NOW) is None


def test_what_is_changed_while_the_list_is_read_stands() -> None:
    dnc = DncList()
    dnc.add(DncEntry(OTHER))
    dnc.remove(PHONE)
    dnc.adopt()
    assert dnc.match(OTHER, NOW) is not None
    dnc.load(DncPatterns([(PHONE, None), ("+44*", None)]))
    assert dnc.match(PHONE, NOW) is None
    assert dnc.match(OTHER, NOW) is not None
    assert dnc.match(E164("+447700900123"), NOW) is not None


def test_a_list_that_has_not_been_read_says_so() -> None:
    assert "not been read" in (DncList().detail or "")


def test_patterns_tell_what_they_hold() -> None:
    held = {PHONE: None, OTHER: NOW, "+44*": None, "+4*": NOW}
    patterns = DncPatterns(held.items())
    assert dict(patterns) == held
    assert len(patterns) == 4
    patterns.update([("+44*", NOW)])
    for pattern in (PHONE, "+4*", "+5*", "+15550100100"):
        patterns.drop(pattern)
    assert dict(patterns) == {OTHER: NOW, "+44*": NOW}


@pytest.mark.parametrize("wrong", ["", "x", "+", "+91x", "not a number"])
def test_what_is_no_pattern_is_not_taken_for_a_number(wrong: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever int() says
        DncPatterns([(wrong, None)])


def test_the_span_of_a_pattern_holds_its_numbers_and_no_others() -> None:
    assert span(PHONE) == (PHONE, PHONE)
    first, last = span("+9198*")
    assert all(
        first <= phone <= last for phone in ("+9198", "+919800000", "+919876500001", "+919899999999999")
    )
    assert not any(first <= phone <= last for phone in ("+9197999999999999", "+919", "+9199", "+92"))
