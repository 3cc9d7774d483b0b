"""What the console is started with: options first, then the environment.

It has few of them, since it decides nothing: where the daemon's API is, where browsers reach the console, and where it
keeps the secret of its cookies. It is given no API key: each user logs in with their own.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_API = "http://127.0.0.1:8080"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090
SHORTEST_SECRET = 32

_EPILOG = """\
From the environment, where an option is not given: DIALERD_CONSOLE_API (else DIALERD_URL), DIALERD_CONSOLE_HOST,
DIALERD_CONSOLE_PORT, DIALERD_CONSOLE_STATE_DIR (else systemd's STATE_DIRECTORY), DIALERD_CONSOLE_HTTPS=1,
DIALERD_CONSOLE_BEYOND_LOOPBACK=1. DIALERD_CONSOLE_SECRET: the secret of the cookies, 32 characters or more, instead of
the one that is made and kept in the state directory. Users log in with an API key: dialerctl key create --scope write.
"""


class BadOptions(Exception):
    """The options are wrong; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run."""

    api: str
    host: str
    port: int
    state_dir: Path
    https: bool = False
    """Browsers come by HTTPS alone, so the cookie goes over nothing else."""
    secret: str | None = field(default=None, repr=False)


def read(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> Options:
    """The options of the command line and the environment. Raises `BadOptions`; exits for --help."""
    given = _parser().parse_args(arguments)
    beyond = given.beyond_loopback or _switch(environ, "DIALERD_CONSOLE_BEYOND_LOOPBACK")
    api = given.api or environ.get("DIALERD_CONSOLE_API") or environ.get("DIALERD_URL") or DEFAULT_API
    host = given.host or environ.get("DIALERD_CONSOLE_HOST") or DEFAULT_HOST
    secret = environ.get("DIALERD_CONSOLE_SECRET") or None
    if secret is not None and len(secret) < SHORTEST_SECRET:
        raise BadOptions(
            f"DIALERD_CONSOLE_SECRET has {len(secret)} characters: give {SHORTEST_SECRET} or more"
        )
    return Options(
        api=_address(api),
        host=_reachable(host, beyond=beyond),
        port=_port(given.port or environ.get("DIALERD_CONSOLE_PORT") or str(DEFAULT_PORT)),
        state_dir=_state_dir(given.state_dir, environ),
        https=given.https or _switch(environ, "DIALERD_CONSOLE_HTTPS"),
        secret=secret,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dialerd-console",
        description="The console of dialerd: campaigns in a browser, over the daemon's HTTP API.",
        epilog=_EPILOG,
    )
    parser.add_argument("--api", metavar="URL", help=f"the daemon's API (default {DEFAULT_API})")
    parser.add_argument("--host", help=f"address to listen at (default {DEFAULT_HOST})")
    parser.add_argument("--port", help=f"port to listen at (default {DEFAULT_PORT})")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="where the secret of the cookies is kept"
    )
    parser.add_argument(
        "--https", action="store_true", help="browsers reach the console by HTTPS, through a proxy with TLS"
    )
    parser.add_argument(
        "--beyond-loopback", action="store_true", help="allow a --host that other machines reach without TLS"
    )
    return parser


def _address(api: str) -> str:
    parts = urlsplit(api)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise BadOptions(f"--api {api!r} is not the address of an API, as in {DEFAULT_API}")
    return api.rstrip("/")


def _reachable(host: str, *, beyond: bool) -> str:
    if beyond or host == "localhost":
        return host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BadOptions(
            f"--host {host} is reached from other machines, and API keys would pass without TLS: "
            "put a proxy with TLS before 127.0.0.1, or say --beyond-loopback"
        )
    return host


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise BadOptions(f"--port {text!r} is not a port: give 1 to 65535")
    return int(text)


def _state_dir(given: Path | None, environ: Mapping[str, str]) -> Path:
    named = (
        given or environ.get("DIALERD_CONSOLE_STATE_DIR") or environ.get("STATE_DIRECTORY", "").split(":")[0]
    )
    if named:
        return Path(named)
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "dialerd-console"


def _switch(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in ("1", "true", "yes", "on")
