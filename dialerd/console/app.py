"""The console put together: pages, files, the door, and the server that serves them on one event loop."""

from __future__ import annotations

from importlib.resources import files as resources

from nicegui import app, binding, ui
from starlette.responses import Response

from dialerd.console import api, files, login_page
from dialerd.console.context import COOKIE, Console
from dialerd.console.doorkeeper import Doorkeeper
from dialerd.console.login import LASTS, Logins
from dialerd.console.options import Options
from dialerd.console.pages import (
    agent,
    agents,
    audit,
    call,
    campaign,
    campaigns,
    dnc,
    events,
    keys,
    new_campaign,
    script,
    scripts,
    trunks,
    webhook,
    webhooks,
)

RECONNECT = 20.0
"""Seconds for which a page is kept for a browser that has lost its connection."""
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#22609f"/>'
    '<path d="M10 8l4 6-2.5 2.5a14 14 0 0 0 5 5L19 19l6 3.5c-1 3-3 4-5.5 3.5C13 24.5 8 19 6.5 12.5 6 10 7 9 10 8z" '
    'fill="#fff"/></svg>'
)


def serve(options: Options, secret: str) -> None:
    """Serve until it is told to end."""
    client = api.connections(options.api)
    console = Console(options, client, Logins(client))
    theme = resources("dialerd.console").joinpath("theme.css").read_bytes()

    @app.get("/theme.css")
    def css() -> Response:
        return Response(theme, media_type="text/css", headers={"Cache-Control": "no-cache"})

    login_page.register(console)
    files.register(console)
    # The page of a new campaign comes before those that are named by their id.
    for page in (
        campaigns, new_campaign, campaign, call, scripts, script, agents, agent, trunks, dnc, events,
        webhooks, webhook, keys, audit,
    ):  # fmt: skip
        page.register(console)
    app.add_middleware(Doorkeeper, console=console)
    app.on_shutdown(client.aclose)
    # A form has its fields bound to a draft; that takes a moment on a busy machine, which is nothing to warn of.
    binding.MAX_PROPAGATION_TIME = 1.0
    ui.run(
        host=options.host,
        port=options.port,
        title="dialerd",
        favicon=_ICON,
        language="en-GB",
        dark=None,
        show=False,
        reload=False,
        show_welcome_message=False,
        tailwind=False,
        reconnect_timeout=RECONNECT,
        storage_secret=secret,
        session_middleware_kwargs={
            "session_cookie": COOKIE,
            "same_site": "lax",
            "https_only": options.https,
            "max_age": int(LASTS),
        },
        access_log=False,
        server_header=False,
    )
