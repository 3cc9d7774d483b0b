"""What each format of the media leg costs a call, and how it sounds: over carriers of mu-law, A-law and G.722.

Callees whistle 1 kHz, and an engine repeats what it hears. Counted is the processor time of Asterisk and of the media
worker; what comes back to a callee is measured for its level and for all that is not the tone, both codecs of the way
there and back included.

    python -m benchmarks.formats [--json] [--calls 10] [--seconds 10]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, report
from benchmarks.media import echo_bot, pbx
from benchmarks.sizes import sized
from benchmarks.testbed import client, cpu_seconds, dial, family, wait_answered
from benchmarks.webrtc import engine as webrtc_engine
from scripts.running import Daemon, Lab, daemon, lab
from tests.media.lo_address import usable_address
from tests.media.tones import clean, samples, tone

RATE = 10
SETTLE = 3.0
HERTZ = 1_000.0


@dataclass(frozen=True)
class Row:
    """One way to carry a call."""

    codec: str
    """The carrier's."""
    kind: str
    format: str = ""
    """The engine's; empty: its kind has none."""
    codecs: str = ""
    """Of WebRTC."""

    @property
    def name(self) -> str:
        """As the table names it."""
        return f"{self.codec} carrier, {self.kind} {self.format or self.codecs}".rstrip()


ROWS = (
    Row("ulaw", "twilio-stream"),
    Row("alaw", "twilio-stream"),
    Row("g722", "twilio-stream"),
    Row("ulaw", "audiosocket", "slin"),
    Row("alaw", "audiosocket", "slin"),
    Row("g722", "audiosocket", "slin"),
    Row("ulaw", "audiosocket", "slin16"),
    Row("g722", "audiosocket", "slin16"),
    Row("ulaw", "webrtc", codecs='["pcmu"]'),
    Row("g722", "webrtc", codecs='["pcmu"]'),
    Row("g722", "webrtc", codecs='["opus"]'),
    Row("g722", "webrtc", "slin16", '["opus"]'),
)


@contextmanager
def repeating(kind: str, running: Lab) -> Iterator[str]:
    """An engine that repeats what it hears; yields where it takes calls."""
    if kind == "webrtc":
        with webrtc_engine() as (url, _):
            yield url
    else:
        with echo_bot(kind, running) as where:
            yield where["URL"]


def settings_for(row: Row, url: str, calls: int) -> dict[str, str]:
    """Settings of a daemon whose trunk speaks the row's codec and whose engine is of its kind."""
    # An engine that wants wideband is at fault where no trunk carries any: here it is asked what that would cost.
    spare = {
        "ENDPOINT": "spare",
        "CALLER_IDS": '["+15550100100"]',
        "CODECS": '["g722"]',
        "PREFIXES": '["+39"]',
    }
    section = {"KIND": row.kind, "URL": url, "MAX_SESSIONS": str(calls + 5), "CONNECT_SECONDS": "10"}
    section |= {"FORMAT": row.format} if row.format else {}
    section |= {"CODECS": row.codecs} if row.codecs else {}
    trunk = {
        "ENDPOINT": "lab" if row.codec == "ulaw" else f"lab-{row.codec}",
        "CODECS": f'["{row.codec}"]',
        "MAX_CHANNELS": str(calls + 5),
        "CALLS_PER_SECOND": "100",
    }
    return {
        **{f"DIALERD_ENGINES__BOT__{name}": value for name, value in section.items()},
        **{f"DIALERD_TRUNKS__LAB__{name}": value for name, value in trunk.items()},
        **({f"DIALERD_TRUNKS__WIDE__{n}": v for n, v in spare.items()} if row.codec == "ulaw" else {}),
        "DIALERD_LOG__LEVEL": "warning",
    }


def held(process: Daemon, running: Lab, numbers: Sequence[str], seconds: float) -> tuple[float, float]:
    """Hold the calls for so long; processor time of Asterisk and of the worker, in ms a second a call."""
    with client(process) as opened:
        contacts = [{"phone": f"+{number}"} for number in numbers]
        campaign = dial(opened, contacts, agent_id="bench", calls_per_second=RATE)
        wait_answered(opened, campaign, len(numbers), 60)
        time.sleep(SETTLE)
        _, *workers = family(process)
        groups = ([pbx(running)], workers)
        spent, since = [cpu_seconds(group) for group in groups], time.monotonic()
        time.sleep(seconds)
        over = time.monotonic() - since
        used = [cpu_seconds(group) - before for group, before in zip(groups, spent, strict=True)]
        opened.post(f"/v1/campaigns/{campaign}/stop", json={"calls": "hangup"}).raise_for_status()
    asterisk, worker = (1_000 * one / over / len(numbers) for one in used)
    return asterisk, worker


def heard(running: Lab, number: str) -> tuple[float, float]:
    """What came back to a callee: its level against what was whistled, and how clean it is, in dB."""
    folder = running.folder / "carrier" / "spool" / "monitor"
    said = tone(samples(folder / f"{number}-said.wav"), HERTZ)
    sound = samples(folder / f"{number}-heard.wav")
    came = tone(sound, HERTZ)
    if said is None or came is None:
        return float("-inf"), float("-inf")
    return float(20 * np.log10(came.level / said.level)), clean(sound, HERTZ)


def measured(row: Row, running: Lab, calls: int, seconds: float) -> list[Figure]:
    """What a row's calls take and give."""
    numbers = [f"15550199{number:02d}0" for number in range(calls)]
    with (
        repeating(row.kind, running) as url,
        daemon(running, **settings_for(row, url, calls)) as process,
    ):
        process.ctl("agent", "create", "--id", "bench", "--name", "bench", "--engine", "bot")
        asterisk, worker = held(process, running, numbers, seconds)
    sounds = [heard(running, number) for number in numbers]
    levels, cleans = (sorted(one) for one in zip(*sounds, strict=True))
    middle = len(sounds) // 2
    note = f"back at the callee: {levels[middle]:+.1f} dB, {cleans[middle]:.0f} dB above all else"
    return [
        Figure(f"{row.name}: Asterisk's CPU", asterisk, "ms/s a call", note=note),
        Figure(f"{row.name}: worker's CPU", worker, "ms/s a call"),
    ]


def measure(calls: int, seconds: float) -> list[Figure]:
    """Every row; in a short run some of them."""
    found: list[Figure] = []
    with usable_address(), tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        for number, row in enumerate(ROWS[:: max(1, len(ROWS) // sized(len(ROWS), 3))]):
            print(f"measuring: {row.name} …", file=sys.stderr)
            with lab(Path(name) / str(number)) as running:
                figures = measured(row, running, calls, seconds)
            print(
                f"  {figures[0].value:.2f} and {figures[1].value:.2f} ms/s; {figures[0].note}",
                file=sys.stderr,
            )
            found += figures
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=sized(10, 2), help="at a time")
    parser.add_argument("--seconds", type=float, default=sized(10, 3), help="for which they are measured")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    report("Formats", measure(options.calls, options.seconds), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
