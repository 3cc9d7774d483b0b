"""Bots of pipecat, unmodified from PyPI, in an environment of their own: it shares no package with the project.

The environment is made on demand from `tests/bots/requirements.lock`, pinned with hashes, and kept
(`$DIALERD_PIPECAT` names another one's Python). It takes a minute and 900 MB: pipecat itself needs numba and
onnxruntime.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BOTS = Path(__file__).parent / "bots"
PINS = BOTS / "requirements.lock"
START_DEADLINE = 120.0
"""Seconds; importing pipecat takes several of them on a busy machine."""


def python() -> Path:
    """The Python that has pipecat. Raises `subprocess.CalledProcessError` if it cannot be installed."""
    chosen = os.environ.get("DIALERD_PIPECAT")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "dialerd" / "pipecat"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    with (cache / "lock").open("a") as lock:
        # Several test runs may want it at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            pip = [
                str(folder / "bin/python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            subprocess.run([*pip, "--require-hashes", "-r", str(PINS)], check=True)
            (folder / "ready").touch()
    return folder / "bin/python"


@dataclass(frozen=True)
class Bot:
    """A bot that runs."""

    url: str
    """`http://…`"""
    process: subprocess.Popen[bytes]


@contextmanager
def running(bot: str, log: Path, *arguments: str) -> Iterator[str]:
    """The bot `bot`, served by pipecat's own runner until the block ends; gives its address, `http://…`."""
    with started(bot, log, *arguments) as found:
        yield found.url


@contextmanager
def started(
    bot: str, log: Path, *arguments: str, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Bot]:
    """The bot `bot`, with its process. `environment`: its variables beside this process's own."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    command = [str(python()), str(BOTS / bot), "--host", "127.0.0.1", "--port", str(port), *arguments]
    with log.open("wb") as output:
        variables = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=variables)
    try:
        _wait(process, port, log)
        yield Bot(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the bot does not start:\n{log.read_text(errors='replace')[-2_000:]}")
