"""Stub until merge."""

from __future__ import annotations

from dialerd.core.model import E164


class CalleeZones:
    def resolve(self, phone: E164, timezone: str | None) -> tuple[tuple[str, ...], str]: ...
    def country(self, phone: E164) -> str | None: ...
