"""Who is logged in: their keys, held in this process's memory and nowhere else.

A browser has a random name for its login in a signed cookie, never the key. A console that is started again knows
nobody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from dialerd.console.api import Api
from dialerd.console.feed import Feed
from dialerd.console.problem import Refused

LASTS = 12 * 3600.0
"""Seconds after which a login ends that nobody has used."""
_RANK = {"read": 0, "write": 1, "admin": 2}


@dataclass
class Login:
    """A user's session."""

    name: str
    api: Api
    scope: str
    feed: Feed
    used_at: float
    shows_numbers: bool = False
    dark: bool | None = None
    """None: as the browser's system is."""
    ended: bool = False
    leaving: list[Callable[[], None]] = field(default_factory=list)
    """Open pages, each of which is told of the end."""

    @property
    def writes(self) -> bool:
        """Whether the key may change something."""
        return self.covers("write")

    def covers(self, scope: str) -> bool:
        """Whether the key may do what takes this scope."""
        return _RANK.get(self.scope, 0) >= _RANK[scope]

    @property
    def panics(self) -> bool:
        """Whether the key may hang up everything."""
        return self.scope == "admin"


class Logins:
    """All that are logged in."""

    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, Login] = {}

    async def enter(self, key: str) -> Login:
        """A new login with a key. Raises `Refused` if the daemon does not know it, `Away`."""
        api = Api(self._client, key)
        scope = await _scope(api)
        self._forget_old()
        login = Login(secrets.token_urlsafe(32), api, scope, Feed(api), self._clock())
        self._known[login.name] = login
        return login

    def find(self, name: object) -> Login | None:
        """The login that a cookie names, as long as it lasts."""
        self._forget_old()
        login = self._known.get(name) if isinstance(name, str) else None
        if login is not None:
            login.used_at = self._clock()
        return login

    def leave(self, login: Login) -> None:
        """End a login: its key is forgotten, its pages are left."""
        self._known.pop(login.name, None)
        login.ended = True
        login.feed.close()
        for told in list(login.leaving):
            told()

    def _forget_old(self) -> None:
        oldest = self._clock() - LASTS
        for login in [one for one in self._known.values() if one.used_at < oldest and not one.leaving]:
            self.leave(login)


async def _scope(api: Api) -> str:
    """What the key may do: its own refusals tell. Raises `Refused` (401), `Away`."""
    await api.get("/v1/status")
    try:
        await api.get("/v1/keys", limit=1)
    except Refused as refused:
        if refused.status == 403:
            return str(refused.problem.get("scope", "read"))
        raise
    return "admin"
