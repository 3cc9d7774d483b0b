"""All benchmarks of the daemon, one after another; each is a process of its own. Options go to every one of them.

python -m benchmarks [--json]
"""

from __future__ import annotations

import subprocess
import sys

from scripts.running import ROOT

ALL = (
    "calls",
    "latency",
    "pauses",
    "scale",
    "imports",
    "simulate",
    "media",
    "beside",
    "openings",
    "formats",
    "webrtc",
    "words",
    "idle",
)


def main() -> int:
    """Run them. The exit code is 0 if every one has worked; a target that is missed is no failure."""
    failed = [
        name
        for name in ALL
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], cwd=ROOT, check=False
        ).returncode
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
