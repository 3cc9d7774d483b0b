"""`make demo`: a real campaign on a real local Asterisk, and what dialerd recorded beside what the carrier saw.

It starts the lab and the daemon, drives them with `dialerctl` as a user would, and then compares every contact
with the carrier's own call records. Exit code 0 only if disposition, reason and number of tries agree for all.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console as Screen
from rich.table import Table

from scripts.running import BIN, LAB, ROOT, Console, Daemon, NotRunning, api_of, lab_down, run_json

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"
CONTACTS = ROOT / "config" / "demo-contacts.csv"
FOLDER = ROOT / ".lab" / "demo"

out = Screen(width=None if sys.stdout.isatty() else 120, record=True)

KEYS = {"1": "interested", "2": "not_interested", "9": "dnc"}
REASONS = {
    "486": "busy",
    "487": "no_answer",
    "480": "no_answer",
    "603": "rejected",
    "404": "invalid_number",
    "503": "congestion",
}


@dataclass(frozen=True)
class Seen:
    """One call as the carrier recorded it."""

    behaviour: str
    sip: str
    digits: str


@dataclass(frozen=True)
class Verdict:
    """What the carrier's records say must be true of a contact."""

    disposition: str
    reason: str
    tries: int


def carrier_records(path: Path) -> dict[str, list[Seen]]:
    """The carrier's call records by number dialed, in order."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT dst, userfield FROM cdr ORDER BY start").fetchall()
    seen: dict[str, list[Seen]] = defaultdict(list)
    for number, userfield in rows:
        said = dict(part.split("=", 1) for part in userfield.split(";"))
        seen["+" + number.lstrip("+")].append(Seen(said["behaviour"], said["sip"], said["digits"]))
    return seen


def expected(seen: list[Seen]) -> Verdict:
    """What dialerd must have recorded, from what the carrier saw."""
    answered = [call for call in seen if call.sip == "200"]
    if answered and answered[-1].behaviour == "voicemail":
        return Verdict("not_reachable", "voicemail", len(seen))
    if answered:
        return Verdict(KEYS.get(answered[-1].digits, "connected"), "", len(seen))
    return Verdict("not_reachable", REASONS.get(seen[-1].sip, "failed") if seen else "", len(seen))


def recorded(calls: list[dict[str, Any]]) -> Verdict:
    """What dialerd recorded of a contact: its last attempt, and every try that was sent."""
    tries = [one for call in calls for one in call["tries"] if one["state"] != "not_sent"]
    last = max(calls, key=lambda call: call["started_at"])
    return Verdict(last["disposition"], last["reason"] or "", len(tries))


def all_calls(daemon: Daemon, campaign: str) -> dict[str, list[dict[str, Any]]]:
    """Every call of the campaign, by number."""
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in daemon.ctl("call", "list", "--campaign", campaign, "--limit", "10000")["data"]:
        calls[call["contact"]["phone"]].append(call)
    return calls


def compare(calls: dict[str, list[dict[str, Any]]], seen: dict[str, list[Seen]]) -> int:
    """Print each contact with both views; return how many disagree."""
    table = Table(title="What dialerd recorded, and what the carrier saw")
    for column in (
        "contact",
        "name",
        "disposition",
        "reason",
        "tries",
        "carrier saw",
        "SIP",
        "key",
        "calls",
        "",
    ):
        table.add_column(column, no_wrap=True)
    wrong = 0
    with CONTACTS.open(encoding="utf-8", newline="") as file:
        people = list(csv.DictReader(file))
    for person in people:
        phone = person["phone"]
        mine = recorded(calls[phone]) if calls.get(phone) else Verdict("never called", "", 0)
        theirs = seen.get(phone, [])
        agrees = mine == expected(theirs)
        verdict = "[green]agrees[/]" if agrees else "[red]DIFFERS[/]"
        wrong += not agrees
        last = theirs[-1] if theirs else Seen("", "", "")
        table.add_row(
            phone, person["name"], mine.disposition, mine.reason, str(mine.tries),
            last.behaviour, last.sip, last.digits, str(len(theirs)), verdict,
        )  # fmt: skip
    out.print(table)
    return wrong


def summary(campaign: dict[str, Any]) -> None:
    """The campaign's dispositions and metrics."""
    table = Table(title=campaign["name"])
    table.add_column("disposition")
    table.add_column("contacts", justify="right")
    table.add_column("% of called", justify="right")
    for row in campaign["disposition_breakdown"]:
        table.add_row(row["disposition"], str(row["count"]), f"{row['percentage']:.1f}")
    out.print(table)
    metrics = campaign["metrics"]
    out.print(
        f"connect rate {metrics['connect_rate']:.1%} · conversion {metrics['conversion_rate']:.1%} of connected · "
        f"retried {metrics['retried_rate']:.1%} of called · mean call {metrics['avg_call_duration_seconds']} s"
    )


