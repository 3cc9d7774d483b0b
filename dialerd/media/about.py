"""What an engine is told of the call that it is to take: the same for every kind that can be told anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.core.effects import AttachAgent


def about(
    order: AttachAgent, parameters: Mapping[str, str], own: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Names and values. What we know of a call stands, whatever its variables are called.

    `parameters` are the engine's, `own` those that came with the call.
    """
    known = {
        "call_id": order.call,
        "campaign_id": order.campaign_id,
        "agent_id": order.agent_id,
        "language": order.language,
        "from_number": order.caller_id,
        "to_number": order.phone,
        "contact_name": order.name,
        "external_id": order.external_id,
    }
    given = {**parameters, **order.variables, **(own or {})}
    return {**given, **{name: value for name, value in known.items() if value is not None}}
