"""How a campaign comes to be: every fault of its fields and its contacts reported at once, then all or nothing.

Contacts reach the store in chunks under an import that nothing reads; the engine's command seals it. Until
then any failure leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from dialerd.core.clock import from_datetime, minutes, seconds
from dialerd.core.errors import Fault, InvariantError, PortError, RequestError, conflict, invalid
from dialerd.core.messages import AdmitCampaign, Command, Refused
from dialerd.core.model import (
    E164,
    Campaign,
    CampaignId,
    CampaignStatus,
    ImportId,
    ScriptId,
    Trunk,
    TrunkName,
)
from dialerd.engine.draft import CampaignFields, read
from dialerd.engine.status import Carried
from dialerd.ports import Clock, Media, NewContact, Script, Store

PREPARE_DEADLINE = 120.0
"""Seconds for the script's prompts to be rendered."""

_log = structlog.get_logger("dialerd.admission")


class RowNote(Protocol):
    """Something to tell about one row of a list."""

    @property
    def line(self) -> int:
        """Physical line in a CSV file, index in a JSON list."""
        ...

    @property
    def loc(self) -> str:
        """Row and field, as a fault names them."""
        ...

    @property
    def field(self) -> str | None:
        """The field alone; None: the row as a whole."""
        ...

    @property
    def phone(self) -> str | None:
        """The number as given."""
        ...

    @property
    def msg(self) -> str:
        """What there is to tell."""
        ...


class CheckedContacts(Protocol):
    """A contact list that was read."""

    @property
    def received(self) -> int:
        """Rows in the list."""
        ...

    @property
    def accepted(self) -> int:
        """Contacts that `chunks` gives."""
        ...

    @property
    def duplicates(self) -> Sequence[RowNote]:
        """Rows that repeat a number."""
        ...

    @property
    def warnings(self) -> Sequence[RowNote]:
        """Accepted rows whose number may not exist."""
        ...

    @property
    def faults(self) -> Sequence[RowNote]:
        """Every fault of every row that was not accepted."""
        ...

    @property
    def refusals(self) -> Sequence[Fault]:
        """Why the list as a whole cannot be used."""
        ...

    def chunks(self) -> Iterator[list[NewContact]]:
        """The accepted contacts, at most 500 at a time."""
        ...

    def discard(self) -> None:
        """Forget the list."""
        ...


class ContactIntake(Protocol):
    """Reads contact lists, outside this process."""

    async def document(self, path: Path) -> Mapping[str, Any]:
        """The fields of a campaign request in JSON, its contacts left out. Raises `RequestError` (400)."""
        ...

    async def check(
        self, path: Path, kind: str, *, required: frozenset[str], default_region: str | None
    ) -> CheckedContacts:
        """Validate a list. Raises `PortError` if it cannot be read or worked on."""
        ...


class Dialer(Protocol):
    """What is asked of the engine."""

    async def command(self, command: Command) -> Carried:
        """Carry out a command; committed when this returns. Raises `PortError`."""
        ...


