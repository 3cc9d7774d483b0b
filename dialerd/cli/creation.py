"""dialerctl campaign create: from flags, from a file, or from a file with some things said otherwise; and its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli import contacts, documents, rules, times
from dialerd.cli.client import Api, bad_input
from dialerd.cli.options import (
    AnsweringMachine,
    CallerId,
    CallsPerSecond,
    End,
    Holidays,
    Hours,
    KeepOpen,
    MaxAttempts,
    MaxCallbacks,
    MaxConcurrent,
    OnInvalid,
    Record,
    Region,
    RetryInterval,
    RetryRules,
    RingTimeout,
    Shares,
    Start,
    TransferTarget,
    Trunks,
    Weight,
    Zone,
    existing,
    given,
)
from dialerd.cli.session import command, session_of

app = typer.Typer()

Document = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="The campaign in YAML or JSON, with the fields of the API; options come first."
    ),
]
List = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Contacts: a header line with a column phone. Or `contacts` in FILE."),
]
Name = Annotated[str | None, typer.Option(help="For people.")]
Script = Annotated[str | None, typer.Option(metavar="SCRIPT_ID", help="See: dialerctl script list.")]
Agent = Annotated[str | None, typer.Option(metavar="AGENT_ID", help="Who talks; see: dialerctl agent list.")]
Language = Annotated[
    str | None,
    typer.Option(help="BCP-47, one the script has texts for: en-IN, hi-IN … Default: the agent's."),
]
InvalidRows = Annotated[
    OnInvalid | None, typer.Option(help="Refuse a list with bad rows (default), or leave those out.")
]


@command(
    app,
    "create",
    "dialerctl campaign create --name Loans --script scr_0123456789ab --language en-IN --csv loans.csv --start-now",
    "dialerctl campaign create --name Loans --script scr_0123456789ab --language hi-IN --csv loans.csv "
    "--start '2026-01-15 09:00' --end '2026-01-15 18:00' --timezone Asia/Kolkata --max-attempts 3",
    "dialerctl campaign create loans.yaml --csv loans.csv",
)
def create(
    context: typer.Context,
    file: Document = None,
    csv: List = None,
    name: Name = None,
    script: Script = None,
    agent: Agent = None,
    language: Language = None,
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
    default_region: Region = None,
    on_invalid: InvalidRows = None,
    start_now: Annotated[bool, typer.Option("--start-now", help="Start it at once.")] = False,
) -> None:
    """Create a campaign from a contact list; prints its campaign_id."""
    session = session_of(context)
    days = given({"hours": rules.hours(hours or ()), "holidays": holidays})
    document = _document(file)
    window = times.changes if document.get("schedule") else times.schedule
    schedule = {**(document.get("schedule") or {}), **(window(start, end, timezone) or {}), **days}
    if days:
        schedule.setdefault("timezone", times.local_zone())
    fields = {
        "name": name,
        "script_id": script,
        "agent_id": agent,
        "language": language,
        "schedule": schedule or None,
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
        "default_region": default_region,
        "on_invalid": None if on_invalid is None else on_invalid.value,
    }
    created = _send(session.api, "/v1/campaigns", document | given(fields), csv)
    ident = created["campaign_id"]
    if not session.out.as_json:
        session.out.line(f"campaign_id: {ident}")
    if start_now:
        created |= session.api.post(f"/v1/campaigns/{ident}/start", {"now": True})
    if session.out.as_json:
        session.out.json(created)
        return
    session.out.line(f"status: {created['status']}")
    contacts.print_import(session.out, created["import"])
    session.out.warnings(created)
    if created["status"] == "scheduled" and created["schedule"]["start_time"] is None:
        session.out.line(f"next: dialerctl campaign start {ident}")


@command(
    app,
    "validate",
    "dialerctl campaign validate loans.yaml --csv loans.csv",
    "dialerctl campaign validate --csv loans.csv --name Loans --script scr_0123456789ab --language hi-IN",
)
def validate(
    context: typer.Context,
    file: Document = None,
    csv: List = None,
    name: Name = None,
    script: Script = None,
    agent: Agent = None,
    language: Language = None,
    default_region: Region = None,
    on_invalid: InvalidRows = None,
) -> None:
    """Check a campaign and its contacts as if it were created, and say every fault; nothing is stored."""
    session = session_of(context)
    fields = {
        "name": name,
        "script_id": script,
        "agent_id": agent,
        "language": language,
        "default_region": default_region,
        "on_invalid": None if on_invalid is None else on_invalid.value,
    }
    found = _send(session.api, "/v1/campaigns/validate", _document(file) | given(fields), csv)
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.line("valid")
    session.out.line(
        f"contacts: {found['accepted']} of {found['received']} can be called, "
        f"{found['duplicates']} duplicates merged, {len(found['invalid'])} invalid, "
        f"{found['suppressed_dnc']} on the do-not-call list"
    )
    session.out.rows(found)


def _document(file: Path | None) -> dict[str, Any]:
    return {} if file is None else documents.campaign(existing(file))


def _send(api: Api, path: str, asked: dict[str, Any], csv: Path | None) -> dict[str, Any]:
    """Send a campaign with its contacts, wherever they are. Raises `CliError`."""
    if csv is not None:
        if "contacts" in asked:
            raise bad_input("contacts are given twice: in the campaign's file and with --csv")
        found: dict[str, Any] = api.post_list(path, json.dumps(asked).encode(), existing(csv))
        return found
    if "contacts" not in asked:
        raise bad_input("there are no contacts: give --csv FILE, or `contacts` in the campaign's file")
    found = api.post(path, asked)
    return found
