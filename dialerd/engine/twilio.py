"""Calls in Twilio's terms: the small part of its REST interface that bots written for it use.

A call that is placed so passes every rule that any call passes, and is never queued. What is asked for and not done
here is refused by name, for a bot must not believe that it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import Any, Protocol

from dialerd.core import twiml
from dialerd.core.clock import Instant, to_datetime
from dialerd.core.commands import HangUpCall, PlaceCall, Refused
from dialerd.core.disposition import Reason
from dialerd.core.engine import TWILIO
from dialerd.core.errors import Fault, RequestError
from dialerd.core.identity import NO_SCRIPT, CallId
from dialerd.core.model import CallStatus
from dialerd.core.twilio import API, call_of_sid, call_sid
from dialerd.engine.contactlist import ContactIntake
from dialerd.engine.fields import read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.terms import TermsFields, trunk_faults
from dialerd.ports import CallRow, Clock, Media, NewContact, Store

Form = Mapping[str, Sequence[str]]
EVENTS = ("initiated", "ringing", "answered", "completed")
_PLACING = (
    *("To", "From", "Url", "Method", "Twiml", "Timeout", "TimeLimit"),
    *("StatusCallback", "StatusCallbackEvent", "StatusCallbackMethod"),
)
_CHANGING = ("Status", "Url", "Method", "Twiml")
_MOST_LIMIT = 86_400
_LEAST_RING, _MOST_RING = 5.0, 300.0
_FORBIDDEN = ("dnc", "erasure", "legal-hours", "zone-unknown")
"""Rules that no waiting lifts soon."""


class Way(Protocol):
    """The way to addresses that came with a request."""

    async def objection(self, url: str) -> str | None:
        """Why nothing may be fetched from, or sent to, an address; None: it may."""
        ...

    async def socket_objection(self, url: str) -> str | None:
        """Why no WebSocket may be opened at an address; None: it may."""
        ...


class TwilioCalls:
    """The calls of this installation, in Twilio's terms."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Clock,
        settings: ServiceSettings,
        intake: ContactIntake,
        media: Media,
        way: Way | None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._settings = settings
        self._intake = intake
        self._media = media
        self._way = way

    def check_account(self, sid: str) -> None:
        """Whether requests for this account are answered here. Raises `RequestError` 404."""
        if sid != self._settings.twilio.account_sid:
            raise fault(
                404, 20404, f"there is no account {sid[:40]!r}; twilio.account_sid names the one there is"
            )

    async def place(self, form: Form) -> dict[str, Any]:
        """Place one call now. Raises `RequestError` with Twilio's code."""
        engine = self._settings.twilio.engine
        if engine is None or self._way is None:
            raise fault(400, 21218, "twilio.engine is not set: name the engine that holds such calls")
        _refuse_others(form, _PLACING)
        contact = self._callee(form)
        terms = self._terms(form)
        instructions = await self._instructions(form) | await self._callbacks(form) | _time_limit(form)
        recent = await self._engine.memory.recent_calls(contact.phone)
        command = PlaceCall(
            contact.phone,
            NO_SCRIPT,
            0,
            self._settings.twilio.language,
            terms.terms,
            recent=recent,
            engine=engine,
            instructions=instructions,
        )
        answer = (await self._engine.command(command)).answer
        if isinstance(answer, Refused) or answer.call is None:
            raise _closed(answer if isinstance(answer, Refused) else None)
        return await self._shown(answer.call)

    async def show(self, sid: str) -> dict[str, Any]:
        """One call. Raises `RequestError` 404."""
        return await self._shown(_call_of(sid))

    async def change(self, sid: str, form: Form) -> dict[str, Any]:
        """Hang up a call, or have it go on otherwise. Raises `RequestError` with Twilio's code."""
        call = _call_of(sid)
        _refuse_others(form, _CHANGING)
        row = await self._row(call)
        status = _one(form, "Status")
        if status not in ("", "completed", "canceled"):
            raise fault(400, 20001, f"Status must be completed or canceled, not {status[:40]!r}")
        if row.status != CallStatus.IN_PROGRESS:
            # As Twilio answers for a call that is over, which bots take for no fault.
            raise fault(404, 20404, f"the call {sid} has ended")
        if status:
            if status == "canceled" and row.answered_at is not None:
                raise fault(400, 21220, "a call that was answered cannot be canceled: give completed")
            await self._engine.command(HangUpCall(call, by_agent=True))
        else:
            instructions = await self._instructions(form)
            self._refuse_others_calls(row)
            if row.answered_at is None or not self._media.redirect(call, instructions):
                raise fault(400, 21220, "the call is not in progress: it cannot be redirected")
        return await self._shown(call)

    def _refuse_others_calls(self, row: CallRow) -> None:
        """Refuse to send a call elsewhere whose agent would go on as it is."""
        taken = row.takeover or {}
        name = str(taken.get("engine") or row.engine)
        kind = next((engine.kind for engine in self._settings.engines if engine.name == name), TWILIO)
        if kind == TWILIO:
            return
        who = f"the agent {taken['agent_id']}, which has taken it over," if taken else "its agent"
        raise fault(
            400,
            21220,
            f"the call cannot be redirected: {who} is on the engine {name} ({kind}), which carries out no TwiML; "
            "Status=completed hangs up",
        )

    # --- a request ----------------------------------------------------------------------------------

    def _callee(self, form: Form) -> NewContact:
        to = _one(form, "To")
        if not to:
            raise fault(400, 21201, "To is required")
        contact, faults = self._intake.contact({"phone": to}, frozenset())
        if contact is None or faults:
            why = "; ".join(each.msg for each in faults)
            raise fault(400, 21211, f"To is not a number that can be called: {why}")
        return contact

    def _terms(self, form: Form) -> TermsFields:
        caller = _one(form, "From")
        if not caller:
            raise fault(400, 21213, "From is required")
        try:
            ring = float(_one(form, "Timeout") or 60)
        except ValueError:
            raise fault(400, 20001, "Timeout must be a number of seconds") from None
        if not 0 < ring <= 600:
            raise fault(400, 20001, "Timeout must be 1 to 600 seconds")
        bounded = min(max(ring, _LEAST_RING), _MOST_RING)
        fields, faults = read_model(TermsFields, {"caller_id": caller, "ring_timeout_seconds": bounded})
        faults += trunk_faults(fields, self._settings.trunks)
        if faults:
            raise fault(400, 21210, f"From {faults[0].msg}")
        return fields

    async def _instructions(self, form: Form) -> dict[str, Any]:
        """What is to be done in the call."""
        document, url = _one(form, "Twiml"), _one(form, "Url")
        if bool(document) == bool(url):
            raise fault(400, 21205, "one of Url and Twiml is required")
        if document:
            try:
                verbs = twiml.parse(document)
            except twiml.TwimlFault as error:
                raise fault(400, 12100, f"Twiml {error}") from None
            leads = dict.fromkeys(
                (verb.url, isinstance(verb, twiml.Stream))
                for verb in verbs
                if isinstance(verb, twiml.Stream | twiml.Redirect)
            )
            # Side by side: each may take its time to be found.
            await asyncio.gather(
                *(
                    self._judge(url, 21205, f"<{'Stream' if socket else 'Redirect'}> in Twiml", socket=socket)
                    for url, socket in leads
                )
            )
            return {"twiml": document}
        await self._judge(url, 21205, "Url")
        return {"url": url, "method": _method(form, "Method")}

    async def _callbacks(self, form: Form) -> dict[str, Any]:
        url = _one(form, "StatusCallback")
        if not url:
            return {}
        await self._judge(url, 21609, "StatusCallback")
        asked = [word for value in form.get("StatusCallbackEvent", ()) for word in value.split()]
        unknown = [word for word in asked if word not in EVENTS]
        if unknown:
            raise fault(
                400, 21626, f"StatusCallbackEvent {unknown[0][:40]!r} is none of: {', '.join(EVENTS)}"
            )
        return {
            "status_callback": url,
            "status_callback_method": _method(form, "StatusCallbackMethod"),
            "status_callback_events": asked or ["completed"],
        }

    async def _judge(self, url: str, code: int, what: str, *, socket: bool = False) -> None:
        """Refuse an address where nothing may lead; `socket`: of a WebSocket."""
        if len(url) > 4_000:
            raise fault(400, code, f"{what} is longer than 4,000 characters")
        way = self._way
        if way is None:
            return
        objection = await (way.socket_objection(url) if socket else way.objection(url))
        if objection is not None:
            raise fault(400, code, f"{what}: {objection}")

    # --- an answer ----------------------------------------------------------------------------------

    async def _shown(self, call: CallId) -> dict[str, Any]:
        return call_resource(await self._row(call), self._settings.twilio.account_sid)

    async def _row(self, call: CallId) -> CallRow:
        row = await self._store.call(call)
        if row is None:
            raise fault(404, 20404, f"there is no call {call_sid(call)}")
        return row


