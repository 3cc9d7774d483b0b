"""The do-not-call list for people: entries read, added, taken off, and long lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.clock import from_datetime, to_iso
from dialerd.core.commands import Command, ListNumbers, Refused, UnlistNumbers
from dialerd.core.dnc import DncEntry, is_pattern
from dialerd.core.errors import Fault, conflict, invalid, not_found
from dialerd.core.identity import E164
from dialerd.core.journal import RequestDone
from dialerd.engine.contactlist import ContactIntake, counts_view, refuse_faulty, rows_view
from dialerd.engine.fields import Moment, Text, read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.views import dnc_view, page_view
from dialerd.ports import Clock, Page, Store


class EntryFields(BaseModel):
    """An entry of the list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    phone: Any = Field(
        None, json_schema_extra={"type": "string", "description": "E.164, or a prefix as +9198*"}
    )
    reason: Annotated[Text, Field(max_length=255)] | None = None
    source: Annotated[Text, Field(max_length=255)] | None = Field(None, description="who says so")
    expires_at: Moment | None = Field(None, description="ISO 8601 with offset, in the future; default: never")


def _told(done: RequestDone | None, made: str, answer: Mapping[str, Any]) -> RequestDone | None:
    """The request with what is answered to it."""
    return None if done is None else replace(done, made=made, note=orjson.dumps(answer).decode())


class DoNotCall:
    """The do-not-call list of this installation."""

    def __init__(self, engine: Engine, store: Store, clock: Clock, intake: ContactIntake) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._intake = intake

    async def page(self, page: Page) -> dict[str, Any]:
        """A page of entries, newest first."""
        found, total = await self._store.dnc_entries(page)
        return page_view([dnc_view(entry) for entry in found], total, page)

    async def show(self, phone: str) -> dict[str, Any]:
        """The entry that bars a number now, or the one of a prefix. Raises `RequestError` 404: there is none."""
        pattern = self._pattern(phone)
        if not pattern.endswith("*"):
            match = self._engine.memory.listed(E164(pattern))
            if match is None:
                raise not_found("entry that bars", pattern)
            pattern = match.pattern
        entry = await self._store.dnc_entry(pattern)
        now = self._clock.now().wall
        if entry is None or (entry.expires_at is not None and entry.expires_at <= now):
            raise not_found("entry", pattern)
        return dnc_view(entry)

    async def add(self, given: Mapping[str, Any], done: RequestDone | None = None) -> dict[str, Any]:
        """List a number or a prefix; one that is listed already takes the new reason, source and end.

        Raises `RequestError` 422 with every fault.
        """
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = read_model(EntryFields, given)
        pattern, wrong = self._read(fields.phone) if "phone" in given else ("", [Fault("phone", "required")])
        faults += wrong
        now = self._clock.now().wall
        expires_at = None if fields.expires_at is None else from_datetime(fields.expires_at)
        if expires_at is not None and expires_at <= now:
            faults.append(Fault("expires_at", f"is not in the future: it is {to_iso(now)} now"))
        if faults:
            raise invalid(faults)
        entry = DncEntry(pattern, fields.reason or "", fields.source or "", now, expires_at)
        shown = dnc_view(entry)
        await self._carry_out(ListNumbers((entry,)), _told(done, pattern, shown))
        return shown

    async def remove(self, phone: str) -> None:
        """Take an entry off, as it was given. Raises `RequestError` 404, 422."""
        pattern = self._pattern(phone)
        if await self._store.dnc_entry(pattern) is None:
            raise not_found("entry", pattern)
        await self._carry_out(UnlistNumbers((pattern,)))

    async def add_list(
        self, path: Path, *, skip_invalid: bool, done: RequestDone | None = None
    ) -> dict[str, Any]:
        """List what a CSV names. Raises `RequestError` 422 with every fault, `PortError`.

        If the store fails on the way, what was listed before stays listed; the list may be imported again.
        """
        checked = await self._intake.check_numbers(path, self._clock.now().wall)
        try:
            report = checked.report
            refuse_faulty([], report, skip_invalid=skip_invalid, what="numbers")
            counts = counts_view(report)
            left = first = report.accepted
            for chunk in checked.chunks():
                left -= len(chunk)
                # It is done with its last entries: died before, it may be asked once more.
                told = _told(done, "", counts) if left <= 0 else None
                await self._carry_out(ListNumbers(tuple(chunk), first), told)
                first = 0
            return {**counts, **rows_view(report)}
        finally:
            checked.discard()

    async def _carry_out(self, command: Command, done: RequestDone | None = None) -> None:
        carried = await self._engine.command(command, done)
        if isinstance(carried.answer, Refused):
            raise conflict(carried.answer.detail, state=carried.answer.state)

    def _pattern(self, phone: str) -> str:
        """A number or prefix in a path, as the list holds it. Raises `RequestError` 422."""
        pattern, faults = self._read(phone)
        if faults and not is_pattern(phone):
            raise invalid(faults)
        # A number that is not possible any more may be on the list all the same.
        return phone if faults else pattern

    def _read(self, phone: object) -> tuple[str, list[Fault]]:
        """The pattern that the list holds for `phone`: a number in the form in which numbers are dialed."""
        if isinstance(phone, str) and phone.endswith("*"):
            return phone, [] if is_pattern(phone) else [Fault("phone", "is not a prefix, as in +9198*")]
        contact, faults = self._intake.contact({"phone": phone}, frozenset())
        return "" if contact is None else contact.phone, list(faults)
