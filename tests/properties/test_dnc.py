"""Promises of the do-not-call list, over random histories of turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry, DncList, DncPatterns
from dialerd.core.identity import E164

Book = dict[str, Instant | None]

# Few digits, so that numbers and prefixes meet.
digits = st.text("12", min_size=6, max_size=9)
phones = digits.map(lambda rest: E164("+1" + rest))
prefixes = st.text("12", max_size=8).map(lambda rest: f"+1{rest}*")
patterns = st.one_of(phones.map(str), prefixes)
ends = st.one_of(st.none(), st.integers(0, 20).map(Instant))
changes = st.lists(st.tuples(patterns, st.one_of(st.just("off"), ends)), max_size=6)
turns = st.lists(st.tuples(changes, st.booleans()), max_size=8)
books = st.dictionaries(patterns, ends, max_size=8)


def bars(book: Book, phone: E164, now: Instant) -> bool:
    """What the list promises, said plainly."""
    return any(
        (pattern == phone or (pattern.endswith("*") and phone.startswith(pattern[:-1])))
        and (end is None or end > now)
        for pattern, end in book.items()
    )


def change(dnc: DncList, book: Book, changed: list[tuple[str, Instant | str | None]]) -> Book:
    """A turn's changes, to the list and to a plain book of it."""
    after = dict(book)
    for pattern, end in changed:
        if isinstance(end, str):
            dnc.remove(pattern)
            after.pop(pattern, None)
        else:
            dnc.add(DncEntry(pattern, expires_at=end))
            after[pattern] = end
    return after


def agree(dnc: DncList, book: Book, asked: list[E164], now: Instant) -> None:
    known = [E164(pattern) for pattern in book if not pattern.endswith("*")]
    for phone in (*asked, *known):
        match = dnc.match(phone, now)
        assert (match is not None) == bars(book, phone, now)
        if match is not None:
            assert book[match.pattern] == match.expires_at
            assert bars({match.pattern: match.expires_at}, phone, now)


@given(start=books, history=turns, asked=st.lists(phones, max_size=6), now=st.integers(0, 20).map(Instant))
def test_a_listed_number_is_never_matched_free_an_expired_one_is_and_a_discarded_change_leaves_no_trace(
    start: Book,
    history: list[tuple[list[tuple[str, Instant | str | None]], bool]],
    asked: list[E164],
    now: Instant,
) -> None:
    dnc, book = DncList(), dict(start)
    dnc.load(DncPatterns(start.items()))
    dnc.detail = None
    for changed, kept in history:
        after = change(dnc, book, changed)
        agree(dnc, after, asked, now)
        if kept:
            dnc.adopt()
            book = after
        else:
            dnc.discard()
        agree(dnc, book, asked, now)
        assert len(dnc) == len(book)


@given(
    stored=books,
    during=turns,
    read_after=st.integers(0, 8),
    asked=st.lists(phones, max_size=6),
)
def test_whenever_the_list_is_read_no_change_is_lost(
    stored: Book,
    during: list[tuple[list[tuple[str, Instant | str | None]], bool]],
    read_after: int,
    asked: list[E164],
) -> None:
    dnc, book, read = DncList(), dict(stored), dict(stored)
    for place, (changed, kept) in enumerate(during):
        after = change(dnc, book, changed)
        if kept:
            dnc.adopt()
            book = after
        else:
            dnc.discard()
        if place < read_after:
            read = dict(book)
    dnc.load(read.items())
    dnc.detail = None
    agree(dnc, book, asked, Instant(0))
    assert len(dnc) == len(book)
