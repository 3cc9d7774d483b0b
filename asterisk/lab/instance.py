"""One Asterisk of the lab: a folder, a process, a console."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from errors import LabError
from provision import Installation

_EXEC_SECONDS = 2
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Instance:
    """`pbx` or `carrier` of the lab in `folder`. `run` holds its console socket, whose path must be short."""

    name: str
    folder: Path
    run: Path

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "asterisk.conf"

    @property
    def cdr(self) -> Path:
        return self.folder / "log" / "dialerd-cdr.db"

    @property
    def output(self) -> Path:
        """What the process itself prints; its log proper is log/messages."""
        return self.folder / "log" / "output"

    @property
    def pid_file(self) -> Path:
        return self.folder.parent / f"{self.name}.pid"

    def pid(self) -> int | None:
        """Its process, if it lives.

        Found by its command line, not by its pid file: a pid may have passed to a stranger. A dead process
        that nobody has reaped has no command line.
        """
        mine = ("-C", str(self.conf), "-f")
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if tuple(argv[-4:-1]) == mine:
                return int(entry.name)
        return None

    def make_folders(self, asterisk: Installation) -> None:
        """What Asterisk needs to find, and a data folder that shows the installation's, with `sounds/en`."""
        for path in (self.run, *(self.folder / name for name in ("log", "lib", "spool"))):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sounds = self.folder / "data" / "sounds"
        sounds.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in asterisk.data.iterdir():
            if part.name != "sounds":
                _link(self.folder / "data" / part.name, part)
        _link(sounds / "en", asterisk.sounds)

    def start(self, asterisk: Installation, slot_fd: int) -> None:
        """Start it in a session of its own, so that it outlives the terminal, holding the lab's slot."""
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                [*asterisk.command, "-C", str(self.conf), "-f"],
                cwd=self.folder,
                # Two arenas: with glibc's default its memory grows to a gigabyte under load.
                env={**os.environ, "MALLOC_ARENA_MAX": "2"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(slot_fd,),
            )
        self.pid_file.write_text(f"{process.pid}\n")
        # For an instant after exec a process has no command line, by which `pid` would know it.
        deadline = time.monotonic() + _EXEC_SECONDS
        while self.pid() is None and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)

    def rx(self, asterisk: Installation, command: str) -> str:
        """Run a console command; an empty answer if the console cannot be reached."""
        try:
            done = subprocess.run(
                [*asterisk.command, "-C", str(self.conf), "-rx", command],
                capture_output=True, text=True, timeout=10, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout if done.returncode == 0 else ""

    def wait(self, ready: Callable[[], bool], deadline: float, what: str) -> None:
        """Wait for a condition while the process lives."""
        while not ready():
            if self.pid() is None:
                raise LabError(f"{self.name} ended while starting:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: {what} in time:\n{self.tail()}")
            time.sleep(_POLL_SECONDS)

    def tail(self, lines: int = 20) -> str:
        """The end of what it printed and logged."""
        parts = []
        for path in (self.output, self.folder / "log" / "messages"):
            if path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace").splitlines()
                parts += [f"--- {path}", *text[-lines:]]
        return "\n".join(parts)

    def stop(self) -> int | None:
        """Stop it, by force if it does not obey. Returns the pid it had."""
        pid = self.pid()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            if not self._gone(_STOP_SECONDS):
                _signal(pid, signal.SIGKILL)
                if not self._gone(_STOP_SECONDS):
                    raise LabError(f"{self.name} (pid {pid}) does not end, not even when killed")
        self.pid_file.unlink(missing_ok=True)
        return pid

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _link(name: Path, target: Path) -> None:
    if name.is_symlink():
        name.unlink()
    name.symlink_to(target)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
