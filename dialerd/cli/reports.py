"""dialerctl report: figures of calls as a table, with a bar for what is compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from dialerd.cli import times
from dialerd.cli.output import Output, shown
from dialerd.cli.session import session_of

EXAMPLES = (
    "dialerctl report --by trunk --from 2026-01-15",
    "dialerctl report --by hour_of_day --campaign cmp_0123456789ab --timezone Asia/Kolkata",
)

_TITLES = {
    "trunk": "TRUNK",
    "caller_id": "CALLER ID",
    "hour": "HOUR",
    "hour_of_day": "HOUR OF DAY",
    "day": "DAY",
    "reason": "REASON",
    "campaign": "CAMPAIGN",
}
_COLUMNS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "CALLS": lambda row: row["calls"],
    "COUNTED": lambda row: row["counted"],
    "ANSWERED": lambda row: row["answered"],
    "RATE": lambda row: "-" if row["connect_rate"] is None else f"{row['connect_rate']:.1%}",
    "TALK S": lambda row: row["avg_talk_seconds"],
    "POSITIVE": lambda row: row["positive"],
    "REFUNDS": lambda row: row["refunds"],
    "FAILOVERS": lambda row: row["failovers"],
}
_WIDE = 130
"""Columns from which the reasons are shown too."""
_BAR = 24
"""Columns of the longest bar."""
_REASONS = 3


def report(
    context: typer.Context,
    by: Annotated[
        str,
        typer.Option(metavar="WHAT", help="trunk, caller_id, hour, hour_of_day, day, reason or campaign."),
    ],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Calls from then on. Default: the campaign's creation, or 7 days ago.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Calls until then, a date included. Default: now."),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN_ID", help="Only this campaign's calls.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="IANA zone of hours, days, and times without offset. Default: this machine's.",
        ),
    ] = None,
) -> None:
    """What came of the calls of a time span, by trunk, caller id, hour, reason or campaign."""
    session = session_of(context)
    zone = timezone or times.local_zone()
    asked = {
        "by": by,
        "from": times.bound(start, zone),
        "to": times.bound(end, zone),
        "campaign_id": campaign,
        "timezone": zone,
    }
    found = session.api.get("/v1/report", asked)
    if session.out.as_json:
        session.out.json(found)
    else:
        _print(session.out, found)


def _print(out: Output, found: dict[str, Any]) -> None:
    out.line(f"calls from {found['from']} to {found['to']}, {found['campaign_id'] or 'all campaigns'}")
    if not found["total"]["calls"]:
        out.line("none")
        return
    columns = dict(_COLUMNS)
    if found["by"] not in ("trunk", "caller_id"):
        del columns["FAILOVERS"]
    if out.console.width >= _WIDE and found["by"] != "reason":
        columns["REASONS"] = _reasons
    most = max(row["calls"] for row in found["data"])
    full, light = _marks()
    rows = [
        (_name(row), *(cell(row) for cell in columns.values()), _bar(row, most, full, light))
        for row in found["data"]
    ]
    total = ("all", *(cell(found["total"]) for cell in columns.values()), "")
    out.table((_TITLES[found["by"]], *columns, f"{full} ANSWERED {light} NOT"), [*rows, total])
    if found["by"] in ("hour", "hour_of_day", "day"):
        out.line(f"on the clocks of {found['timezone']}")
    if found["left_out"]:
        out.line(f"{found['left_out']} groups with fewer calls are not shown")


def _name(row: dict[str, Any]) -> str:
    key = row["key"] if row["key"] is not None else "(none)"
    return f"{key} {row['name']}" if row["name"] else str(key)


def _reasons(row: dict[str, Any]) -> str:
    most = list(row["reasons"].items())[:_REASONS]
    return shown([f"{reason} {count}" for reason, count in most])


def _bar(row: dict[str, Any], most: int, full: str, light: str) -> str:
    """As long as there are calls, beside the group with most of them; filled as far as they were answered."""
    length = max(1, round(_BAR * row["calls"] / most)) if row["calls"] else 0
    answered = round(length * row["answered"] / row["calls"]) if row["calls"] else 0
    return full * answered + light * (length - answered)


def _marks() -> tuple[str, str]:
    try:
        "█░".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "#", "-"
    return "█", "░"
