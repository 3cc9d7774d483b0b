"""Mistakes in the settings, in words for people who write settings, not Python."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dialerd.core.errors import Fault


def mistakes(error: ValidationError) -> list[Fault]:
    """Every mistake, with its place as it is written in the file."""
    return [
        Fault(".".join(map(str, fault["loc"])) or "settings", _in_plain_words(fault))
        for fault in error.errors()
    ]


def _in_plain_words(fault: ErrorDetails) -> str:
    about = fault.get("ctx", {})
    chooser = str(about.get("discriminator", "")).strip("'")
    match fault["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "there is no such setting"
        case "union_tag_not_found":
            return f"{chooser} is required"
        case "union_tag_invalid":
            return f"{chooser} must be one of {about['expected_tags']}, not {about['tag']!r}"
    return fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