def fault(status: int, code: int, message: str, retry_after: int | None = None) -> RequestError:
    """What is wrong with a request, under Twilio's number for it."""
    return RequestError(
        status, "twilio", "Refused", message, [Fault("request", message)], {"twilio_code": code}, retry_after
    )


def status_of(row: CallRow) -> str:
    """How a call stands, in Twilio's word."""
    if row.status == CallStatus.IN_PROGRESS:
        if row.answered_at is not None:
            return "in-progress"
        rings = any(attempt.ringing_at is not None for attempt in row.tries)
        return "ringing" if rings else "initiated"
    if row.answered_at is not None:
        return "completed"
    told = {
        Reason.BUSY: "busy",
        Reason.REJECTED: "busy",
        Reason.NO_ANSWER: "no-answer",
        Reason.CUT: "canceled",
    }
    return next((word for reason, word in told.items() if row.reason == reason), "failed")


def call_resource(row: CallRow, account: str) -> dict[str, Any]:
    """A call as Twilio shows one."""
    sid, over = call_sid(row.id), row.status != CallStatus.IN_PROGRESS
    return {
        "sid": sid,
        "account_sid": account,
        "api_version": API,
        "to": row.phone,
        "from": row.tries[-1].caller_id if row.tries else None,
        "status": status_of(row),
        "direction": "outbound-api",
        "duration": str(round(row.duration_ms / 1_000)) if over else None,
        "date_created": _moment(row.started_at),
        "date_updated": _moment(row.ended_at or row.answered_at or row.started_at),
        "start_time": _moment(row.answered_at or row.started_at),
        "end_time": _moment(row.ended_at),
        "answered_by": row.answered_by,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "uri": f"/{API}/Accounts/{account}/Calls/{sid}.json",
    }


