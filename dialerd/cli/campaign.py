"""dialerctl campaign …: made, changed, started and stopped, followed. Its contacts have a module of their own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dialerd.cli import afterwards, contacts, creation, rules, simulate, times
from dialerd.cli.client import Api
from dialerd.cli.options import (
    AnsweringMachine,
    CallerId,
    CallsPerSecond,
    CampaignId,
    End,
    Holidays,
    Hours,
    KeepOpen,
    Limit,
    MaxAttempts,
    MaxCallbacks,
    MaxConcurrent,
    Record,
    Resets,
    RetryInterval,
    RetryRules,
    Ringing,
    RingingCalls,
    RingTimeout,
    Shares,
    Start,
    TransferTarget,
    Trunks,
    Weight,
    Zone,
    given,
    with_resets,
)
from dialerd.cli.session import command, group, session_of
from dialerd.cli.watch import final_report, watch

app = group("Create campaigns, start and stop them, follow them.")
app.add_typer(contacts.app)
app.add_typer(afterwards.app)
app.add_typer(simulate.app)
app.add_typer(creation.app)


class Calls(StrEnum):
    """What becomes of live calls when a campaign is stopped."""

    finish = "finish"
    hangup = "hangup"


@command(
    app,
    "edit",
    "dialerctl campaign edit cmp_0123456789ab --max-attempts 5 --calls-per-second 2",
    "dialerctl campaign edit cmp_0123456789ab --end '2026-01-16 18:00' --hours 'mon-fri 10:00-17:00'",
    "dialerctl campaign edit cmp_0123456789ab --reset retry_rules --reset schedule.holidays",
)
def edit(
    context: typer.Context,
    campaign: CampaignId,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    start: Start = None,
    end: End = None,
    timezone: Zone = None,
    hours: Hours = None,
    holidays: Holidays = None,
    max_attempts: MaxAttempts = None,
    retry_interval: RetryInterval = None,
    retry_rule: RetryRules = None,
    max_callbacks: MaxCallbacks = None,
    ring_timeout: RingTimeout = None,
    max_concurrent: MaxConcurrent = None,
    calls_per_second: CallsPerSecond = None,
    weight: Weight = None,
    shares: Shares = None,
    trunk: Trunks = None,
    caller_id: CallerId = None,
    keep_open: KeepOpen = None,
    answering_machine: AnsweringMachine = None,
    transfer_target: TransferTarget = None,
    record: Record = None,
    reset: Resets = None,
    if_version: Annotated[
        int | None, typer.Option(metavar="N", help="Only if nobody has edited it since this version.")
    ] = None,
) -> None:
    """Change a live campaign; what is not given stays as it is, lists that are given replace the old ones."""
    session = session_of(context)
    path = f"/v1/campaigns/{campaign}"
    zone = timezone or (_zone_of(session.api, path) if start or end else None)
    window = times.changes(start, end, zone) if start or end else given({"timezone": timezone})
    fields = {
        "name": name,
        "schedule": {**window, **given({"hours": rules.hours(hours or ()), "holidays": holidays})} or None,
        "max_attempts": max_attempts,
        "retry_interval_minutes": retry_interval,
        "retry_rules": rules.retry_rules(retry_rule or ()),
        "max_callbacks": max_callbacks,
        "ring_timeout_seconds": ring_timeout,
        "max_concurrent_calls": max_concurrent,
        "calls_per_second": calls_per_second,
        "weight": weight,
        "shares": rules.shares(shares),
        "trunks": trunk,
        "caller_id": caller_id,
        "keep_open": keep_open,
        "answering_machine": answering_machine,
        "transfer_target": transfer_target,
        "recording": record,
    }
    changes = with_resets(given(fields), reset or ())
    edited = session.api.patch(path, changes, None if if_version is None else f'"{if_version}"')
    if session.out.as_json:
        session.out.json(edited)
    else:
        session.out.fields((key, edited[key]) for key in ("campaign_id", "status", "version"))
        session.out.warnings(edited)


def _zone_of(api: Api, path: str) -> str | None:
    zone: str | None = api.get(path)["schedule"]["timezone"]
    return zone


@command(app, "list", "dialerctl campaign list --status running", "dialerctl campaign list --from 2027-01-01")
def list_(
    context: typer.Context,
    status: Annotated[
        str | None, typer.Option(help="scheduled, running, paused, completed or stopped.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Created from then on.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Created until then, a date (UTC) included.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """Campaigns, newest first."""
    session = session_of(context)
    asked = {"status": status, "from": times.bound(start), "to": times.bound(end)}
    page = session.api.pages("/v1/campaigns", asked, limit)
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
def show(context: typer.Context, campaign: CampaignId) -> None:
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
    campaign: CampaignId,
    now: Annotated[bool, typer.Option("--now", help="Even before its start time.")] = False,
) -> None:
    """Start a scheduled campaign."""
    _act(context, campaign, "start", {"now": now} if now else {})


@command(app, "pause", "dialerctl campaign pause cmp_0123456789ab")
def pause(
    context: typer.Context,
    campaign: CampaignId,
    ringing: RingingCalls = Ringing.continue_,
) -> None:
    """Place no new calls. When this returns, no further call leaves."""
    _act(context, campaign, "pause", {"ringing": ringing.value})


@command(app, "resume", "dialerctl campaign resume cmp_0123456789ab")
def resume(context: typer.Context, campaign: CampaignId) -> None:
    """Go on dialing."""
    _act(context, campaign, "resume", {})


@command(app, "stop", "dialerctl campaign stop cmp_0123456789ab --calls hangup")
def stop(
    context: typer.Context,
    campaign: CampaignId,
    calls: Annotated[Calls, typer.Option(help="Let live calls finish, or hang them up.")] = Calls.finish,
    ringing: RingingCalls = Ringing.continue_,
) -> None:
    """End a campaign for good."""
    _act(context, campaign, "stop", {"calls": calls.value, "ringing": ringing.value})


@command(app, "watch", "dialerctl campaign watch cmp_0123456789ab")
def watch_(
    context: typer.Context,
    campaign: CampaignId,
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
