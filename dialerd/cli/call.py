"""dialerctl call …"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli import times
from dialerd.cli.client import bad_input
from dialerd.cli.options import (
    AnsweringMachine,
    CallerId,
    Limit,
    Record,
    RingTimeout,
    TransferTarget,
    Trunks,
    given,
)
from dialerd.cli.output import shown
from dialerd.cli.session import command, group, session_of

app = group("Calls: every attempt, with its tries.")

CallId = Annotated[str, typer.Argument(metavar="CALL_ID", help="cal_…")]


@command(app, "list", "dialerctl call list --campaign cmp_0123456789ab --disposition interested")
def list_(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(metavar="CAMPAIGN_ID", help="Only this campaign's.")] = None,
    disposition: Annotated[str | None, typer.Option(help="Only with this label.")] = None,
    language: Annotated[str | None, typer.Option(help="Only in this language.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begun from then on.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Begun until then, a date (UTC) included.")
    ] = None,
    phone: Annotated[str | None, typer.Option(help="Only to this number, E.164.")] = None,
    limit: Limit = 100,
) -> None:
    """Calls, newest first."""
    session = session_of(context)
    params = {
        **{"campaign_id": campaign, "disposition": disposition, "language": language, "phone": phone},
        **{"from": times.bound(start), "to": times.bound(end)},
    }
    page = session.api.pages("/v1/calls", params, limit)
    session.out.page(
        page,
        ("CALL", "PHONE", "ATTEMPT", "STATUS", "DISPOSITION", "REASON", "SIP", "TRUNK", "SECONDS", "STARTED"),
        (
            (
                item["id"],
                item["contact"]["phone"],
                item["attempt"],
                item["status"],
                item["disposition"],
                item["reason"],
                item["sip_code"],
                item["trunk"],
                item["duration_seconds"],
                item["started_at"],
            )
            for item in page["data"]
        ),
    )


@command(
    app,
    "place",
    "dialerctl call place +919876543210 --script scr_0123456789ab --language en-IN --variable loan_amount=50000",
)
def place(
    context: typer.Context,
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="E.164.")],
    script: Annotated[
        str | None,
        typer.Option(metavar="SCRIPT_ID", help="See: dialerctl script list. Default: the agent's."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT_ID", help="Who talks; see: dialerctl agent list.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="BCP-47, one the script has texts for. Default: the agent's.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The callee's.")] = None,
    variable: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the script; repeatable.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="The callee's IANA zone. Default: told by the number.")
    ] = None,
    ring_timeout: RingTimeout = None,
    trunk: Trunks = None,
    caller_id: CallerId = None,
    answering_machine: AnsweringMachine = None,
    transfer_target: TransferTarget = None,
    record: Record = None,
) -> None:
    """Place one call now, through every rule that a campaign's call passes; refused with the reasons otherwise."""
    session = session_of(context)
    fields = {
        "phone": phone,
        "script_id": script,
        "agent_id": agent,
        "language": language,
        "name": name,
        "variables": _pairs(variable),
        "timezone": timezone,
        "ring_timeout_seconds": ring_timeout,
        "trunks": trunk,
        "caller_id": caller_id,
        "answering_machine": answering_machine,
        "transfer_target": transfer_target,
        "recording": record,
    }
    placed = session.api.post("/v1/calls", given(fields))
    if session.out.as_json:
        session.out.json(placed)
    else:
        session.out.fields((("id", placed["id"]), ("status", placed["status"]), ("trunk", placed["trunk"])))
        session.out.warnings(placed)


@command(app, "hangup", "dialerctl call hangup cal_0123456789ab")
def hangup(context: typer.Context, call: CallId) -> None:
    """End a live call."""
    _act(context, call, "hangup", {})


@command(
    app,
    "disposition",
    "dialerctl call disposition cal_0123456789ab interested --captured city=Pune",
    "dialerctl call disposition cal_0123456789ab callback_requested --callback '2026-01-15 17:30'",
)
def disposition(
    context: typer.Context,
    call: CallId,
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help="interested, paid, dnc …, or the agent's own.")
    ],
    callback: Annotated[
        str | None, typer.Option(metavar="TIME", help="When to call again, with callback_requested.")
    ] = None,
    captured: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="What was learned; repeatable.")
    ] = None,
) -> None:
    """Say what came of a live, answered call."""
    fields = {
        "disposition": label,
        "callback_at": None if callback is None else times.moment(callback, None),
        "captured": _pairs(captured) or None,
    }
    _act(context, call, "disposition", given(fields))


