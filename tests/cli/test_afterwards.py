"""dialerctl after a campaign: its results as a file, another one from what is left, its deletion."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialerd.cli.main import main
from tests.cli.test_dialerctl import ONE, TWO, Ran
from tests.control.serving import Served, served

Ctl = Callable[..., Ran]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("daemon")) as running:
        running.do(running.inside.add_script())
        yield running


@pytest.fixture
def ctl(daemon: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    monkeypatch.setenv("DIALERD_CONTROL__SOCKET", str(daemon.socket))

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def campaign(ctl: Ctl, tmp_path: Path) -> str:
    path = tmp_path / "contacts.csv"
    path.write_text(f"phone,name,loan_amount\n{ONE},प्रिया,5\n{TWO},=1+1,7\nbad,x,1\n")
    made = ctl(
        *("campaign", "create", "--name", "Loans", "--script", "loan", "--language", "en-IN"),
        *("--csv", path, "--on-invalid", "skip"),
    )
    assert made.code == 0, made.err
    return made.value("campaign_id")


def test_results_are_written_to_a_file_or_to_standard_output(ctl: Ctl, campaign: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    saved = ctl("campaign", "results", campaign, "--out", path)
    assert (saved.code, saved.err) == (0, "")
    assert list(tmp_path.glob("*.part")) == []
    rows = list(csv.DictReader(path.read_bytes().decode().splitlines(keepends=True)))
    assert [(row["phone"], row["name"]) for row in rows] == [(ONE, "प्रिया"), (TWO, "'=1+1")]
    assert str(path.stat().st_size) in saved.out
    printed = ctl("campaign", "results", campaign)
    assert printed.out.encode() == path.read_bytes()
    lines = [json.loads(line) for line in ctl("--json", "campaign", "results", campaign).out.splitlines()]
    assert [line["phone"] for line in lines] == [ONE, TWO]


def test_rows_that_were_left_out_are_downloaded_too(ctl: Ctl, campaign: str) -> None:
    told = [
        json.loads(line)
        for line in ctl("--json", "campaign", "results", campaign, "--rejects").out.splitlines()
    ]
    assert [(row["rejected_line"], row["phone"], row["name"]) for row in told] == [("4", "bad", "x")]


def test_a_file_that_cannot_be_had_leaves_none_behind(ctl: Ctl, campaign: str, tmp_path: Path) -> None:
    missing = ctl("campaign", "results", "cmp_none", "--out", tmp_path / "x.csv")
    assert (missing.code, list(tmp_path.glob("x.csv*"))) == (1, [])
    nowhere = ctl("campaign", "results", campaign, "--out", tmp_path / "no" / "x.csv")
    assert nowhere.code == 2
    assert "cannot write" in nowhere.err


def test_a_campaign_is_cloned_then_deleted(ctl: Ctl, campaign: str) -> None:
    refused = ctl("campaign", "delete", campaign)
    assert (refused.code, "stop it first" in refused.err) == (1, True)
    nobody = ctl("campaign", "clone", campaign)
    assert (nobody.code, "unreached" in nobody.err) == (2, True)
    assert ctl("campaign", "stop", campaign).code == 0
    cloned = ctl(
        "campaign", "clone", campaign, "--name", "Again", "--start", "2190-01-01", "--end", "2190-02-01"
    )
    assert (cloned.code, cloned.value("name")) == (0, "Again")
    assert cloned.value("contacts") == "2 accepted of 2, 0 duplicates merged, 0 invalid, 0 warnings"
    deleted = ctl("campaign", "delete", campaign)
    assert (deleted.code, deleted.value("deleted")) == (0, campaign)
    assert ctl("campaign", "show", campaign).code == 1


def test_campaigns_are_listed_by_their_creation(ctl: Ctl, campaign: str) -> None:
    assert campaign in ctl("campaign", "list", "--from", "2020-01-01").out
    assert ctl("campaign", "list", "--to", "2020-01-01").out == "none\n"
