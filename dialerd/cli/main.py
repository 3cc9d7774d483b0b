"""The command `dialerctl`: options that work everywhere, subcommands, exit codes.

Exit codes: 0 done, 1 refused by the daemon, 2 bad input, 3 cannot reach it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd import __version__
from dialerd.cli import (
    agent,
    audit,
    call,
    campaign,
    contact,
    dnc,
    events,
    key,
    reports,
    script,
    trunk,
    webhook,
)
from dialerd.cli.client import DEFAULT_SOCKET, REFUSED, CliError, Target
from dialerd.cli.options import Ringing, RingingCalls
from dialerd.cli.output import Output, report, shown
from dialerd.cli.session import Session, command, session_of

_FLAGS = ("--json",)
_VALUED = ("--socket", "--url", "--key-file", "--key")

app = typer.Typer(
    name="dialerctl",
    help="Control dialerd: outbound calling campaigns on your own Asterisk.",
    epilog="Exit codes: 0 done, 1 refused by the daemon, 2 bad input, 3 cannot reach it. "
    "--json, --socket, --url, --key-file and --key work before and after the subcommand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(campaign.app, name="campaign")
app.add_typer(script.app, name="script")
app.add_typer(agent.app, name="agent")
app.add_typer(call.app, name="call")
app.add_typer(contact.app, name="contact")
app.add_typer(dnc.app, name="dnc")
app.add_typer(trunk.app, name="trunk")
app.add_typer(webhook.app, name="webhook")
app.add_typer(key.app, name="key")
command(app, "report", *reports.EXAMPLES)(reports.report)
command(app, "languages", "dialerctl languages")(agent.languages)
command(app, "engines", "dialerctl engines")(agent.engines)
command(app, "audit", *audit.EXAMPLES)(audit.audit)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dialerctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as the API gives it.")] = False,
    socket: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help=f"The daemon's control socket; also DIALERD_CONTROL__SOCKET. (default {DEFAULT_SOCKET})",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use HTTP instead, as in http://127.0.0.1:8080; also DIALERD_URL."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the API key for --url, not readable by others; also DIALERD_KEY."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The key itself, which the list of processes shows to everybody."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Control dialerd: outbound calling campaigns on your own Asterisk."""
    session = Session(Target.choose(socket, url, key, key_file), Output(as_json))
    context.obj = session
    context.call_on_close(lambda: session.api.close() if "api" in vars(session) else None)


@command(app, "status", "dialerctl status")
def status(context: typer.Context) -> None:
    """Whether calls can be placed, and how Asterisk, store, media and trunks are."""
    session = session_of(context)
    found = session.api.get("/v1/status")
    if session.out.as_json:
        session.out.json(found)
        return
    _print_status(session.out, found)


@command(app, "pause", "dialerctl pause", "dialerctl pause --ringing cancel")
def pause(
    context: typer.Context,
    ringing: RingingCalls = Ringing.continue_,
) -> None:
    """Place no new calls at all, over restarts too. When this returns, no further call leaves."""
    _halt(context, "pause", {"ringing": ringing.value})


@command(app, "resume", "dialerctl resume")
def resume(context: typer.Context) -> None:
    """Lift a pause or a panic of the whole daemon."""
    _halt(context, "resume", {})


@command(app, "panic", "dialerctl panic")
def panic(context: typer.Context) -> None:
    """Hang up every call of dialerd's and place none until `dialerctl resume`."""
    _halt(context, "panic", {})


command(app, "events", "dialerctl events", "dialerctl --json events --campaign cmp_8f3a2b1c9d4e")(
    events.events
)


def _halt(context: typer.Context, verb: str, body: dict[str, Any]) -> None:
    session = session_of(context)
    done = session.api.post(f"/v1/{verb}", body)
    if session.out.as_json:
        session.out.json(done)
        return
    session.out.fields((("halt", done["halt"]), ("live_calls", done["live_calls"])))
    if done.get("in_flight"):
        session.out.line(
            f"in_flight: {done['in_flight']} (calls sent before this that had not shown themselves after 2 s)"
        )


def _print_status(out: Output, found: dict[str, Any]) -> None:
    out.line(f"dialerd {found['version']} ({found['instance']})")
    out.line(f"dialing: {'possible' if found['dialing'] else 'not possible'}")
    for problem in found["problems"]:
        out.line(f"  {problem}")
    asterisk = found["asterisk"]
    out.line(f"asterisk: {asterisk['state']}" + (f" ({asterisk['version']})" if asterisk["version"] else ""))
    out.line(f"manager (AMI): {found['manager']['state']}")
    out.line(f"store: {found['store']['state']}")
    out.line(f"media: {found['media']['state']} ({found['media']['sessions']} sessions)")
    for worker in found["media"]["workers"]:
        why = f": {worker['detail']}" if worker["detail"] else ""
        held = f"{worker['sessions']} of {worker['sessions_limit']} calls, {worker['lag_seconds']:g} s late"
        out.line(f"  worker {worker['worker']}: {worker['state']}, {held}{why}")
    out.line(f"live calls: {found['live_calls']} (slot drift healed: {found['slot_drift']})")
    out.line(f"do-not-call list: {found['dnc_entries']} entries")
    hooks = found["webhooks"]
    waiting, dead = shown(hooks["waiting"]), shown(hooks["dead"])
    off = f", {hooks['disabled']} of them disabled" if hooks["disabled"] else ""
    out.line(f"webhooks: {hooks['webhooks']}{off} ({waiting} deliveries wait, {dead} are dead)")
    out.line(
        "campaigns: " + ", ".join(f"{name} {shown(count)}" for name, count in found["campaigns"].items())
    )
    out.table(
        ("TRUNK", "STATE", "CHANNELS", "CALLS/S", "PAUSED"),
        (
            (
                trunk["name"],
                trunk["state"],
                f"{trunk['channels_in_use']} of {trunk['max_channels']}",
                trunk["calls_per_second"],
                trunk["paused"],
            )
            for trunk in found["trunks"]
        ),
    )


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with those options in front that may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            rest += [argument, *waiting]
            break
        if argument in _FLAGS or argument.startswith(tuple(f"{option}=" for option in _VALUED)):
            front.append(argument)
        elif argument in _VALUED and waiting:
            front += [argument, waiting.pop(0)]
        else:
            rest.append(argument)
    return front + rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = hoisted(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="dialerctl")
    except CliError as error:
        report(error.problem, error.next_step, as_json="--json" in given)
        return error.exit_code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else REFUSED if ended.code else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
