"""The commands of the lab."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import lifecycle
import plan
import report
from errors import FAILED, NOT_RUNNING, OK, LabError
from lifecycle import Request
from ports import Wanted
from record import Folder, Record

_CHECKOUT = Path(__file__).resolve().parents[2]

_ABOUT = """\
A telephone system to develop against: `pbx`, an Asterisk with the files of asterisk/ that users install, and
`carrier`, a simulated phone network. Both run on this machine, on loopback, in one folder; labs in several folders
do not meet."""

_EXIT_CODES = """\
typical:
  asterisk/lab/lab up
  eval "$(asterisk/lab/lab status)"      the daemon's settings, into this shell
  asterisk/lab/lab plan                  which number behaves how
  asterisk/lab/lab down

exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running (status), 4 running otherwise than asked (up)"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader, `head` say, has had enough. Nothing may be left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description=_ABOUT, epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="bring the lab up, or report the one that runs")
    _common(up)
    _json(up)
    up.add_argument(
        "--trunk", type=_address, metavar="HOST:PORT",
        help="send calls to this SIP address (SIPp, say) instead of a carrier; it is neither qualified nor "
        "registered with, and gets INVITE sip:NUMBER@HOST:PORT",
    )  # fmt: skip
    up.add_argument(
        "--spare", type=_address, metavar="HOST:PORT",
        help="a second SIP address, behind the endpoint `spare`, treated as --trunk's is",
    )  # fmt: skip
    up.add_argument(
        "--asterisk", type=Path, metavar="ROOT", default=os.environ.get("DIALERD_LAB_ASTERISK") or None,
        help="an unpacked Debian root with Asterisk to use (default: $DIALERD_LAB_ASTERISK, else this host's "
        "Asterisk if it is 22.9 or later, else one unpacked into $DIALERD_LAB_CACHE, by default "
        "~/.cache/dialerd/asterisk)",
    )  # fmt: skip
    up.add_argument("--mirror", metavar="URL", help="Debian mirror to unpack from (default: this host's own)")
    up.add_argument("--timeout", type=float, default=30, metavar="S", help="seconds to wait (default 30)")
    for name, what in (
        ("ari", "ARI"), ("ami", "AMI"), ("sip", "the pbx's SIP"), ("carrier", "the carrier's SIP"),
        ("http", "the daemon's HTTP"), ("media", "the daemon's media"),
    ):  # fmt: skip
        up.add_argument(f"--{name}-port", type=int, metavar="PORT", help=f"{what} port (default: a free one)")
    up.set_defaults(run=_up)

    status = commands.add_parser("status", help="report the lab, in the same form as up")
    _common(status)
    _json(status)
    status.set_defaults(run=_status)

    down = commands.add_parser("down", help="stop the lab; logs and call records stay")
    _common(down)
    _json(down)
    down.add_argument("--purge", action="store_true", help="delete logs, records and state too")
    down.set_defaults(run=_down)

    console = commands.add_parser("rx", help="run a console command: lab rx pbx 'core show channels'")
    _common(console)
    console.add_argument("instance", choices=("pbx", "carrier"))
    console.add_argument("command")
    console.set_defaults(run=_rx)

    table = commands.add_parser("plan", help="the carrier's number plan: which number behaves how")
    _json(table)
    table.set_defaults(run=_plan)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dir",
        type=Path,
        default=_CHECKOUT / ".lab",
        help="the lab's folder (default: the repository's .lab)",
    )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _folder(options: argparse.Namespace) -> Folder:
    return Folder(options.dir.absolute())


def _up(options: argparse.Namespace) -> int:
    wanted = Wanted(
        ari=options.ari_port,
        ami=options.ami_port,
        sip=options.sip_port,
        carrier=options.carrier_port,
        http=options.http_port,
        media=options.media_port,
    )
    root = Path(options.asterisk) if options.asterisk else None
    folder = _folder(options)
    record = lifecycle.up(
        folder, Request(options.trunk, options.spare, root, options.mirror, wanted, options.timeout)
    )
    _print(options, folder, record, running=True)
    return OK


def _status(options: argparse.Namespace) -> int:
    folder = _folder(options)
    record = Record.load(folder)
    if record is None:
        print(json.dumps({"running": False, "dir": str(folder.path)}) if options.json else "# no lab here")
        return NOT_RUNNING
    running = lifecycle.running(folder, record)
    _print(options, folder, record, running)
    return OK if running else NOT_RUNNING


def _down(options: argparse.Namespace) -> int:
    folder = _folder(options)
    stopped = lifecycle.down(folder, options.purge)
    if options.json:
        print(json.dumps({"running": False, "dir": str(folder.path), "stopped": stopped}, indent=1))
    else:
        print("stopped " + ", ".join(f"{name} (pid {pid})" for name, pid in stopped.items()) if stopped
              else "nothing was running")  # fmt: skip
    return OK


def _rx(options: argparse.Namespace) -> int:
    folder = _folder(options)
    record = Record.load(folder)
    if record is None:
        raise LabError(f"no lab in {folder.path}", NOT_RUNNING)
    print(lifecycle.console(folder, record, options.instance, options.command), end="")
    return OK


def _plan(options: argparse.Namespace) -> int:
    print(json.dumps(plan.as_json(), indent=1) if options.json else plan.as_markdown())
    return OK


def _print(options: argparse.Namespace, folder: Folder, record: Record, running: bool) -> None:
    if options.json:
        print(json.dumps(report.as_json(folder, record, running), indent=1))
    elif running:
        print(report.as_text(folder, record))
    else:
        print(f"# the lab in {folder.path} is not running whole: `lab up` starts what is missing")
