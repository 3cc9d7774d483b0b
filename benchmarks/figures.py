"""What a benchmark has found, beside its target: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value, in `unit`."""

    measure: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    """What belongs beside it: what it was derived from, or measured with."""

    @property
    def target(self) -> str:
        """The bound in words; empty: the figure stands beside another one that has a target."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}{_spaced(self.unit)}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}{_spaced(self.unit)}"

    @property
    def missed(self) -> bool:
        """Whether the value is on the wrong side of its bound."""
        low = self.at_least is not None and self.value < self.at_least
        return low or (self.at_most is not None and self.value > self.at_most)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` percent of `values` do not exceed; NaN without any."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(len(values) * share / 100))]


def report(title: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures. Values are rounded here and nowhere else."""
    load = round(os.getloadavg()[0], 2)
    if as_json:
        rows = [{**asdict(one), "value": round(one.value, 4), "missed": one.missed} for one in figures]
        print(json.dumps({"benchmark": title, "load_average": load, "figures": rows}))
        return
    caption = f"load average {load:g} on {os.cpu_count()} cores; the targets are for an idle machine"
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("with", style="dim")
    for one in figures:
        mark = "" if not one.target else "missed" if one.missed else "met"
        table.add_row(one.measure, f"{_rounded(one.value)}{_spaced(one.unit)}", one.target, mark, one.note)
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
