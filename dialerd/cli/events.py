"""`dialerctl events`: what happens, as it happens, until somebody stops it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from dialerd.cli.client import UNREACHABLE, CliError
from dialerd.cli.output import Output, shown
from dialerd.cli.session import session_of

PATIENCE = 60.0
"""Seconds for which a daemon that restarts is waited for."""
_AGAIN = 1.0


def events(
    context: typer.Context,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="ID", help="Only what happens in this campaign.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="EVENT_ID", help="Begin behind this event.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="End after so many events.")
    ] = None,
) -> None:
    """Print what happens as it happens; with --json one object a line. Ends with Ctrl-C, or after --count events."""
    session = session_of(context)
    path = f"/v1/campaigns/{campaign}/events" if campaign else "/v1/events"
    left, lost_at = count, 0.0
    while True:
        try:
            for event in session.api.events(path, after):
                lost_at = 0.0
                after = event["id"] or after
                _print(session.out, event)
                left = None if left is None else left - 1
                if left == 0:
                    return
        except CliError as error:
            # A daemon that restarts is back in a moment, and tells where its memory begins.
            lost_at = lost_at or time.monotonic()
            if error.exit_code != UNREACHABLE or after is None or time.monotonic() - lost_at > PATIENCE:
                raise
        time.sleep(_AGAIN)


def _print(out: Output, event: dict[str, Any]) -> None:
    if out.as_json:
        out.json(event, line=True)
        return
    words = " ".join(f"{name}={shown(value)}" for name, value in event["data"].items() if value is not None)
    out.line(f"{event['timestamp']} {event['type']} {words}")
