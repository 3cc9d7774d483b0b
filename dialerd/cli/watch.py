"""A campaign as it goes: a live picture on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from dialerd.cli.client import UNREACHABLE, CliError
from dialerd.cli.output import Output, shown
from dialerd.cli.session import Session

ENDED = ("completed", "stopped")
PATIENCE = 60.0
"""Seconds for which a daemon that restarts is waited for."""
_RATE_SPAN = 10.0
_COUNTED_BY = (("TRUNK", "by_trunk"), ("CALLER ID", "by_caller_id"), ("HOUR (UTC)", "by_hour"))


def watch(session: Session, campaign: str, interval: float) -> None:
    """Follow a campaign until it has ended. Raises `CliError`."""
    out = session.out
    looks = _looks(session, campaign, interval)
    if out.as_json:
        before = None
        for found, _ in looks:
            if found != before:
                out.json(found, line=True)
            before = found
    elif out.console.is_terminal:
        _live(out, looks)
    else:
        _lines(out, looks)


def _looks(session: Session, campaign: str, interval: float) -> Iterator[tuple[dict[str, Any], float | None]]:
    """The campaign and the calls placed a second, again and again until it has ended."""
    lost_at: float | None = None
    marks: deque[tuple[float, int]] = deque()
    while True:
        try:
            found = session.api.get(f"/v1/campaigns/{campaign}")
            placed = session.api.get("/v1/calls", {"campaign_id": campaign, "limit": 1})["total"]
        except CliError as error:
            now = time.monotonic()
            lost_at = lost_at or now
            if error.exit_code != UNREACHABLE or not marks or now - lost_at > PATIENCE:
                raise
        else:
            lost_at = None
            yield found, _rate(marks, placed)
            if found["status"] in ENDED:
                return
        time.sleep(interval)


def _rate(marks: deque[tuple[float, int]], placed: int) -> float | None:
    """Calls placed a second over the last ten seconds."""
    now = time.monotonic()
    marks.append((now, placed))
    while len(marks) > 2 and now - marks[0][0] > _RATE_SPAN:
        marks.popleft()
    (since, first), (until, last) = marks[0], marks[-1]
    return (last - first) / (until - since) if until > since else None


def _lines(out: Output, looks: Iterator[tuple[dict[str, Any], float | None]]) -> None:
    before = ""
    found: dict[str, Any] = {}
    for found, rate in looks:
        summary = _summary(found)
        if summary != before:
            speed = "" if rate is None else f" | {rate:.1f} calls/s"
            out.line(f"{datetime.now().astimezone():%H:%M:%S} {summary}{speed}")
        before = summary
    final_report(out, found)


def _summary(found: dict[str, Any]) -> str:
    progress = found["progress"]
    labels = " ".join(f"{label} {count}" for label, count in found["dispositions"].items() if count)
    text = (
        f"{found['status']}: called {progress['called']}/{progress['total_contacts']}, "
        f"in progress {progress['in_progress']}, waiting for retry {progress['retry_waiting']}, "
        f"finished {progress['finished']}"
    )
    return f"{text} | {labels}" if labels else text + _blocked(found)


def _blocked(found: dict[str, Any]) -> str:
    reasons = "; ".join(f"{item['reason']}: {item['detail']}" for item in found["blocked"])
    return f" | not dialing: {reasons}" if reasons else ""


def _live(out: Output, looks: Iterator[tuple[dict[str, Any], float | None]]) -> None:
    found: dict[str, Any] = {}
    with Live(console=out.console, auto_refresh=False, transient=True) as live:
        for found, rate in looks:
            live.update(_picture(found, rate), refresh=True)
    final_report(out, found)


def _picture(found: dict[str, Any], rate: float | None) -> RenderableType:
    progress = found["progress"]
    total = max(1, progress["total_contacts"])
    over = sum(progress[key] for key in ("finished", "suppressed", "expired", "cancelled"))
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("finished")
    )
    bar.add_task(found["status"], total=total, completed=over)
    speed = "-" if rate is None else f"{rate:.1f}"
    lines = [
        f"{found['campaign_id']}  {found['name']}",
        f"called {progress['called']}   in progress {progress['in_progress']}   "
        f"waiting for retry {progress['retry_waiting']}   {speed} calls/s",
        "   ".join(f"{label} {count}" for label, count in found["dispositions"].items()),
        f"connect rate {_rate_text(found, 'connect_rate')}   conversion {_rate_text(found, 'conversion_rate')}   "
        f"average call {shown(found['metrics']['avg_call_duration_seconds'])} s",
        _blocked(found).removeprefix(" | "),
    ]
    return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines if line))


def _rate_text(found: dict[str, Any], key: str) -> str:
    value = found["metrics"].get(key)
    return "-" if value is None else f"{value:.1%}"


def final_report(out: Output, found: dict[str, Any]) -> None:
    """A campaign for people: what it is, how far it came, what came of it."""
    schedule = found["schedule"]
    window = (
        f"{shown(schedule['start_time'])} to {shown(schedule['end_time'])} ({shown(schedule['timezone'])})"
    )
    out.fields(
        (
            ("campaign_id", found["campaign_id"]),
            ("name", found["name"]),
            ("status", found["status"]),
            ("script", f"{found['script_id']} version {found['script_version']}, {found['language']}"),
            ("window", window if schedule["start_time"] else "none: waits for `campaign start`"),
            ("hours", [_slot(slot) for slot in schedule["hours"]] or "every hour of it"),
            ("closed on", schedule["holidays"]),
            ("attempts", f"up to {found['max_attempts']}, {found['retry_interval_minutes']} minutes apart"),
            ("retry rules", [_rule(*rule) for rule in found["retry_rules"].items()]),
            ("callbacks", f"up to {found['max_callbacks']}"),
            ("weight", found["weight"]),
            ("shares", ", ".join(f"{kind} {share}" for kind, share in found["shares"].items())),
            ("created", found["created_at"]),
            ("started", found["started_at"]),
            ("finished", found["finished_at"]),
            (
                "contacts",
                ", ".join(f"{key} {value}" for key, value in found["progress"].items() if value) or "none",
            ),
        )
    )
    for item in found["blocked"]:
        until = f" (until {item['until']})" if item["until"] else ""
        out.line(f"not dialing: {item['reason']}: {item['detail']}{until}")
    if found["disposition_breakdown"]:
        out.table(
            ("DISPOSITION", "CONTACTS", "% OF CALLED"),
            (
                (item["disposition"], item["count"], item["percentage"])
                for item in found["disposition_breakdown"]
            ),
        )
    if found["reasons"]:
        out.table(("NOT REACHABLE BECAUSE", "CONTACTS"), found["reasons"].items())
    for title, key in _COUNTED_BY:
        if found[key]:
            rows = ((name, figures["calls"], figures["answered"]) for name, figures in found[key].items())
            out.table((title, "CALLS", "ANSWERED"), rows)
    rates = ("connect_rate", "conversion_rate", "retry_rate", "escalation_rate")
    out.line("rates: " + ", ".join(f"{key.removesuffix('_rate')} {_rate_text(found, key)}" for key in rates))
    out.line(f"average call: {shown(found['metrics']['avg_call_duration_seconds'])} s")


def _slot(slot: dict[str, Any]) -> str:
    return f"{' '.join(slot['days'])} {slot['from']}-{slot['to']}"


def _rule(reason: str, rule: dict[str, Any]) -> str:
    most = "" if rule["max"] is None else f", {rule['max']} times at most"
    return f"{reason} after {rule['after_minutes']} minutes{most}"
