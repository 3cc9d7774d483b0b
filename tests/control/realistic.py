"""Hooks for schemathesis: half of its requests name what there is, so that they get past the first question.

Loaded by its process as SCHEMATHESIS_HOOKS; what there is comes in DIALERD_THERE, as JSON by parameter.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import schemathesis

THERE: dict[str, Any] = json.loads(os.environ.get("DIALERD_THERE", "{}"))
NUMBERS = ("+919876543210", "+919123456789", "+14155550123")
SPEAKING = {"create_campaign", "place_call", "clone_campaign", "simulate_list", "create_agent"}
LISTING = {"create_campaign", "add_contacts", "simulate_list"}


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """An id of something that is there, unless the operation would do away with it."""
    operation = context.operation.definition.raw["operationId"]
    if (
        not path_parameters
        or not _chosen(path_parameters)
        or operation.startswith(("delete", "revoke", "remove"))
    ):
        return path_parameters
    return {name: THERE.get(name, value) for name, value in path_parameters.items()}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A script, a language and numbers that are there."""
    operation = context.operation.definition.raw["operationId"]
    if not isinstance(body, dict) or not _chosen(body):
        return body
    made = dict(body)
    if operation in SPEAKING:
        made |= {"script_id": THERE["script_id"], "language": "hi-IN", "agent_id": None, "schedule": None}
        made |= {"trunks": None, "caller_id": None, "retry_rules": None}
    if operation == "place_call":
        made |= {"phone": NUMBERS[0], "timezone": None, "variables": {}}
    if operation in LISTING and "contacts" in made:
        made["contacts"] = [{"phone": number} for number in NUMBERS]
    return made


def _chosen(value: Any) -> bool:
    """Half of all values, the same ones whenever they come."""
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).digest()[0] % 2 == 0
