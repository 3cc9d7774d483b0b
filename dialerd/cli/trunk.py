"""dialerctl trunk …"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli.options import CallsPerSecond, MaxConcurrent, given
from dialerd.cli.output import shown
from dialerd.cli.session import command, group, session_of

app = group("Trunks: how they are, paused and resumed, and their limits.")

Name = Annotated[str, typer.Argument(metavar="TRUNK", help="Its name in the settings.")]


@command(app, "list", "dialerctl trunk list")
def list_(context: typer.Context) -> None:
    """Every trunk: how it is, what it has in use, how fast it may go now, and why it is not used."""
    session = session_of(context)
    page = session.api.pages("/v1/trunks", {}, 1_000)
    session.out.page(
        page,
        ("TRUNK", "STATE", "REGISTERED", "CHANNELS", "CALLS/S", "TURNED AWAY", "ANSWERED", "WHY NOT USED"),
        (
            (
                item["name"],
                item["state"],
                _registered(item),
                _channels(item),
                _rate(item),
                f"{item['turned_away']:.0%}",
                _answered(item),
                _why_not(item),
            )
            for item in page["data"]
        ),
    )


@command(app, "show", "dialerctl trunk show carrier")
def show(context: typer.Context, trunk: Name) -> None:
    """One trunk and its caller ids: how often each was shown, and answered of its last calls."""
    session = session_of(context)
    found = session.api.get(f"/v1/trunks/{quote(trunk)}")
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.fields(
        (
            ("name", found["name"]),
            ("endpoint", found["endpoint"]),
            ("state", found["state"]),
            ("why not used", _why_not(found)),
            ("reachable", found["reachable"]),
            ("registered", _registered(found)),
            ("channels in use", _channels(found)),
            ("calls a second", _rate(found)),
            ("turned away", f"{found['turned_away']:.0%} of the last calls, for want of room"),
            ("answered", f"{_answered(found)} last calls"),
            ("refused", f"{found['failures']['numbers_refused']} of them for their numbers"),
        )
    )
    session.out.table(
        ("CALLER ID", "CALLS IN 24 H", "ANSWERED", "RESTS UNTIL"),
        (
            (
                used["caller_id"],
                used["calls_24h"],
                f"{used['answered']} of {used['of_last_calls']}",
                used["rests_until"],
            )
            for used in found["caller_ids"]
        ),
    )


def _channels(trunk: dict[str, Any]) -> str:
    return f"{trunk['channels_in_use']} of {trunk['max_channels']}"


def _rate(trunk: dict[str, Any]) -> str:
    now, full = trunk["rate_now"], trunk["calls_per_second"]
    return f"slowed to {now:.3g} of {full:g}" if now < full else f"{full:g}"


def _answered(trunk: dict[str, Any]) -> str:
    return f"{trunk['last_calls']['answered']} of {trunk['last_calls']['of']}"


def _registered(trunk: dict[str, Any]) -> str:
    return "not needed" if trunk["registration"] is None else shown(trunk["registered"])


def _why_not(trunk: dict[str, Any]) -> str | None:
    rests = trunk["rests_until"]
    return trunk["paused"] or trunk["down"] or (f"rests until {rests}" if rests else None)


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
