"""Options of the console: what they come to, and how wrong ones are refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dialerd.console import secret
from dialerd.console.options import BadOptions, read


def test_the_console_listens_at_loopback_and_asks_the_local_daemon_by_default(tmp_path: Path) -> None:
    options = read([], {"XDG_STATE_HOME": str(tmp_path)})
    assert (options.api, options.host, options.port) == ("http://127.0.0.1:8080", "127.0.0.1", 8090)
    assert options.state_dir == tmp_path / "dialerd-console"
    assert not options.https


def test_options_come_before_the_environment() -> None:
    environ = {
        "DIALERD_CONSOLE_API": "http://10.0.0.5:8080",
        "DIALERD_CONSOLE_PORT": "9000",
        "STATE_DIRECTORY": "/a:/b",
    }
    options = read(["--port", "9001"], environ)
    assert (options.api, options.port, options.state_dir) == ("http://10.0.0.5:8080", 9001, Path("/a"))


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["--api", "localhost:8080"], {}, "--api 'localhost:8080' is not the address"),
        (["--api", "http://user:key@host"], {}, "is not the address"),
        (["--host", "0.0.0.0"], {}, "--beyond-loopback"),
        (["--host", "dialer.example.org"], {}, "--beyond-loopback"),
        (["--port", "70000"], {}, "--port '70000' is not a port"),
        ([], {"DIALERD_CONSOLE_SECRET": "short"}, "DIALERD_CONSOLE_SECRET has 5 characters"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    arguments: list[str], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(BadOptions) as refused:
        read(arguments, environ)
    assert said in str(refused.value)


def test_other_machines_are_let_in_only_when_it_is_said() -> None:
    assert read(["--host", "0.0.0.0", "--beyond-loopback"], {}).host == "0.0.0.0"
    assert read(["--host", "::1"], {}).host == "::1"


def test_no_secret_is_shown_with_the_options() -> None:
    options = read([], {"DIALERD_CONSOLE_SECRET": "x" * 40})
    assert "x" * 40 not in repr(options)


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = secret.load(tmp_path / "state")
    assert secret.load(tmp_path / "state") == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "state" / secret.FILE).stat().st_mode) == 0o600


def test_a_damaged_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / secret.FILE).write_text("short")
    with pytest.raises(secret.NoSecret, match="is damaged"):
        secret.load(tmp_path)
