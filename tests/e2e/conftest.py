"""A running dialerd on a real Asterisk, for tests that assert what a callee or an operator observes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.running import ROOT, Daemon, daemon, lab

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"


@pytest.fixture(scope="module")
def carrier_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose trunk leads to the simulated carrier, and the carrier's call records."""
    folder = tmp_path_factory.mktemp("carrier")
    with lab(folder) as running, daemon(running) as process:
        process.ctl("script", "add", str(SCRIPT))
        yield process, Path(running.facts["cdr"]["carrier"])
