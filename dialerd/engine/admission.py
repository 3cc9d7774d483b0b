"""How contacts come to a campaign, new or live: every fault of fields and rows at once, then all or nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.errors import Fault, InvariantError, PortError, invalid
from dialerd.core.identity import NO_SCRIPT, CampaignId
from dialerd.core.journal import RequestDone
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.core.results import Reject
from dialerd.engine.agents import Agents
from dialerd.engine.chosen import Chosen
from dialerd.engine.contactlist import (
    CheckedContacts,
    ContactFile,
    ContactIntake,
    ListReport,
    counts_view,
    refuse_faulty,
    rows_view,
)
from dialerd.engine.doubts import Doubts
from dialerd.engine.draft import Draft, closed_for_good, read_draft
from dialerd.engine.fields import read_model
from dialerd.engine.loading import Chunks, Loaded, Loader
from dialerd.engine.scripts import Scripts, kinds, required
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.unheard import unheard_faults
from dialerd.ports import Clock, Script

ADDITION_DEADLINE = 120.0
"""Seconds for which a list waits for the one before it."""


class AdditionFields(BaseModel):
    """What may be said beside the contacts that are added to a campaign."""

    model_config = ConfigDict(extra="forbid", strict=True)

    default_region: Annotated[str, Field(max_length=64)] | None = None
    on_invalid: Literal["reject", "skip"] = "reject"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What was stored, and what became of the list."""

    campaign: Campaign
    loaded: Loaded
    report: dict[str, Any]
    """The `import` object of the API."""
    warnings: tuple[str, ...] = ()
    """What speaks against the campaign, and does not keep it from being created."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A campaign request without its contacts."""

    draft: Draft
    script: Script | None
    chosen: Chosen
    campaign: Campaign | None
    """None: it has faults."""
    faults: list[Fault]

    @property
    def required(self) -> frozenset[str]:
        """Variables that every contact must bring."""
        return required(self.script, self.draft.fields.language)

    @property
    def skips_invalid(self) -> bool:
        """Whether contacts that cannot be used are left out."""
        return self.draft.fields.on_invalid == "skip"


