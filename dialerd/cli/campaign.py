"""dialerctl campaign …"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli import times
from dialerd.cli.client import bad_input
from dialerd.cli.output import Output
from dialerd.cli.session import command, group, session_of
from dialerd.cli.watch import final_report, watch

app = group("Create campaigns, start and stop them, follow them.")

Ident = Annotated[str, typer.Argument(metavar="CAMPAIGN_ID", help="cmp_…")]


class OnInvalid(StrEnum):
    """What becomes of a list with bad rows."""

    reject = "reject"
    skip = "skip"


class Calls(StrEnum):
    """What becomes of live calls when a campaign is stopped."""

    finish = "finish"
    hangup = "hangup"


class Ringing(StrEnum):
    """What becomes of calls that ring."""

    continue_ = "continue"
    cancel = "cancel"


@command(
    app,
    "create",
    "dialerctl campaign create --name Loans --script scr_0123456789ab --language en-IN --csv loans.csv --start-now",
    "dialerctl campaign create --name Loans --script scr_0123456789ab --language hi-IN --csv loans.csv "
    "--start '2026-01-15 09:00' --end '2026-01-15 18:00' --timezone Asia/Kolkata --max-attempts 3",
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="For people.")],
    script: Annotated[str, typer.Option(metavar="SCRIPT_ID", help="See: dialerctl script list.")],
    language: Annotated[str, typer.Option(help="BCP-47, one the script has texts for: en-IN, hi-IN …")],
    csv: Annotated[Path, typer.Option(metavar="FILE", help="Contacts: a header line with a column phone.")],
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="When dialing begins. Default with --end: now.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When dialing ends. Without --start and --end the campaign waits for `campaign start`.",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="IANA zone of the window, and of times without offset. Default: this machine's.",
        ),
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option(metavar="N", help="Total attempts a contact, 1–10. (default 1)")
    ] = None,
    retry_interval: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="From the end of one attempt to the next. (default 60)"),
    ] = None,
    ring_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a phone rings. (default 30)")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(metavar="N", help="Calls at a time.")] = None,
    calls_per_second: Annotated[
        float | None, typer.Option(metavar="RATE", help="New calls a second.")
    ] = None,
    default_region: Annotated[
        str | None, typer.Option(metavar="COUNTRY", help="Accept this country's national numbers: IN, US …")
    ] = None,
    on_invalid: Annotated[
        OnInvalid, typer.Option(help="Refuse a list with bad rows, or leave those out.")
    ] = OnInvalid.reject,
    start_now: Annotated[bool, typer.Option("--start-now", help="Start it at once.")] = False,
) -> None:
    """Create a campaign from a contact list; prints its campaign_id."""
    session = session_of(context)
    if not csv.is_file():
        raise bad_input(f"there is no file {csv}")
    fields = {
        "name": name,
        "script_id": script,
        "language": language,
        "schedule": times.schedule(start, end, timezone),
        "max_attempts": max_attempts,
        "retry_interval_minutes": retry_interval,
        "ring_timeout_seconds": ring_timeout,
        "max_concurrent_calls": max_concurrent,
        "calls_per_second": calls_per_second,
        "default_region": default_region,
        "on_invalid": on_invalid.value,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    created = session.api.post_list(
        "/v1/campaigns", json.dumps(given).encode("utf-8", "surrogateescape"), csv
    )
    ident = created["campaign_id"]
    if start_now:
        if not session.out.as_json:
            session.out.line(f"campaign_id: {ident}")
        started = session.api.post(f"/v1/campaigns/{ident}/start", {"now": True})
        created = {**created, **started}
    elif not session.out.as_json:
        session.out.line(f"campaign_id: {ident}")
    if session.out.as_json:
        session.out.json(created)
        return
    _print_import(session.out, created)


def _print_import(out: Output, created: dict[str, Any]) -> None:
    done = created["import"]
    out.line(f"status: {created['status']}")
    out.line(
        f"contacts: {done['accepted']} accepted of {done['received']}, {done['duplicates']} duplicates merged, "
        f"{len(done['invalid'])} invalid, {len(done['warnings'])} warnings"
    )
    for title, rows in (
        ("duplicate", done["duplicate_rows"]),
        ("invalid", done["invalid"]),
        ("warning", done["warnings"]),
    ):
        for row in rows:
            out.line(f"  {title}: line {row['line']}: {row['phone'] or ''}: {row['reason']}")
    if created["status"] == "scheduled" and created["schedule"]["start_time"] is None:
        out.line(f"next: dialerctl campaign start {created['campaign_id']}")


@command(app, "list", "dialerctl campaign list --status running")
def list_(
    context: typer.Context,
    status: Annotated[
        str | None, typer.Option(help="scheduled, running, paused, completed or stopped.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
) -> None:
    """Campaigns, newest first."""
    session = session_of(context)
    page = session.api.pages("/v1/campaigns", {"status": status}, limit)
    session.out.page(
        page,
        ("CAMPAIGN", "STATUS", "CALLED", "CONNECTED", "CONTACTS", "CREATED", "NAME"),
        (
            (
                item["campaign_id"],
                item["status"],
                item["progress"]["called"],
                item["dispositions"]["connected"],
                item["progress"]["total_contacts"],
                item["created_at"],
                item["name"],
            )
            for item in page["data"]
        ),
    )


@command(app, "show", "dialerctl campaign show cmp_0123456789ab")
def show(context: typer.Context, campaign: Ident) -> None:
    """One campaign: progress, dispositions, metrics, and why it does not dial if it does not."""
    session = session_of(context)
    found = session.api.get(f"/v1/campaigns/{campaign}")
    if session.out.as_json:
        session.out.json(found)
    else:
        final_report(session.out, found)


@command(app, "start", "dialerctl campaign start cmp_0123456789ab --now")
def start(
    context: typer.Context,
    campaign: Ident,
    now: Annotated[bool, typer.Option("--now", help="Even before its start time.")] = False,
) -> None:
    """Start a scheduled campaign."""
    _act(context, campaign, "start", {"now": now} if now else {})


@command(app, "pause", "dialerctl campaign pause cmp_0123456789ab")
def pause(
    context: typer.Context,
    campaign: Ident,
    ringing: Annotated[
        Ringing, typer.Option(help="Let ringing calls go on, or cancel them.")
    ] = Ringing.continue_,
) -> None:
    """Place no new calls. When this returns, no further call leaves."""
    _act(context, campaign, "pause", {"ringing": ringing.value})


@command(app, "resume", "dialerctl campaign resume cmp_0123456789ab")
def resume(context: typer.Context, campaign: Ident) -> None:
    """Go on dialing."""
    _act(context, campaign, "resume", {})


@command(app, "stop", "dialerctl campaign stop cmp_0123456789ab --calls hangup")
def stop(
    context: typer.Context,
    campaign: Ident,
    calls: Annotated[Calls, typer.Option(help="Let live calls finish, or hang them up.")] = Calls.finish,
    ringing: Annotated[
        Ringing, typer.Option(help="Let ringing calls go on, or cancel them.")
    ] = Ringing.continue_,
) -> None:
    """End a campaign for good."""
    _act(context, campaign, "stop", {"calls": calls.value, "ringing": ringing.value})


@command(app, "watch", "dialerctl campaign watch cmp_0123456789ab")
def watch_(
    context: typer.Context,
    campaign: Ident,
    interval: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Between two looks.")] = 1.0,
) -> None:
    """Follow a campaign until it ends. With --json one object a line, at every change."""
    watch(session_of(context), campaign, interval)


def _act(context: typer.Context, campaign: str, verb: str, body: dict[str, Any]) -> None:
    session = session_of(context)
    done = session.api.post(f"/v1/campaigns/{campaign}/{verb}", body)
    if session.out.as_json:
        session.out.json(done)
        return
    session.out.fields((("campaign_id", done["campaign_id"]), ("status", done["status"])))
    if done.get("in_flight"):
        session.out.line(
            f"in_flight: {done['in_flight']} (calls sent before this that had not shown themselves after 2 s)"
        )
