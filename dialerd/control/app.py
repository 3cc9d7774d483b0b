"""The FastAPI application, put together."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from dialerd.control import problems, twilio
from dialerd.control.auth import KeyRing, PeerPolicy
from dialerd.control.context import Control
from dialerd.control.description import ABOUT, describe, operation_id
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
    recordings,
    reports,
    scripts,
    trunks,
    voices,
    webhooks,
)
from dialerd.engine.service import Service

_NOUNS = (
    campaigns,
    contacts,
    persons,
    forecasts,
    calls,
    recordings,
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
        description=ABOUT,
        generate_unique_id_function=operation_id,
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
    app.include_router(twilio.router)
    # Behind the routes above, for whatever they do not answer.
    app.mount(twilio.PREFIX.rstrip("/"), twilio.elsewhere)
    app.add_middleware(Guard, keys=ring, peers=PeerPolicy(group), rate=RateLimit(requests_per_minute))
    describe(app)
    return app
