"""Campaign rules as they are written on the command line: weekly hours, retry rules and shares.

What cannot be understood is passed on as it is, for the daemon to say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def hours(texts: Sequence[str]) -> list[dict[str, Any]] | None:
    """`mon-fri 09:00-18:00`, `sat,sun 10:00-14:00`: one slot each; None without any."""
    return [_slot(text) for text in texts] or None


def _slot(text: str) -> dict[str, Any]:
    days, _, times = text.strip().partition(" ")
    start, _, end = times.strip().partition("-")
    return {"days": [day for part in days.split(",") for day in _span(part)], "from": start, "to": end}


def _span(part: str) -> list[str]:
    first, dash, last = part.strip().lower().partition("-")
    if not dash or first not in _DAYS or last not in _DAYS:
        return [part.strip().lower()]
    begin, end = _DAYS.index(first), _DAYS.index(last)
    return [_DAYS[day % 7] for day in range(begin, end + 1 if end >= begin else end + 8)]


def retry_rules(texts: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """`busy=5`, `no_answer=60x2`, `failed=x1`: minutes after an attempt of this reason, and how often at most."""
    return dict(map(_rule, texts)) or None


def _rule(text: str) -> tuple[str, dict[str, Any]]:
    reason, _, rest = text.partition("=")
    after, times, most = rest.partition("x")
    rule: dict[str, Any] = {}
    if after:
        rule["after_minutes"] = _number(after)
    if times:
        rule["max"] = _number(most)
    return reason.strip(), rule


def shares(text: str | None) -> dict[str, Any] | None:
    """`fresh=2,retries=1,callbacks=8`; what is left out is at its default."""
    if text is None:
        return None
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return {kind.strip(): _number(share.strip()) for kind, _, share in parts}


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
