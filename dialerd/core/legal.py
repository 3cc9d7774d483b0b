"""Stub until merge."""

from __future__ import annotations

from typing import Any


class LegalRules:
    def preset(self, country: str) -> Any: ...
    def calendars(self, preset: Any, zones: tuple[str, ...]) -> Any: ...
