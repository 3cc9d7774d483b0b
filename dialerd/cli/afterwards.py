"""dialerctl campaign …: what came of a campaign as a file, another one made of what is left, and its deletion."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dialerd.cli import contacts, times
from dialerd.cli.client import bad_input
from dialerd.cli.options import CampaignId, End, Invalid, OnInvalid, Start, Zone, given
from dialerd.cli.session import Session, command, session_of

app = typer.Typer()

_LINE_END = b"\r\n"


class TakeOver(StrEnum):
    """Whom a new campaign takes over."""

    unreached = "unreached"
    expired = "expired"
    all = "all"
    none = "none"


@command(
    app,
    "results",
    "dialerctl campaign results cmp_0123456789ab --out results.csv",
    "dialerctl campaign results cmp_0123456789ab --rejects > rejects.csv",
)
def results(
    context: typer.Context,
    campaign: CampaignId,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; it appears when it is whole. Default: standard output."),
    ] = None,
    rejects: Annotated[
        bool, typer.Option("--rejects", help="The rows of its lists that were left out as invalid instead.")
    ] = False,
) -> None:
    """What came of each contact, as CSV; with --json one object a line. It can be imported again as a list."""
    session = session_of(context)
    path = f"/v1/campaigns/{campaign}"
    expected = session.api.get(path)["progress"]["total_contacts"]
    parts = session.api.download(f"{path}/{'rejects' if rejects else 'results'}.csv")
    if out is None:
        _print(session, parts)
        return
    size = _save(parts, out, None if rejects else expected)
    if session.out.as_json:
        session.out.json({"file": str(out), "bytes": size})
    else:
        session.out.line(f"file: {out} ({size:,} bytes)")


def _print(session: Session, parts: Iterable[bytes]) -> None:
    if session.out.as_json:
        for row in csv.DictReader(_lines(parts)):
            session.out.json(row, line=True)
        return
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines, which parts may break anywhere."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from (f"{line.decode()}\n" for line in whole)
    if rest:
        yield rest.decode()


def _save(parts: Iterable[bytes], path: Path, rows: int | None) -> int:
    """Write a file that is there as a whole or not at all; its size. Raises `CliError`."""
    draft = path.with_name(f"{path.name}.part")
    try:
        try:
            with draft.open("wb") as file, _progress(rows) as told:
                size = _copy(parts, file, told)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}") from None
    return size


def _copy(parts: Iterable[bytes], file: BinaryIO, told: Any) -> int:
    size = 0
    for part in parts:
        file.write(part)
        size += len(part)
        told(part.count(_LINE_END))
    return size


@contextmanager
def _progress(rows: int | None) -> Iterator[Any]:
    """A bar on standard error, if that is a terminal, that is told of rows."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("rows", total=rows)
        yield lambda count: bar.advance(task, count)


@command(
    app,
    "clone",
    "dialerctl campaign clone cmp_0123456789ab --contacts unreached --start-now",
    "dialerctl campaign clone cmp_0123456789ab --contacts expired --start '2027-01-16 09:00' --end '2027-01-16 18:00'",
)
def clone(
    context: typer.Context,
    campaign: CampaignId,
    take: Annotated[
        TakeOver,
        typer.Option("--contacts", help="Who never answered, who still waited at its end, all, or none."),
    ] = TakeOver.unreached,
    name: Annotated[str | None, typer.Option(help="For people. Default: the old one, with '(copy)'.")] = None,
    script: Annotated[str | None, typer.Option(metavar="SCRIPT_ID", help="Another script.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="AGENT_ID", help="Another agent.")] = None,
    language: Annotated[str | None, typer.Option(help="Another language, BCP-47.")] = None,
    start: Start = None,
    end: End = None,
    timezone: Zone = None,
    on_invalid: Invalid = OnInvalid.reject,
    start_now: Annotated[bool, typer.Option("--start-now", help="Start it at once.")] = False,
) -> None:
    """Create a campaign from another one's contacts and settings; `campaign edit` changes the rest before its start."""
    session = session_of(context)
    zone = timezone or session.api.get(f"/v1/campaigns/{campaign}")["schedule"]["timezone"]
    fields = {
        "contacts": take.value,
        "name": name,
        "script_id": script,
        "agent_id": agent,
        "language": language,
        "schedule": times.schedule(start, end, zone) if start or end or timezone else None,
        "on_invalid": on_invalid.value,
    }
    made = session.api.post(f"/v1/campaigns/{campaign}/clone", given(fields))
    if start_now:
        made |= session.api.post(f"/v1/campaigns/{made['campaign_id']}/start", {"now": True})
    if session.out.as_json:
        session.out.json(made)
        return
    session.out.fields((key, made[key]) for key in ("campaign_id", "name", "status"))
    contacts.print_import(session.out, made["import"])
    session.out.warnings(made)


@command(app, "delete", "dialerctl campaign delete cmp_0123456789ab")
def delete(context: typer.Context, campaign: CampaignId) -> None:
    """Delete a completed or stopped campaign with its contacts, calls and rejected rows. There is no way back."""
    session = session_of(context)
    session.api.delete(f"/v1/campaigns/{campaign}")
    if session.out.as_json:
        session.out.json({"campaign_id": campaign, "deleted": True})
    else:
        session.out.line(f"deleted: {campaign}")
