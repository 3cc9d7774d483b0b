"""Engines of voice agents in words: which one, whether it can take calls, how many it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EMBEDDED = "embedded"
"""The engine that is always there."""
_FINE = "ok"


def called(name: str, engine: Mapping[str, Any] | None) -> str:
    """An engine with its kind; None: the settings have none of this name."""
    if engine is None:
        return f"{name} (not in the settings)"
    return f"{name} (speaks scripts)" if name == EMBEDDED else f"{name} ({engine['kind']})"


def state(engine: Mapping[str, Any] | None) -> tuple[str, str]:
    """How it is now, and the tone of that."""
    if engine is None:
        return "Not in the settings", "bad"
    if not engine["healthy"]:
        return "Cannot take calls", "bad"
    held = f"{engine['sessions_in_use']} of {engine['sessions_limit']} calls"
    if engine["sessions_in_use"] >= engine["sessions_limit"]:
        return f"Full, {held}", "warn"
    return f"Ready, {held}", "good"


def trouble(engine: Mapping[str, Any] | None) -> str:
    """What is wrong with it, or was with the last call that it failed; empty: nothing."""
    if engine is None:
        return "The settings have no such engine: choose another, or put it back and restart dialerd."
    return "" if engine["state"] == _FINE else str(engine["state"])
