"""dialerctl trunk …"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli.options import CallsPerSecond, MaxConcurrent, given
from dialerd.cli.session import command, group, session_of

app = group("Trunks: how they are, paused and resumed, and their limits.")

Name = Annotated[str, typer.Argument(metavar="TRUNK", help="Its name in the settings.")]


@command(app, "list", "dialerctl trunk list")
def list_(context: typer.Context) -> None:
    """Every trunk, with what it has in use and why it is not used."""
    session = session_of(context)
    page = session.api.pages("/v1/trunks", {}, 1_000)
    session.out.page(
        page,
        ("TRUNK", "ENDPOINT", "STATE", "CHANNELS", "CALLS/S", "WHY PAUSED"),
        (
            (
                item["name"],
                item["endpoint"],
                item["state"],
                f"{item['channels_in_use']} of {item['max_channels']}",
                item["calls_per_second"],
                item["paused"],
            )
            for item in page["data"]
        ),
    )


@command(app, "pause", "dialerctl trunk pause carrier")
def pause(context: typer.Context, trunk: Name) -> None:
    """Place no new calls over a trunk, over restarts too."""
    _change(context, trunk, {"paused": True})


@command(app, "resume", "dialerctl trunk resume carrier")
def resume(context: typer.Context, trunk: Name) -> None:
    """Use a trunk again: it has been mended."""
    _change(context, trunk, {"paused": False})


@command(app, "set", "dialerctl trunk set carrier --max-channels 10 --calls-per-second 2")
def set_(
    context: typer.Context,
    trunk: Name,
    max_channels: MaxConcurrent = None,
    calls_per_second: CallsPerSecond = None,
) -> None:
    """Set limits below the configured ones, at once."""
    fields = {"max_channels": max_channels, "calls_per_second": calls_per_second}
    _change(context, trunk, given(fields))


def _change(context: typer.Context, trunk: str, fields: dict[str, Any]) -> None:
    session = session_of(context)
    done = session.api.patch(f"/v1/trunks/{quote(trunk)}", fields)
    if session.out.as_json:
        session.out.json(done)
    else:
        session.out.fields(
            (key, done[key]) for key in ("name", "state", "paused", "max_channels", "calls_per_second")
        )
