"""Transfers as they are recorded, held against what the PBX saw: who was really together, and who was left alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.kill.accounts import Books
from tests.kill.ledger import CallRow, ContactRow
from tests.kill.onlooker import Seen, Span

AT_ONCE = 0.3
"""Seconds of a talk so short that it may be over before anybody was told of it."""
ALONE = 3.0
"""Seconds of a daemon that has settled for which nobody may be alone on the line."""
SETTLED = 1.0
"""Seconds from when a daemon has reached Asterisk until it must know what became of calls and people."""
RINGS_ON = 3.0
"""The same for a person's channel whose callee is gone."""
_OURS = re.compile(r"(?P<callee>.+-cal_[0-9a-f]{12}-\d+)(?P<person>-h\d+)?")


def reckon(
    contacts: Mapping[str, ContactRow],
    seen: Seen,
    settled: Sequence[Span],
    deaths: Sequence[float],
    harms: Sequence[Span] = (),
) -> Books:
    """Hold every call's transfer, and every channel, against the promise.

    `settled`: when a daemon knew what was going on; `deaths`: those of Asterisk; `harms`: when the way to a server was
    harmed.
    """
    unknown = _Unknown(settled, deaths, harms)
    calls = {call.id: call for contact in contacts.values() for call in contact.calls}
    figures: Counter[str] = Counter()
    breaches = [breach for call in calls.values() for breach in _recorded(call, seen, unknown, figures)]
    figures["longest alone, ms"] = 0
    for name in seen.lines:
        found = _OURS.fullmatch(name)
        if found is None or not any(call in name for call in calls):
            continue
        callee = found["callee"]
        breaches += _left(name, seen, settled, figures)
        if found["person"]:
            breaches += _rings_on(name, callee, seen, settled)
    return Books(tuple(breaches), figures)


def persons_of(call: CallRow, seen: Seen) -> list[str]:
    """The channels of the persons who were called for a call."""
    channel = call.tries[-1].channel
    return [name for name in seen.lines if name.startswith(f"{channel}-h")]


def joined_at(call: CallRow, seen: Seen) -> list[Span]:
    """When callee and person could hear each other."""
    channel = call.tries[-1].channel
    return [span for person in persons_of(call, seen) for span in seen.together(channel, person)]


def _recorded(call: CallRow, seen: Seen, unknown: _Unknown, figures: Counter[str]) -> Iterator[str]:
    persons, talks = persons_of(call, seen), joined_at(call, seen)
    transfer = call.transfer
    if persons and transfer is None:
        yield f"{call.id}: a person was called, and no transfer is recorded"
    if transfer is None:
        return
    figures["transfers"] += 1
    outcome = transfer["outcome"]
    figures[f"transfers {outcome}"] += 1
    if transfer["state"] != "ended" or outcome is None:
        yield f"{call.id}: over, and its transfer is {transfer['state']} ({outcome})"
    if (call.disposition == "escalated") != (outcome == "answered"):
        yield f"{call.id}: recorded as {call.disposition}, its transfer as {outcome}"
    if outcome == "answered" and not talks:
        yield f"{call.id}: recorded as with a person, the PBX never saw the two together ({persons})"
    if outcome == "answered" or not talks:
        return
    if any(unknown.may_be(span) for span in talks):
        figures["talks that nobody could record"] += 1
    elif max(end - begin for begin, end in talks) > AT_ONCE:
        yield f"{call.id}: was with a person, recorded as {outcome} ({call.disposition}, {call.reason})"


@dataclass(frozen=True)
class _Unknown:
    """What kept a daemon from being told of a talk."""

    settled: Sequence[Span]
    deaths: Sequence[float]
    harms: Sequence[Span]

    def may_be(self, talk: Span) -> bool:
        """Whether nothing could tell of it.

        One that ended while no daemon was there is in Asterisk's call records, unless it died with that. One that was
        over just as a daemon had come back was over before the two could be brought together again.
        """
        begin, end = talk
        if any(begin - AT_ONCE <= death <= begin + AT_ONCE for death in self.deaths):
            return True
        if any(since <= begin and begin + AT_ONCE <= until for since, until in self.settled):
            return False
        return (
            any(begin <= death <= end + AT_ONCE for death in self.deaths)
            or any(since <= end and begin <= until for since, until in self.harms)
            or any(since - SETTLED <= end <= since for since, _ in self.settled)
        )


def _left(name: str, seen: Seen, settled: Sequence[Span], figures: Counter[str]) -> Iterator[str]:
    for span in seen.alone(name):
        lasted = sum(_within(span, settled))
        figures["longest alone, ms"] = max(figures["longest alone, ms"], round(lasted * 1_000))
        if lasted > ALONE:
            yield f"{name}: alone on the line from {span[0]:.3f} to {span[1]:.3f}"


def _rings_on(name: str, callee: str, seen: Seen, settled: Sequence[Span]) -> Iterator[str]:
    line, other = seen.lines[name], seen.lines.get(callee)
    ended = line.gone if line.gone is not None else seen.now
    if other is None or other.gone is None or other.gone > ended:
        return
    if sum(_within((other.gone, ended), settled)) > RINGS_ON:
        yield f"{name}: there until {ended:.3f}, its callee was gone at {other.gone:.3f}"


def _within(span: Span, spans: Sequence[Span]) -> Iterator[float]:
    for begin, end in spans:
        yield max(0.0, min(end, span[1]) - max(begin, span[0]))
