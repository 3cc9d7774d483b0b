"""The FastAPI application, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from dialerd.control import problems, shapes
from dialerd.control.auth import KeyRing, PeerPolicy
from dialerd.control.context import Control
from dialerd.control.guard import Guard
from dialerd.control.observation import Pulse
from dialerd.control.ratelimit import RateLimit
from dialerd.control.repeats import Repeats
from dialerd.control.routes import (
    agents,
    audit,
    calls,
    campaigns,
    contacts,
    daemon,
    dnc,
    events,
    forecasts,
    keys,
    persons,
    reports,
    scripts,
    trunks,
    voices,
    webhooks,
)
from dialerd.engine.agents import AgentFields
from dialerd.engine.draft import CampaignFields
from dialerd.engine.service import Service

_ABOUT = (
    "Outbound calling campaigns on your own Asterisk. On TCP: Authorization: Bearer KEY "
    "(dialerctl key create); on the Unix socket the peer's credentials decide. "
    "Every error is application/problem+json and lists every fault of the request."
)
_NOUNS = (
    campaigns,
    contacts,
    persons,
    forecasts,
    calls,
    dnc,
    scripts,
    agents,
    voices,
    trunks,
    webhooks,
    reports,
    keys,
    audit,
    events,
    daemon,
)
_PROBLEM_STATUSES = (400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 429, 503)


def create_app(
    service: Service,
    *,
    secret: bytes,
    group: str,
    spool_dir: Path,
    max_bytes: int,
    version: str,
    requests_per_minute: int = 0,
    pulse: Pulse | None = None,
) -> FastAPI:
    """The API over `service`.

    `secret`: see `auth.load_secret`; `group`: whose members may use the socket; `spool_dir`: an existing folder for
    uploads; `max_bytes`: the largest contact list; `requests_per_minute`: of each key, 0 for no limit; `pulse`: what
    the server notes of the event loop.
    """
    app = FastAPI(
        title="dialerd",
        version=version,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    ring = KeyRing(service, secret)
    repeats = Repeats(service.requests, secret)
    app.state.control = Control(service, ring, repeats, spool_dir, max_bytes, pulse or Pulse(), version)
    problems.install(app)
    for noun in _NOUNS:
        app.include_router(noun.router)
    app.add_middleware(Guard, keys=ring, peers=PeerPolicy(group), rate=RateLimit(requests_per_minute))
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Complete the generated OpenAPI document: key, problems, shared schemas."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
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
            for operations in document["paths"].values():
                for operation in operations.values():
                    _add_problems(operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_problems(operation: dict[str, Any]) -> None:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in _PROBLEM_STATUSES:
        operation["responses"][str(status)] = {"description": "Problem", "content": content}
