"""Calls: every attempt, read; one call of its own, placed through the gate or refused with the reasons; hung up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from dialerd.core.clock import to_iso
from dialerd.core.commands import HangUpCall, LabelCall, PlaceCall, Refused, TransferCall, Unmet
from dialerd.core.errors import Fault, InvariantError, RequestError, conflict, invalid, not_found
from dialerd.core.identity import CallId
from dialerd.core.journal import RequestDone
from dialerd.core.model import CallStatus, Terms
from dialerd.core.record import replace
from dialerd.engine.agents import Agents
from dialerd.engine.call_views import call_view
from dialerd.engine.chosen import Chosen
from dialerd.engine.contactlist import ContactIntake
from dialerd.engine.doubts import Doubts
from dialerd.engine.fields import Language, Text, read_model
from dialerd.engine.labels import LabelFields, declared, read_label
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import required
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.status import check_view
from dialerd.engine.terms import TermsFields, transfer_faults, trunk_faults
from dialerd.engine.transfers import read_wish
from dialerd.engine.unheard import unheard_faults
from dialerd.engine.views import page_view
from dialerd.ports import CallFilter, CallRow, Clock, NewContact, Page, Store

_OF_THE_CALLEE = ("phone", "name", "timezone")


class CallFields(TermsFields):
    """A request for one call; the callee's fields are judged by the rules of contact lists."""

    phone: Any = Field(None, json_schema_extra={"type": "string", "examples": ["+919876543210"]})
    script_id: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="required unless the agent names one"
    )
    agent_id: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="who talks; default: an embedded agent for the script"
    )
    language: Language | None = Field(None, description="BCP-47; required unless the agent names one")
    name: Any = Field(None, json_schema_extra={"type": ["string", "null"]})
    timezone: Any = Field(
        None, json_schema_extra={"type": ["string", "null"], "description": "the callee's, IANA"}
    )
    variables: dict[str, Any] = Field(
        {},
        description="of the script; text of at most 2,000 characters, numbers, true or false; 64 KiB in all",
    )


