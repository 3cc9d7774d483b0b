"""Daemons of one's own on a lab whose phone network is SIPp, and what its callees have seen of a campaign."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from scripts.running import Lab, lab
from tests.e2e.operator import Operator
from tests.kill import callee
from tests.kill.drill import SCRIPT, Drill, until
from tests.kill.ledger import Ledger
from tests.kill.witness import Sight
from tests.sipp import callee as answering

STARTS = 30.0
STAYS_UP = 0.3
"""Seconds for which a daemon that is no longer needed may wait for its calls."""
ON_THE_WAY = 1.0
"""Seconds that an INVITE may need from the daemon to its callee, and be late in SIPp's log, on a busy machine."""


@dataclass(frozen=True)
class Network:
    """A PBX with two trunks: `lab` leads to the callees of `tests.kill.callee.PLAN`, `spare` to some who all answer."""

    running: Lab
    log: Path
    """The messages of the callees of `lab`."""
    spare_log: Path


@contextmanager
def phone_network(folder: Path) -> Iterator[Network]:
    """A network in `folder` until the block ends."""
    callees, spare = folder / "callees", folder / "spare"
    with (
        callee.network(callees) as first,
        answering("hang-up", spare, log_messages=True) as second,
        lab(folder / "lab", trunk=first.address, spare=second.address) as running,
    ):
        yield Network(running, callees / "messages.log", spare / "messages.log")


@contextmanager
def site_of(network: Network, folder: Path) -> Iterator[Site]:
    """A daemon that is yet to be started, with its state in `folder`; it is stopped when the block ends."""
    own = {
        "DIALERD_STATE_DIR": str(folder / "state"),
        "DIALERD_CONTROL__SOCKET": str(folder / "c.sock"),
        # The prompts are the same for all.
        "DIALERD_MEDIA__CACHE_DIR": str(network.running.folder / "prompts"),
    }
    made = Site(network.running, network.log, own)
    try:
        yield made
    finally:
        made.stop()


@dataclass
class Site(Drill):
    """A drill's stage whose daemon has an operator."""

    private: bool = False
    """The state directory is one that the daemon alone sees, in a mount namespace of its own."""
    _operator: Operator | None = None

    @property
    def inside(self) -> Path:
        """The state directory as one gets there from outside."""
        return Path(f"/proc/{self.daemon.process.pid}/root{self.state}") if self.private else self.state

    @property
    def ledger(self) -> Ledger:
        """The daemon's store; if it is private, a copy of what it is now."""
        if not self.private:
            return super().ledger
        copy = self.state.parent / "copy"
        copy.mkdir(exist_ok=True)
        for file in self.inside.glob("dialerd.db*"):
            shutil.copy(file, copy)
        return Ledger(copy / "dialerd.db")

    @property
    def operator(self) -> Operator:
        """Who works with the daemon that runs."""
        assert self._operator is not None
        return self._operator

    @property
    def control(self) -> str:
        """Where the operator reaches the daemon."""
        return self.env["DIALERD_CONTROL__SOCKET"]

    def open(self, **settings: str) -> Operator:
        """Start the daemon, with settings beside its own; returns once it answers and has the script."""
        self.settings = {**self.settings, **settings}
        again = bool(self.lives)
        self._dismiss()
        self.start()
        operator = self._operator = Operator(self.control)
        until(self._listens, STARTS, "the daemon does not listen")
        if not again:
            operator.add_script(SCRIPT)
        return operator

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.control) == 0

    def stop(self) -> None:
        """End the daemon."""
        self._dismiss()
        if self.lives:
            self.daemon.stop(patience=STAYS_UP)

    def _dismiss(self) -> None:
        if self._operator is not None:
            self._operator.close()
            self._operator = None

    def dialed(self, numbers: Sequence[str]) -> list[Sight]:
        """The calls that have reached these numbers so far, in order."""
        seen = self.sights()
        return sorted(
            (sight for number in numbers for sight in seen.get(number, ())), key=lambda sight: sight.at
        )

    def await_dialing(self, numbers: Sequence[str], count: int, seconds: float = 30) -> None:
        """Return when as many calls have reached these numbers."""
        until(lambda: len(self.dialed(numbers)) >= count, seconds, f"fewer than {count} calls are placed")

    def states(self, campaign: str) -> dict[str, str]:
        """The state of each contact by number."""
        return {phone: contact.state for phone, contact in self.ledger.contacts(campaign).items()}


def numbers(series: int, count: int, *endings: int) -> list[str]:
    """As many Indian numbers, whose endings (`tests.kill.callee.PLAN`) take turns; `series` is a campaign's own."""
    return [
        f"+9198{series:02d}{index:04d}{ending:02d}"
        for index, ending in enumerate(islice(cycle(endings), count))
    ]
