"""How a campaign comes to be: every fault of its fields and its contacts reported at once, then all or nothing.

Contacts reach the store in chunks under an import that nothing reads; the engine's command seals it. Until
then any failure leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import langcodes
import orjson
import structlog

from dialerd.core.clock import from_datetime, minutes, seconds
from dialerd.core.commands import (
    AdmitCampaign,
    Command,
    Refused,
)
from dialerd.core.errors import Fault, InvariantError, PortError, RequestError, conflict, invalid
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


class ListReport(Protocol):
    """What became of a list's rows: `received` = `accepted` + `duplicates` + `invalid`.

    The `…_json` are JSON arrays as UTF-8: with thousands of notes their objects would cost more than a dial may wait.
    """

    @property
    def received(self) -> int:
        """Rows in the list."""
        ...

    @property
    def accepted(self) -> int:
        """Rows that may be dialed."""
        ...

    @property
    def duplicates(self) -> int:
        """Rows that repeat a number."""
        ...

    @property
    def invalid(self) -> int:
        """Rows with faults."""
        ...

    @property
    def faults(self) -> int:
        """Faults of rows."""
        ...

    @property
    def refusals(self) -> Sequence[Fault]:
        """Why the list as a whole cannot be used."""
        ...

    @property
    def faults_json(self) -> bytes:
        """`[{loc, msg}]`, every fault of every row."""
        ...

    @property
    def invalid_json(self) -> bytes:
        """`[{line, phone, reason}]`, one entry a row with faults."""
        ...

    @property
    def duplicates_json(self) -> bytes:
        """The same for rows that repeat a number."""
        ...

    @property
    def warnings_json(self) -> bytes:
        """The same for accepted rows whose number may not exist."""
        ...


class CheckedContacts(Protocol):
    """A contact list that was read."""

    @property
    def report(self) -> ListReport:
        """What became of its rows."""
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


class ListRefused(RequestError):
    """422 whose faults are those of fields, as always, and those of rows, as JSON text."""

    def __init__(self, faults: Sequence[Fault], rows: ListReport | None) -> None:
        count = len(faults) + (rows.faults if rows else 0)
        detail = f"{count:,} fault{'s' if count != 1 else ''} in the request; nothing was stored"
        super().__init__(422, "invalid-field", "Invalid request", detail, faults)
        self.row_faults_json = rows.faults_json if rows else b"[]"
        self.invalid_json = rows.invalid_json if rows else b"[]"


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
    """The `import` object of the API; its lists are `orjson.Fragment`s."""


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
        checked = await self._intake.check(
            contacts.path,
            contacts.kind,
            required=_required(script, draft.language),
            default_region=draft.default_region,
        )
        try:
            _refuse_faulty(draft, faults, checked.report)
            if script is None:
                raise InvariantError("a campaign without a script passed its checks")
            campaign = self._campaign(draft, script)
            await self._prepare(script, campaign.language)
            stored = await self._import(campaign, checked)
            return Admitted(campaign, stored, _import_object(checked.report))
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
    """The script's own spelling of `language`: case means nothing in a tag, and some have an older form."""
    wanted = (language.lower(), str(langcodes.standardize_tag(language)).lower())
    return next((tag for tag in script.languages if tag.lower() in wanted), None)


def _required(script: Script | None, language: str | None) -> frozenset[str]:
    """Variables that every contact must bring: those without a default, of the script or of its language."""
    if script is None:
        return frozenset()
    texts = script.body.get("languages", {})
    spoken = _spoken(script, language) if language is not None else None
    texts = texts.get(spoken) if isinstance(texts, Mapping) else None
    defaults = texts.get("defaults") or {} if isinstance(texts, Mapping) else {}
    return frozenset(
        name
        for name, about in script.variables.items()
        if "default" not in (about or {}) and name not in defaults
    )


def _refuse_faulty(draft: CampaignFields, faults: Sequence[Fault], report: ListReport) -> None:
    """Raise 422 with all faults unless the campaign can be made."""
    found = [*faults, *report.refusals]
    rows = report.faults > 0 and draft.on_invalid == "reject"
    if not report.accepted and not report.refusals and not rows:
        found.append(Fault("contacts", "no row of the list is valid"))
        rows = True
    if found or rows:
        raise ListRefused(found, report if rows else None)


def _import_object(report: ListReport) -> dict[str, Any]:
    return {
        "received": report.received,
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "duplicate_rows": orjson.Fragment(report.duplicates_json),
        "suppressed_dnc": 0,
        "zone_unknown": 0,
        "no_common_hours": 0,
        "warnings": orjson.Fragment(report.warnings_json),
        "invalid": orjson.Fragment(report.invalid_json),
    }
