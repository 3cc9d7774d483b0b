"""The calls' audio: many calls at a time for a minute, over each kind of engine, beside a bare sink of audio.

SIPp answers; a process of its own hears every call's RTP, frame by frame, and knows what was said: by the embedded
agent, or by itself, numbered, to a bot that repeats it. What is missing was lost, and when the first sound came is seen
on the wire. A bare script bridges as many calls and forgets what it hears: the ratio is our worker's processor time
beside its. A second one does so by AudioSocket(), without a bridge: the other kind of leg. A third one passes the
audio on to the same bot, by the protocol of Twilio Media Streams, and nothing else.

    python -m benchmarks.media [--json] [--calls 100] [--seconds 60] [--kind twilio-stream]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile, report
from benchmarks.hearing import Continuity, answering, echoed, first_sounds, follow, spread, streams
from benchmarks.sizes import WHOLE, sized
from benchmarks.testbed import client, cpu_seconds, dial, family, wait_answered
from dialerd.agent import dialogue
from dialerd.agent.clips import ClipCache
from dialerd.agent.exchange import Say
from dialerd.agent.script import parse_script
from dialerd.agent.speech import Speech
from dialerd.core.engine import EMBEDDED
from scripts.running import ROOT, Daemon, Lab, daemon, lab
from tests.media.lo_address import usable_address

FRAME = 160
FRAMES_PER_SECOND = 50
RATE = 20
"""Calls a second at which they begin."""
NAMES = {"twilio-stream": "twilio", "audiosocket": "socket", "asterisk": "direct", "webrtc": "webrtc"}
"""Of the engines, as the settings name them."""
KINDS = (EMBEDDED, *NAMES)
MOST = {"webrtc": 10}
"""Calls at a time that a kind of engine is meant for."""
CONNECTION = "bare-media"
"""Of the lab's websocket_client.conf, by which Asterisk itself leads to a bot."""
SETTLE = max(1.0, 3.0 * min(1.0, WHOLE))
"""Seconds after the last one has begun before anything is measured."""
LONG = " ".join(
    f"This is sentence {number} of a long story about the weather, which nobody needs to remember."
    for number in range(1, 24)
)
SCRIPT = f"""
script_id: story
name: A long story
keys:
  1: {{disposition: interested}}
languages:
  en-IN:
    opening: "{LONG}"
    closings: {{1: "Thank you."}}
    no_input: {{repeat: "Hello?", closing: "Goodbye."}}
    invalid_key: "Pardon?"
"""


@dataclass(frozen=True)
class Carried:
    """What was seen of one engine."""

    kind: str
    calls: int
    heard: tuple[Continuity, ...]
    first_ms: tuple[float, ...]
    trips_ms: tuple[float, ...]
    """Of what the callees said, to the engine and back."""
    worker_ms: float
    """Processor time of the worker, milliseconds a second a call."""
    engine_ms: float
    """Of the daemon beside it."""
    asterisk_ms: float


def said() -> list[bytes]:
    """What the agent says in each call, frame by frame."""

    async def render(folder: Path) -> bytes:
        script = parse_script(SCRIPT)
        speech = Speech(ClipCache(folder))
        await speech.start()
        try:
            voice = speech.voice("en-IN", script.texts["en-IN"].voice)
            _, actions = dialogue.start(script, "en-IN", {"phone": "+15550100100"})
            opening = next(action for action in actions if isinstance(action, Say))
            return b"".join([await speech.clip(one.text, voice, personal=False) for one in opening.sentences])
        finally:
            await speech.close()

    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as folder:
        audio = asyncio.run(render(Path(folder)))
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


def held(process: Daemon, running: Lab, calls: int, seconds: float, agent: str) -> tuple[float, float, float]:
    """Hold so many calls for so long; processor time of worker, daemon and Asterisk, in ms a second a call."""
    with client(process) as opened:
        campaign = begun(opened, calls, agent)
        wait_answered(opened, campaign, calls, calls / RATE + 30)
        time.sleep(SETTLE)
        engine, *workers = family(process)
        groups = (workers, [engine], [pbx(running)])
        spent, since = [cpu_seconds(group) for group in groups], time.monotonic()
        time.sleep(seconds)
        over = time.monotonic() - since
        used = [cpu_seconds(group) - before for group, before in zip(groups, spent, strict=True)]
        opened.post(f"/v1/campaigns/{campaign}/stop", json={"calls": "hangup"}).raise_for_status()
    worker, control, asterisk = (1_000 * one / over / calls for one in used)
    return worker, control, asterisk


def begun(opened: httpx.Client, calls: int, agent: str) -> str:
    """A campaign of so many contacts that dials."""
    contacts = [{"phone": f"+15560{index:06d}"} for index in range(calls)]
    return dial(opened, contacts, agent_id=agent, calls_per_second=RATE)


