"""dialerctl audit and contact, over the socket."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator

import pytest

from dialerd.cli.main import main
from tests.cli.test_dialerctl import Ran
from tests.control.serving import Served, served

Ctl = Callable[..., Ran]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture
def ctl(daemon: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    monkeypatch.setenv("DIALERD_CONTROL__SOCKET", str(daemon.socket))

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_what_was_changed_over_the_socket_is_told_with_the_local_user(ctl: Ctl) -> None:
    assert ctl("dnc", "add", "+919876543210", "--reason", "asked by mail").code == 0
    told = ctl("audit", "--action", "dnc.added")
    assert told.code == 0, told.err
    for word in (f"uid:{os.getuid()}", getpass.getuser(), "unix", "+919876543210", "asked by mail"):
        assert word in " ".join(told.out.split()), word
    (found,) = json.loads(ctl("--json", "audit", "--object", "+919876543210").out)["data"]
    assert (found["actor"], found["origin"]) == (f"uid:{os.getuid()}", "unix")
    assert ctl("audit", "--actor", "nobody").out == "none\n"
    assert ctl("audit", "--from", "nonsense").code == 2


def test_a_person_is_shown_and_erased(ctl: Ctl) -> None:
    number = "+919876543211"
    assert ctl("dnc", "add", number).code == 0
    shown = ctl("contact", "show", number)
    assert (shown.code, "do not call: as +919876543211" in shown.out) == (0, True), shown.err
    assert json.loads(ctl("--json", "contact", "show", number).out)["campaigns"] == []
    assert ctl("contact", "erase", number).out.splitlines()[-1] == f"erased: {number}"
    assert ctl("contact", "erase", "98765").code == 2
    assert "do not call: as +919876543211" in ctl("contact", "show", number).out, "the entry stays"
