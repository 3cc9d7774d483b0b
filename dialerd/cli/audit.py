"""dialerctl audit: who has changed what, and from where."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dialerd.cli import times
from dialerd.cli.options import Limit
from dialerd.cli.session import session_of

EXAMPLES = (
    "dialerctl audit --limit 50",
    "dialerctl audit --object cmp_0123456789ab",
    "dialerctl audit --action dnc.removed --from 2026-01-15",
)


def audit(
    context: typer.Context,
    actor: Annotated[
        str | None, typer.Option(help="A key's id or name, uid:NUMBER, or a local user's name.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="campaign.paused, dnc.added, key.created …")] = None,
    about: Annotated[
        str | None, typer.Option("--object", help="Id of what was changed, or a do-not-call pattern.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From then on.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Until then, a date included.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """Every change that somebody made, newest first. With a key it takes the scope admin."""
    session = session_of(context)
    zone = times.local_zone()
    asked = {
        "actor": actor,
        "action": action,
        "object": about,
        "from": times.bound(start, zone),
        "to": times.bound(end, zone),
    }
    page = session.api.pages("/v1/audit", asked, limit)
    session.out.page(
        page,
        ("AT", "WHO", "FROM", "ACTION", "WHAT", "DETAILS"),
        (
            (item["at"], _who(item), item["origin"], item["action"], item["object"], _details(item))
            for item in page["data"]
        ),
    )


def _who(item: dict[str, Any]) -> str:
    return f"{item['actor']} {item['actor_name'] or ''}".rstrip()


def _details(item: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in item["details"].items()
    )
