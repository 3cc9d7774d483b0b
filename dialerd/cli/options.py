"""Options that several commands have, and what they come to in a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli.client import bad_input


class OnInvalid(StrEnum):
    """What becomes of a list with bad rows."""

    reject = "reject"
    skip = "skip"


class Ringing(StrEnum):
    """What becomes of calls that ring."""

    continue_ = "continue"
    cancel = "cancel"


CampaignId = Annotated[str, typer.Argument(metavar="CAMPAIGN_ID", help="cmp_…")]
Limit = Annotated[int, typer.Option(min=1, help="At most this many.")]
RingingCalls = Annotated[Ringing, typer.Option(help="Let ringing calls go on, or cancel them.")]

# --- lists ---------------------------------------------------------------------------------------

Contacts = Annotated[Path, typer.Option(metavar="FILE", help="Contacts: a header line with a column phone.")]
Region = Annotated[
    str | None, typer.Option(metavar="COUNTRY", help="Accept this country's national numbers: IN, US …")
]
Invalid = Annotated[OnInvalid, typer.Option(help="Refuse a list with bad rows, or leave those out.")]

# --- when a campaign may dial --------------------------------------------------------------------

Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When dialing begins. Default for a new one with --end: now."),
]
End = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When dialing ends. Without --start and --end the campaign waits for `campaign start`.",
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="IANA zone of the window, and of times without offset. Default: the campaign's, or this machine's.",
    ),
]
Hours = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SLOT", help="Weekly hours in the campaign's zone, as 'mon-fri 09:00-18:00'; repeatable."
    ),
]
Holidays = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DATE|COUNTRY", help="Days without calls: a date, or a country's holidays; repeatable."
    ),
]

# --- how it dials --------------------------------------------------------------------------------

MaxAttempts = Annotated[
    int | None, typer.Option(metavar="N", help="Total attempts a contact, 1–10. (default 1)")
]
RetryInterval = Annotated[
    float | None,
    typer.Option(metavar="MINUTES", help="From the end of one attempt to the next. (default 60)"),
]
RetryRules = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REASON=MINUTES[xMAX]",
        help="Retry attempts of one reason differently, as busy=5x3 or no_answer=120; repeatable.",
    ),
]
MaxCallbacks = Annotated[
    int | None,
    typer.Option(metavar="N", help="Calls that a callee may ask for, beside the attempts. (default 1)"),
]
RingTimeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long a phone rings. (default 30)")
]
MaxConcurrent = Annotated[int | None, typer.Option(metavar="N", help="Calls at a time.")]
CallsPerSecond = Annotated[float | None, typer.Option(metavar="RATE", help="New calls a second.")]
Weight = Annotated[
    float | None,
    typer.Option(metavar="W", help="Its starts beside those of other campaigns on a trunk. (default 1)"),
]
Shares = Annotated[
    str | None,
    typer.Option(
        metavar="fresh=A,retries=B,callbacks=C",
        help="Proportions of its starts while all three kinds wait. (default fresh=1,retries=1,callbacks=8)",
    ),
]
Trunks = Annotated[
    list[str] | None,
    typer.Option(metavar="TRUNK", help="Only this trunk; repeatable, in order of preference."),
]
CallerId = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="One of the trunk's. Default: its first.")
]
TransferTarget = Annotated[
    str | None,
    typer.Option(
        metavar="TARGET", help="Where calls are transferred to: a configured name. Default: the agent's."
    ),
]
Record = Annotated[
    bool | None,
    typer.Option("--record/--no-record", help="Whether calls are recorded. Default: the agent's, or not."),
]
KeepOpen = Annotated[
    bool | None, typer.Option(help="Stay running until the end time, even with nobody left to call.")
]


class OnMachine(StrEnum):
    """What is done when an answering machine is heard."""

    CONTINUE = "continue"
    HANGUP = "hangup"
    MESSAGE = "message"
    IGNORE = "ignore"


AnsweringMachine = Annotated[
    OnMachine | None,
    typer.Option(help="When one is heard: go on, hang up, leave the script's message. (default continue)"),
]


Resets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="Take a field back to its default, named as in the API: trunks, schedule.hours …; repeatable.",
    ),
]


def with_resets(changes: dict[str, Any], resets: Sequence[str]) -> dict[str, Any]:
    """The changes with a null for each field that goes back to its default."""
    for name in resets:
        outer, dot, inner = name.partition(".")
        if dot:
            changes[outer] = {**(changes.get(outer) or {}), inner: None}
        else:
            changes[outer] = None
    return changes


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given; an option that may be repeated and was not is none."""
    return {key: value for key, value in fields.items() if value is not None and value != []}


def existing(path: Path) -> Path:
    """The file; a pipe is one, as in `--csv <(…)`. Raises `CliError`."""
    if path.is_dir():
        raise bad_input(f"{path} is a folder, not a file")
    if not path.exists():
        raise bad_input(f"there is no file {path}")
    return path
