"""The OpenAPI document: what the framework derives from the routes, and what it cannot know of them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dialerd.control import docs, examples, links, problems, shapes
from dialerd.control.auth import OPEN_PATHS
from dialerd.engine.agents import AgentFields
from dialerd.engine.draft import CampaignFields

ABOUT = (
    "Outbound calling campaigns on your own Asterisk. On TCP: Authorization: Bearer KEY "
    "(dialerctl key create); on the Unix socket the peer's credentials decide. "
    "Every error is application/problem+json and lists every fault of the request."
)
_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_WITH_KEY = (401, 403, 429, 503)
_WITH_BODY = (408, 413, 415, 422)
_MEANINGS = {
    400: "malformed",
    401: "no key, or one that is unknown or revoked",
    403: "the key's scope, or the user at the socket, is not enough",
    404: "there is no such thing",
    408: "the request did not arrive in time",
    409: "not in this state; the body names it",
    412: "somebody else has edited it since",
    413: "larger than may be",
    415: "not in a media type that is understood",
    422: "fields that are wrong, all of them",
    429: "too many requests; Retry-After tells when",
    503: "what it takes is out; Retry-After tells when to try again",
}


def operation_id(route: APIRoute) -> str:
    """The name of an operation, for clients made from the document."""
    return route.name


def describe(app: FastAPI) -> None:
    """Have `app` give the whole document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Documents:
    """The description as it is sent."""

    openapi: bytes
    page: bytes
    """The same for people."""


async def documents(app: FastAPI) -> Documents:
    """The description of `app`; made once and in a thread: it takes a second, and anybody may ask for it."""
    made: Documents | None = getattr(app.state, "documents", None)
    return await asyncio.to_thread(_documents, app) if made is None else made


_making = threading.Lock()


def _documents(app: FastAPI) -> Documents:
    with _making:
        made: Documents | None = getattr(app.state, "documents", None)
        if made is None:
            described = app.openapi()
            made = Documents(orjson.dumps(described), docs.render(described).encode())
            app.state.documents = made
        return made


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = problems.ProblemShape.model_json_schema(ref_template=shapes.REFERENCE)
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for model in (CampaignFields, AgentFields):
        schemas.update(shapes.parts_of(model))
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _add_problems(method, path, operation)
            examples.illustrate(operation)
            if path in OPEN_PATHS:
                operation["security"] = []
    links.connect(document["paths"])
    return document


def _add_problems(method: str, path: str, operation: dict[str, Any]) -> None:
    """The errors that the operation can meet."""
    operation["responses"].pop("422", None)
    for status in sorted(_met(method, path, operation)):
        operation["responses"].setdefault(
            str(status),
            {
                "description": _MEANINGS[status],
                "content": {"application/problem+json": {**_PROBLEM, "example": examples.problem(status)}},
            },
        )


def _met(method: str, path: str, operation: dict[str, Any]) -> set[int]:
    met = {400}
    if path not in OPEN_PATHS:
        met.update(_WITH_KEY)
    if "{" in path:
        met.add(404)
    if method != "get" and not path.endswith("/validate"):
        met.add(409)
    if "requestBody" in operation:
        met.update(_WITH_BODY)
    elif operation.get("parameters"):
        met.add(422)
    if any(parameter["name"] == "if-match" for parameter in operation.get("parameters", ())):
        met.add(412)
    return met
