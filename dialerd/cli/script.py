"""dialerctl script …"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli import documents, tryout
from dialerd.cli.client import bad_input
from dialerd.cli.options import Limit
from dialerd.cli.session import Session, command, group, session_of

app = group("Scripts: what the voice agent says and asks.")

YAML = "application/yaml"
command(app, "try", *tryout.EXAMPLES)(tryout.try_)

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


@command(app, "say", "dialerctl script say scr_0123456789ab --line opening --language hi-IN | aplay")
def say(
    context: typer.Context,
    script: Ident,
    line: Annotated[
        str, typer.Option(help="opening, closing.KEY, invalid_key …; of states: STATE, STATE.confirm …")
    ] = "opening",
    language: Annotated[str | None, typer.Option(help="BCP-47. Default: the script's first.")] = None,
    voice: Annotated[str | None, typer.Option(help="female or male. Default: the script's own.")] = None,
    variable: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the script; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A WAV file to write. Default: standard output.")] = None,
) -> None:
    """Hear a line as callees will: a WAV file, for a file or a player."""
    session = session_of(context)
    if out is None and sys.stdout.isatty():
        raise bad_input(
            "a WAV file is not for a terminal: give --out FILE, or pipe it into a player, as aplay"
        )
    fields = {"line": line, "language": language, "voice": voice, "variable": variable or []}
    parts = session.api.download(f"/v1/scripts/{quote(script, safe='')}/say", fields)
    wave = b"".join(parts)
    if out is None:
        sys.stdout.buffer.write(wave)
        sys.stdout.buffer.flush()
        return
    try:
        out.write_bytes(wave)
    except OSError as error:
        raise bad_input(f"cannot write {out}: {error.strerror}") from None
    if session.out.as_json:
        session.out.json({"file": str(out), "bytes": len(wave)})
    else:
        session.out.fields((("file", f"{out} ({len(wave):,} bytes)"),))


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
