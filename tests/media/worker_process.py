"""A real worker process with the tests' agent: `python -m tests.media.worker_process`, arguments as dialerd.worker's.

`WORKER_FAULT` is why its agent cannot get ready; `WORKER_VERSION` is the protocol version it claims; `WORKER_LATEST`
is how many seconds its loop may be late, `WORKER_RINGING` how many a phone may ring.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from dialerd.core.identity import InstanceId
from dialerd.media import wire
from dialerd.media.address import Address
from dialerd.media.ari import AriLogin, MediaAri
from dialerd.media.reception import Reception
from dialerd.media.session import SessionTiming
from dialerd.media.worker import Worker, WorkerSettings
from tests.media.fake_agent import FakeAgent


async def run(options: argparse.Namespace, password: str) -> None:
    """As `dialerd.worker` does it."""
    login = AriLogin(options.ari_url, options.ari_user, password)
    ari = MediaAri(login, InstanceId(options.instance), worker=int(options.number))
    settings = WorkerSettings(
        Path(options.socket),
        int(options.sessions),
        number=int(options.number),
        # A busy machine is late for reasons of its own.
        latest=float(os.environ.get("WORKER_LATEST", "60")),
        longest_ringing=float(os.environ.get("WORKER_RINGING", "300")),
        grace=float(options.grace),
        timing=SessionTiming(first_audio=20.0),
        recordings=options.recordings,
    )
    reception = Reception(Address.parse(options.listen))
    worker = Worker(settings, FakeAgent(fault=os.environ.get("WORKER_FAULT")), ari, reception)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    # A test asks for it: a while in which nothing else is done.
    loop.add_signal_handler(signal.SIGUSR1, time.sleep, 3.0)
    await worker.serve()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in (
        "socket",
        "listen",
        "ari-url",
        "ari-user",
        "instance",
        "sessions",
        "number",
        "cache-dir",
        "grace",
    ):
        parser.add_argument(f"--{name}", required=True)
    for name in ("one-way", "max-silence"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--recordings", type=Path)
    chosen = parser.parse_args()
    wire.VERSION = int(os.environ.get("WORKER_VERSION", wire.VERSION))
    uvloop.run(run(chosen, sys.stdin.readline().rstrip("\n")))
