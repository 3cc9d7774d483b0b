"""What went wrong with a request to the API, in the API's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LINE = re.compile(r"contacts\[line (\d+)\](?:\.(.+))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent: where, and what."""

    loc: str
    msg: str

    @property
    def field(self) -> str:
        """The field of the request that it is about, or in which it is."""
        return self.loc.split(".")[0].split("[")[0]

    @property
    def line(self) -> int | None:
        """The line of a list, if it is about one."""
        found = _LINE.fullmatch(self.loc)
        return int(found[1]) if found else None

    @property
    def column(self) -> str | None:
        """The column of that line, if it is about one."""
        found = _LINE.fullmatch(self.loc)
        return found[2] if found else None


class Refused(Exception):
    """The daemon has answered, and did not do it."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.title = str(problem.get("title") or f"HTTP {status}")
        self.detail = str(problem.get("detail") or "the answer is not dialerd's: is the address right?")
        self.faults = _faults(problem.get("errors"))
        super().__init__(f"{self.title}: {self.detail}")


class Away(Exception):
    """The daemon does not answer; nobody knows whether what was asked has been done."""


def _faults(given: object) -> Sequence[Fault]:
    if not isinstance(given, list):
        return ()
    return tuple(
        Fault(str(one.get("loc", "")), str(one.get("msg", ""))) for one in given if isinstance(one, dict)
    )
