"""What is to be done in a call in Twilio's terms: its TwiML, carried out verb by verb, and fetched where it says so.

It opens no stream and waits for none: whoever holds the call does, and goes on here when that has ended.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode, urljoin, urlsplit

from dialerd.core.effects import AttachAgent
from dialerd.core.twilio import API, call_sid, signature
from dialerd.core.twiml import Hangup, Pause, Redirect, Stream, Verb, parse
from dialerd.media.engine_settings import EngineSettings

MOST_REDIRECTS = 20
_UP_TO_HOST = re.compile(r"[^/?#]*//[^/?#]*")
MOST_SILENCE = 60.0
"""Seconds of pauses, in all, for which a callee is not abandoned."""


class Pages(Protocol):
    """The way to pages whose address came with a call: only to where that is allowed."""

    async def fetch(
        self, method: str, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Status and body of a page. Raises `OSError`, `ValueError`, `aiohttp.ClientError`."""
        ...


class Program:
    """What a call's instructions say (`AttachAgent.instructions`); without any: one stream to the engine's address."""

    def __init__(
        self, settings: EngineSettings, pages: Pages, order: AttachAgent, instructions: Mapping[str, Any]
    ) -> None:
        """Raises `ValueError` where they are no instructions."""
        self._settings = settings
        self._pages = pages
        self._order = order
        self.at = settings.url
        """The address that is being dealt with."""
        self.is_own = not instructions
        """Whether it leads to the engine's own address."""
        self._verbs: deque[Verb] = deque([Stream(settings.url)])
        if "twiml" in instructions:
            self._verbs = deque(parse(str(instructions["twiml"])))
        elif "url" in instructions:
            self._verbs = deque([Redirect(str(instructions["url"]), str(instructions.get("method", "POST")))])

    async def steps(self) -> AsyncGenerator[Stream | Pause]:
        """The streams that are to be opened and the pauses between them, each when the one before has ended.

        Raises `ValueError` for a document that cannot be carried out, and whatever keeps one from being fetched.
        """
        redirects, base = 0, ""
        while self._verbs:
            match self._verbs.popleft():
                case Pause() as pause:
                    yield pause
                case Stream(url, parameters):
                    self.at = _lowered(url)
                    yield Stream(self.at, parameters)
                case Redirect(url, method):
                    redirects += 1
                    if redirects > MOST_REDIRECTS:
                        raise ValueError(f"it redirects more than {MOST_REDIRECTS} times")
                    base = self.at = _lowered(urljoin(base, url))
                    self._verbs = deque(await self._fetch(base, method))
                case Hangup():
                    return

    async def _fetch(self, url: str, method: str) -> tuple[Verb, ...]:
        """The document at `url`, which is asked as Twilio asks."""
        order, settings = self._order, self._settings
        form = [
            ("AccountSid", settings.account_sid),
            ("ApiVersion", API),
            ("CallSid", call_sid(order.call)),
            ("CallStatus", "in-progress"),
            ("Direction", "outbound-api"),
            ("From", order.caller_id or ""),
            ("To", str(order.phone)),
        ]
        if method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(form)
            form = []
        headers = {}
        if settings.auth_token:
            headers["X-Twilio-Signature"] = signature(url, settings.auth_token, form)
        async with asyncio.timeout(settings.connect):
            status, body = await self._pages.fetch(method, url, form, headers)
        if not 200 <= status < 300:
            raise ValueError(f"it answers {status}, not 2xx")
        return parse(body.decode("utf-8", "replace"))


def _lowered(url: str) -> str:
    """An address with scheme and host as they are asked for, and signed: in lower case."""
    found = _UP_TO_HOST.match(url)
    return url if found is None else found[0].lower() + url[found.end() :]


class Pauses:
    """The pauses of a call's programs. Its callee hears silence meanwhile, as on any line."""

    def __init__(self) -> None:
        self._sum = 0.0

    @property
    def seconds(self) -> float:
        """How long they were, with the one that is now; no more than is excused."""
        return min(self._sum, MOST_SILENCE)

    async def wait(self, seconds: float) -> None:
        """Let one pass. Cancelled, since the call is sent elsewhere, it was as long as it has lasted."""
        loop = asyncio.get_running_loop()
        over = loop.time() + seconds
        self._sum += seconds
        try:
            await asyncio.sleep(seconds)
        finally:
            self._sum -= max(0.0, over - loop.time())