@command(
    app,
    "transfer",
    "dialerctl call transfer cal_0123456789ab",
    "dialerctl call transfer cal_0123456789ab support --warm --summary 'wants to close the loan'",
)
def transfer(
    context: typer.Context,
    call: CallId,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]", help="A configured name. Default: the call's, or the installation's."
        ),
    ] = None,
    warm: Annotated[
        bool | None,
        typer.Option("--warm/--cold", help="Whether the agent talks on until the person is there."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Told to the person's side.")] = None,
    summary: Annotated[str | None, typer.Option(help="Told to the person's side.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long the person's phone rings.")
    ] = None,
) -> None:
    """Begin to connect the callee of a live call with a person; `call show` tells how that goes."""
    fields = {"target": target, "warm": warm, "reason": reason, "summary": summary}
    session = session_of(context)
    done = session.api.post(f"/v1/calls/{call}/transfer", given({**fields, "timeout_seconds": timeout}))
    if session.out.as_json:
        session.out.json(done)
    else:
        session.out.fields((key, done["transfer"][key]) for key in ("target", "warm", "state", "outcome"))


@command(
    app,
    "recording",
    "dialerctl call recording cal_0123456789ab -o call.wav",
    "dialerctl call recording cal_0123456789ab > call.wav",
)
def recording(
    context: typer.Context,
    call: CallId,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
    ] = None,
) -> None:
    """The audio of a call: WAV, the callee on the left, the agent on the right."""
    session = session_of(context)
    parts = session.api.download(f"/v1/calls/{call}/recording")
    if file is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    # What breaks off must not look like a whole recording.
    draft = file.with_name(file.name + ".part")
    try:
        with draft.open("wb") as into:
            into.writelines(parts)
        draft.replace(file)
    except OSError as error:
        raise bad_input(f"cannot write {file}: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    saved = {"id": call, "file": str(file), "bytes": file.stat().st_size}
    if session.out.as_json:
        session.out.json(saved)
    else:
        session.out.line(f"saved: {file} ({saved['bytes']} bytes)")


@command(app, "delete-recording", "dialerctl call delete-recording cal_0123456789ab")
def delete_recording(context: typer.Context, call: CallId) -> None:
    """Delete the audio of a call; what is written of the call stays."""
    session = session_of(context)
    session.api.delete(f"/v1/calls/{call}/recording")
    if session.out.as_json:
        session.out.json({"id": call, "recording": None})
    else:
        session.out.line(f"deleted: the recording of {call}")


def _act(context: typer.Context, call: str, verb: str, body: dict[str, Any]) -> None:
    session = session_of(context)
    done = session.api.post(f"/v1/calls/{call}/{verb}", body)
    if session.out.as_json:
        session.out.json(done)
    else:
        session.out.fields((key, done[key]) for key in ("id", "status", "disposition"))


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts or ())}


@command(app, "show", "dialerctl call show cal_0123456789ab")
def show(context: typer.Context, call: CallId) -> None:
    """One call: its tries, what was said, and which rules let it pass."""
    session = session_of(context)
    found = session.api.get(f"/v1/calls/{call}")
    out = session.out
    if out.as_json:
        out.json(found)
        return
    plain = (
        "id",
        "campaign_id",
        "status",
        "disposition",
        "reason",
        "attempt",
        "language",
        "agent_id",
        "engine",
        "caller_id",
        "started_at",
        "answered_at",
        "ended_at",
        "duration_seconds",
        "recording_url",
    )
    out.fields((key, found[key]) for key in plain)
    if (taken := found["taken_over_by"]) is not None:
        out.line(f"taken over by: {taken['agent_id']} ({taken['engine']}): {shown(taken['detail'])}")
    out.line(f"contact: {found['contact']['phone']} {shown(found['contact']['name'])}")
    out.table(
        ("TRY", "TRUNK", "STATE", "SIP", "CAUSE", "RING SECONDS", "CHANNEL"),
        (
            (t["number"], t["trunk"], t["state"], t["sip_code"], t["cause"], t["ring_seconds"], t["channel"])
            for t in found["tries"]
        ),
    )
    for turn in found["transcript"]:
        out.line(f"{shown(turn.get('speaker'))}: {shown(turn.get('text') or turn.get('digits'))}")
    if (handed := found["transfer"]) is not None:
        out.line(f"transfer {shown(handed['target'])}: {shown(handed['outcome'] or handed['state'])}")
    for key, value in found["captured"].items():
        out.line(f"captured {key}: {shown(value)}")
    for rule, said in (found["gate"].get("rules") or {}).items():
        out.line(f"gate {rule}: {shown(said)}")
