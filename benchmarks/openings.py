"""How soon callees hear the first words when these hold their names, beside words that everybody hears alike.

SIPp rings, answers and is silent; a process of its own hears every call's RTP. From the answer (200 OK) to the first
frame that is not silence, as it is seen on the wire. No name comes twice, so that each opening has to be spoken for its
callee alone.

    python -m benchmarks.openings [--json] [--calls 100] [--rate 20] [--rings 500]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, percentile, report
from benchmarks.hearing import answering, first_sounds, spread, streams
from benchmarks.sizes import sized
from benchmarks.testbed import client, dial
from scripts.running import daemon, lab

TALK = 3.0
"""Seconds that calls last after the last one has begun."""
TARGET = 150.0
SCRIPT = """
script_id: {script}
name: An opening
variables: {{name: {{default: there}}}}
keys: {{1: {{disposition: interested}}}}
languages:
  en-IN:
    opening: "{opening}"
    closings: {{1: "Thank you."}}
    no_input: {{repeat: "Hello?", closing: "Goodbye."}}
    invalid_key: "Pardon?"
"""
OFFER = "this is Sunrise Bank with an offer for you, which we will be glad to explain in a few words."
OPENINGS = {"alike": f"Hello there, {OFFER}", "named": f"Hello {{{{name}}}}, {OFFER}"}


def waits(script: str, calls: int, rate: int, rings: int) -> list[float]:
    """Milliseconds from each answer to the first sound."""
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        folder = Path(name)
        with (
            answering(folder / "sipp", talks=False, rings=rings) as (sipp, kept),
            lab(folder / "lab", trunk=sipp.address) as running,
            daemon(running, **settings_for(calls)) as process,
        ):
            source = running.folder / "opening.yaml"
            source.write_text(SCRIPT.format(script=script, opening=OPENINGS[script]))
            process.ctl("script", "add", str(source))
            with client(process) as opened:
                contacts = [
                    {"phone": f"+15560{index:06d}", "name": f"Asha {words(index)}"} for index in range(calls)
                ]
                campaign = dial(opened, contacts, script_id=script, calls_per_second=rate)
                time.sleep(calls / rate + rings / 1_000 + TALK)
                opened.post(f"/v1/campaigns/{campaign}/stop", json={"calls": "hangup"}).raise_for_status()
            log = sipp.folder / "messages.log"
        return first_sounds(log, streams(kept))


def settings_for(calls: int) -> dict[str, str]:
    """Settings of a daemon that holds so many calls."""
    return {
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": str(calls + 10),
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "1000",
        "DIALERD_MEDIA__MAX_SESSIONS": str(calls + 10),
        "DIALERD_LOG__LEVEL": "warning",
    }


def words(number: int) -> str:
    """A name of syllables that nobody else has."""
    syllables = ("ka", "ri", "no", "me", "tu", "sha", "vi", "lo", "de", "pa")
    return "".join(syllables[int(digit)] for digit in f"{number:03d}").title()


def measure(calls: int, rate: int, rings: int) -> list[Figure]:
    """Both openings, one after the other."""
    found = []
    for script in OPENINGS:
        print(f"measuring: {script} …", file=sys.stderr)
        seen = waits(script, calls, rate, rings)
        found.append(
            Figure(
                f"{script}: answered → first sound, p95",
                percentile(seen, 95),
                "ms",
                at_most=TARGET,
                note=f"{spread(seen)}; {rate} calls a second that ring for {rings} ms",
            )
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=sized(100, 10), help="of each kind")
    parser.add_argument("--rate", type=int, default=20, help="calls a second")
    parser.add_argument("--rings", type=int, default=500, help="milliseconds before they are answered")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    report("Openings", measure(options.calls, options.rate, options.rings), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