@dataclass(frozen=True, slots=True)
class ContactFile:
    """An uploaded list: a CSV file, or a whole campaign request in JSON."""

    path: Path
    kind: Literal["csv", "json"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A new campaign, and what became of its list."""

    campaign: Campaign
    contacts: int
    report: dict[str, Any]
    """The `import` object of the API."""


class Admission:
    """Takes campaign requests."""

    def __init__(
        self,
        dialer: Dialer,
        store: Store,
        media: Media,
        clock: Clock,
        trunks: Sequence[Trunk],
        intake: ContactIntake,
    ) -> None:
        self._dialer = dialer
        self._store = store
        self._media = media
        self._clock = clock
        self._trunks = tuple(trunks)
        self._intake = intake

    async def create(self, fields: Mapping[str, Any] | None, contacts: ContactFile) -> Admitted:
        """Admit a campaign; `fields` None: they stand in the JSON document with the contacts.

        Raises `RequestError` naming every fault, `PortError` if store, media or helper fail. Nothing is stored
        then.
        """
        if fields is None:
            fields = await self._intake.document(contacts.path)
        elif "contacts" in fields:
            raise invalid([Fault("contacts", "given twice: in the campaign part and as a part of its own")])
        draft, faults = read(fields, self._clock.now().wall, self._trunks)
        script, wrong = await self._script(draft)
        faults += wrong
        required = frozenset(_required(script)) if script is not None else frozenset()
        checked = await self._intake.check(
            contacts.path, contacts.kind, required=required, default_region=draft.default_region
        )
        try:
            _refuse_faulty(draft, faults, checked)
            if script is None:
                raise InvariantError("a campaign without a script passed its checks")
            campaign = self._campaign(draft, script)
            await self._prepare(script, campaign.language)
            stored = await self._import(campaign, checked)
            return Admitted(campaign, stored, _report(checked))
        finally:
            checked.discard()

    async def _script(self, draft: CampaignFields) -> tuple[Script | None, list[Fault]]:
        if draft.script_id is None:
            return None, []
        script = await self._store.script(ScriptId(draft.script_id))
        if script is None:
            return None, [Fault("script_id", f"there is no script {draft.script_id!r}")]
        if draft.language is not None and _spoken(script, draft.language) is None:
            speaks = ", ".join(script.languages)
            msg = f"the script {script.id} has no texts for {draft.language}; it has: {speaks}"
            return script, [Fault("language", msg)]
        return script, []

    def _campaign(self, draft: CampaignFields, script: Script) -> Campaign:
        campaign = Campaign(
            id=CampaignId(f"cmp_{secrets.token_hex(6)}"),
            name=draft.name or "",
            script_id=script.id,
            script_version=script.version,
            language=_spoken(script, draft.language or "") or "",
            status=CampaignStatus.SCHEDULED,
            created_at=self._clock.now().wall,
            max_attempts=draft.max_attempts,
            retry_interval=minutes(draft.retry_interval_minutes),
            ring_timeout=seconds(draft.ring_timeout_seconds),
            max_concurrent_calls=draft.max_concurrent_calls,
            calls_per_second=draft.calls_per_second,
            weight=draft.weight,
            trunks=tuple(TrunkName(name) for name in draft.trunks or ()),
            caller_id=None if draft.caller_id is None else E164(draft.caller_id),
            keep_open=draft.keep_open,
        )
        schedule = draft.schedule
        if schedule is None:
            return campaign
        return replace(
            campaign,
            start_at=None if schedule.start_time is None else from_datetime(schedule.start_time),
            end_at=None if schedule.end_time is None else from_datetime(schedule.end_time),
            timezone=schedule.timezone,
        )

    async def _prepare(self, script: Script, language: str) -> None:
        try:
            async with asyncio.timeout(PREPARE_DEADLINE):
                await self._media.prepare(script, language)
        except TimeoutError:
            raise PortError(
                f"the prompts of {script.id} were not ready in {PREPARE_DEADLINE:g} s", retryable=True
            ) from None

    async def _import(self, campaign: Campaign, checked: CheckedContacts) -> int:
        import_id = await self._store.begin_import(campaign.id)
        stored = 0
        try:
            for chunk in checked.chunks():
                stored += await self._store.add_contacts(import_id, campaign.id, chunk)
        except BaseException:
            await asyncio.shield(self._drop(import_id))
            raise
        # Once the command is given its outcome may be unknown (deadline, cancellation): the import of a campaign
        # that was admitted after all must not be dropped, and one that was not is cleared at the next start.
        try:
            carried = await self._dialer.command(AdmitCampaign(campaign, import_id, stored))
        except InvariantError:
            await self._drop(import_id)
            raise
        if isinstance(carried.answer, Refused):
            await self._drop(import_id)
            raise conflict(carried.answer.detail, state=carried.answer.state)
        return stored

    async def _drop(self, import_id: ImportId) -> None:
        try:
            await self._store.drop_import(import_id)
        except PortError as error:
            _log.warning("admission.import_not_dropped", import_id=import_id, detail=str(error))


def _spoken(script: Script, language: str) -> str | None:
    """The script's own spelling of `language`; tags do not distinguish case."""
    return next((tag for tag in script.languages if tag.lower() == language.lower()), None)


def _required(script: Script) -> list[str]:
    return [name for name, about in script.variables.items() if "default" not in (about or {})]


def _refuse_faulty(draft: CampaignFields, faults: Sequence[Fault], checked: CheckedContacts) -> None:
    """Raise 422 with all faults unless the campaign can be made."""
    found = [*faults, *checked.refusals]
    if checked.faults and draft.on_invalid == "reject":
        found += [Fault(note.loc, note.msg) for note in checked.faults]
    elif not checked.accepted and not checked.refusals:
        found.append(Fault("contacts", "no row of the list is valid"))
        found += [Fault(note.loc, note.msg) for note in checked.faults]
    if found:
        raise _refusal(found, checked)


def _refusal(found: Sequence[Fault], checked: CheckedContacts) -> RequestError:
    return invalid(found, invalid=_by_row(checked.faults)) if checked.faults else invalid(found)


def _report(checked: CheckedContacts) -> dict[str, Any]:
    return {
        "received": checked.received,
        "accepted": checked.accepted,
        "duplicates": len(checked.duplicates),
        "duplicate_rows": [_row(note) for note in checked.duplicates],
        "suppressed_dnc": 0,
        "zone_unknown": 0,
        "no_common_hours": 0,
        "warnings": [_row(note) for note in checked.warnings],
        "invalid": _by_row(checked.faults),
    }


def _row(note: RowNote) -> dict[str, Any]:
    return {"line": note.line, "phone": note.phone, "reason": note.msg}


def _by_row(notes: Sequence[RowNote]) -> list[dict[str, Any]]:
    """One entry a row, with all that is wrong with it."""
    rows = []
    for line, group in groupby(notes, key=lambda note: note.line):
        members = list(group)
        reasons = "; ".join(f"{note.field}: {note.msg}" if note.field else note.msg for note in members)
        rows.append({"line": line, "phone": members[0].phone, "reason": reasons})
    return rows
