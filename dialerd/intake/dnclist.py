"""The rules of one entry of a do-not-call list: a row of a CSV in, a validated entry or every fault of that row out.

Pure: no file, no process, no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dialerd.core.clock import Instant, from_datetime, parse_iso, to_iso
from dialerd.core.dnc import DncEntry, is_pattern
from dialerd.intake.contacts import Note, Row, Tally, Unfit, phone_of, text_of

COLUMNS = ("phone", "reason", "source", "expires_at")
NAME = "numbers"
"""What the list is called in faults."""


def entries(rows: Iterable[Row], now: Instant, tally: Tally) -> Iterator[DncEntry]:
    """The entries of `rows`, the first of each number or prefix; everything else goes to `tally`."""
    seen: dict[str, Row] = {}
    for row in rows:
        tally.received += 1
        if tally.received == 1:
            _tell_unused(row, tally)
        entry = _entry(row, now, tally)
        if entry is None:
            continue
        first = seen.setdefault(entry.pattern, row)
        if first is not row:
            msg = f"the same number as {first.label}"
            tally.duplicates.append(Note(row.line, row.where, None, entry.pattern, msg))
            continue
        tally.accepted += 1
        yield entry


def _tell_unused(row: Row, tally: Tally) -> None:
    unused = [column for column in row.values if column not in COLUMNS]
    if unused:
        msg = f"these columns mean nothing here and are not read: {', '.join(unused)}"
        tally.warnings.append(Note(row.line, NAME, None, None, msg))


def _entry(row: Row, now: Instant, tally: Tally) -> DncEntry | None:
    raw = row.values.get("phone")
    shown = str(raw)[:40] if raw else None
    if row.broken is not None:
        tally.faults.append(Note(row.line, row.where, None, shown, row.broken))
        return None
    before = len(tally.faults)
    read: dict[str, str | None] = {}
    for key, reader in (("phone", _pattern), ("reason", text_of), ("source", text_of)):
        try:
            read[key] = reader(row.values.get(key))
        except Unfit as error:
            tally.faults.append(Note(row.line, f"{row.where}.{key}", key, shown, str(error)))
    try:
        expires_at = _end(row.values.get("expires_at"), now)
    except Unfit as error:
        tally.faults.append(Note(row.line, f"{row.where}.expires_at", "expires_at", shown, str(error)))
    if len(tally.faults) > before:
        return None
    return DncEntry(read["phone"] or "", read["reason"] or "", read["source"] or "", now, expires_at)


def _pattern(value: object) -> str:
    """A number, or a prefix."""
    if isinstance(value, str) and value.strip().endswith("*"):
        prefix = value.strip()
        if not is_pattern(prefix):
            raise Unfit("is not a prefix, as in +9198*")
        return prefix
    return phone_of(value, None)[0]


def _end(value: object, now: Instant) -> Instant | None:
    text = text_of(value)
    if text is None:
        return None
    try:
        end = from_datetime(parse_iso(text))
    except ValueError as error:
        raise Unfit(str(error)) from None
    if end <= now:
        raise Unfit(f"is not in the future: it is {to_iso(now)} now")
    return end
