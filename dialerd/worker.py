"""The media worker's process: it composes a worker of media legs and engines, and serves a daemon.

    python -m dialerd.worker --socket PATH --listen HOST:PORT --ari-url URL --ari-user USER --instance NAME \\
        [--number N] --sessions N --cache-dir DIR [--prompts-dir DIR]

The ARI password is the first line of its standard input: arguments and environments can be read by others.
Exit codes: 0 nothing left to do, 1 could not run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from functools import cache
from pathlib import Path

import uvloop

from dialerd import logs
from dialerd.agent.embedded import EmbeddedAgent
from dialerd.config import LogSettings
from dialerd.core.errors import PortError
from dialerd.core.identity import InstanceId
from dialerd.media.address import Address
from dialerd.media.ari import AriLogin, MediaAri
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.audiosocket import AudioSocketEngine
from dialerd.media.direct import DirectEngine
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.reception import Reception
from dialerd.media.remote import Kind, RemoteEngine
from dialerd.media.session import SessionTiming
from dialerd.media.twilio import TwilioStreamEngine
from dialerd.media.worker import Worker, WorkerSettings
from dialerd.webhooks.way import GuardedWay


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dialerd.worker", description="Carries the audio of dialerd's calls."
    )
    parser.add_argument("--socket", type=Path, required=True, help="where the daemon connects")
    parser.add_argument(
        "--listen", type=Address.parse, required=True, help="where Asterisk brings the calls' audio"
    )
    parser.add_argument("--ari-url", required=True, help="Asterisk's HTTP server")
    parser.add_argument("--ari-user", required=True)
    parser.add_argument(
        "--instance", required=True, help="the ARI application, and the beginning of every id"
    )
    parser.add_argument("--number", type=int, default=1, help="which of several workers this is, from 1")
    parser.add_argument("--sessions", type=int, required=True, help="calls at a time")
    parser.add_argument("--cache-dir", type=Path, required=True, help="where rendered prompts are kept")
    parser.add_argument(
        "--asterisk-amd", action="store_true", help="ask Asterisk's AMD() who has answered, too"
    )
    parser.add_argument("--prompts-dir", type=Path, help="the recordings that scripts name")
    parser.add_argument(
        "--recordings", type=Path, help="where recordings are kept; without it there are none"
    )
    parser.add_argument("--grace", type=float, default=10.0, help="seconds to wait for a daemon, with calls")
    limits = AudioLimits()
    parser.add_argument(
        "--one-way",
        type=float,
        default=limits.one_way,
        help="seconds without any audio from a callee; 0: no limit",
    )
    parser.add_argument(
        "--max-silence",
        type=float,
        default=limits.silence,
        help="seconds in which nobody is audible; 0: no limit",
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--log-format", choices=("auto", "json", "console"), default="auto")
    options = parser.parse_args(arguments)
    logs.configure(LogSettings(level=options.log_level, format=options.log_format))
    password = sys.stdin.readline().rstrip("\n")
    try:
        uvloop.run(_run(options, password))
    except PortError as error:
        sys.stderr.write(f"dialerd.worker: {error}\n")
        return 1
    return 0


async def _run(options: argparse.Namespace, password: str) -> None:
    login = AriLogin(options.ari_url, options.ari_user, password)
    ari = MediaAri(login, InstanceId(options.instance), worker=options.number)
    settings = WorkerSettings(
        options.socket,
        options.sessions,
        number=options.number,
        grace=options.grace,
        timing=SessionTiming(audio=AudioLimits(options.one_way, options.max_silence)),
        amd=options.asterisk_amd,
        recordings=options.recordings,
    )
    way = GuardedWay()
    kinds: dict[str, Kind] = {
        "twilio-stream": lambda engine: TwilioStreamEngine(engine, way),
        "audiosocket": AudioSocketEngine,
        "asterisk": lambda engine: DirectEngine(engine, ari),
        "webrtc": _webrtc,
    }
    agent = EmbeddedAgent.caching(options.cache_dir, options.prompts_dir)
    worker = Worker(settings, agent, ari, Reception(options.listen), kinds, way.allow)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    _spare_collector()
    await worker.serve()


def _webrtc(settings: EngineSettings) -> RemoteEngine:
    return _webrtc_engines()(settings)


@cache
def _webrtc_engines() -> Kind:
    # Imported only where it is needed: its libraries take 40 MB.
    from dialerd.media.webrtc_engine import WebRtcEngine

    _spare_collector()
    return WebRtcEngine


def _spare_collector() -> None:
    """What is there by now stays: a look at it takes longer than a streaming engine has audio queued."""
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