ANSWERS = (range(50), range(75, 100))
"""Last two digits with which the carrier's callees answer (asterisk/lab/README.md); the others fail at each attempt."""
ATTEMPTS = 2
TALK_SECONDS, RING_SECONDS = 15, 1
"""About as long as the demo's script takes, and as its callees ring."""


def answer_rate() -> float:
    """The rate at which as many contacts answer within their attempts as do by the carrier's number plan."""
    with CONTACTS.open(encoding="utf-8", newline="") as file:
        ends = [int(person["phone"][-2:]) for person in csv.DictReader(file)]
    answering = sum(any(end in some for some in ANSWERS) for end in ends)
    return 1 - float((1 - answering / len(ends)) ** (1 / ATTEMPTS))


def foretell(daemon: Daemon, campaign: str) -> dict[str, Any]:
    """What the simulator expects of the campaign, before it is started."""
    rate = answer_rate()
    out.print(f"Forecast, with the carrier's answer rate ({rate:.0%} of calls) taken as known:")
    forecast: dict[str, Any] = daemon.ctl(
        "campaign", "simulate", campaign, "--answer-rate", f"{rate:.3f}",
        "--talk-seconds", str(TALK_SECONDS), "--ring-seconds", str(RING_SECONDS),
    )  # fmt: skip
    out.print(
        f"  done {forecast['seconds']:.0f} s after the start, {forecast['calls']['total']} calls, "
        f"{forecast['dispositions']['connected']} of {forecast['contacts']['total']} contacts connected"
    )
    return forecast


