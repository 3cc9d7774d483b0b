"""A wall clock that tests set and step, for a Python program started under it (Debian's libfaketime).

It differs from the machine's by whole seconds, so an instant of SIPp's log, which is not faked, is one of the daemon's
exactly. The monotonic clock stays the machine's. So do the clocks of the program's children: under libfaketime 0.9.10
`time.sleep`, and with it the deadline of a subprocess, fails now and then with EINVAL if the monotonic clock is real.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

_LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""The loader knows the machine's folder for libraries."""
_RUN_ALONE = """
import os, runpy, sys
del os.environ["LD_PRELOAD"], sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class FakedClock:
    """The clock, kept in `file`, which its program reads whenever it asks for the time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0
        self.step(0)

    @property
    def within(self) -> Sequence[str]:
        """The command under which a Python program has this clock."""
        return (
            "env",
            f"LD_PRELOAD={_LIBRARY}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1",
            sys.executable,
            "-c",
            _RUN_ALONE,
        )

    def step(self, seconds: int) -> float:
        """Step it; returns when that was by the machine's clock."""
        self._ahead += seconds
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._ahead:+d}\n")
        fresh.replace(self._file)
        return time.time()

    def set(self, at: datetime) -> None:
        """Set it to `at`, less than a second late."""
        self.step(math.ceil(at.timestamp() - self.read(time.time())))

    def read(self, real: float) -> float:
        """What it showed at an instant of the machine's clock since its last step, in seconds since the epoch."""
        return real + self._ahead
