"""Logging: events with fields, JSON under systemd and lines for people in a terminal.

Phone numbers are personal data: they travel in the `phone` field only and are masked here unless the settings
say otherwise. Secrets are never logged.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from dialerd.config import LogSettings
from dialerd.core.effects import Announce

_NUMBER = re.compile(r"\+?\d{7,15}")


def configure(settings: LogSettings) -> None:
    """Set up logging for the whole process; output goes to standard error."""
    people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(sort_keys=False)
    )
    level = getattr(logging, settings.level.upper())
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not settings.show_numbers:
        processors.append(_mask)
    if not people:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)


def listener(announcement: Announce) -> None:
    """Log what the engine announces."""
    fields = {key: value for key, value in announcement.fields.items() if value is not None}
    structlog.get_logger("dialerd").info(announcement.kind, **fields, **(announcement.personal or {}))


def _mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    phone = event.get("phone")
    if isinstance(phone, str) and _NUMBER.fullmatch(phone):
        event["phone"] = f"{phone[:3]}***{phone[-2:]}"
    return event
