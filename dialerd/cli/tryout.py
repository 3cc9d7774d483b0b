"""dialerctl script try: a script held as a conversation, by keyboard or on the phone, before anybody else hears it.

By keyboard it needs no daemon: the conversation is the very one that calls hold (`dialerd.agent.trial`), the only
part of dialerd beside the API that dialerctl uses.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dialerd.cli import documents, times
from dialerd.cli.client import BAD_INPUT, CliError, bad_input
from dialerd.cli.options import given
from dialerd.cli.output import Output, shown
from dialerd.cli.session import Session, session_of

EXAMPLES = (
    "dialerctl script try config/scripts/survey.yaml --language en-IN --var name=Asha",
    "dialerctl script try config/scripts/survey.yaml --call +919876543210",
)
POLL = 0.5
ENDS = 20.0
"""Seconds that a call which is hung up may take to end."""
HINT = "keys or words; an empty line is silence; :hangup ends it"


def try_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The script in YAML.")],
    language: Annotated[str | None, typer.Option(help="BCP-47. Default: the script's first.")] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option("--var", "--variable", metavar="NAME=VALUE", help="Of the contact; repeatable."),
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="PHONE", help="Hold it on the phone, as one call of the daemon's.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="Where the callee's clock stands, for callbacks.")
    ] = "UTC",
    callbacks_until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="By keyboard: later callbacks are refused, as after a campaign's end."
        ),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="As a call that is recorded: with its recording_notice.")
    ] = False,
) -> None:
    """Hold a script's conversation: by keyboard, without a daemon, or with --call on the phone."""
    session = session_of(context)
    source = documents.text(file)
    variables = _pairs(variable)
    if call is not None:
        _on_the_phone(session, source, call, language, variables, timezone, record=record)
    else:
        _by_keyboard(session.out, source, language, variables, timezone, callbacks_until, record=record)


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    for text in texts or ():
        if "=" not in text:
            raise bad_input(f"--var {text}: a variable is given as NAME=VALUE")
    return {key: value for key, _, value in (text.partition("=") for text in texts or ())}


# --- by keyboard ---------------------------------------------------------------------------------


def _by_keyboard(
    out: Output,
    source: bytes,
    language: str | None,
    variables: Mapping[str, str],
    zone: str,
    callbacks_until: str | None,
    *,
    record: bool,
) -> None:
    # Here, since it takes longer to load than all other commands.
    from dialerd.agent.trial import NotHeld, Told, Trial

    if not Trial.knows_zone(zone):
        raise bad_input(f"--timezone {zone}: there is no such time zone")
    try:
        until = _instant(callbacks_until, zone)
        trial = Trial(source.decode("utf-8-sig", "replace"), language, variables, zone, record, until)
    except NotHeld as error:
        problem = {"title": "Invalid script", "detail": str(error), "errors": error.faults}
        raise CliError(BAD_INPUT, problem) from None

    def show(told: Told) -> None:
        if not out.as_json:
            out.line(f"{told.what}: {told.text}")

    while True:
        for told in trial.hear():
            show(told)
        if trial.over:
            break
        line = _read(out, trial)
        if line is None:
            trial.leave()
        else:
            trial.answer(line)
    _tell(out, trial.outcome)


def _instant(text: str | None, zone: str) -> Any:
    """A time as it is typed, in the core's terms."""
    from dialerd.agent.trial import Trial

    try:
        return None if text is None else Trial.instant(times.moment(text, zone))
    except ValueError as error:
        raise bad_input(f"--callbacks-until {text}: {error}") from None


def _read(out: Output, trial: Any) -> str | None:
    """The next line; empty when nothing was typed in time, None at the end of the input."""
    terminal = sys.stdin.isatty()
    if terminal and not out.as_json:
        about = (
            "a person is being called: :taken or :failed" if trial.transferring else ", ".join(trial.choices)
        )
        sys.stdout.write(f"[{trial.patience:g} s; {about or HINT}] > ")
        sys.stdout.flush()
        if not select.select([sys.stdin], [], [], trial.patience)[0]:
            out.line("(silence)")
            return ""
    line = sys.stdin.readline()
    if not line:
        return None
    if not terminal and not out.as_json:
        out.line(f"you: {line.strip() or '(silence)'}")
    return line.rstrip("\n")


def _tell(out: Output, outcome: Mapping[str, Any]) -> None:
    if out.as_json:
        out.json(outcome)
        return
    out.line("")
    out.fields((name, outcome[name]) for name in ("disposition", "positive", "callback_at"))
    for name, value in outcome["captured"].items():
        out.line(f"captured {name}: {shown(value)}")


# --- on the phone --------------------------------------------------------------------------------


def _on_the_phone(
    session: Session,
    source: bytes,
    phone: str,
    language: str | None,
    variables: Mapping[str, str],
    zone: str,
    *,
    record: bool,
) -> None:
    ident = f"try-{secrets.token_hex(4)}"
    stored = session.api.send_text("POST", "/v1/scripts", source, "application/yaml", {"script_id": ident})
    try:
        placed = session.api.post(
            "/v1/calls",
            given(
                {
                    "phone": phone,
                    "script_id": ident,
                    "language": language or stored["languages"][0],
                    "name": variables.get("name"),
                    "variables": {name: value for name, value in variables.items() if name != "name"},
                    "timezone": None if zone == "UTC" else zone,
                    "recording": record or None,
                }
            ),
        )
        if not session.out.as_json:
            session.out.warnings(placed)
        call = _follow(session, placed["id"])
    finally:
        # It stays where a call still needs it; the daemon says so.
        with contextlib.suppress(CliError):
            session.api.delete(f"/v1/scripts/{quote(ident, safe='')}")
    if session.out.as_json:
        session.out.json(call)
        return
    session.out.line("")
    names = ("id", "status", "disposition", "reason", "duration_seconds")
    session.out.fields((name, call[name]) for name in names)
    for name, value in call["captured"].items():
        session.out.line(f"captured {name}: {shown(value)}")


def _follow(session: Session, call: str) -> Any:
    """The call once it is over; what is said is shown as the daemon learns it."""
    shown_turns = 0
    answered = False
    until: float | None = None
    while True:
        try:
            found = session.api.get(f"/v1/calls/{call}")
            if found["answered_at"] and not answered:
                answered = True
                _progress(session.out, "answered")
            for turn in found["transcript"][shown_turns:]:
                _progress(session.out, _turn(turn))
            shown_turns = len(found["transcript"])
            late = until is not None and time.monotonic() > until
            if found["status"] != "in_progress" or late:
                return found
            time.sleep(POLL)
        except KeyboardInterrupt:
            if until is not None:
                raise
            until = time.monotonic() + ENDS
            _progress(session.out, "hanging up")
            with contextlib.suppress(CliError):
                session.api.post(f"/v1/calls/{call}/hangup")


def _turn(turn: Mapping[str, Any]) -> str:
    said = turn.get("text") or turn.get("digits") or "(not understood)"
    return f"{shown(turn.get('time'))} s {shown(turn.get('speaker'))}: {said}"


def _progress(out: Output, text: str) -> None:
    if not out.as_json:
        out.line(text)
