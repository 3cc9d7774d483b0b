"""Calls a second: dialerd with everything on, beside a bare ARI script on the same Asterisk in the same run.

Two loads: every callee busy, and every callee answered with a media leg attached (the callee hangs up after
400 ms). Each is measured at an offered rate and at saturation, in interleaved pairs; the figure is the median of
the pairs' ratios. CPU is processor time of our own processes per call, Asterisk's left out. A pair in which an
answered call got no audio through our side's or Asterisk's fault is not counted, and the command then fails: it
was fast by doing less. `late` tells how many callees hung up before their audio was there (dialerd, bare).

    python -m benchmarks.calls [--json] [--runs 5] [--calls 2000]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.prepared import SCRIPT
from benchmarks.sizes import CALLS, RUNS
from benchmarks.testbed import cpu_seconds, family
from scripts.running import ROOT, Daemon, Lab, daemon, lab
from tests.sipp import callee

CHANNELS = 200
DEADLINE = 180.0
NO_AUDIO = ("abandoned", "dropped", "engine_failed")
"""Reasons of a connected call that never had its agent, or lost it."""


@dataclass(frozen=True)
class Load:
    """What is offered, and how the callees behave."""

    name: str
    callee: str
    rate: float
    """Calls a second; 0: as many as go."""
    media: bool
    target: float


LOADS = (
    Load("busy, 200/s offered", "busy", 200, media=False, target=0.9),
    Load("busy, saturation", "busy", 0, media=False, target=0.75),
    Load("answered, 40/s offered", "hang-up", 40, media=True, target=0.9),
    Load("answered, saturation", "hang-up", 0, media=True, target=0.75),
)


@dataclass(frozen=True)
class Figure:
    """One side of one run."""

    calls_per_second: float
    cpu_ms_per_call: float
    unbridged: int = 0
    """Answered calls that got no audio, though they lasted."""
    late: float = 0
    """Share of the calls whose callee hung up before the audio was there."""


@dataclass(frozen=True)
class Result:
    """A load's pairs, summed up. `unbridged` is of all pairs, the other figures of the `runs` that count."""

    load: str
    runs: int
    failed: int
    unbridged: int
    calls: int
    ratio: float | None
    target: float
    dialerd: Figure
    bare: Figure


def bare_run(running: Lab, load: Load, calls: int) -> Figure:
    """The bare script, as a process of its own."""
    ari = running.facts["ari"]
    command = [
        sys.executable, "-m", "benchmarks.bare", "--ari-url", ari["url"], "--ari-user", ari["user"],
        "--ari-password", ari["password"], "--calls", str(calls), "--channels", str(CHANNELS),
        "--rate", str(load.rate), "--deadline", str(DEADLINE),
    ]  # fmt: skip
    if load.media:
        command += ["--media", running.facts["media"]["bare-media"]]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE + 20
    )
    said = json.loads(done.stdout)
    return Figure(said["calls_per_second"], said["cpu_ms_per_call"], said["unbridged"], said["late"] / calls)


def dialerd_run(process: Daemon, load: Load, calls: int, run: int) -> Figure:
    """One campaign, from its first originate to its last end."""
    transport = httpx.HTTPTransport(uds=process.env["DIALERD_CONTROL__SOCKET"])
    contacts = [{"phone": f"+1556{run:02d}{index:05d}"} for index in range(calls)]
    body: dict[str, Any] = {
        "name": load.name, "script_id": "bench", "language": "en-IN", "contacts": contacts, "on_invalid": "skip",
    }  # fmt: skip
    if load.rate:
        body["calls_per_second"] = load.rate
    with httpx.Client(transport=transport, base_url="http://dialerd", timeout=30) as client:
        created = client.post("/v1/campaigns", json=body)
        created.raise_for_status()
        campaign = created.json()["campaign_id"]
        time.sleep(0.5)
        pids = family(process)
        spent = cpu_seconds(pids)
        client.post(f"/v1/campaigns/{campaign}/start").raise_for_status()
        deadline = time.monotonic() + DEADLINE
        while client.get(f"/v1/campaigns/{campaign}").json()["status"] != "completed":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the campaign did not complete in {DEADLINE:g} s")
            time.sleep(0.2)
        spent = cpu_seconds(pids) - spent
        placed = calls_of(client, campaign)
    starts = [datetime.fromisoformat(call["started_at"]) for call in placed]
    ends = [datetime.fromisoformat(call["ended_at"]) for call in placed]
    seconds = (max(ends) - min(starts)).total_seconds()
    unbridged = sum(call["reason"] in NO_AUDIO for call in placed)
    late = silent_calls(process, campaign) - unbridged if load.media else 0
    return Figure(round(calls / seconds, 1), round(1000 * spent / calls, 3), unbridged, late / calls)


