"""A real worker process with the tests' agent: `python -m tests.media.worker_process`, arguments as dialerd.worker's.

`WORKER_FAULT` is why its agent cannot get ready; `WORKER_VERSION` is the protocol version it claims.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from dialerd.core.model import InstanceId
from dialerd.media import wire
from dialerd.media.address import Address
from dialerd.media.ari import AriLogin, MediaAri
from dialerd.media.reception import Reception
from dialerd.media.worker import Worker, WorkerSettings
from tests.media.fake_agent import FakeAgent


async def run(options: argparse.Namespace, password: str) -> None:
    """As `dialerd.worker` does it."""
    ari = MediaAri(AriLogin(options.ari_url, options.ari_user, password), InstanceId(options.instance))
    settings = WorkerSettings(
        Path(options.socket),
        int(options.sessions),
        grace=float(options.grace),
        recordings=options.recordings,
    )
    reception = Reception(Address.parse(options.listen))
    worker = Worker(settings, FakeAgent(fault=os.environ.get("WORKER_FAULT")), ari, reception)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.serve()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("socket", "listen", "ari-url", "ari-user", "instance", "sessions", "cache-dir", "grace"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--recordings", type=Path)
    chosen = parser.parse_args()
    wire.VERSION = int(os.environ.get("WORKER_VERSION", wire.VERSION))
    uvloop.run(run(chosen, sys.stdin.readline().rstrip("\n")))
