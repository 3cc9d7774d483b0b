"""dialerctl campaign …"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli import rules, times
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


Hours = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SLOT", help="Weekly hours in the campaign's zone, as 'mon-fri 09:00-18:00'; repeatable."
    ),
]
Holidays = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DATE|COUNTRY", help="Days without calls: a date, or a country's holidays; repeatable."
    ),
]
RetryRules = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REASON=MINUTES[xMAX]",
        help="Retry attempts of one reason differently, as busy=5x3 or no_answer=120; repeatable.",
    ),
]
MaxCallbacks = Annotated[
    int | None,
    typer.Option(metavar="N", help="Calls that a callee may ask for, beside the attempts. (default 1)"),
]
Region = Annotated[
    str | None, typer.Option(metavar="COUNTRY", help="Accept this country's national numbers: IN, US …")
]
Invalid = Annotated[OnInvalid, typer.Option(help="Refuse a list with bad rows, or leave those out.")]


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
    hours: Hours = None,
    holidays: Holidays = None,
    retry_rule: RetryRules = None,
    max_callbacks: MaxCallbacks = None,
    default_region: Region = None,
    on_invalid: Invalid = OnInvalid.reject,
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
        "schedule": _schedule(times.schedule(start, end, timezone), hours, holidays),
        "max_attempts": max_attempts,
        "retry_interval_minutes": retry_interval,
        "retry_rules": rules.retry_rules(retry_rule or ()),
        "max_callbacks": max_callbacks,
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


def _schedule(
    window: dict[str, Any] | None, hours: list[str] | None, holidays: list[str] | None
) -> dict[str, Any] | None:
    slots = rules.hours(hours or ())
    more: dict[str, Any] = {
        key: value for key, value in (("hours", slots), ("holidays", holidays or None)) if value
    }
    if more and not (window or {}).get("timezone"):
        more["timezone"] = times.local_zone()
    return {**(window or {}), **more} if window or more else None


def _print_import(out: Output, created: dict[str, Any]) -> None:
    out.line(f"status: {created['status']}")
    _print_list(out, created["import"])
    if created["status"] == "scheduled" and created["schedule"]["start_time"] is None:
        out.line(f"next: dialerctl campaign start {created['campaign_id']}")


_NOTED = (
    ("suppressed_dnc", "on the do-not-call list: stored, never dialed"),
    ("zone_unknown", "whose time zone is unknown: legal hours apply, so not dialed until they have one"),
    ("no_common_hours", "that may be in several zones whose legal hours hardly meet"),
)


def _print_list(out: Output, done: dict[str, Any]) -> None:
    out.line(
        f"contacts: {done['accepted']} accepted of {done['received']}, {done['duplicates']} duplicates merged, "
        f"{len(done['invalid'])} invalid, {len(done['warnings'])} warnings"
    )
    for key, words in _NOTED:
        if done.get(key):
            out.line(f"  {done[key]} {words}")
    for title, rows in (
        ("duplicate", done["duplicate_rows"]),
        ("invalid", done["invalid"]),
        ("warning", done["warnings"]),
    ):
        for row in rows:
            out.line(f"  {title}: line {row['line']}: {row['phone'] or ''}: {row['reason']}")


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


@command(
    app,
    "edit",
    "dialerctl campaign edit cmp_0123456789ab --max-attempts 5 --calls-per-second 2",
    "dialerctl campaign edit cmp_0123456789ab --end '2026-01-16 18:00' --hours 'mon-fri 10:00-17:00'",
)
def edit(
    context: typer.Context,
    campaign: Ident,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="When dialing begins.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="When dialing ends.")] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help="IANA zone of the window.")] = None,
    max_attempts: Annotated[int | None, typer.Option(metavar="N", help="Total attempts a contact.")] = None,
    retry_interval: Annotated[float | None, typer.Option(metavar="MINUTES", help="Between attempts.")] = None,
    ring_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a phone rings.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(metavar="N", help="Calls at a time.")] = None,
    calls_per_second: Annotated[
        float | None, typer.Option(metavar="RATE", help="New calls a second.")
    ] = None,
    hours: Hours = None,
    holidays: Holidays = None,
    retry_rule: RetryRules = None,
    max_callbacks: MaxCallbacks = None,
) -> None:
    """Change a live campaign; what is not given stays as it is."""
    session = session_of(context)
    path = f"/v1/campaigns/{campaign}"
    window = None
    if start or end or timezone or hours or holidays:
        # Of the window too, what is not given stays: its times without offset are those of its zone.
        now = session.api.get(path)["schedule"]
        zone = timezone or now["timezone"]
        asked = times.schedule(start or now["start_time"], end or now["end_time"], zone)
        window = {key: value for key, value in (asked or {}).items() if value is not None}
    fields = {
        "name": name,
        "schedule": _schedule(window, hours, holidays),
        "max_attempts": max_attempts,
        "retry_interval_minutes": retry_interval,
        "retry_rules": rules.retry_rules(retry_rule or ()),
        "max_callbacks": max_callbacks,
        "ring_timeout_seconds": ring_timeout,
        "max_concurrent_calls": max_concurrent,
        "calls_per_second": calls_per_second,
    }
    edited = session.api.patch(path, {key: value for key, value in fields.items() if value is not None})
    if session.out.as_json:
        session.out.json(edited)
    else:
        session.out.fields(
            (("campaign_id", campaign), ("version", edited["version"]), ("status", edited["status"]))
        )


@command(app, "contacts", "dialerctl campaign contacts cmp_0123456789ab --state retry_waiting")
def contacts(
    context: typer.Context,
    campaign: Ident,
    state: Annotated[str | None, typer.Option(help="pending, retry_waiting, finished, suppressed …")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
) -> None:
    """The campaign's contacts: state, attempts, and when each is called next."""
    session = session_of(context)
    page = session.api.pages(f"/v1/campaigns/{campaign}/contacts", {"state": state}, limit)
    columns = ("phone", "state", "attempts", "refunds", "disposition", "reason", "next_attempt_at", "name")
    session.out.page(
        page,
        tuple(column.upper().replace("_", " ") for column in columns),
        (tuple(item.get(column) for column in columns) for item in page["data"]),
    )


