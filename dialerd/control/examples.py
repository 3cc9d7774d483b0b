"""Examples of requests and answers for the API's description, from `examples.json`.

They are data: tests hold each against the shape it stands for, and send the requests.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

_PAGE = "Page_"
_JSON = "application/json"


@cache
def _kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        resources.files("dialerd.control").joinpath("examples.json").read_text("utf-8")
    )
    return found


def illustrate(operation: dict[str, Any]) -> None:
    """Put examples beside the operation's parameters, its body and its answers."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in _kept()["parameters"]:
            parameter["example"] = _kept()["parameters"][parameter["name"]]
    bodies = _kept()["requests"].get(operation["operationId"], {})
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if media_type in bodies:
            content["example"] = bodies[media_type]
    for response in operation["responses"].values():
        for media_type, content in response.get("content", {}).items():
            example = _answer(media_type, content.get("schema", {}))
            if example is not None:
                content["example"] = example


def problem(status: int) -> dict[str, Any]:
    """An error with this status."""
    found: dict[str, Any] = _kept()["problems"][str(status)]
    return {**found, "status": status, "errors": found.get("errors", [])}


def _answer(media_type: str, schema: dict[str, Any]) -> Any:
    if media_type != _JSON:
        return _kept()["files"].get(media_type)
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name.startswith(_PAGE):
        return _shown(name)
    return {
        "data": [_shown(name.removeprefix(_PAGE).removesuffix("_"))],
        "total": 1,
        "limit": 20,
        "offset": 0,
    }


def _shown(name: str) -> Any:
    """The example of a shape; one that adds to another is kept as what it adds."""
    kept = _kept()["answers"].get(name)
    if kept is None or "…" not in kept:
        return kept
    return {**_shown(kept["…"]), **{key: value for key, value in kept.items() if key != "…"}}
