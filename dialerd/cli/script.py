"""dialerctl script …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli import documents
from dialerd.cli.options import Limit
from dialerd.cli.session import Session, command, group, session_of

app = group("Scripts: what the voice agent says and asks.")

YAML = "application/yaml"
Ident = Annotated[str, typer.Argument(metavar="SCRIPT_ID", help="scr_…, or as it was chosen.")]
File = Annotated[Path, typer.Argument(help="The script in YAML.")]


@command(app, "add", "dialerctl script add personal-loan.yaml")
def add(
    context: typer.Context,
    file: File,
    ident: Annotated[str | None, typer.Option("--id", help="Chosen id instead of a made one.")] = None,
    name: Annotated[str | None, typer.Option(help="Name instead of the script's own.")] = None,
) -> None:
    """Store a script; prints its script_id."""
    session = session_of(context)
    params = {"script_id": ident, "name": name}
    added = session.api.send_text("POST", "/v1/scripts", documents.text(file), YAML, params)
    _stored(session, added)


@command(app, "replace", "dialerctl script replace scr_0123456789ab personal-loan.yaml")
def replace(
    context: typer.Context,
    script: Ident,
    file: File,
    name: Annotated[str | None, typer.Option(help="Name instead of the script's own.")] = None,
) -> None:
    """Store a new version of a script; campaigns that exist keep theirs."""
    session = session_of(context)
    path = f"/v1/scripts/{quote(script, safe='')}"
    _stored(session, session.api.send_text("PUT", path, documents.text(file), YAML, {"name": name}))


@command(app, "validate", "dialerctl script validate personal-loan.yaml")
def validate(context: typer.Context, file: File) -> None:
    """Read a script and say every fault of it; nothing is stored."""
    session = session_of(context)
    found = session.api.send_text("POST", "/v1/scripts/validate", documents.text(file), YAML, {})
    if session.out.as_json:
        session.out.json(found)
    else:
        session.out.line("valid")
        _understood(session, found)


@command(app, "remove", "dialerctl script remove scr_0123456789ab")
def remove(context: typer.Context, script: Ident) -> None:
    """Delete a script that nothing uses."""
    session = session_of(context)
    session.api.delete(f"/v1/scripts/{quote(script, safe='')}")
    if session.out.as_json:
        session.out.json({"script_id": script, "removed": True})
    else:
        session.out.line(f"removed: {script}")


def _stored(session: Session, script: dict[str, Any]) -> None:
    if session.out.as_json:
        session.out.json(script)
        return
    session.out.fields((("script_id", script["script_id"]), ("version", script["version"])))
    _understood(session, script)


def _understood(session: Session, script: dict[str, Any]) -> None:
    session.out.fields(
        (
            ("name", script["name"]),
            ("languages", script["languages"]),
            ("variables", list(script["variables"])),
        )
    )


@command(app, "list", "dialerctl script list")
def list_(context: typer.Context, limit: Limit = 100) -> None:
    """Scripts, newest first."""
    session = session_of(context)
    page = session.api.pages("/v1/scripts", {}, limit)
    session.out.page(
        page,
        ("SCRIPT", "VERSION", "LANGUAGES", "VARIABLES", "NAME"),
        (
            (item["script_id"], item["version"], item["languages"], list(item["variables"]), item["name"])
            for item in page["data"]
        ),
    )


@command(app, "show", "dialerctl script show scr_0123456789ab")
def show(
    context: typer.Context,
    script: Ident,
    version: Annotated[int | None, typer.Option(metavar="N", help="Default: the newest.")] = None,
) -> None:
    """One script with its text."""
    session = session_of(context)
    found = session.api.get(f"/v1/scripts/{quote(script, safe='')}", {"version": version})
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.fields(
        (key, found[key]) for key in ("script_id", "name", "version", "languages", "created_at")
    )
    session.out.line("")
    session.out.line(found["source"].rstrip("\n"))
