"""dialerctl contact …: a person over all campaigns."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from dialerd.cli.session import command, group, session_of

app = group("Persons: what is stored under a number, and its erasure.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="E.164, as in +919876543210.")]


@command(app, "show", "dialerctl contact show +919876543210")
def show(context: typer.Context, number: Number) -> None:
    """What is stored under a number: its do-not-call entry, its calls, its place in each campaign."""
    session = session_of(context)
    found = session.api.get(f"/v1/contacts/{quote(number, safe='+')}", {})
    out = session.out
    if out.as_json:
        out.json(found)
        return
    entry = found["dnc"]
    out.fields(
        (
            ("phone", found["phone"]),
            ("do not call", entry and f"as {entry['phone']}: {entry['reason'] or 'no reason given'}"),
            ("live call", found["live_call"]),
            ("being erased", found["being_erased"]),
        )
    )
    for cap in found["frequency"]:
        until = f", until {cap['until']}" if cap["until"] else ""
        out.line(f"frequency: {cap['calls']} of {cap['limit']} calls in {cap['hours']:g} h{until}")
    out.table(
        ("CAMPAIGN", "NAME", "STATE", "ATTEMPTS", "DISPOSITION"),
        (
            (
                place["campaign_id"],
                place["campaign_name"],
                place["state"],
                place["attempts"],
                place["disposition"],
            )
            for place in found["campaigns"]
        ),
    )
    out.table(
        ("CALL", "STARTED", "CAMPAIGN", "DISPOSITION", "REASON", "SECONDS"),
        (
            (
                call["id"],
                call["started_at"],
                call["campaign_id"],
                call["disposition"],
                call["reason"],
                call["duration_seconds"],
            )
            for call in found["calls"]
        ),
    )
    if len(found["calls"]) < found["total_calls"]:
        out.line(
            f"{len(found['calls'])} of {found['total_calls']} calls; `dialerctl call list` shows the others"
        )


@command(app, "erase", "dialerctl contact erase +919876543210")
def erase(context: typer.Context, number: Number) -> None:
    """Erase what is stored under a number, for good; its do-not-call entry and the figures of campaigns stay."""
    session = session_of(context)
    erased = session.api.delete(f"/v1/contacts/{quote(number, safe='+')}") is None
    if session.out.as_json:
        session.out.json({"phone": number, "erased": erased})
    else:
        session.out.line(f"{'erased' if erased else 'being erased, and not called any more'}: {number}")
