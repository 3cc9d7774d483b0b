"""What dialerctl prints: JSON for programs, tables and lines for people, problems on standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDE = 250
"""Columns where the output is no terminal: nothing is cut off in a file or a pipe."""


_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters and direction overrides; joiners stay, Indic and Arabic names need them."""


class Output:
    """Where a command's results go."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        terminal = sys.stdout.isatty()
        self.console = Console(width=None if terminal else _WIDE, highlight=False, emoji=False, markup=False)

    def json(self, value: Any, *, line: bool = False) -> None:
        """One JSON document; `line`: on a single line, at once."""
        text = json.dumps(value, ensure_ascii=False, indent=None if line else 2)
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """One line for people; it reaches a pipe at once."""
        sys.stdout.write(_sound(text) + "\n")
        sys.stdout.flush()

    def fields(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Lines of the form `name: value`."""
        for name, value in pairs:
            self.line(f"{name}: {shown(value)}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table."""
        made = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            made.add_column(column, overflow="fold")
        for row in rows:
            made.add_row(*(_sound(shown(cell)) for cell in row))
        self.console.print(made)

    def page(self, page: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A part of a list, and how much of it there is."""
        if self.as_json:
            self.json(page)
            return
        if not page["total"]:
            self.line("none")
            return
        self.table(columns, rows)
        if len(page["data"]) < page["total"]:
            self.line(f"{len(page['data'])} of {page['total']}; --limit {page['total']} shows all")

    def warnings(self, answer: Mapping[str, Any]) -> None:
        """What speaks against a thing that was made or changed all the same."""
        for warning in answer["warnings"]:
            self.line(f"warning: {warning}")

    def rows(self, report: Mapping[str, Any]) -> None:
        """The rows of a list that its report names."""
        for title, key in (("duplicate", "duplicate_rows"), ("invalid", "invalid"), ("warning", "warnings")):
            for row in report[key]:
                self.line(f"  {title}: line {row['line']}: {row['phone'] or ''}: {row['reason']}")


def shown(value: Any) -> str:
    """A value for people."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value) or "-"
    return " ".join(str(value).splitlines())


def report(problem: Mapping[str, Any], next_step: str | None, *, as_json: bool) -> None:
    """A problem with every fault and the next step, on standard error."""
    if as_json:
        body = {**problem, "next_step": next_step} if next_step else dict(problem)
        lines = [json.dumps(body, ensure_ascii=False, indent=2)]
    else:
        lines = [f"error: {problem.get('title')}: {problem.get('detail')}"]
        for fault in problem.get("errors", []):
            lines.append(f"  {fault.get('loc')}: {fault.get('msg')}")
        for check in problem.get("why", []):
            until = f" (until {check['until']})" if check.get("until") else ""
            lines.append(f"  {check.get('reason')}: {check.get('detail')}{until}")
        if next_step:
            lines.append(f"next: {next_step}")
    sys.stderr.write(_sound("\n".join(lines)) + "\n")


def _sound(text: str) -> str:
    """Text that moves no cursor and turns no line around: names come from other people's files."""
    encoding = sys.stdout.encoding or "utf-8"
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text).encode(encoding, "replace").decode(encoding)
