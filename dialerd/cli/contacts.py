"""dialerctl campaign …: the contacts of a campaign, and why one of them, or none, is being dialed."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli.options import CampaignId, Contacts, Invalid, Limit, OnInvalid, Region, existing
from dialerd.cli.output import Output
from dialerd.cli.session import command, session_of

app = typer.Typer()

_NEVER_CALLED = (
    ("suppressed_dnc", "on the do-not-call list"),
    ("zone_unknown", "not dialed: legal hours apply and the time zone is unknown"),
    ("no_common_hours", "not dialed: no hour is legal in every zone the phone may be in"),
)
"""What an import tells of contacts that it has stored."""


@command(app, "contacts", "dialerctl campaign contacts cmp_0123456789ab --state retry_waiting")
def contacts(
    context: typer.Context,
    campaign: CampaignId,
    state: Annotated[str | None, typer.Option(help="pending, retry_waiting, finished, suppressed …")] = None,
    limit: Limit = 100,
) -> None:
    """The campaign's contacts: state, attempts, and when each is called next."""
    session = session_of(context)
    page = session.api.pages(f"/v1/campaigns/{campaign}/contacts", {"state": state}, limit)
    columns = ("phone", "state", "attempts", "refunds", "disposition", "reason", "next_attempt_at", "name")
    session.out.page(
        page,
        tuple(column.upper().replace("_", " ") for column in columns),
        (tuple(item[column] for column in columns) for item in page["data"]),
    )


@command(app, "add-contacts", "dialerctl campaign add-contacts cmp_0123456789ab --csv more.csv")
def add_contacts(
    context: typer.Context,
    campaign: CampaignId,
    csv: Contacts,
    default_region: Region = None,
    on_invalid: Invalid = OnInvalid.reject,
) -> None:
    """Give a live campaign more contacts."""
    session = session_of(context)
    params = {"default_region": default_region, "on_invalid": on_invalid.value}
    added = session.api.post_csv(f"/v1/campaigns/{campaign}/contacts", "contacts", existing(csv), params)
    if session.out.as_json:
        session.out.json(added)
    else:
        print_import(session.out, added["import"])


@command(
    app,
    "why",
    "dialerctl campaign why cmp_0123456789ab",
    "dialerctl campaign why cmp_0123456789ab +919876543210",
)
def why(
    context: typer.Context,
    campaign: CampaignId,
    phone: Annotated[str | None, typer.Argument(metavar="PHONE", help="One contact of it, E.164.")] = None,
) -> None:
    """Why a campaign, or one contact, is not being dialed now, and when each reason lifts."""
    session = session_of(context)
    contact = f"/contacts/{quote(phone, safe='+')}" if phone else ""
    found = session.api.get(f"/v1/campaigns/{campaign}{contact}/why")
    out = session.out
    if out.as_json:
        out.json(found)
        return
    out.line(f"status: {found['status']}")
    if phone:
        out.fields((key, found[key]) for key in ("phone", "state", "attempts", "next_attempt_at"))
    out.line("dialing: " + ("yes" if found["dialing"] else "no"))
    if found["reasons"]:
        out.table(
            ("REASON", "UNTIL", "DETAIL"),
            ((item["reason"], item["until"], item["detail"]) for item in found["reasons"]),
        )


def print_import(out: Output, done: dict[str, Any]) -> None:
    """What became of a contact list."""
    out.line(
        f"contacts: {done['accepted']} accepted of {done['received']}, {done['duplicates']} duplicates merged, "
        f"{len(done['invalid'])} invalid, {len(done['warnings'])} warnings"
    )
    for key, words in _NEVER_CALLED:
        if not done[key]:
            continue
        out.line(f"  {done[key]} {words}")
        for example in done.get(f"{key}_examples", []):
            out.line(f"    such as {example['phone']}: {example['reason']}")
    out.rows(done)
