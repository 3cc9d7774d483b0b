"""How the lab fails: one exception that knows its exit code."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2  # argparse's own
NOT_RUNNING = 3
CONFLICT = 4


class LabError(Exception):
    """Something the user has to know, in words for them."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
