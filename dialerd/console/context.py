"""What all pages share: the options, the connections to the daemon, and who is logged in."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from starlette.requests import HTTPConnection

from dialerd.console.login import Login, Logins
from dialerd.console.options import Options

COOKIE = "dialerd_console"
NAME = "login"
"""Key of the login's name in the cookie."""


@dataclass(frozen=True, slots=True)
class Console:
    """The console as it runs."""

    options: Options
    client: httpx.AsyncClient
    logins: Logins

    def login_of(self, connection: HTTPConnection) -> Login | None:
        """Who sends a request."""
        return self.logins.find(connection.session.get(NAME))
