"""`make demo`: a real campaign on a real local Asterisk, and what dialerd recorded beside what the carrier saw.

It starts the lab and the daemon, drives them with `dialerctl` as a user would, and then compares every contact
with the carrier's own call records. Exit code 0 only if disposition, reason and number of tries agree for all.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "asterisk" / "lab" / "lab"
BIN = Path(sys.executable).parent
SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"
CONTACTS = ROOT / "config" / "demo-contacts.csv"
START_DEADLINE = 30.0
STOP_DEADLINE = 20.0

out = Console()

KEYS = {"1": "interested", "2": "not_interested", "9": "dnc"}
REASONS = {
    "486": "busy",
    "487": "no_answer",
    "480": "no_answer",
    "603": "rejected",
    "404": "invalid_number",
    "503": "congestion",
}


class DemoError(Exception):
    """Something the demo needs did not work; the message says what and where to look."""


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


def run_json(command: list[str], env: dict[str, str] | None = None) -> Any:
    """Run a command that prints JSON. Raises `DemoError` with its own words if it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(
            f"{' '.join(command[:3])} … failed ({done.returncode}):\n{done.stderr or done.stdout}"
        )
    return json.loads(done.stdout)


class Daemon:
    """A dialerd of our own, logging into the lab's folder."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.log = folder / "dialerd.log"
        self._env = env
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [str(BIN / "dialerd")], env=env, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Return when it can dial. Raises `DemoError` with the log's end if it cannot within the deadline."""
        deadline = time.monotonic() + START_DEADLINE
        problem = "it did not answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                problem = f"it exited with {self.process.returncode}"
                break
            done = subprocess.run(
                [str(BIN / "dialerctl"), "--json", "status"],
                env=self._env,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                status = json.loads(done.stdout)
                if status["dialing"]:
                    return
                problem = "; ".join(status["problems"])
            time.sleep(0.2)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise DemoError(f"the daemon is not ready: {problem}\nthe end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


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
    if answered:
        return Verdict(KEYS.get(answered[-1].digits, "connected"), "", len(seen))
    return Verdict("not_reachable", REASONS.get(seen[-1].sip, "failed") if seen else "", len(seen))


def recorded(calls: list[dict[str, Any]]) -> Verdict:
    """What dialerd recorded of a contact: its last attempt, and every try that was sent."""
    tries = [one for call in calls for one in call["tries"] if one["state"] != "not_sent"]
    last = max(calls, key=lambda call: call["started_at"])
    return Verdict(last["disposition"], last["reason"] or "", len(tries))


def all_calls(dialerctl: list[str], env: dict[str, str], campaign: str) -> dict[str, list[dict[str, Any]]]:
    """Every call of the campaign, by number."""
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    offset = 0
    while True:
        page = run_json(
            [*dialerctl, "call", "list", "--campaign", campaign, "--limit", "100", "--offset", str(offset)],
            env,
        )
        for call in page["data"]:
            calls[call["contact"]["phone"]].append(call)
        offset += len(page["data"])
        if not page["data"] or offset >= page["total"]:
            return calls


def compare(calls: dict[str, list[dict[str, Any]]], seen: dict[str, list[Seen]]) -> int:
    """Print each contact with both views; return how many disagree."""
    table = Table(title="What dialerd recorded, and what the carrier saw")
    for column in (
        "contact",
        "name",
        "dialerd: disposition",
        "reason",
        "tries",
        "carrier: behaviour",
        "SIP",
        "key",
        "calls",
        "",
    ):
        table.add_column(column)
    wrong = 0
    with CONTACTS.open(encoding="utf-8", newline="") as file:
        people = list(csv.DictReader(file))
    for person in people:
        phone = person["phone"]
        mine = recorded(calls[phone]) if calls.get(phone) else Verdict("never called", "", 0)
        theirs = seen.get(phone, [])
        agrees = mine == expected(theirs)
        wrong += not agrees
        last = theirs[-1] if theirs else Seen("", "", "")
        table.add_row(
            phone, person["name"], mine.disposition, mine.reason, str(mine.tries),
            last.behaviour, last.sip, last.digits, str(len(theirs)), "[green]agrees[/]" if agrees else "[red]DIFFERS[/]",
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


def campaign_run(env: dict[str, str]) -> str:
    """Create the campaign and watch it to its end, with the command line a user would use."""
    dialerctl = [str(BIN / "dialerctl")]
    script = run_json([*dialerctl, "--json", "script", "add", str(SCRIPT)], env)["script_id"]
    created = run_json(
        [*dialerctl, "--json", "campaign", "create", "--name", "Demo: personal loan cross-sell, en-IN",
         "--script", script, "--language", "en-IN", "--csv", str(CONTACTS),
         "--max-attempts", "2", "--retry-interval", "0.1", "--ring-timeout", "8"], env,
    )  # fmt: skip
    campaign = str(created["campaign_id"])
    out.print(
        f"campaign [bold]{campaign}[/]: {created['import']['accepted']} contacts, two attempts, 6 s between them"
    )
    run_json([*dialerctl, "--json", "campaign", "start", campaign], env)
    watched = subprocess.run([*dialerctl, "campaign", "watch", campaign], env=env, check=False)
    if watched.returncode != 0:
        raise DemoError("the campaign could not be watched to its end")
    return campaign


def addresses(lab: dict[str, Any]) -> None:
    """Where everything listens, for `KEEP=1`."""
    env = lab["env"]
    out.print(f"\nLeft running. API: http://{env['DIALERD_HTTP__HOST']}:{env['DIALERD_HTTP__PORT']}/docs")
    out.print(
        f"Socket: {env['DIALERD_CONTROL__SOCKET']} · Asterisk: {lab['ari']['url']} · files: {lab['dir']}"
    )
    out.print(
        f"Use it: export DIALERD_CONTROL__SOCKET={env['DIALERD_CONTROL__SOCKET']}; {BIN / 'dialerctl'} campaign list"
    )


def demo(keep: bool) -> int:
    """The whole demo; 0 if dialerd and the carrier agree about every contact."""
    folder = ROOT / ".lab" / "demo"
    subprocess.run([str(LAB), "down", "--dir", str(folder)], capture_output=True, check=False)
    out.print("Starting the lab: a PBX and a simulated carrier (the first time, Asterisk is fetched) …")
    lab = run_json([str(LAB), "up", "--dir", str(folder), "--json"])
    env = {**os.environ, **lab["env"]}
    daemon = None
    kept = False
    try:
        out.print(f"Asterisk {lab['asterisk']['version']} is up. Starting dialerd …")
        daemon = Daemon(env, folder)
        daemon.wait_ready()
        campaign = campaign_run(env)
        dialerctl = [str(BIN / "dialerctl"), "--json"]
        calls = all_calls(dialerctl, env, campaign)
        wrong = compare(calls, carrier_records(Path(lab["cdr"]["carrier"])))
        summary(run_json([*dialerctl, "campaign", "show", campaign], env))
        people = len(calls)
        if wrong:
            out.print(
                f"[red]{wrong} of {people} contacts differ from the carrier's records.[/] Log: {daemon.log}"
            )
            return 1
        out.print(f"[green]All {people} contacts agree with the carrier's records.[/]")
        if keep:
            kept = True
            addresses(lab)
        return 0
    finally:
        if not kept:
            if daemon is not None:
                daemon.stop()
            subprocess.run([str(LAB), "down", "--dir", str(folder)], capture_output=True, check=False)


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave lab and daemon running and print their addresses"
    )
    try:
        return demo(parser.parse_args().keep)
    except DemoError as error:
        out.print(f"[red]The demo failed:[/] {error}", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
