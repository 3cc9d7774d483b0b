"""A running dialerd on a real Asterisk, for tests that assert what a callee or an operator observes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.running import ROOT, Daemon, Lab, daemon, lab
from tests.e2e.site import Site
from tests.kill import callee

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"


@pytest.fixture(scope="module")
def carrier_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose trunk leads to the simulated carrier, and the carrier's call records."""
    folder = tmp_path_factory.mktemp("carrier")
    with lab(folder) as running, daemon(running) as process:
        process.ctl("script", "add", str(SCRIPT))
        yield process, Path(running.facts["cdr"]["carrier"])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A lab whose trunk leads to a SIPp with `tests.kill.callee.PLAN`, and SIPp's log."""
    folder = tmp_path_factory.mktemp("network")
    with callee.network(folder / "sipp") as sipp, lab(folder / "lab", trunk=sipp.address) as running:
        yield running, folder / "sipp" / "messages.log"


@pytest.fixture
def site(network: tuple[Lab, Path], tmp_path: Path) -> Iterator[Site]:
    """A daemon on it that is yet to be started, with a state directory of its own."""
    running, log = network
    own = {
        "DIALERD_STATE_DIR": str(tmp_path / "state"),
        "DIALERD_CONTROL__SOCKET": str(tmp_path / "c.sock"),
        # The prompts are the same for all.
        "DIALERD_MEDIA__CACHE_DIR": str(running.folder / "prompts"),
    }
    made = Site(running, log, own)
    yield made
    made.stop()
