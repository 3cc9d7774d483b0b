"""dialerctl key …"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dialerd.cli.options import Limit
from dialerd.cli.session import command, group, session_of

app = group("API keys for use over TCP.")


class KeyScope(StrEnum):
    """What a key may do."""

    read = "read"
    write = "write"
    admin = "admin"


@command(app, "create", "dialerctl key create --name crm --scope write")
def create(
    context: typer.Context,
    scope: Annotated[
        KeyScope, typer.Option(help="read: look; write: also change; admin: also keys.")
    ] = KeyScope.write,
    name: Annotated[str, typer.Option(help="Who or what uses it.")] = "",
) -> None:
    """Create an API key. It is shown this once."""
    session = session_of(context)
    made = session.api.post("/v1/keys", {"scope": scope.value, "name": name})
    if session.out.as_json:
        session.out.json(made)
        return
    session.out.fields((("key_id", made["key_id"]), ("scope", made["scope"]), ("key", made["key"])))
    session.out.line("Keep it: it is not stored and cannot be shown again.")


@command(app, "list", "dialerctl key list")
def list_(context: typer.Context, limit: Limit = 100) -> None:
    """Keys, newest first, revoked ones included, each with its last use."""
    session = session_of(context)
    page = session.api.pages("/v1/keys", {}, limit)
    columns = ("key_id", "scope", "created_at", "last_used_at", "revoked_at", "name")
    session.out.page(
        page,
        ("KEY", "SCOPE", "CREATED", "LAST USED", "REVOKED", "NAME"),
        (tuple(item[column] for column in columns) for item in page["data"]),
    )


@command(app, "revoke", "dialerctl key revoke key_0123456789ab")
def revoke(
    context: typer.Context, key: Annotated[str, typer.Argument(metavar="KEY_ID", help="key_…")]
) -> None:
    """Revoke a key: it is refused from now on."""
    session = session_of(context)
    session.api.delete(f"/v1/keys/{key}")
    if session.out.as_json:
        session.out.json({"key_id": key, "revoked": True})
    else:
        session.out.line(f"revoked: {key}")