class Calls:
    """The calls of this installation."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Clock,
        agents: Agents,
        settings: ServiceSettings,
        intake: ContactIntake,
        doubts: Doubts,
    ) -> None:
        self._doubts = doubts
        self._engine = engine
        self._store = store
        self._clock = clock
        self._agents = agents
        self._settings = settings
        self._intake = intake

    async def page(self, where: CallFilter, page: Page) -> dict[str, Any]:
        """A page of calls, newest first."""
        rows, total = await self._store.calls(where, page)
        return page_view([call_view(row) for row in rows], total, page)

    async def show(self, ident: str) -> dict[str, Any]:
        """One call. Raises `RequestError` 404."""
        return call_view(await self._row(ident))

    async def again(self, ident: str) -> dict[str, Any]:
        """A call that was placed before; what spoke against it is not known any more. Raises `RequestError` 404."""
        return {**await self.show(ident), "warnings": []}

    async def place(self, given: Mapping[str, Any], done: RequestDone | None = None) -> dict[str, Any]:
        """Place one call now; `warnings` tell what speaks against it.

        Raises `RequestError`: 422 with every fault, 409 with `why` if the gate is closed.
        """
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = read_model(CallFields, given)
        chosen, wrong = await self._agents.chosen(fields.agent_id, fields.script_id, fields.language)
        faults += wrong + trunk_faults(fields, self._settings.trunks)
        faults += transfer_faults(fields, self._settings.transfers)
        if chosen.agent is None and "script_id" not in given and "agent_id" not in given:
            faults.append(Fault("script_id", "required, or an agent_id"))
        if chosen.language is None and "language" not in given:
            faults.append(Fault("language", "required"))
        if chosen.is_complete and not faults:
            faults += chosen.message_faults(fields.answering_machine)
        record = chosen.record if fields.recording is None else fields.recording
        faults += unheard_faults(
            chosen.engine, self._settings, record=record, answering_machine=fields.answering_machine
        )
        contact, wrong = self._callee(fields, chosen)
        faults += wrong
        if faults:
            raise invalid(faults)
        if contact is None or not chosen.is_complete:
            raise InvariantError("a call without callee or script passed its checks")
        terms = _terms(fields, chosen)
        doubts = self._doubts.of(chosen.said, record=terms.record, transfer_to=terms.transfer_to)
        return {**await self._dial(contact, chosen, fields, done), "warnings": doubts}

    async def hang_up(self, ident: str) -> dict[str, Any]:
        """End a live call; one that has ended stays as it is. Raises `RequestError` 404."""
        await self._engine.command(HangUpCall(CallId(ident)))
        return await self.show(ident)

    async def label(self, ident: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Say what came of a live call. Raises `RequestError`: 404, 422 with every fault, 409 if it has ended.

        409 too for a callback that cannot be, with the latest possible instant; that it was asked for is kept.
        """
        row = await self._row(ident)
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = read_model(LabelFields, given)
        script = await self._store.script(row.script_id, row.script_version)
        speaking = None if row.takeover is None else row.takeover.get("agent_id")
        agents = [await self._store.agent(str(one)) for one in (speaking, row.agent_id) if one is not None]
        label, wrong = read_label(fields, declared(script, agents), self._clock.now().wall)
        faults += [fault for fault in wrong if fault.loc not in {known.loc for known in faults}]
        if faults:
            raise invalid(faults)
        carried = await self._engine.command(LabelCall(row.id, label))
        answer = carried.answer
        if isinstance(answer, Refused):
            if answer.unknown:
                raise _ended(await self._row(ident))
            raise conflict(answer.detail, state=answer.state)
        if answer.unmet is not None:
            raise _unmet(answer.unmet)
        return await self.show(ident)

    async def transfer(self, ident: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to connect the callee with a person.

        Raises `RequestError`: 404, 422 with every fault, 409 if the call has ended, was not answered, is being
        transferred, or there is nowhere to transfer to.
        """
        row = await self._row(ident)
        wish, faults = read_wish(given, self._settings.transfers)
        if faults:
            raise invalid(faults)
        answer = (await self._engine.command(TransferCall(row.id, wish))).answer
        if isinstance(answer, Refused):
            if answer.unknown:
                raise _ended(await self._row(ident))
            raise conflict(answer.detail, state=answer.state)
        return await self.show(ident)

    async def _row(self, ident: str) -> CallRow:
        row = await self._store.call(CallId(ident))
        if row is None:
            raise not_found("call", ident)
        return row

    def _callee(self, fields: CallFields, chosen: Chosen) -> tuple[NewContact | None, list[Fault]]:
        taken = [key for key in _OF_THE_CALLEE if key in fields.variables]
        faults = [Fault(f"variables.{key}", "is a field of the call itself, not a variable") for key in taken]
        values = {**fields.variables, **{key: getattr(fields, key) for key in _OF_THE_CALLEE}}
        contact, wrong = self._intake.contact(values, required(chosen.script, chosen.language))
        for fault in wrong:
            loc = fault.loc if fault.loc in _OF_THE_CALLEE else f"variables.{fault.loc}"
            faults.append(Fault(loc.removesuffix("."), fault.msg))
        return contact, faults

    async def _dial(
        self,
        contact: NewContact,
        chosen: Chosen,
        fields: CallFields,
        done: RequestDone | None,
    ) -> dict[str, Any]:
        await self._agents.prepare(chosen)
        recent = await self._engine.memory.recent_calls(contact.phone)
        command = PlaceCall(
            contact.phone,
            chosen.script_id,
            chosen.script_version,
            chosen.spoken_language,
            _terms(fields, chosen),
            contact.name,
            contact.timezone,
            contact.variables,
            chosen.agent_id,
            chosen.voice,
            recent,
            chosen.engine,
            chosen.stand_ins,
            on_machine=fields.on_machine,
        )
        answer = (await self._engine.command(command, done)).answer
        if isinstance(answer, Refused):
            why = [check_view(check) for check in answer.why]
            state = why[0]["reason"] if why else answer.state
            raise conflict(answer.detail, state=state, why=why)
        if answer.call is None:
            raise InvariantError("a call was placed and nobody knows which")
        return await self.show(answer.call)


def _terms(fields: CallFields, chosen: Chosen) -> Terms:
    """How the call is to be placed; what the request does not say its agent may."""
    terms = fields.terms
    record = chosen.record if fields.recording is None else terms.record
    return replace(terms, transfer_to=terms.transfer_to or chosen.transfer_to, record=record)


def _ended(row: CallRow) -> RequestError:
    state = "ended" if row.status == CallStatus.IN_PROGRESS else row.status
    return conflict(f"the call {row.id} has ended; its record is closed", state=state)


def _unmet(unmet: Unmet) -> RequestError:
    return conflict(
        f"no callback then: {unmet.detail}",
        state="callback-unmet",
        next=to_iso(unmet.next),
        latest=to_iso(unmet.latest),
    )
