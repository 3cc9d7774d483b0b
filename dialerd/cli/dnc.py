"""dialerctl dnc …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from dialerd.cli.options import Invalid, Limit, OnInvalid, existing, given
from dialerd.cli.session import command, group, session_of
from dialerd.cli.times import moment

app = group("The do-not-call list: numbers and prefixes that are never dialed.")

Pattern = Annotated[str, typer.Argument(metavar="NUMBER", help="E.164, or a prefix as +9198*.")]


@command(app, "add", "dialerctl dnc add +919876543210 --reason 'asked by mail'", "dialerctl dnc add '+9198*'")
def add(
    context: typer.Context,
    number: Pattern,
    reason: Annotated[str | None, typer.Option(help="Why, for people.")] = None,
    source: Annotated[str | None, typer.Option(help="Where it comes from.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when. Default: for good.")
    ] = None,
) -> None:
    """List a number or a prefix. When this returns, no further call to it leaves."""
    session = session_of(context)
    end = None if expires is None else moment(expires, None)
    fields = {"phone": number, "reason": reason, "source": source, "expires_at": end}
    made = session.api.post("/v1/dnc", given(fields))
    if session.out.as_json:
        session.out.json(made)
    else:
        session.out.line(f"listed: {made['phone']}")


@command(app, "remove", "dialerctl dnc remove +919876543210")
def remove(context: typer.Context, number: Pattern) -> None:
    """Take a number or a prefix off the list, as it was given."""
    session = session_of(context)
    session.api.delete(f"/v1/dnc/{quote(number, safe='+')}")
    if session.out.as_json:
        session.out.json({"phone": number, "removed": True})
    else:
        session.out.line(f"removed: {number}")


@command(app, "check", "dialerctl dnc check +919876543210")
def check(context: typer.Context, number: Pattern) -> None:
    """The entry that bars a number; exit code 1 if there is none."""
    session = session_of(context)
    found = session.api.get(f"/v1/dnc/{quote(number, safe='+')}")
    if session.out.as_json:
        session.out.json(found)
    else:
        session.out.fields(found.items())


@command(app, "list", "dialerctl dnc list --limit 500")
def list_(context: typer.Context, limit: Limit = 100) -> None:
    """Entries, newest first."""
    session = session_of(context)
    page = session.api.pages("/v1/dnc", {}, limit)
    session.out.page(
        page,
        ("NUMBER", "REASON", "SOURCE", "CREATED", "EXPIRES"),
        (
            (item["phone"], item["reason"], item["source"], item["created_at"], item["expires_at"])
            for item in page["data"]
        ),
    )


@command(app, "import", "dialerctl dnc import suppressed.csv")
def import_(
    context: typer.Context,
    csv: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a column phone.")],
    on_invalid: Invalid = OnInvalid.reject,
) -> None:
    """List what a CSV names: columns phone, and optionally reason, source, expires_at."""
    session = session_of(context)
    params = {"on_invalid": on_invalid.value}
    done = session.api.post_csv("/v1/dnc/import", "numbers", existing(csv), params)
    if session.out.as_json:
        session.out.json(done)
        return
    session.out.line(
        f"numbers: {done['accepted']} listed of {done['received']}, {done['duplicates']} duplicates merged, "
        f"{len(done['invalid'])} invalid"
    )
    session.out.rows(done)
