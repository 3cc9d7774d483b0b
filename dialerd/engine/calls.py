"""Calls: every attempt, read; one call of its own, placed through the gate or refused with the reasons; hung up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from dialerd.core.commands import HangUpCall, PlaceCall, Refused
from dialerd.core.errors import Fault, InvariantError, conflict, invalid, not_found
from dialerd.core.model import CallId
from dialerd.engine.contactlist import ContactIntake
from dialerd.engine.fields import Language, Text, not_yet, read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import Scripts, required, spoken
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.status import check_view
from dialerd.engine.terms import TermsFields, trunk_faults
from dialerd.engine.views import call_view, page_view
from dialerd.ports import CallFilter, NewContact, Page, Script, Store

_LATER = ("agent_id",)
_OF_THE_CALLEE = ("phone", "name", "timezone")


class CallFields(TermsFields):
    """A request for one call; the callee's fields are judged by the rules of contact lists."""

    phone: Any = Field(None, json_schema_extra={"type": "string", "examples": ["+919876543210"]})
    script_id: Annotated[Text, Field(max_length=64)] | None = None
    language: Language | None = Field(None, description="BCP-47")
    name: Any = Field(None, json_schema_extra={"type": "string"})
    timezone: Any = Field(None, json_schema_extra={"type": "string", "description": "the callee's, IANA"})
    variables: dict[str, Any] = Field({}, description="of the script; text, numbers, true or false")


class Calls:
    """The calls of this installation."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        scripts: Scripts,
        settings: ServiceSettings,
        intake: ContactIntake,
    ) -> None:
        self._engine = engine
        self._store = store
        self._scripts = scripts
        self._settings = settings
        self._intake = intake

    async def page(self, where: CallFilter, page: Page) -> dict[str, Any]:
        """A page of calls, newest first."""
        rows, total = await self._store.calls(where, page)
        return page_view([call_view(row) for row in rows], total, page)

    async def show(self, ident: str) -> dict[str, Any]:
        """One call. Raises `RequestError` 404."""
        row = await self._store.call(CallId(ident))
        if row is None:
            raise not_found("call", ident)
        return call_view(row)

    async def place(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Place one call now. Raises `RequestError`: 422 with every fault, 409 with `why` if the gate is closed."""
        given = {key: value for key, value in given.items() if value is not None}
        faults = not_yet(given, _LATER)
        fields, wrong = read_model(CallFields, given)
        faults += wrong
        faults += [Fault(key, "required") for key in ("script_id", "language") if key not in given]
        script, wrong = await self._scripts.chosen(fields.script_id, fields.language)
        faults += wrong + trunk_faults(fields, self._settings.trunks)
        contact, wrong = self._callee(fields, script)
        faults += wrong
        if faults:
            raise invalid(faults)
        if contact is None or script is None:
            raise InvariantError("a call without callee or script passed its checks")
        return await self._dial(contact, script, fields)

    async def hang_up(self, ident: str) -> dict[str, Any]:
        """End a live call; one that has ended stays as it is. Raises `RequestError` 404."""
        await self._engine.command(HangUpCall(CallId(ident)))
        return await self.show(ident)

    def _callee(self, fields: CallFields, script: Script | None) -> tuple[NewContact | None, list[Fault]]:
        taken = [key for key in _OF_THE_CALLEE if key in fields.variables]
        faults = [Fault(f"variables.{key}", "is a field of the call itself, not a variable") for key in taken]
        values = {**fields.variables, **{key: getattr(fields, key) for key in _OF_THE_CALLEE}}
        contact, wrong = self._intake.contact(values, required(script, fields.language))
        for fault in wrong:
            loc = fault.loc if fault.loc in _OF_THE_CALLEE else f"variables.{fault.loc}"
            faults.append(Fault(loc.removesuffix("."), fault.msg))
        return contact, faults

    async def _dial(self, contact: NewContact, script: Script, fields: CallFields) -> dict[str, Any]:
        language = spoken(script, fields.language or "") or ""
        await self._scripts.prepare(script, language)
        recent = await self._engine.recent_calls(contact.phone)
        carried = await self._engine.command(
            PlaceCall(
                contact.phone,
                script.id,
                script.version,
                language,
                fields.terms,
                contact.name,
                contact.timezone,
                contact.variables,
                recent,
            )
        )
        answer = carried.answer
        if isinstance(answer, Refused):
            why = [check_view(check) for check in answer.why]
            state = why[0]["reason"] if why else answer.state
            raise conflict(answer.detail, state=state, why=why)
        if answer.call is None:
            raise InvariantError("a call was placed and nobody knows which")
        return await self.show(answer.call)
