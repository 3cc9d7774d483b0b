"""What may be asked about something once it is there, as links of the API's description (OpenAPI, "Link Object")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SOURCES = {
    "create_campaign": {"campaign_id": "$response.body#/campaign_id"},
    "create_script": {"script_id": "$response.body#/script_id"},
    "create_agent": {"agent_id": "$response.body#/agent_id"},
    "create_key": {"key_id": "$response.body#/key_id"},
    "create_webhook": {"webhook_id": "$response.body#/webhook_id"},
    "place_call": {"call_id": "$response.body#/id"},
    "add_entry": {"phone": "$response.body#/phone"},
    "list_trunks": {"name": "$response.body#/data/0/name"},
    "list_contacts": {
        "campaign_id": "$request.path.campaign_id",
        "phone": "$response.body#/data/0/phone",
    },
}
"""Operations whose answer names something, and where it does."""


def connect(paths: dict[str, dict[str, Any]]) -> None:
    """Link each of these operations with those that take what it names."""
    operations = {operation["operationId"]: operation for _, operation in _each(paths)}
    for source, named in _SOURCES.items():
        links = {
            operation["operationId"]: {"operationId": operation["operationId"], "parameters": named}
            for path, operation in _each(paths)
            if _taken(path) == named.keys() and _of_one_noun(operations[source], operation)
        }
        success = next(status for status in operations[source]["responses"] if status.startswith("2"))
        operations[source]["responses"][success]["links"] = links


def _each(paths: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in paths.items():
        for operation in methods.values():
            yield path, operation


def _taken(path: str) -> set[str]:
    return {part[1:-1] for part in path.split("/") if part.startswith("{")}


def _of_one_noun(source: dict[str, Any], target: dict[str, Any]) -> bool:
    """A `phone` of the do-not-call list is none of a contact's."""
    return "do not call" not in target["tags"] or source["tags"] == target["tags"]
