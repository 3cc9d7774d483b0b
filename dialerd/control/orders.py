"""Orders that halt dialing or let it go on: their options, and how they are answered."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from dialerd.control import bodies
from dialerd.engine.campaigns import Carriage

RINGING = {"enum": ["continue", "cancel"], "default": "continue"}
"""The option of pauses and stops, for the API's description."""


def cancels_ringing(options: dict[str, Any]) -> bool:
    """The option `ringing`. Raises `RequestError` 422."""
    return bodies.choice(options, "ringing", ("continue", "cancel")) == "cancel"


def answered(carriage: Carriage) -> JSONResponse:
    """A command's answer; 202 while originates sent before it may still show themselves."""
    if carriage.in_flight:
        return JSONResponse({**carriage.shown, "in_flight": carriage.in_flight}, 202)
    return JSONResponse(carriage.shown)