class Admission:
    """Takes campaign requests, and lists for live campaigns."""

    def __init__(
        self,
        scripts: Scripts,
        agents: Agents,
        loader: Loader,
        clock: Clock,
        settings: ServiceSettings,
        intake: ContactIntake,
        doubts: Doubts,
    ) -> None:
        self._doubts = doubts
        self._scripts = scripts
        self._agents = agents
        self._loader = loader
        self._clock = clock
        self._settings = settings
        self._intake = intake
        self._adding: WeakValueDictionary[CampaignId, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self, fields: Mapping[str, Any] | None, contacts: ContactFile, done: RequestDone | None = None
    ) -> Admitted:
        """Admit a campaign; `fields` None: they stand in the JSON document with the contacts.

        Raises `RequestError` naming every fault, `PortError` if store, media or helper fail. Nothing is stored
        then.
        """
        async with self._checked(fields, contacts) as (judged, checked):
            return await self.admit(judged, checked.chunks(), checked.report, checked.rejects(), done)

    async def validate(self, fields: Mapping[str, Any] | None, contacts: ContactFile) -> dict[str, Any]:
        """What would become of a list, of a campaign that could be created. Nothing is stored; raises as `create`."""
        async with self._checked(fields, contacts) as (_, checked):
            barred = await self._loader.barred(checked.chunks())
            return {**counts_view(checked.report), "suppressed_dnc": barred, **rows_view(checked.report)}

    @asynccontextmanager
    async def _checked(
        self, fields: Mapping[str, Any] | None, contacts: ContactFile
    ) -> AsyncIterator[tuple[Judged, CheckedContacts]]:
        """A request and its list, neither with a fault that refuses it. Raises `RequestError` naming every fault."""
        judged = await self.judge(await self._beside(fields, contacts))
        checked = await self._intake.check(
            contacts.path,
            contacts.kind,
            required=judged.required,
            default_region=judged.draft.fields.default_region,
            kinds=kinds(judged.script),
        )
        try:
            refuse_faulty(judged.faults, checked.report, skip_invalid=judged.skips_invalid, what="contacts")
            yield judged, checked
        finally:
            checked.discard()

    async def judge(self, fields: Mapping[str, Any]) -> Judged:
        """What a campaign request comes to without its contacts, and all that is wrong with it."""
        now = self._clock.now().wall
        draft, faults = read_draft(fields, now, self._settings)
        asked = draft.fields
        chosen, wrong = await self._agents.chosen(asked.agent_id, asked.script_id, asked.language)
        faults += wrong
        if chosen.is_complete and not faults:
            faults += chosen.message_faults(asked.answering_machine)
        record = chosen.record if asked.recording is None else asked.recording
        faults += unheard_faults(
            chosen.engine, self._settings, record=record, answering_machine=asked.answering_machine
        )
        campaign = self._campaign(draft, chosen) if chosen.is_complete and not faults else None
        if campaign is not None:
            faults += closed_for_good(campaign, now)
        return Judged(draft, chosen.script, chosen, campaign, faults)

    async def admit(
        self,
        judged: Judged,
        chunks: Chunks,
        report: ListReport,
        rejects: Iterable[Sequence[Reject]] = (),
        done: RequestDone | None = None,
        cloned_from: CampaignId | None = None,
    ) -> Admitted:
        """Store the campaign of a request without faults, with contacts that may be stored. Raises as `create`."""
        campaign = judged.campaign
        if campaign is None:
            raise InvariantError("a campaign with faults passed its checks")
        await self._agents.prepare(judged.chosen)
        doubts = await self._doubts.of_campaign(campaign)
        loaded = await self._loader.admit(campaign, chunks, report, rejects, done, cloned_from)
        return Admitted(campaign, loaded, loaded.view(report), tuple(doubts))

    async def add(
        self,
        campaign: Campaign,
        options: Mapping[str, Any] | None,
        contacts: ContactFile,
        done: RequestDone | None = None,
    ) -> Admitted:
        """Give a live campaign more contacts; `options` None: they stand in the JSON document with the contacts.

        Raises as `create`, and `RequestError` 409 if the campaign is not live any more.
        """
        fields, faults = read_model(AdditionFields, _given(await self._beside(options, contacts)))
        script = None
        if campaign.script_id != NO_SCRIPT:
            script = await self._scripts.pinned(campaign.script_id, campaign.script_version)
        checked = await self._intake.check(
            contacts.path,
            contacts.kind,
            required=required(script, campaign.language),
            default_region=fields.default_region,
            kinds=kinds(script),
        )
        try:
            skip = fields.on_invalid == "skip"
            refuse_faulty(faults, checked.report, skip_invalid=skip, what="contacts")
            lock = self._adding.setdefault(campaign.id, asyncio.Lock())
            await _acquire(lock)
            try:
                loaded = await self._loader.add(
                    campaign, checked.chunks(), checked.report, checked.rejects(), done
                )
            finally:
                lock.release()
            return Admitted(campaign, loaded, loaded.view(checked.report))
        finally:
            checked.discard()

    async def _beside(self, fields: Mapping[str, Any] | None, contacts: ContactFile) -> Mapping[str, Any]:
        """The fields that came with a list."""
        if fields is None:
            return await self._intake.document(contacts.path)
        if "contacts" in fields:
            raise invalid([Fault("contacts", "given twice: among the fields and as a part of its own")])
        return fields

    def _campaign(self, draft: Draft, chosen: Chosen) -> Campaign:
        attributes = draft.attributes
        if attributes["transfer_to"] is None:
            attributes["transfer_to"] = chosen.transfer_to
        if draft.fields.recording is None:
            attributes["record"] = chosen.record
        return Campaign(
            id=CampaignId(f"cmp_{secrets.token_hex(6)}"),
            script_id=chosen.script_id,
            script_version=chosen.script_version,
            language=chosen.spoken_language,
            status=CampaignStatus.SCHEDULED,
            created_at=self._clock.now().wall,
            agent_id=chosen.agent_id,
            voice=chosen.voice,
            engine=chosen.engine,
            stand_ins=chosen.stand_ins,
            **attributes,
        )


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


async def _acquire(lock: asyncio.Lock) -> None:
    try:
        async with asyncio.timeout(ADDITION_DEADLINE):
            await lock.acquire()
    except TimeoutError:
        raise PortError(
            "another list is being added to this campaign; try again later", retryable=True
        ) from None
