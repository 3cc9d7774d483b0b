"""What the lab reads from its host: apt's sources and Asterisk's version. Needs no Asterisk."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

LAB = Path(__file__).resolve().parents[2] / "asterisk" / "lab"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(LAB))
    return importlib.import_module("mirror")


@pytest.fixture
def provision(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(LAB))
    return importlib.import_module("provision")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb http://mirror.example/debian trixie main\n"),
        ("sources.list", "# deb http://old.example/debian stable main\ndeb\t[arch=amd64 signed-by=/k.gpg] "
         "http://mirror.example/debian   trixie main contrib # ours\n"),
        ("sources.list", "deb http://mirror.example/debian-security trixie-security main\n"
         "deb-src http://src.example/debian trixie main\ndeb http://mirror.example/debian trixie main\n"),
        ("sources.list.d/debian.sources", "Types: deb deb-src\nURIs: http://mirror.example/debian\n"
         "Suites: trixie trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n -----END\n"),
        ("sources.list.d/debian.sources", "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\n"
         "Suites: trixie\n\n# a comment\nTypes: deb\n# another\nURIs:\n http://mirror.example/debian\n"
         "Suites: trixie\nComponents: main\n"),
    ],
)  # fmt: skip
def test_the_mirror_is_the_hosts_own(mirror: ModuleType, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    (tmp_path / "sources.list.d").mkdir(exist_ok=True)
    (tmp_path / "sources.list.d" / "other.list.disabled").write_text(
        "deb http://off.example/debian sid main\n"
    )
    assert mirror.find(tmp_path).rstrip("/") == "http://mirror.example/debian"


def test_without_a_mirror_the_way_out_is_named(mirror: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/ubuntu noble main\n")
    with pytest.raises(Exception, match=r"--mirror.*--asterisk"):
        mirror.find(tmp_path)


@pytest.mark.parametrize("version", ["22.9.0", "22.10.1", "22.11.0", "23.3.0", "24.0.0", "24.0.0-rc1"])
def test_versions_to_use(provision: ModuleType, version: str) -> None:
    assert provision.objection(version) is None


@pytest.mark.parametrize(
    "version", ["18.26.4", "20.19.0", "21.12.0", "22.8.2", "22.11.0-rc1", "23.0.0", "23.2.1"]
)
def test_versions_to_refuse(provision: ModuleType, version: str) -> None:
    assert provision.objection(version)