def silent_calls(process: Daemon, campaign: str) -> int:
    """Answered calls of a campaign in which no agent audio has left, as the store has them."""
    path = Path(process.env["DIALERD_STATE_DIR"]) / "dialerd.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
        row = database.execute(
            "SELECT count(*) FROM calls WHERE campaign_id = ? AND agent_audio_at IS NULL "
            "AND EXISTS (SELECT 1 FROM tries WHERE call_id = id AND answered_at IS NOT NULL)",
            (campaign,),
        ).fetchone()
    return int(row[0])


def calls_of(client: httpx.Client, campaign: str) -> list[dict[str, Any]]:
    """All calls of a campaign."""
    placed: list[dict[str, Any]] = []
    while True:
        page = client.get(
            "/v1/calls", params={"campaign_id": campaign, "limit": 100, "offset": len(placed)}
        ).json()
        placed += page["data"]
        if len(placed) >= page["total"] or not page["data"]:
            return placed


def measure(load: Load, runs: int, calls: int, folder: Path) -> Result:
    """Interleaved pairs of one load on one Asterisk."""
    settings = {
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": str(CHANNELS),
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "1000",
        "DIALERD_MEDIA__MAX_SESSIONS": str(CHANNELS + 50),
        "DIALERD_LOG__LEVEL": "warning",
    }
    pairs: list[tuple[Figure, Figure]] = []
    with (
        callee(load.callee, folder / "sipp") as sipp,
        lab(folder / "lab", trunk=sipp.address) as running,
        daemon(running, **settings) as process,
    ):
        script = folder / "bench.yaml"
        script.write_text(SCRIPT)
        process.ctl("script", "add", str(script))
        for run in range(runs):
            pairs.append((dialerd_run(process, load, calls, run), bare_run(running, load, calls)))
    good = [(ours, bare) for ours, bare in pairs if not ours.unbridged and not bare.unbridged]
    ratios = [ours.calls_per_second / bare.calls_per_second for ours, bare in good]
    return Result(
        load=load.name,
        runs=len(good),
        failed=len(pairs) - len(good),
        unbridged=sum(ours.unbridged + bare.unbridged for ours, bare in pairs),
        calls=calls,
        ratio=round(median(ratios), 3) if ratios else None,
        target=load.target,
        dialerd=_median([ours for ours, _ in good]),
        bare=_median([bare for _, bare in good]),
    )


def _median(figures: list[Figure]) -> Figure:
    if not figures:
        return Figure(0, 0)
    return Figure(
        round(median(figure.calls_per_second for figure in figures), 1),
        round(median(figure.cpu_ms_per_call for figure in figures), 3),
        late=round(median(figure.late for figure in figures), 3),
    )


def show(results: list[Result]) -> None:
    """The results as a table."""
    table = Table(title="dialerd ÷ bare ARI script (median of interleaved pairs)")
    for column in (
        "load",
        "pairs",
        "calls",
        "unbridged",
        "ratio",
        "target",
        "dialerd /s",
        "bare /s",
        "dialerd CPU",
        "bare CPU",
        "late",
    ):
        table.add_column(column, justify="left" if column == "load" else "right")
    for one in results:
        ratio = "none" if one.ratio is None else f"{one.ratio:.2f}"
        pairs = f"{one.runs} of {one.runs + one.failed}"
        table.add_row(
            one.load, pairs, str(one.calls), str(one.unbridged), ratio, f"≥ {one.target:g}",
            f"{one.dialerd.calls_per_second:g}", f"{one.bare.calls_per_second:g}",
            f"{one.dialerd.cpu_ms_per_call:.2f} ms", f"{one.bare.cpu_ms_per_call:.2f} ms",
            f"{one.dialerd.late:.0%}, {one.bare.late:.0%}",
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 132).print(table)


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="interleaved pairs")
    parser.add_argument("--calls", type=int, default=CALLS, help="calls a run")
    parser.add_argument("--load", help="only loads whose name contains this")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    results = []
    for load in LOADS:
        if options.load and options.load not in load.name:
            continue
        calls = options.calls if not load.media else max(50, options.calls // 4)
        with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as folder:
            print(f"measuring: {load.name} …", file=sys.stderr)
            results.append(measure(load, options.runs, calls, Path(folder)))
    if options.json:
        print(json.dumps([asdict(one) for one in results]))
    else:
        show(results)
    return 1 if any(one.failed for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
