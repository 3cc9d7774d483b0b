"""dialerctl campaign simulate: when a campaign will be done, drawn in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli import documents
from dialerd.cli.client import Api, bad_input
from dialerd.cli.options import given
from dialerd.cli.output import Output, shown
from dialerd.cli.session import command, session_of

app = typer.Typer()

ROWS = 48
"""Lines of the plot at most: with more hours several share a line."""
BAR = 50
_HOURS = (1, 2, 3, 4, 6, 12, 24, 24 * 7, 24 * 28)

_RULES = {
    "trunk-channels": "all channels of the trunk are in use",
    "trunk-rate": "the trunk's calls per second are reached",
    "trunk-slowed": "the carrier takes no more calls per second",
    "trunk-congested": "the trunk rests after congestion",
    "trunk-paused": "the trunk is paused",
    "campaign-rate": "the campaign's calls per second are reached",
    "campaign-concurrency": "the campaign's calls at a time are reached",
    "abandonment": "too many callees have heard nobody: calls are allowed one by one",
    "engine-session": "the engine, or the media workers, hold no more calls",
    "window": "the campaign's window is closed",
    "legal-hours": "nobody who waits may be called at this hour",
    "min-gap": "everybody who waits was called a moment ago",
    "frequency": "everybody who waits has had as many calls as are allowed",
    "retry-interval": "everybody who waits is to be called again later",
    "not-before": "everybody who waits is to be called later",
    "nothing-left": "everybody was called, the last calls end",
    "originates": "Asterisk has as many unanswered originates as it may have",
}
_SOURCES = {
    "given": "as given",
    "campaign": "from {calls} calls of this campaign",
    "installation": "from {calls} calls of this installation",
    "default": "a guess: there are too few calls to learn from",
}


@command(
    app,
    "simulate",
    "dialerctl campaign simulate cmp_0123456789ab --answer-rate 0.4 --trunk-channels 60",
    "dialerctl campaign simulate contacts.csv --talk-seconds 90",
)
def simulate(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|FILE",
            help="A campaign, a contact list (CSV), or a campaign with its contacts in JSON or YAML.",
        ),
    ],
    answer_rate: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Answered calls of all, 0 to 1. Default: as past calls tell."),
    ] = None,
    talk_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Mean length of an answered call. Default: as past calls tell."),
    ] = None,
    ring_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Mean time until somebody answers. Default: as past calls tell."
        ),
    ] = None,
    trunk_channels: Annotated[
        int | None, typer.Option(metavar="N", help="Channels of each of its trunks. Default: as configured.")
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Simulate every contact of a long list too: half a minute per 100,000 calls."
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The same seed, the same answer. (default 1)")
    ] = None,
) -> None:
    """How long a campaign will take: a simulation with the dialer's own rules. Nothing is stored, nobody is called."""
    session = session_of(context)
    assumed = given(
        {
            "answer_rate": answer_rate,
            "talk_seconds": talk_seconds,
            "ring_seconds": ring_seconds,
            "trunk_channels": trunk_channels,
            "exact": exact or None,
            "seed": seed,
        }
    )
    found = _simulated(session.api, what, assumed)
    if session.out.as_json:
        session.out.json(found)
    else:
        show(session.out, found)


def _simulated(api: Api, what: str, assumed: dict[str, Any]) -> dict[str, Any]:
    path = Path(what)
    if path.is_dir() or not path.exists():
        if path.suffix or "/" in what:
            raise bad_input(f"there is no file {what}")
        found: dict[str, Any] = api.post(f"/v1/campaigns/{what}/simulate", assumed)
    elif path.suffix.lower() in documents.SUFFIXES:
        found = api.post("/v1/simulate", {**documents.campaign(path), "assume": assumed})
    else:
        found = api.post_list("/v1/simulate", json.dumps({"assume": assumed}).encode(), path)
    return found


# --- for people ----------------------------------------------------------------------------------


