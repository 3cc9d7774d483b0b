"""dialerctl script …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialerd.cli.client import bad_input
from dialerd.cli.options import Limit
from dialerd.cli.session import command, group, session_of

app = group("Scripts: what the voice agent says and asks.")


@command(app, "add", "dialerctl script add personal-loan.yaml")
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The script in YAML.")],
    ident: Annotated[str | None, typer.Option("--id", help="Chosen id instead of a made one.")] = None,
    name: Annotated[str | None, typer.Option(help="Name instead of the script's own.")] = None,
) -> None:
    """Store a script; prints its script_id."""
    session = session_of(context)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise bad_input(f"cannot read {file}: {error.strerror}") from None
    params = {"script_id": ident, "name": name}
    added = session.api.post_text("/v1/scripts", text, "application/yaml", params)
    if session.out.as_json:
        session.out.json(added)
        return
    session.out.fields(
        (
            ("script_id", added["script_id"]),
            ("name", added["name"]),
            ("languages", added["languages"]),
            ("variables", list(added["variables"])),
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
    context: typer.Context, script: Annotated[str, typer.Argument(metavar="SCRIPT_ID", help="scr_…")]
) -> None:
    """One script with its text."""
    session = session_of(context)
    found = session.api.get(f"/v1/scripts/{script}")
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.fields(
        (key, found[key]) for key in ("script_id", "name", "version", "languages", "created_at")
    )
    session.out.line("")
    session.out.line(found["source"].rstrip("\n"))
