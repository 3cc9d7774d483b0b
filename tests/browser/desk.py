"""A console on a daemon on the lab, for tests that look at it through a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.running import Daemon, Lab, api_of


@dataclass
class Desk:
    """What stands behind the browser."""

    running: Lab
    daemon: Daemon
    console: str
    """Where the console is."""
    log: Path
    """What the console has written."""
    keys: dict[str, str]
    """An API key of each scope."""

    @property
    def api(self) -> str:
        """Where the daemon's API is."""
        return api_of(self.running.env)

    def restart_daemon(self) -> None:
        """Start the daemon again, after it was stopped."""
        self.daemon = Daemon(self.daemon.env, self.daemon.log)
        self.daemon.wait_ready()