def _call_of(sid: str) -> CallId:
    call = call_of_sid(sid)
    if call is None:
        raise fault(404, 20404, f"there is no call {sid[:40]!r}")
    return call


def _closed(refused: Refused | None) -> RequestError:
    """The gate is closed."""
    why = refused.why if refused is not None else ()
    said = "; ".join(f"{check.rule}: {check.detail}" for check in why) or "the daemon places no calls now"
    if any(check.rule in _FORBIDDEN for check in why):
        return fault(403, 21216, f"this number may not be called now: {said}")
    return fault(429, 20429, f"the call may not be placed now: {said}", 5)


def _refuse_others(form: Form, known: Sequence[str]) -> None:
    """Refuse what is asked for and would not be done. An empty value, or `false`, asks for nothing."""
    others = [
        name[:40] for name in form if name not in known and _one(form, name).lower() not in ("", "false")
    ]
    if others:
        verb = "is" if len(others) == 1 else "are"
        raise fault(
            400, 20001, f"{', '.join(others[:20])} {verb} not supported here; there are: {', '.join(known)}"
        )


def _time_limit(form: Form) -> dict[str, Any]:
    """How long the call may last from its answer on, within what the settings allow every call."""
    given = _one(form, "TimeLimit")
    if not given:
        return {}
    if not (given.isascii() and given.isdigit()) or not 0 < int(given[:9]) <= _MOST_LIMIT:
        raise fault(400, 20001, f"TimeLimit must be a whole number of seconds, 1 to {_MOST_LIMIT:,}")
    return {"time_limit": int(given)}


def _one(form: Form, name: str) -> str:
    values = form.get(name, ())
    return values[-1].strip() if values else ""


def _method(form: Form, name: str) -> str:
    method = (_one(form, name) or "POST").upper()
    if method not in ("GET", "POST"):
        raise fault(400, 20001, f"{name} must be GET or POST")
    return method


def _moment(at: Instant | None) -> str | None:
    return None if at is None else format_datetime(to_datetime(at))
