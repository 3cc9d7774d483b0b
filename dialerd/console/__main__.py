"""The command `dialerd-console`: read the options, say what is wrong with them, serve the console.

Exit codes: 0 ended on request, 1 could not run, 2 the options are wrong.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from dialerd.console import options, secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    try:
        given = options.read(arguments, os.environ)
    except options.BadOptions as error:
        sys.stderr.write(f"dialerd-console: {error}\n")
        return 2
    try:
        kept = given.secret or secret.load(given.state_dir)
        _try_address(given.host, given.port)
    except (secret.NoSecret, OSError) as error:
        sys.stderr.write(f"dialerd-console: {error}\n")
        return 1
    # The framework has a folder for what users store; the console stores nothing there.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(given.state_dir / "pages"))
    from dialerd.console import app  # the framework reads its environment when it is imported

    sys.stderr.write(f"dialerd-console: http://{given.host}:{given.port} (the API: {given.api})\n")
    app.serve(given, kept)
    return 0


def _try_address(host: str, port: int) -> None:
    """Whether the console can listen there. Raises `OSError` in words."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise OSError(
            f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
