"""A lab and a daemon of one's own, for the demo, the end-to-end tests and the benchmarks.

Everything started here is stopped when its block ends, by its pid, unless it is told to stay.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "asterisk" / "lab" / "lab"
BIN = Path(sys.executable).parent
DIALERD = (str(BIN / "dialerd"),)
START_DEADLINE = 30.0
STOP_DEADLINE = 20.0


class NotRunning(Exception):
    """Something that should run does not; the message says what and where to look."""


@dataclass(frozen=True)
class Lab:
    """A running lab: what `lab up --json` printed."""

    facts: Mapping[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """The variables with which dialerd and dialerctl use this lab, over this process's own."""
        return {**os.environ, **self.facts["env"]}

    @property
    def folder(self) -> Path:
        """Where it keeps its files."""
        return Path(self.facts["dir"])


@contextmanager
def lab(folder: Path, *, trunk: str | None = None, spare: str | None = None) -> Iterator[Lab]:
    """A lab in `folder` until the block ends.

    `trunk` puts another SIP address in the carrier's place; `spare` is one more, behind an endpoint of that name.
    """
    command = [str(LAB), "up", "--dir", str(folder), "--json"]
    if trunk is not None:
        command += ["--trunk", trunk]
    if spare is not None:
        command += ["--spare", spare]
    try:
        yield Lab(run_json(command))
    finally:
        lab_down(folder)


def lab_down(folder: Path) -> None:
    """Stop the lab in `folder`, if there is one."""
    subprocess.run([str(LAB), "down", "--dir", str(folder)], capture_output=True, check=False)


def run_json(command: list[str], env: Mapping[str, str] | None = None) -> Any:
    """Run a command that prints JSON. Raises `NotRunning` with its own words if it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shown = " ".join(Path(word).name if "/" in word else word for word in command[:4])
        raise NotRunning(f"{shown} … failed ({done.returncode}):\n{done.stderr or done.stdout}")
    return json.loads(done.stdout)


class Daemon:
    """A dialerd process using a lab, logging into `log`; `within` runs `command` in its own process."""

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        within: Sequence[str] = (),
        command: Sequence[str] = DIALERD,
    ) -> None:
        self.env = env
        self.log = log
        self.dialerctl = [str(BIN / "dialerctl"), "--json"]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*within, *command],
                env=env,
                cwd=ROOT,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ctl(self, *words: str) -> Any:
        """Run `dialerctl --json` with `words` and return what it prints. Raises `NotRunning` if it fails."""
        return run_json([*self.dialerctl, *words], self.env)

    def wait_ready(self) -> None:
        """Return when it can dial. Raises `NotRunning` with the log's end if it cannot within the deadline."""
        deadline = time.monotonic() + START_DEADLINE
        problem = "it did not answer"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                status = self.ctl("status")
                if status["dialing"]:
                    return
                problem = "; ".join(status["problems"])
            except NotRunning as error:
                problem = str(error)
            time.sleep(0.1)
        if self.process.poll() is not None:
            problem = f"it exited with {self.process.returncode}"
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise NotRunning(f"the daemon is not ready: {problem}\nthe end of {self.log}:\n{tail}")

    def stop(self, *, patience: float = STOP_DEADLINE) -> None:
        """Have it drain its calls for `patience` seconds, then end at once, then die."""
        for seconds in (patience, STOP_DEADLINE):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def daemon(running: Lab, *, command: Sequence[str] = DIALERD, **settings: str) -> Iterator[Daemon]:
    """A ready daemon on `running` until the block ends; `settings` are variables over the lab's own."""
    process = Daemon({**running.env, **settings}, running.folder / "dialerd.log", command=command)
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


def await_death(pid: int) -> None:
    """Return once `pid`, which need not be a child, has ended; unreaped counts. Raises `NotRunning` if it lives on.

    `lab up` takes an Asterisk that is about to end for one that runs.
    """
    deadline = time.monotonic() + STOP_DEADLINE
    with suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/cmdline").read_bytes():
            if time.monotonic() > deadline:
                raise NotRunning(f"the process {pid} has not ended in {STOP_DEADLINE:.0f} s")
            time.sleep(0.01)


def api_of(env: Mapping[str, str]) -> str:
    """Where the API of a daemon with these settings is."""
    return f"http://{env['DIALERD_HTTP__HOST']}:{env['DIALERD_HTTP__PORT']}"


class Console:
    """A dialerd-console process for the API at `api`, with its files in `folder`."""

    def __init__(self, api: str, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "console.log"
        with socket.create_server(("127.0.0.1", port or 0)) as probe:
            chosen = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{chosen}"
        command = [sys.executable, "-m", "dialerd.console", "--api", api, "--port", str(chosen)]
        # Under pytest's own variables the framework of its pages behaves as under test.
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NICEGUI_"))
        }
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*command, "--state-dir", str(folder / "state")],
                env=env,
                cwd=ROOT,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return when it answers. Raises `NotRunning` with its log if it does not within the deadline."""
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/login"):
                    return
            except OSError:
                time.sleep(0.1)
        raise NotRunning(
            f"the console does not answer at {self.url}:\n{self.log.read_text(errors='replace')}"
        )

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_DEADLINE)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def console(api: str, folder: Path) -> Iterator[Console]:
    """A console that answers until the block ends."""
    made = Console(api, folder)
    try:
        made.wait_ready()
        yield made
    finally:
        made.stop()


def chromium() -> str:
    """A Chromium of this machine. Raises `NotRunning` if there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    raise NotRunning("no Chromium is here: scripts/system-packages installs it")
