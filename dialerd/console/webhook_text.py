"""Webhooks and their deliveries in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.console import wording
from dialerd.console.webhook_draft import ALL

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
STATES = {WAITING: "Waiting", DELIVERED: "Delivered", DEAD: "Dead"}
_TONES = {WAITING: "", DELIVERED: "good", DEAD: "bad"}


def state(hook: Mapping[str, Any]) -> tuple[str, str]:
    """Whether it is told anything, and the tone of that."""
    return ("Enabled", "good") if hook["enabled"] else ("Disabled", "warn")


def why_disabled(hook: Mapping[str, Any]) -> str:
    """Why it is told nothing, and what can be done; nothing if it is told."""
    if hook["enabled"]:
        return ""
    return (
        f"Nothing is sent to it: {hook['disabled_reason']}. What waits is kept, and sent once it is enabled."
    )


def events(hook: Mapping[str, Any]) -> str:
    """What it is told of."""
    return "all events" if ALL in hook["events"] else ", ".join(hook["events"])


def going(waiting: int, dead: int, total: int) -> str:
    """How its deliveries go."""
    if not total:
        return "none yet"
    counted = ((total - waiting - dead, "delivered"), (waiting, "waiting"), (dead, "dead"))
    return ", ".join(f"{count:,} {word}" for count, word in counted if count)


def delivery(shown: Mapping[str, Any], *, may: bool) -> dict[str, Any]:
    """A delivery's line; it leads to the call or the campaign that it tells of."""
    waits = shown["state"] == WAITING
    return {
        "at": wording.clock(shown["created_at"]),
        "event": shown["event"],
        "href": _target(shown["payload"].get("data") or {}),
        "state": STATES.get(shown["state"], wording.plain(shown["state"])),
        "tone": "warn" if waits and shown["attempts"] else _TONES.get(shown["state"], "quiet"),
        "attempts": shown["attempts"],
        "next": wording.clock(shown["next_attempt_at"]) if waits else wording.NOTHING,
        "answer": _answer(shown),
        "again": ("Try now" if waits else "Send again") if may else "",
        "what": f"{shown['event']} of {wording.clock(shown['created_at'])}",
    }


def tested(answer: Mapping[str, Any]) -> str:
    """What became of a test."""
    if answer["delivered"]:
        return f"The receiver took the test: it answered {answer['status_code']}."
    return f"The receiver did not take the test: {answer['detail'] or answer['status_code']}."


def _answer(shown: Mapping[str, Any]) -> str:
    if shown["detail"]:
        return str(shown["detail"])
    return f"answered {shown['status_code']}" if shown["status_code"] else "not tried yet"


def _target(data: Mapping[str, Any]) -> str:
    call = data.get("call_id") or data.get("id") or ""
    if str(call).startswith("cal_"):
        return f"/calls/{call}"
    campaign = data.get("campaign_id") or ""
    return f"/campaigns/{campaign}" if campaign else ""