def beside(forecast: dict[str, Any], campaign: dict[str, Any], calls: int) -> None:
    """The forecast beside what came of it."""
    began, ended = (datetime.fromisoformat(campaign[key]) for key in ("started_at", "finished_at"))
    table = Table(title="The forecast, and what the campaign then did")
    for column in ("", "forecast", "run"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row(
        "seconds to the end", f"{forecast['seconds']:.0f}", f"{(ended - began).total_seconds():.0f}"
    )
    table.add_row("calls", str(forecast["calls"]["total"]), str(calls))
    for label in ("connected", "not_reachable"):
        table.add_row(label, str(forecast["dispositions"][label]), str(campaign["dispositions"][label]))
    out.print(table)


def run_campaign(daemon: Daemon) -> tuple[str, dict[str, Any]]:
    """Create the campaign, foretell it and watch it to its end, with the commands a user would type."""
    script = daemon.ctl("script", "add", str(SCRIPT))["script_id"]
    created = daemon.ctl(
        "campaign", "create", "--name", "Demo: personal loan cross-sell, en-IN", "--script", script,
        "--language", "en-IN", "--csv", str(CONTACTS),
        "--max-attempts", str(ATTEMPTS), "--retry-interval", "0.1", "--ring-timeout", "8",
        "--answering-machine", "message",
    )  # fmt: skip
    campaign = str(created["campaign_id"])
    out.print(
        f"Campaign [bold]{campaign}[/]: {created['import']['accepted']} contacts, two attempts, 6 s apart; "
        "answering machines get a message"
    )
    forecast = foretell(daemon, campaign)
    daemon.ctl("campaign", "start", campaign)
    watched = subprocess.run(
        [str(BIN / "dialerctl"), "campaign", "watch", campaign], env=daemon.env, check=False
    )
    if watched.returncode != 0:
        raise NotRunning("the campaign could not be watched to its end")
    return campaign, forecast


def report(daemon: Daemon, campaign: str, forecast: dict[str, Any], records: Path) -> int:
    """Show what came of the campaign beside the carrier's records; the exit code of the demo."""
    calls = all_calls(daemon, campaign)
    wrong = compare(calls, carrier_records(records))
    shown = daemon.ctl("campaign", "show", campaign)
    summary(shown)
    beside(forecast, shown, sum(len(of_contact) for of_contact in calls.values()))
    if wrong:
        out.print(
            f"[red]{wrong} of {len(calls)} contacts differ from the carrier's records.[/] Log: {daemon.log}"
        )
        return 1
    out.print(f"[green]All {len(calls)} contacts agree with the carrier's records.[/]")
    return 0


def addresses(daemon: Daemon, facts: Mapping[str, Any]) -> None:
    """Where everything listens, for `KEEP=1`."""
    env = facts["env"]
    console = Console(api_of(env), FOLDER / "console")
    (FOLDER / "console.pid").write_text(str(console.process.pid))
    console.wait_ready()
    key = daemon.ctl("key", "create", "--scope", "admin", "--name", "demo")["key"]
    out.print(f"\nLeft running (dialerd is process {daemon.process.pid}); `make demo-down` stops it.")
    out.print(f"Console: {console.url} · log in with {key}", highlight=False, soft_wrap=True)
    out.print(f"API: {api_of(env)}/docs", highlight=False)
    out.print(f"Asterisk: {facts['ari']['url']} · files: {facts['dir']}", highlight=False)
    out.print("In a shell:", highlight=False)
    out.print(
        f"  export DIALERD_CONTROL__SOCKET={env['DIALERD_CONTROL__SOCKET']}", highlight=False, soft_wrap=True
    )
    out.print(f"  {BIN / 'dialerctl'} campaign list", highlight=False, soft_wrap=True)


def demo(keep: bool) -> int:
    """The whole demo; 0 if dialerd and the carrier agree about every contact."""
    tear_down()
    out.print("Starting the lab: a PBX and a simulated carrier (the first time, Asterisk is fetched) …")
    facts = run_json([str(LAB), "up", "--dir", str(FOLDER), "--json"])
    out.print(f"Asterisk {facts['asterisk']['version']} is up. Starting dialerd …")
    daemon = Daemon({**os.environ, **facts["env"]}, FOLDER / "dialerd.log")
    (FOLDER / "dialerd.pid").write_text(str(daemon.process.pid))
    stays = False
    try:
        daemon.wait_ready()
        code = report(daemon, *run_campaign(daemon), Path(facts["cdr"]["carrier"]))
        if keep and code == 0:
            addresses(daemon, facts)
            stays = True
        elif code == 0:
            out.print("To see it in a browser, in the console: make demo KEEP=1")
        return code
    finally:
        if not stays:
            daemon.stop()
            lab_down(FOLDER)


def tear_down() -> None:
    """Stop what an earlier demo has left running, and forget its files."""
    for name in ("console.pid", "dialerd.pid"):
        if (FOLDER / name).exists():
            _end(int((FOLDER / name).read_text()))
    if FOLDER.exists():
        lab_down(FOLDER)
        shutil.rmtree(FOLDER)


def _end(pid: int) -> None:
    """End a process of ours, if it is there still and no other has its number."""
    command = Path(f"/proc/{pid}/cmdline")
    if not command.exists() or b"dialerd" not in command.read_bytes():
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while command.exists() and command.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)


def save_picture(path: Path) -> None:
    """What was shown, as an SVG that needs nothing from elsewhere."""
    svg = out.export_svg(title="make demo")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave lab and daemon running and print their addresses"
    )
    parser.add_argument(
        "--down", action="store_true", help="only stop what an earlier --keep has left running"
    )
    parser.add_argument("--picture", metavar="FILE", help="also save what is shown as an SVG")
    options = parser.parse_args()
    if options.down:
        tear_down()
        return 0
    try:
        code = demo(options.keep)
        if options.picture:
            save_picture(Path(options.picture))
        return code
    except NotRunning as error:
        out.print(f"[red]The demo failed:[/] {error}", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
