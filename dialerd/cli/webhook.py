"""dialerctl webhook …"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dialerd.cli.client import REFUSED
from dialerd.cli.options import Limit, given
from dialerd.cli.session import command, group, session_of

app = group("Webhooks: who is told of what happens, and what became of telling it.")


class State(StrEnum):
    """How a delivery stands."""

    waiting = "waiting"
    delivered = "delivered"
    dead = "dead"


Ident = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", help="whk_…")]


@command(
    app,
    "add",
    "dialerctl webhook add https://crm.example.com/hook",
    "dialerctl webhook add https://crm.example.com/hook --event call.completed --event dnc.added",
)
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="https and public, or listed in webhooks.allow.")],
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT", help="As call.completed; repeatable. Default: all."),
    ] = None,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    secret: Annotated[
        str | None, typer.Option(metavar="WHSEC", help="whsec_… instead of a new secret.")
    ] = None,
) -> None:
    """Tell a URL of events from now on. Its secret is shown this once."""
    session = session_of(context)
    fields = {"url": url, "events": event or ["*"], "description": description, "secret": secret}
    made = session.api.post("/v1/webhooks", given(fields))
    if session.out.as_json:
        session.out.json(made)
        return
    session.out.fields((key, made[key]) for key in ("webhook_id", "url", "events", "secret"))
    session.out.line("Keep the secret: deliveries are signed with it, and it is not shown again.")


@command(app, "list", "dialerctl webhook list")
def list_(context: typer.Context, limit: Limit = 100) -> None:
    """Webhooks, newest first."""
    session = session_of(context)
    page = session.api.pages("/v1/webhooks", {}, limit)
    session.out.page(
        page,
        ("WEBHOOK", "ENABLED", "EVENTS", "URL", "DESCRIPTION"),
        (
            (item["webhook_id"], item["enabled"], item["events"], item["url"], item["description"])
            for item in page["data"]
        ),
    )


@command(app, "show", "dialerctl webhook show whk_0123456789ab")
def show(context: typer.Context, webhook: Ident) -> None:
    """One webhook, and how many of its deliveries wait and are dead."""
    session = session_of(context)
    found = session.api.get(f"/v1/webhooks/{webhook}")
    counts = {
        state.value: session.api.get(
            f"/v1/webhooks/{webhook}/deliveries", {"state": state.value, "limit": 1}
        )["total"]
        for state in State
    }
    if session.out.as_json:
        session.out.json({**found, "deliveries": counts})
        return
    session.out.fields({**found, **counts}.items())


@command(
    app,
    "set",
    "dialerctl webhook set whk_0123456789ab --disable",
    "dialerctl webhook set whk_0123456789ab --new-secret",
)
def set_(
    context: typer.Context,
    webhook: Ident,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether anything is queued and sent.")
    ] = None,
    address: Annotated[str | None, typer.Option(metavar="URL", help="Where it is told from now on.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="EVENT", help="Other events; repeatable.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    new_secret: Annotated[
        bool, typer.Option("--new-secret", help="Make a new secret; it is shown this once.")
    ] = False,
) -> None:
    """Change what is named."""
    session = session_of(context)
    fields: dict[str, Any] = given(
        {"enabled": enable, "url": address, "events": event, "description": description}
    )
    if new_secret:
        fields["secret"] = None
    done = session.api.patch(f"/v1/webhooks/{webhook}", fields)
    if session.out.as_json:
        session.out.json(done)
    else:
        session.out.fields(done.items())


@command(app, "remove", "dialerctl webhook remove whk_0123456789ab")
def remove(context: typer.Context, webhook: Ident) -> None:
    """Tell it nothing any more; what waits is not sent."""
    session = session_of(context)
    session.api.delete(f"/v1/webhooks/{webhook}")
    if session.out.as_json:
        session.out.json({"webhook_id": webhook, "removed": True})
    else:
        session.out.line(f"removed: {webhook}")


@command(
    app,
    "deliveries",
    "dialerctl webhook deliveries whk_0123456789ab --state dead",
    "dialerctl --json webhook deliveries whk_0123456789ab --limit 5",
)
def deliveries(
    context: typer.Context,
    webhook: Ident,
    state: Annotated[State | None, typer.Option(help="Only these. Default: all.")] = None,
    limit: Limit = 100,
) -> None:
    """What it was and is to be told, newest first. --json shows what is sent."""
    session = session_of(context)
    params = {"state": state.value if state is not None else None}
    page = session.api.pages(f"/v1/webhooks/{webhook}/deliveries", params, limit)
    session.out.page(
        page,
        ("DELIVERY", "EVENT", "STATE", "ATTEMPTS", "QUEUED", "NEXT ATTEMPT", "LAST ANSWER"),
        (
            (
                item["delivery_id"],
                item["event"],
                item["state"],
                item["attempts"],
                item["created_at"],
                item["next_attempt_at"],
                item["detail"] or item["status_code"],
            )
            for item in page["data"]
        ),
    )


@command(
    app,
    "redeliver",
    "dialerctl webhook redeliver whk_0123456789ab",
    "dialerctl webhook redeliver whk_0123456789ab msg_0123456789ab",
)
def redeliver(
    context: typer.Context,
    webhook: Ident,
    delivery: Annotated[
        str | None, typer.Argument(metavar="DELIVERY_ID", help="msg_…; default: all dead ones.")
    ] = None,
) -> None:
    """Send all dead deliveries again, or one delivery whatever became of it."""
    session = session_of(context)
    done = session.api.post(f"/v1/webhooks/{webhook}/redeliver", given({"delivery_id": delivery}))
    if session.out.as_json:
        session.out.json(done)
    else:
        session.out.line(f"sent again: {done['redelivered']}")


@command(app, "test", "dialerctl webhook test whk_0123456789ab")
def test(context: typer.Context, webhook: Ident) -> None:
    """Send a signed webhook.test now, and tell what the receiver answered; exit code 1 if it did not take it."""
    session = session_of(context)
    done = session.api.post(f"/v1/webhooks/{webhook}/test")
    if session.out.as_json:
        session.out.json(done)
    elif done["delivered"]:
        session.out.line(f"delivered: it answered {done['status_code']}")
    else:
        session.out.line(f"not delivered: {done['detail']}")
    if not done["delivered"]:
        raise typer.Exit(REFUSED)
