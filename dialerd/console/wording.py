"""The field's terms as people say them, and figures as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

NOTHING = "–"

_STATUS = {
    "scheduled": "Scheduled",
    "running": "Running",
    "paused": "Paused",
    "completed": "Completed",
    "stopped": "Stopped",
}
_LABELS = {
    "connected": "Connected",
    "not_reachable": "Not reached",
    "callback_requested": "Callback requested",
    "interested": "Interested",
    "not_interested": "Not interested",
    "dnc": "Do not call again",
    "paid": "Paid",
    "escalated": "Handed to a person",
}
_REASONS = {
    "busy": "busy",
    "no_answer": "no answer",
    "rejected": "declined",
    "unwanted": "unwanted",
    "invalid_number": "no such number",
    "number_changed": "number changed",
    "voicemail": "answering machine",
    "congestion": "network full",
    "failed": "failed",
    "lost": "outcome unknown",
    "abandoned": "heard nobody in time",
    "dropped": "audio was lost",
    "engine_failed": "voice agent failed",
    "cut": "hung up by an order",
}
_HANDOVERS = {
    "ringing": "it rings there",
    "joining": "answered, being connected",
    "answered": "answered",
    "cancelled": "called off",
    "no_target": "there is nobody to reach",
    "busy": "busy",
    "no_answer": "no answer",
    "failed": "could not be reached",
}
_RULES = {
    "dnc": "Do-not-call list",
    "dnc-list": "Do-not-call list in use",
    "tzdata": "Time zone data",
    "asterisk": "Asterisk",
    "manager": "Asterisk's manager interface",
    "not-before": "May be called from",
    "min-gap": "Last call to the number",
    "live-call": "Other call to the number",
    "campaign-concurrency": "Calls of the campaign",
    "engine-session": "Calls of the voice agents",
}
_STATES = {
    "pending": "Waiting",
    "dialing": "Being called",
    "in_call": "In a call",
    "retry_waiting": "Waits for a retry",
    "callback_waiting": "Waits for a callback",
    "finished": "Done",
    "suppressed": "On the do-not-call list",
    "expired": "Not called: the campaign ended",
    "cancelled": "Not called: the campaign was stopped",
    "in_progress": "In progress",
    "completed": "Over",
    "failed": "Failed",
    "up": "Up",
    "paused": "Paused",
    "unreachable": "Unreachable",
    "unregistered": "Not registered",
    "unknown": "Not known yet",
}


def status(word: str, *, closing: bool = False) -> str:
    """The state of a campaign."""
    shown = _STATUS.get(word, plain(word))
    return f"{shown}, last calls" if closing else shown


def label(word: str | None) -> str:
    """A disposition; one that an agent declares is shown as it is called."""
    return NOTHING if word is None else _LABELS.get(word, plain(word))


def reason(word: str | None) -> str:
    """Why a call came to nothing."""
    return "" if word is None else _REASONS.get(word, word.replace("_", " "))


def outcome(disposition: str | None, why: str | None) -> str:
    """A disposition with its reason."""
    said = reason(why)
    return f"{label(disposition)}: {said}" if said else label(disposition)


def script(ident: str | None, version: int | None) -> str:
    """A script as a campaign or a call has it."""
    return "none" if ident is None else f"{ident}, version {version}"


def agent(campaign: Mapping[str, Any]) -> str:
    """Who talks in a campaign, and who stands in."""
    if campaign["agent_id"] is None:
        return "none: the script alone"
    said = f"{campaign['agent_id']}, by the engine {campaign['engine']}"
    fallbacks = ", then ".join(campaign["fallbacks"])
    return f"{said}; if it cannot: {fallbacks}" if fallbacks else said


def talker(call: Mapping[str, Any]) -> str:
    """Who talked in a call; who was meant to, where somebody else had to."""
    meant = f"{call['agent_id'] or 'the script alone'}, by the engine {call['engine']}"
    taken = call["taken_over_by"]
    if taken is None:
        return meant
    return f"{taken['agent_id']}, by the engine {taken['engine']}; not {meant}: {taken['detail']}"


def answerer(call: Mapping[str, Any]) -> str:
    """Who has answered a call."""
    match call["answered_by"]:
        case "human":
            return "a person"
        case "machine":
            return "an answering machine" + (", which was left a message" if call["message_left"] else "")
        case _:
            return "could not be told" if call["answered_at"] else NOTHING


def handover(transfer: Mapping[str, Any] | None) -> str:
    """What became of a call's last transfer to a person, and what that person was told."""
    if transfer is None:
        return "no"
    became = transfer["outcome"] or transfer["state"]
    said = f"to {transfer['where'] or transfer['target'] or 'nobody'}: {_HANDOVERS.get(became, plain(became).lower())}"
    told = ". ".join(filter(None, (transfer["reason"], transfer["summary"])))
    return f"{said} ({told})" if told else said


def state(word: str) -> str:
    """The state of a contact, a call or a trunk."""
    return _STATES.get(word, plain(word))


def rule(name: str) -> str:
    """A rule that is checked before each call."""
    return _RULES.get(name, plain(name))


def plain(word: str) -> str:
    """A name of the API as words."""
    return word.replace("_", " ").replace("-", " ").capitalize()


def percent(ratio: float | None) -> str:
    """A ratio; nothing of nothing is not 0."""
    return NOTHING if ratio is None else f"{ratio * 100:.1f}%"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return NOTHING
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days {hours % 24} h"


def moment(iso: str | None, zone: str | None = None) -> str:
    """A time of the API on the clock of `zone`, which is named."""
    if not iso:
        return NOTHING
    local = datetime.fromisoformat(iso).astimezone(ZoneInfo(zone) if zone else UTC)
    return f"{local:%d %b %Y, %H:%M:%S} {zone or 'UTC'}"


def clock(iso: str | None, zone: str | None = None) -> str:
    """The same, short: for lists whose clock is named above them."""
    if not iso:
        return NOTHING
    local = datetime.fromisoformat(iso).astimezone(ZoneInfo(zone) if zone else UTC)
    return f"{local:%d %b, %H:%M:%S}"


def wall(iso: str | None) -> str:
    """A time on a callee's own clock, which the API has put it on, with that clock's offset."""
    if not iso:
        return NOTHING
    local = datetime.fromisoformat(iso)
    return f"{local:%a, %d %b %Y, %H:%M:%S} (UTC{local.isoformat()[-6:]})"


def window(schedule: dict[str, object]) -> str:
    """When a campaign may dial."""
    zone = str(schedule.get("timezone") or "") or None
    start, end = schedule.get("start_time"), schedule.get("end_time")
    said = (
        f"{_minute(start, zone)} to {_minute(end, zone)}" if start or end else "Until every contact is done"
    )
    hours = schedule.get("hours")
    if isinstance(hours, list) and hours:
        said += "; " + "; ".join(
            f"{', '.join(day.capitalize() for day in slot['days'])} {slot['from']}–{slot['to']}"
            for slot in hours
        )
    holidays = schedule.get("holidays")
    if isinstance(holidays, list) and holidays:
        said += f"; not on {', '.join(map(str, holidays))}"
    return f"{said} ({zone})" if zone else said


def _minute(iso: object, zone: str | None) -> str:
    if not isinstance(iso, str):
        return "now"
    local = datetime.fromisoformat(iso).astimezone(ZoneInfo(zone) if zone else UTC)
    return f"{local:%d %b %Y %H:%M}"
