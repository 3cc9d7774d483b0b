"""StatusCallback: whoever placed a call in Twilio's terms is told how it gets on, as Twilio tells it.

As there, this is best effort: an address that does not answer is tried once more and then left alone. What must arrive
is a webhook's business. It waits for nobody, and no call waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import structlog

from dialerd.core.clock import to_datetime
from dialerd.core.effects import Announce
from dialerd.core.errors import PortError
from dialerd.core.identity import CallId
from dialerd.core.twilio import API, call_sid, signature
from dialerd.engine.settings import TwilioAccess
from dialerd.engine.twilio import status_of
from dialerd.ports import CallRow, Clock, Store

DEADLINE = 5.0
AGAIN = 1.0
MOST_WAITING = 1_000
_EVENTS = {
    "call.placed": "initiated",
    "call.ringing": "ringing",
    "call.answered": "answered",
    "call.completed": "completed",
}
_STATUS = {"initiated": "initiated", "ringing": "ringing", "answered": "in-progress"}

_log = structlog.get_logger("dialerd.twilio")


class Sender(Protocol):
    """Sends a form to an address that came with a request."""

    async def fetch(
        self, method: str, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Status and body. Raises whatever keeps it from being sent."""
        ...


class StatusCallbacks:
    """Hears what is announced, and tells of calls of their own; `run` until cancelled."""

    def __init__(self, store: Store, clock: Clock, account: TwilioAccess, sender: Sender) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._sender = sender
        self._heard: asyncio.Queue[tuple[CallId, str]] = asyncio.Queue(MOST_WAITING)
        self._sequence: dict[CallId, int] = {}
        self._last: dict[CallId, asyncio.Task[None]] = {}

    def hear(self, announcement: Announce) -> None:
        """Something has happened."""
        event, fields = _EVENTS.get(announcement.kind), announcement.fields
        if event is None or fields.get("campaign") is not None or self._heard.full():
            return
        self._heard.put_nowait((CallId(fields["call"]), event))

    async def run(self) -> None:
        """Tell, call by call in order, calls side by side."""
        try:
            while True:
                call, event = await self._heard.get()
                before = self._last.get(call)
                task = asyncio.get_running_loop().create_task(self._tell(before, call, event))
                self._last[call] = task
                task.add_done_callback(partial(self._told, call))
        finally:
            for task in list(self._last.values()):
                task.cancel()

    def _told(self, call: CallId, done: asyncio.Task[None]) -> None:
        if self._last.get(call) is done:
            del self._last[call]

    async def _tell(self, before: asyncio.Task[None] | None, call: CallId, event: str) -> None:
        if before is not None:
            await asyncio.wait((before,))
        try:
            row = await self._store.call(call)
        except PortError as error:
            _log.warning("twilio.callback_lost", call=call, event=event, detail=str(error))
            return
        if row is None:
            return
        asked = row.instructions
        if event in asked.get("status_callback_events", ()):
            number = self._sequence.get(call, 0)
            self._sequence[call] = number + 1
            await self._send(asked, self._form(row, event, number))
        if event == "completed":
            self._sequence.pop(call, None)

    def _form(self, row: CallRow, event: str, number: int) -> list[tuple[str, str]]:
        form = [
            ("AccountSid", self._account.account_sid),
            ("ApiVersion", API),
            ("CallSid", call_sid(row.id)),
            ("CallStatus", _STATUS.get(event) or status_of(row)),
            ("CallbackSource", "call-progress-events"),
            ("Direction", "outbound-api"),
            ("From", row.tries[-1].caller_id if row.tries else ""),
            ("SequenceNumber", str(number)),
            ("Timestamp", format_datetime(to_datetime(self._clock.now().wall))),
            ("To", str(row.phone)),
        ]
        if event == "completed":
            form.append(("CallDuration", str(round(row.duration_ms / 1_000))))
            if row.tries and row.tries[-1].sip_code is not None:
                form.append(("SipResponseCode", str(row.tries[-1].sip_code)))
        return form

    async def _send(self, asked: Mapping[str, Any], form: list[tuple[str, str]]) -> None:
        url, method = str(asked["status_callback"]), str(asked.get("status_callback_method", "POST"))
        if method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(form)
            form = []
        headers = {}
        if self._account.auth_token:
            headers["X-Twilio-Signature"] = signature(url, self._account.auth_token, form)
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(DEADLINE):
                    status, _ = await self._sender.fetch(method, url, form, headers)
                if status < 500:
                    return
                detail = f"it answers {status}"
            except TimeoutError:
                detail = f"it does not answer within {DEADLINE:g} s"
            except Exception as error:  # noqa: BLE001 - whatever keeps it from being sent, the next one is sent
                detail = f"{type(error).__name__}: {error}"
            if attempt == 1:
                await asyncio.sleep(AGAIN)
        _log.warning("twilio.callback_failed", host=urlsplit(url).hostname, detail=detail[:200])
