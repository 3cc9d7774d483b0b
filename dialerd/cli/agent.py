"""dialerctl agent …, and what this installation can speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli.client import bad_input
from dialerd.cli.options import Limit, Record, Resets, TransferTarget, given, with_resets
from dialerd.cli.session import Session, command, group, session_of

app = group("Voice agents: who talks on a call, under a name.")

AgentId = Annotated[str, typer.Argument(metavar="AGENT_ID", help="agt_…, or as it was chosen.")]
Language = Annotated[str | None, typer.Option(help="BCP-47; what a campaign says comes first.")]
Voice = Annotated[str | None, typer.Option(help="female or male. Default: as the script says.")]
Script = Annotated[str | None, typer.Option(metavar="SCRIPT_ID", help="See: dialerctl script list.")]
Engine = Annotated[str | None, typer.Option(help="See: dialerctl engines. (default embedded)")]
Fallback = Annotated[
    str | None, typer.Option(metavar="AGENT_ID", help="Who takes its calls when its engine cannot.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--disposition",
        metavar="LABEL[=positive][,again]",
        help="A label of its own: `positive` is a conversion, after `again` there may be more attempts; repeatable.",
    ),
]


@command(
    app,
    "create",
    "dialerctl agent create --name Priya --language hi-IN --script scr_0123456789ab",
    "dialerctl agent create --id priya --name Priya --disposition site_visit=positive --disposition later=again",
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="For people.")],
    ident: Annotated[str | None, typer.Option("--id", help="Chosen id instead of a made one.")] = None,
    language: Language = None,
    voice: Voice = None,
    script: Script = None,
    engine: Engine = None,
    fallback: Fallback = None,
    disposition: Labels = None,
    transfer_target: TransferTarget = None,
    record: Record = None,
) -> None:
    """Store a voice agent; prints its agent_id."""
    fields = _fields(name, language, voice, script, engine, fallback, disposition)
    fields |= {"transfer_target": transfer_target, "recording": record}
    session = session_of(context)
    _show(session, session.api.post("/v1/agents", given({"agent_id": ident, **fields})))


@command(
    app, "edit", "dialerctl agent edit priya --voice male", "dialerctl agent edit priya --reset script_id"
)
def edit(
    context: typer.Context,
    agent: AgentId,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    language: Language = None,
    voice: Voice = None,
    script: Script = None,
    engine: Engine = None,
    fallback: Fallback = None,
    disposition: Labels = None,
    transfer_target: TransferTarget = None,
    record: Record = None,
    reset: Resets = None,
) -> None:
    """Change an agent; what is not given stays as it is. Campaigns that exist keep what they were created with."""
    fields = _fields(name, language, voice, script, engine, fallback, disposition)
    fields = given({**fields, "transfer_target": transfer_target, "recording": record})
    session = session_of(context)
    _show(session, session.api.patch(_at(agent), with_resets(fields, reset or ())))


@command(app, "list", "dialerctl agent list")
def list_(context: typer.Context, limit: Limit = 100) -> None:
    """Agents, newest first."""
    session = session_of(context)
    page = session.api.pages("/v1/agents", {}, limit)
    columns = ("agent_id", "language", "voice", "script_id", "engine", "fallback", "agent_name")
    session.out.page(
        page,
        ("AGENT", "LANGUAGE", "VOICE", "SCRIPT", "ENGINE", "FALLBACK", "NAME"),
        (tuple(item[column] for column in columns) for item in page["data"]),
    )


@command(app, "show", "dialerctl agent show priya")
def show(context: typer.Context, agent: AgentId) -> None:
    """One agent."""
    session = session_of(context)
    _show(session, session.api.get(_at(agent)))


@command(app, "remove", "dialerctl agent remove priya")
def remove(context: typer.Context, agent: AgentId) -> None:
    """Delete an agent that nothing uses."""
    session = session_of(context)
    session.api.delete(_at(agent))
    if session.out.as_json:
        session.out.json({"agent_id": agent, "removed": True})
    else:
        session.out.line(f"removed: {agent}")


def languages(context: typer.Context, limit: Limit = 100) -> None:
    """Languages that a voice here speaks."""
    session = session_of(context)
    page = session.api.pages("/v1/languages", {}, limit)
    session.out.page(
        page,
        ("LANGUAGE", "ENGINES", "VOICES", "NAME"),
        ((item["language"], item["engines"], item["voices"], item["name"]) for item in page["data"]),
    )


def engines(context: typer.Context, limit: Limit = 100) -> None:
    """Engines of voice agents: whether each can hold calls, how many it holds, and how many it can hold."""
    session = session_of(context)
    page = session.api.pages("/v1/engines", {}, limit)
    session.out.page(
        page,
        ("ENGINE", "KIND", "STATE", "SESSIONS", "VOICES", "NEEDS A SCRIPT"),
        (
            (
                item["engine"],
                item["kind"],
                item["state"],
                f"{item['sessions_in_use']} of {item['sessions_limit']}",
                item["voices"],
                item["needs_script"],
            )
            for item in page["data"]
        ),
    )


def _at(agent: str) -> str:
    return f"/v1/agents/{quote(agent, safe='')}"


def _fields(
    name: str | None,
    language: str | None,
    voice: str | None,
    script: str | None,
    engine: str | None,
    fallback: str | None,
    labels: Sequence[str] | None,
) -> dict[str, Any]:
    return {
        "agent_name": name,
        "language": language,
        "voice": voice,
        "script_id": script,
        "engine": engine,
        "fallback": fallback,
        "dispositions": dict(map(_label, labels)) if labels else None,
    }


def _label(text: str) -> tuple[str, dict[str, bool]]:
    """`site_visit=positive`, `later=again`. Raises `CliError`."""
    label, _, words = text.partition("=")
    marks = {word.strip() for word in words.split(",") if word.strip()}
    if unknown := marks - {"positive", "again"}:
        raise bad_input(f"--disposition {text}: {', '.join(sorted(unknown))} is neither positive nor again")
    return label.strip(), {"positive": "positive" in marks, "terminal": "again" not in marks}


def _show(session: Session, agent: dict[str, Any]) -> None:
    if session.out.as_json:
        session.out.json(agent)
        return
    said = ("agent_id", "agent_name", "language", "voice", "script_id", "engine", "fallback")
    plain = (*said, "transfer_target", "recording", "created_at")
    session.out.fields((key, agent[key]) for key in plain)
    for label, about in agent["dispositions"].items():
        marks = [
            word
            for word, holds in (("positive", about["positive"]), ("again", not about["terminal"]))
            if holds
        ]
        session.out.line(f"disposition {label}: {', '.join(marks) or 'terminal'}")
    if "warnings" in agent:
        session.out.warnings(agent)
