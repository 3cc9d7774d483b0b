"""dialerctl call …"""

from __future__ import annotations

from typing import Annotated

import typer

from dialerd.cli.output import shown
from dialerd.cli.session import command, group, session_of

app = group("Calls: every attempt, with its tries.")


@command(app, "list", "dialerctl call list --campaign cmp_0123456789ab --disposition interested")
def list_(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(metavar="CAMPAIGN_ID", help="Only this campaign's.")] = None,
    disposition: Annotated[str | None, typer.Option(help="Only with this label.")] = None,
    phone: Annotated[str | None, typer.Option(help="Only to this number, E.164.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
) -> None:
    """Calls, newest first."""
    session = session_of(context)
    params = {"campaign_id": campaign, "disposition": disposition, "phone": phone}
    page = session.api.pages("/v1/calls", params, limit)
    session.out.page(
        page,
        ("CALL", "PHONE", "ATTEMPT", "STATUS", "DISPOSITION", "REASON", "SIP", "TRUNK", "SECONDS", "STARTED"),
        (
            (
                item["id"],
                item["contact"]["phone"],
                item["attempt"],
                item["status"],
                item["disposition"],
                item["reason"],
                item["sip_code"],
                item["trunk"],
                item["duration_seconds"],
                item["started_at"],
            )
            for item in page["data"]
        ),
    )


@command(app, "show", "dialerctl call show cal_0123456789ab")
def show(
    context: typer.Context, call: Annotated[str, typer.Argument(metavar="CALL_ID", help="cal_…")]
) -> None:
    """One call: its tries, what was said, and which rules let it pass."""
    session = session_of(context)
    found = session.api.get(f"/v1/calls/{call}")
    out = session.out
    if out.as_json:
        out.json(found)
        return
    plain = (
        "id",
        "campaign_id",
        "status",
        "disposition",
        "reason",
        "attempt",
        "language",
        "caller_id",
        "started_at",
        "answered_at",
        "ended_at",
        "duration_seconds",
    )
    out.fields((key, found[key]) for key in plain)
    out.line(f"contact: {found['contact']['phone']} {shown(found['contact']['name'])}")
    out.table(
        ("TRY", "TRUNK", "STATE", "SIP", "CAUSE", "RING SECONDS", "CHANNEL"),
        (
            (t["number"], t["trunk"], t["state"], t["sip_code"], t["cause"], t["ring_seconds"], t["channel"])
            for t in found["tries"]
        ),
    )
    for turn in found["transcript"]:
        out.line(f"{shown(turn.get('speaker'))}: {shown(turn.get('text') or turn.get('digits'))}")
    for key, value in found["captured"].items():
        out.line(f"captured {key}: {shown(value)}")
    for rule, said in (found["gate"].get("rules") or {}).items():
        out.line(f"gate {rule}: {shown(said)}")
