"""How much each benchmark does, from two variables of the environment.

`CALLS` (2,000) sets the size of everything and `RUNS` (5) how often it is repeated; the targets hold for the defaults.
With `CALLS=100 RUNS=1` all of them together take a minute or two, so that CI can show that they still work.
"""

from __future__ import annotations

import os

CALLS = int(os.environ.get("CALLS", "2000"))
RUNS = int(os.environ.get("RUNS", "5"))
WHOLE = CALLS / 2_000
"""The share of the full size: 1 by default."""


def sized(full: int, least: int = 1) -> int:
    """`full` at the default size, proportionately less or more at another one."""
    return max(least, round(full * WHOLE))
