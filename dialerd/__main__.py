"""The command `dialerd`: read the settings, say everything that is wrong with them, run the daemon.

Exit codes: 0 ended on request, 1 could not run, 2 the settings are wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvloop

from dialerd import __version__, daemon, logs
from dialerd.config import ConfigError, Settings, load
from dialerd.core.errors import PortError
from dialerd.store.choice import called

_EPILOG = """\
Settings come from FILE (TOML), from DIALERD_… variables ('__' nests: DIALERD_HTTP__PORT=8081) and from systemd
credentials, files of $CREDENTIALS_DIRECTORY (asterisk__ari_password).
SIGTERM drains: no new calls, live ones go on; a second SIGTERM stops at once.
"""


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dialerd",
        description="Outbound calling campaigns with voice agents on your own Asterisk.",
        epilog=_EPILOG,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
    parser.add_argument(
        "--check-config", action="store_true", help="check the settings, list every mistake, and exit"
    )
    parser.add_argument("--version", action="version", version=f"dialerd {__version__}")
    options = parser.parse_args(arguments)
    try:
        settings = load(options.config)
    except ConfigError as error:
        _report(error, options.config)
        return 2
    if options.check_config:
        if faults := uvloop.run(daemon.check(settings)):
            _report(ConfigError(faults), options.config)
            return 2
        sys.stdout.write(_summary(settings))
        return 0
    logs.configure(settings.log)
    try:
        uvloop.run(daemon.run(settings))
    except PortError as error:
        sys.stderr.write(f"dialerd: {error}\n")
        return 1
    return 0


def _report(error: ConfigError, path: Path | None) -> None:
    where = str(path) if path else "the environment"
    count = len(error.faults)
    sys.stderr.write(f"dialerd: {count} mistake{'s' if count != 1 else ''} in the settings ({where}):\n")
    for fault in error.faults:
        sys.stderr.write(f"  {fault.loc}: {fault.msg}\n")


def _summary(settings: Settings) -> str:
    trunks = ", ".join(
        f"{trunk.name} ({trunk.max_channels} channels, {trunk.calls_per_second:g} calls/s)"
        for trunk in settings.trunk_list
    )
    store = f"; store: {called(settings.store_url)}" if settings.store.url else ""
    where = f"Asterisk: {settings.asterisk.ari_url}; state: {settings.state_dir}{store}"
    return f"The settings are fine. {where}; trunks: {trunks}\n"


if __name__ == "__main__":
    sys.exit(main())