@contextmanager
def echo_bot(kind: str, running: Lab) -> Iterator[dict[str, str]]:
    """A bot that repeats what it hears; yields where the daemon finds it."""
    command = [sys.executable, "-m", "benchmarks.echo_bot", "--kind", kind]
    if kind == "asterisk":
        command += ["--port", running.facts["media"][CONNECTION].rpartition(":")[2]]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        if not port:
            raise RuntimeError(f"the {kind} bot did not start")
        yield {
            "twilio-stream": {"URL": f"ws://127.0.0.1:{port}/"},
            "audiosocket": {"URL": f"tcp://127.0.0.1:{port}"},
            "asterisk": {"CONNECTION": CONNECTION},
            "webrtc": {"URL": f"http://127.0.0.1:{port}/api/offer"},
        }[kind]
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def settings_for(calls: int, engines: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Settings of a daemon that holds so many calls by engines of these kinds."""
    settings = {
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": str(calls + 10),
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "1000",
        "DIALERD_MEDIA__MAX_SESSIONS": str(calls + 10),
        "DIALERD_LOG__LEVEL": "warning",
    }
    for kind, where in engines.items():
        own = {"KIND": kind, "MAX_SESSIONS": str(calls + 10), **where}
        settings |= {f"DIALERD_ENGINES__{NAMES[kind].upper()}__{name}": value for name, value in own.items()}
    return settings


def carried(kind: str, calls: int, seconds: float, folder: Path) -> Carried:
    """Calls held by one engine, and what their callees heard."""
    script = said() if kind == EMBEDDED else []
    with ExitStack() as stack:
        if kind == "webrtc":
            stack.enter_context(usable_address())
        sipp, kept = stack.enter_context(answering(folder / "sipp", talks=kind != EMBEDDED))
        running = stack.enter_context(lab(folder / "lab", trunk=sipp.address))
        found_at = {kind: stack.enter_context(echo_bot(kind, running))} if kind != EMBEDDED else {}
        with daemon(running, **settings_for(calls, found_at)) as process:
            source = running.folder / "story.yaml"
            source.write_text(SCRIPT)
            process.ctl("script", "add", str(source))
            about = ("--engine", NAMES[kind]) if kind != EMBEDDED else ("--script", "story")
            agent = process.ctl("agent", "create", "--id", "bench", "--name", "bench", *about)["agent_id"]
            used = held(process, running, calls, seconds, agent)
        log = sipp.folder / "messages.log"
    found = streams(kept)
    trips: list[float] = []
    heard = []
    for stream in found:
        if kind == EMBEDDED:
            heard.append(follow(stream, script))
        else:
            continuity, times = echoed(stream)
            heard.append(continuity)
            trips += times
    return Carried(kind, calls, tuple(heard), tuple(first_sounds(log, found)), tuple(trips), *used)


def sinks(calls: int, seconds: float, folder: Path, *, relayed: bool) -> tuple[Sink, Sink, Sink | None]:
    """As many calls by the bare scripts: by chan_websocket and a bridge, by AudioSocket, and relayed to a bot."""
    with (
        answering(folder / "sipp", talks=True) as (sipp, _),
        lab(folder / "lab", trunk=sipp.address) as running,
        echo_bot("twilio-stream", running) as bot,
    ):
        held = ["--media", running.facts["media"][CONNECTION], "--channels", str(calls + 10)]
        held += ["--deadline", str(seconds + calls / RATE + 120)]
        return (
            bare(running, "bare", calls, seconds, *held),
            bare(running, "bare_audiosocket", calls, seconds),
            bare(running, "bare_twilio", calls, seconds, *held, "--bot", bot["URL"]) if relayed else None,
        )


@dataclass(frozen=True)
class Sink:
    """What a bare script of one kind of leg took, in ms a second a call."""

    own: float
    asterisk: float


def bare(running: Lab, script: str, calls: int, seconds: float, *more: str) -> Sink:
    """As many calls held by a bare script, measured once all have begun."""
    ari = running.facts["ari"]
    ramp = calls / RATE + SETTLE
    command = [
        sys.executable, "-m", f"benchmarks.{script}", "--ari-url", ari["url"], "--ari-user", ari["user"],
        "--ari-password", ari["password"], "--calls", str(calls), "--rate", str(RATE),
        "--hold", str(ramp + seconds + SETTLE), *more,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(ramp + SETTLE)
        pids = ([process.pid], [pbx(running)])
        spent, since = [cpu_seconds(group) for group in pids], time.monotonic()
        time.sleep(seconds)
        over = time.monotonic() - since
        own, asterisk = (
            1_000 * (cpu_seconds(group) - before) / over / calls
            for group, before in zip(pids, spent, strict=True)
        )
        told, _ = process.communicate(timeout=ramp + 60)
    finally:
        process.kill()
        process.wait()
    found = json.loads(told)
    silent = found.get("relayed", calls * seconds) < calls * seconds
    if found.get("unbridged") or found.get("late") or found.get("held", calls) < calls or silent:
        raise RuntimeError(f"not every bare call was held: {found}")
    return Sink(own, asterisk)


def pbx(running: Lab) -> int:
    """Asterisk's process."""
    return int((running.folder / "pbx.pid").read_text())


def figures(seen: Carried, sink: Sink, relay: Sink | None = None) -> list[Figure]:
    """What is told of an engine. `relay`: a bare script that speaks its protocol too."""
    name = seen.kind
    lost = sum(one.lost for one in seen.heard)
    strange = sum(one.strange for one in seen.heard)
    frames = sum(one.frames for one in seen.heard)
    gaps = [gap for one in seen.heard for gap in one.gaps_ms]
    late = max((one.late_ms for one in seen.heard), default=0.0)
    excused = sum(one.excused for one in seen.heard)
    silent_ms = 1_000 * sum(one.paused for one in seen.heard) / FRAMES_PER_SECOND
    found = [
        Figure(
            f"{name}: frames lost",
            lost + strange,
            at_most=0,
            note=f"{lost} lost, {strange} changed, doubled or in another order of {frames:,} "
            f"in {len(seen.heard)} of {seen.calls} calls",
        ),
        Figure(
            f"{name}: pauses, where audio was late",
            sum(one.pauses for one in seen.heard),
            note=f"{silent_ms:,.0f} ms of silence put in, in all calls together; in {excused} of them the callee's own "
            "process was late, too: the machine was",
        ),
        Figure(f"{name}: gap between frames, p99", percentile(gaps, 99), "ms", note=f"latest {late:.0f} ms"),
        Figure(
            f"{name}: answer → first sound on the wire, p95",
            percentile(seen.first_ms, 95),
            "ms",
            at_most=150 if name == EMBEDDED else None,
            note=spread(seen.first_ms),
        ),
        Figure(
            f"{name}: worker's CPU ÷ bare sink's",
            seen.worker_ms / sink.own,
            at_most=1.5 if name == EMBEDDED else None,
            note=f"{seen.worker_ms:.2f} ÷ {sink.own:.2f} ms a second a call; daemon {seen.engine_ms:.2f}, "
            f"Asterisk {seen.asterisk_ms:.2f}",
        ),
    ]
    if relay is not None:
        found.append(
            Figure(
                f"{name}: worker's CPU ÷ bare relay's",
                seen.worker_ms / relay.own,
                at_most=1.5,
                note=f"{seen.worker_ms:.2f} ÷ {relay.own:.2f} ms a second a call; the relay speaks the protocol, too",
            )
        )
    if seen.trips_ms:
        found.append(
            Figure(
                f"{name}: one way, half of there and back, p50",
                percentile(seen.trips_ms, 50) / 2,
                "ms",
                note=f"there and back, with what is held back against jitter: {spread(seen.trips_ms)}",
            )
        )
    return found


def measure(kinds: Sequence[str], calls: int, seconds: float) -> list[Figure]:
    """The bare scripts, then every engine."""
    with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
        print("measuring: bare scripts …", file=sys.stderr)
        websocket, audiosocket, relay = sinks(calls, seconds, Path(name), relayed="twilio-stream" in kinds)
    found = legs(websocket, audiosocket)
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="dialerd-bench-") as name:
            print(f"measuring: {kind} …", file=sys.stderr)
            seen = carried(kind, min(calls, MOST.get(kind, calls)), seconds, Path(name))
        found += figures(seen, websocket, relay if kind == "twilio-stream" else None)
    return found


def legs(websocket: Sink, audiosocket: Sink) -> list[Figure]:
    """What the two kinds of legs cost, bare."""
    return [
        Figure(
            "leg: AudioSocket() ÷ chan_websocket with a bridge, Asterisk's CPU",
            audiosocket.asterisk / websocket.asterisk,
            note=f"{audiosocket.asterisk:.2f} ÷ {websocket.asterisk:.2f} ms a second a call",
        ),
        Figure(
            "leg: AudioSocket() ÷ chan_websocket with a bridge, the sink's CPU",
            audiosocket.own / websocket.own,
            note=f"{audiosocket.own:.2f} ÷ {websocket.own:.2f} ms a second a call; frames of 20 ms each way, "
            "paced by the sink ÷ by Asterisk",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=sized(100, 10), help="at a time")
    parser.add_argument("--seconds", type=float, default=sized(60, 3), help="for which they are measured")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this engine; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    report("Audio", measure(options.kind or KINDS, options.calls, options.seconds), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