def show(out: Output, found: Mapping[str, Any]) -> None:
    """A forecast on a terminal."""
    contacts, calls = found["contacts"], found["calls"]
    out.fields(
        (
            ("campaign", found["name"] + (f" ({found['campaign_id']})" if found["campaign_id"] else "")),
            ("finishes", _finish(found)),
            ("contacts", ", ".join(f"{key} {value:,}" for key, value in contacts.items() if value)),
            ("calls", f"{calls['total']:,}, answered {calls['answered']:,}"),
            ("dispositions", _counts(found["dispositions"])),
            ("not reachable because", _counts(found["reasons"])),
        )
    )
    if found["simulated_on"] != "all":
        out.line(
            f"simulated with {found['simulated_on']} of the contacts and of every limit (--exact: with all)"
        )
    for trunk in found["trunks"]:
        out.line(
            f"trunk {trunk['name']}: at most {trunk['peak_channels']} of {trunk['max_channels']} channels in use"
        )
    if found["calls_per_hour"]:
        out.line("")
        for line in plot(found["calls_per_hour"]):
            out.line(line)
    _show_limits(out, found)
    _show_changes(out, found)
    out.line("")
    out.line("This rests on:")
    for name, about in found["assumptions"].items():
        if about["value"] != {}:
            source = _SOURCES.get(about["source"], about["source"]).format(calls=about["calls"])
            out.line(f"  {name.replace('_', ' ')} {_value(about['value'])} ({source})")
    for other in found["campaigns_included"]:
        out.line(
            f"  {other['name']} ({other['waiting_contacts']:,} contacts wait) dials over the same trunks"
        )
    for note in found["notes"]:
        out.line(f"  {note}")


def plot(hours: list[dict[str, Any]]) -> Iterator[str]:
    """Calls per hour as bars of plain characters; hours without a call between others have a line too."""
    counted = {datetime.fromisoformat(one["hour"]): one for one in hours}
    first, last = min(counted), max(counted)
    span = int((last - first) / timedelta(hours=1)) + 1
    size = next((hours for hours in _HOURS if span <= ROWS * hours), _HOURS[-1])
    rows: dict[datetime, list[int]] = {}
    for place in range(0, span, size):
        rows[first + timedelta(hours=place)] = [0, 0]
    for at, one in counted.items():
        place = int((at - first) / timedelta(hours=size))
        row = rows[first + timedelta(hours=place * size)]
        row[0] += one["calls"]
        row[1] += one["answered"]
    most = max(calls for calls, _ in rows.values())
    yield f"calls per {'hour' if size == 1 else f'{size} hours'} (# answered, - not)"
    for at, (calls, answered) in rows.items():
        answered_part = round(BAR * answered / most)
        bar = "#" * answered_part + "-" * (round(BAR * calls / most) - answered_part)
        yield f"{at.astimezone(UTC):%Y-%m-%d %H:%MZ} {bar:{BAR}} {calls:,}"


def _show_limits(out: Output, found: Mapping[str, Any]) -> None:
    if not found["limits"]:
        return
    out.line("")
    rows = (
        (
            limit["trunk"],
            _RULES.get(limit["rule"], limit["rule"]),
            duration(limit["seconds"]),
            f"{limit['share']:.0%}",
            limit["first"],
            limit["last"],
        )
        for limit in found["limits"]
        if limit["share"] >= 0.005
    )
    out.table(("TRUNK", "WHAT HOLDS IT UP", "FOR", "OF THE TIME", "FIRST", "LAST"), rows)


def _show_changes(out: Output, found: Mapping[str, Any]) -> None:
    if found["changes"] or found["changes_not_tried"]:
        out.line("")
        part = next((one["tried_on"] for one in found["changes"] if one["tried_on"] != "all"), None)
        tried = f" (tried on {part} of the contacts and of every limit)" if part else ""
        out.line(f"What would change it{tried}:")
    for change in found["changes"]:
        out.line(f"  {change['change']}: {_effect(found, change)}")
    for untried in found["changes_not_tried"]:
        out.line(f"  {untried}: not tried, there was no time left")


def _effect(found: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    reached = found["contacts"]["never_called"] - change["never_called"]
    if reached:
        return f"{reached:,} more contacts are called, {change['never_called']:,} are not"
    sooner = change["sooner_seconds"]
    if sooner is None:
        return f"finishes {change['finishes_at']}" if change["finishes_at"] else "it is not done either"
    if abs(sooner) < 0.01 * (found["seconds"] or 0):
        return "no difference"
    return f"{duration(abs(sooner))} {'sooner' if sooner > 0 else 'later'}"


def _finish(found: Mapping[str, Any]) -> str:
    if found["finishes_at"] is None:
        return "never, as it is"
    late = ", because its window ends" if found["ends_by"] == "end_time" else ""
    return f"{found['finishes_at']}, in {duration(found['seconds'])}{late}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "-"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {share:.0%}" for name, share in value.items())
    return shown(value)


def duration(seconds: float) -> str:
    """A length of time for people."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
