"""A running dialerd on a real Asterisk, for tests that assert what a callee or an operator observes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.running import ROOT, Daemon, daemon, lab
from tests.e2e.site import Network, Site, phone_network, site_of

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"


@pytest.fixture(scope="module")
def carrier_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose trunk leads to the simulated carrier, and the carrier's call records."""
    folder = tmp_path_factory.mktemp("carrier")
    prompts = folder / "recorded"
    prompts.mkdir()
    with lab(folder) as running, daemon(running, DIALERD_MEDIA__PROMPTS_DIR=str(prompts)) as process:
        process.ctl("script", "add", str(SCRIPT))
        yield process, Path(running.facts["cdr"]["carrier"])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A phone network of SIPps, and a PBX whose trunks lead there."""
    with phone_network(tmp_path_factory.mktemp("network")) as up:
        yield up


@pytest.fixture
def site(network: Network, tmp_path: Path) -> Iterator[Site]:
    """A daemon there that is yet to be started."""
    with site_of(network, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def standing(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A daemon there that dials, and serves all tests of a file."""
    with site_of(network, tmp_path_factory.mktemp("standing")) as made:
        made.open().await_ready()
        yield made
