"""StatusCallback: whoever placed a call in Twilio's terms is told how it gets on, as Twilio tells it.

As there, this is best effort: an address that does not answer is tried once more and then left alone, and what cannot
be told in time is dropped and logged. What must arrive is a webhook's business. It waits for nobody, and no call waits
for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
"""Events that were heard and not looked at yet."""
MOST_FOR_ONE = 1_000
"""Events that wait for one receiver."""
AT_ONCE, AT_ONCE_TO_ONE = 64, 16
"""Requests under way, to all and to one receiver."""
MANY = 100
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


@dataclass(frozen=True, slots=True)
class _Letter:
    """One event of a call, as it is to be told."""

    call: CallId
    event: str
    asked: Mapping[str, Any]
    form: list[tuple[str, str]]


@dataclass(slots=True)
class _Receiver:
    """A host that is told, and what waits for it."""

    waiting: deque[_Letter] = field(default_factory=deque)
    under_way: int = 0


class StatusCallbacks:
    """Hears what is announced, and tells of calls of their own; `run` until cancelled."""

    def __init__(self, store: Store, clock: Clock, account: TwilioAccess, sender: Sender) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._sender = sender
        self._heard: asyncio.Queue[tuple[CallId, str]] = asyncio.Queue(MOST_WAITING)
        self._sequence: dict[CallId, int] = {}
        self._receivers: dict[str, _Receiver] = {}
        self._telling: set[CallId] = set()
        """Calls of which an event is under way: the next one waits for it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = 0

    def hear(self, announcement: Announce) -> None:
        """Something has happened."""
        event, fields = _EVENTS.get(announcement.kind), announcement.fields
        if event is None or fields.get("campaign") is not None:
            return
        call = CallId(fields["call"])
        if self._heard.full():
            self._drop(call, event, f"{MOST_WAITING:,} events wait already")
        else:
            self._heard.put_nowait((call, event))

    async def run(self) -> None:
        """Tell, call by call in order, calls side by side."""
        try:
            while True:
                await self._take(*await self._heard.get())
        finally:
            for task in list(self._tasks):
                task.cancel()

    async def _take(self, call: CallId, event: str) -> None:
        try:
            row = await self._store.call(call)
        except PortError as error:
            _log.warning("twilio.callback_lost", call=call, progress=event, detail=str(error))
            return
        if row is None:
            return
        asked = row.instructions
        if event in asked.get("status_callback_events", ()):
            number = self._sequence.get(call, 0)
            self._sequence[call] = number + 1
            self._put(_Letter(call, event, asked, self._form(row, event, number)))
        if event == "completed":
            self._sequence.pop(call, None)

    def _put(self, letter: _Letter) -> None:
        host = urlsplit(str(letter.asked["status_callback"])).netloc
        receiver = self._receivers.setdefault(host, _Receiver())
        if len(receiver.waiting) >= MOST_FOR_ONE:
            return self._drop(letter.call, letter.event, f"{MOST_FOR_ONE:,} events wait for {host} already")
        receiver.waiting.append(letter)
        self._send_on()

    def _drop(self, call: CallId, event: str, why: str) -> None:
        """One line at first, then one for many: a receiver that hangs must not fill the log."""
        self._dropped += 1
        if self._dropped == 1 or not self._dropped % MANY:
            _log.warning(
                "twilio.callbacks_dropped", call=call, progress=event, detail=why, dropped=self._dropped
            )

    def _send_on(self) -> None:
        """Begin whatever may be under way now."""
        for host, receiver in list(self._receivers.items()):
            while receiver.under_way < AT_ONCE_TO_ONE and len(self._tasks) < AT_ONCE:
                letter = next((each for each in receiver.waiting if each.call not in self._telling), None)
                if letter is None:
                    break
                receiver.waiting.remove(letter)
                receiver.under_way += 1
                self._telling.add(letter.call)
                task = asyncio.get_running_loop().create_task(self._send(letter.asked, letter.form))
                self._tasks.add(task)
                task.add_done_callback(partial(self._sent, host, letter.call))

    def _sent(self, host: str, call: CallId, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._telling.discard(call)
        receiver = self._receivers[host]
        receiver.under_way -= 1
        # The one that was just told goes to the end: with few places each receiver has its turn.
        del self._receivers[host]
        if receiver.waiting or receiver.under_way:
            self._receivers[host] = receiver
        if not task.cancelled():
            self._send_on()

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