@command(app, "add-contacts", "dialerctl campaign add-contacts cmp_0123456789ab --csv more.csv")
def add_contacts(
    context: typer.Context,
    campaign: Ident,
    csv: Annotated[Path, typer.Option(metavar="FILE", help="Contacts: a header line with a column phone.")],
    default_region: Region = None,
    on_invalid: Invalid = OnInvalid.reject,
) -> None:
    """Give a live campaign more contacts."""
    session = session_of(context)
    if not csv.is_file():
        raise bad_input(f"there is no file {csv}")
    params = {"default_region": default_region, "on_invalid": on_invalid.value}
    added = session.api.post_csv(f"/v1/campaigns/{campaign}/contacts", "contacts", csv, params)
    if session.out.as_json:
        session.out.json(added)
    else:
        _print_list(session.out, added["import"])


@command(
    app,
    "why",
    "dialerctl campaign why cmp_0123456789ab",
    "dialerctl campaign why cmp_0123456789ab +919876543210",
)
def why(
    context: typer.Context,
    campaign: Ident,
    phone: Annotated[str | None, typer.Argument(metavar="PHONE", help="One contact of it, E.164.")] = None,
) -> None:
    """Why a campaign, or one contact, is not being dialed now, and when each reason lifts."""
    session = session_of(context)
    contact = f"/contacts/{phone}" if phone else ""
    print_why(session.out, session.api.get(f"/v1/campaigns/{campaign}{contact}/why"))


def print_why(out: Output, found: dict[str, Any]) -> None:
    """Reasons in the order in which they are checked."""
    if out.as_json:
        out.json(found)
        return
    out.line("dialing: " + ("yes" if found["dialing"] else "no"))
    if found["reasons"]:
        out.table(
            ("REASON", "UNTIL", "DETAIL"),
            ((item["reason"], item["until"], item["detail"]) for item in found["reasons"]),
        )


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
