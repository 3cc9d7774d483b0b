"""How long a campaign will take: what a forecast is made from is gathered here, the simulation runs elsewhere.

Nothing is stored and nobody is called. What there may be much of is read and handed on a few hundred rows at a time, so
that dials come between.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.engine import EMBEDDED
from dialerd.core.errors import Fault, InvariantError, PortError, RequestError, conflict, invalid, not_found
from dialerd.core.identity import CallId, CampaignId, ContactId, ScriptId
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.core.trunk import Trunk
from dialerd.engine.agents import Agents
from dialerd.engine.case import Assumptions, Case, Forecaster, Rival, contact_line, past_line
from dialerd.engine.contactlist import CheckedContacts, ContactFile, ContactIntake, refuse_faulty
from dialerd.engine.draft import closed_for_good, read_draft
from dialerd.engine.fields import read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import required
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.status import EngineStatus
from dialerd.ports import CampaignFilter, Clock, Page, Store

MOST_CONTACTS = 250_000
"""Contacts that a simulation takes of its campaign."""
CHUNK = 250
"""Contacts, or calls, read at a time: one or two milliseconds."""
MOST_PAST = 4_000
"""Past calls that are looked at, the newest ones."""
SAMPLE = 200
"""Contacts of another campaign that tell what its others are like."""
MOST_RIVALS = 50
"""Other campaigns that are looked at, of those that run and of those that are scheduled."""
ANY_SESSIONS = 100_000
"""Where no media worker is ready that could tell how many calls it holds."""


class Forecasts:
    """Forecasts of campaigns, those that exist and those that do not yet."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Clock,
        settings: ServiceSettings,
        agents: Agents,
        intake: ContactIntake,
        forecaster: Forecaster,
    ) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._settings = settings
        self._agents = agents
        self._intake = intake
        self._forecaster = forecaster

    async def of_campaign(self, ident: str, given: Mapping[str, Any]) -> bytes:
        """What becomes of a campaign from now on, as JSON. Raises `RequestError` 404, 409, 413, 422; `PortError`."""
        assumed, faults = read_model(Assumptions, given)
        if faults:
            raise invalid(faults)
        campaign = CampaignId(ident)
        found = self._engine.memory.campaign(campaign) or await self._store.campaign(campaign)
        if found is None:
            raise not_found("campaign", ident)
        if not found[0].status.live or found[0].closing:
            state = "closing" if found[0].closing else found[0].status.value
            raise conflict(f"there is nothing to forecast of a campaign that is {state}", state=state)
        _refuse_many(waiting_of(found[1]))
        return await self._forecast(found[0], self._waiting(campaign), assumed, _running(found[1]))

    async def of_list(self, fields: Mapping[str, Any] | None, contacts: ContactFile) -> bytes:
        """What would become of a campaign that is not stored, as JSON. `fields` None: they stand in the JSON document.

        Fields as for a new campaign; name, script and language may be left out. Raises as `of_campaign`, naming every
        fault.
        """
        given = dict(await self._intake.document(contacts.path) if fields is None else fields)
        assumed, faults = _assumptions(given.pop("assume", None))
        given = {key: value for key, value in given.items() if value is not None}
        now = self._clock.now().wall
        draft, wrong = read_draft(_UNNAMED | given, now, self._settings)
        faults += wrong
        script = None
        if given.keys() & {"script_id", "agent_id"}:
            asked = draft.fields
            named = asked.script_id if "script_id" in given else None
            language = asked.language if "language" in given else None
            chosen, wrong = await self._agents.chosen(asked.agent_id, named, language)
            script, faults = chosen.script, faults + wrong
        campaign = None
        if not faults:
            campaign = _made(draft.attributes, now)
            faults += closed_for_good(campaign, now)
        checked = await self._intake.check(
            contacts.path,
            contacts.kind,
            required=required(script, draft.fields.language if script is not None else None),
            default_region=draft.fields.default_region,
        )
        try:
            skip = draft.fields.on_invalid == "skip"
            refuse_faulty(faults, checked.report, skip_invalid=skip, what="contacts")
            if campaign is None:
                raise InvariantError("a campaign without attributes passed its checks")
            _refuse_many(checked.report.accepted)
            return await self._forecast(campaign, _listed(campaign, checked), assumed)
        finally:
            checked.discard()

    # --- what a case is made of ------------------------------------------------------------------

    async def _forecast(
        self,
        campaign: Campaign,
        contacts: AsyncIterator[list[Contact]],
        assumed: Assumptions,
        running: int = 0,
    ) -> bytes:
        now = self._clock.now().wall
        status = self._engine.memory.status()
        trunks, notes = self._trunks(status)
        if running:
            notes.append(f"{running} calls are running now: they are left out, with their contacts")
        with _spool(self._settings.spool_dir) as (path, file):
            left_out = await self._keep(contacts, file)
            if left_out:
                notes.append(f"{left_out} contacts on the do-not-call list are left out")
            rivals = await self._rivals(campaign, trunks, file, notes)
            await self._keep_past(campaign.id, file)
            file.flush()
            case = Case(
                campaign=_as_if_started(campaign, now, notes),
                file=path,
                now=now,
                trunks=trunks,
                paused={line.name: line.paused for line in status.trunks if line.paused is not None},
                policy=self._engine.memory.policy,
                sessions=status.media_sessions or ANY_SESSIONS,
                engines=self._engines(status),
                rivals=tuple(rivals),
                assumed=assumed,
                notes=tuple(notes),
            )
            return await self._forecaster(case)

    def _engines(self, status: EngineStatus) -> dict[str, int]:
        """What each engine can hold; one that holds nothing at the moment is taken to do as the settings say."""
        now = {name: use.sessions for name, use in status.engines.items()}
        others = [one for one in self._settings.engines if one.name != EMBEDDED]
        return {one.name: now.get(one.name) or one.max_sessions for one in others}

    def _trunks(self, status: EngineStatus) -> tuple[tuple[Trunk, ...], list[str]]:
        """The trunks with the limits in force, and what is taken to be otherwise than it is now."""
        notes = []
        if status.halt is not None:
            notes.append(f"all dialing is halted ({status.halt}): the forecast is as if it were resumed now")
        if not status.media_sessions:
            notes.append("no media worker is ready: any number of calls is taken to have an agent")
        lines = {line.name: line for line in status.trunks}
        for line in status.trunks:
            if line.reachable is False:
                notes.append(f"trunk {line.name} is unreachable: the forecast is as if it were reachable")
        trunks = tuple(
            replace(
                trunk,
                max_channels=lines[trunk.name].max_channels,
                calls_per_second=lines[trunk.name].calls_per_second,
            )
            for trunk in self._settings.trunks
        )
        return trunks, notes

    async def _keep(self, contacts: AsyncIterator[list[Contact]], file: BinaryIO) -> int:
        """Write down contacts that may be called; how many are on the do-not-call list."""
        left_out = 0
        async for chunk in contacts:
            listed = self._engine.memory.suppressed(contact.phone for contact in chunk)
            _write(file, contact_line(contact for contact in chunk if contact.phone not in listed))
            left_out += sum(contact.phone in listed for contact in chunk)
            await asyncio.sleep(0)
        return left_out

    async def _waiting(self, campaign: CampaignId) -> AsyncIterator[list[Contact]]:
        behind = ""
        while found := list(await self._store.waiting(campaign, behind, CHUNK)):
            yield found
            behind = found[-1].phone

    async def _rivals(
        self, campaign: Campaign, trunks: tuple[Trunk, ...], file: BinaryIO, notes: list[str]
    ) -> list[Rival]:
        """Other campaigns that dial, or will, over a trunk of this one; samples of their contacts are written down."""
        rivals: list[Rival] = []
        for status in (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED):
            found, total = await self._store.campaigns(CampaignFilter(status), Page(MOST_RIVALS, 0))
            for other, counters in found:
                waiting = waiting_of(counters)
                if other.id == campaign.id or not waiting or not _share(campaign, other):
                    continue
                if status is CampaignStatus.SCHEDULED and other.start_at is None:
                    notes.append(f"{other.name} waits for somebody to start it: it is left out")
                    continue
                sample = await self._store.waiting(other.id, "", SAMPLE)
                _write(file, contact_line(sample))
                rivals.append(Rival(other, waiting))
                await asyncio.sleep(0)
            if total > MOST_RIVALS:
                notes.append(f"of {total} {status} campaigns only the newest {MOST_RIVALS} are looked at")
        return rivals

    async def _keep_past(self, campaign: CampaignId, file: BinaryIO) -> None:
        """Write down the last calls: of the campaign, and of all."""
        for of_all, whose in ((False, campaign), (True, None)):
            behind: CallId | None = None
            for _ in range(MOST_PAST // CHUNK):
                calls = await self._store.past_calls(whose, behind, CHUNK)
                if not calls:
                    break
                _write(file, past_line(calls, of_all=of_all))
                behind = calls[-1].id
                await asyncio.sleep(0)


def _assumptions(given: object) -> tuple[Assumptions, list[Fault]]:
    """What a list's request takes for granted."""
    if given is not None and not isinstance(given, Mapping):
        return Assumptions(), [Fault("assume", "must be an object")]
    assumed, faults = read_model(Assumptions, given or {})
    return assumed, [Fault(f"assume.{fault.loc}", fault.msg) for fault in faults]


# --- campaigns -----------------------------------------------------------------------------------

_UNNAMED = {"name": "not stored", "script_id": "none", "language": "en"}
"""What a list alone does not say, and no forecast depends on."""


def _made(attributes: Mapping[str, Any], now: Instant) -> Campaign:
    return Campaign(
        id=CampaignId("cmp_simulated"),
        script_id=ScriptId("none"),
        script_version=1,
        language="en",
        status=CampaignStatus.SCHEDULED,
        created_at=now,
        **attributes,
    )


async def _listed(campaign: Campaign, checked: CheckedContacts) -> AsyncIterator[list[Contact]]:
    first = 1
    for chunk in checked.chunks():
        yield [
            Contact(ContactId(number), campaign.id, row.phone, timezone=row.timezone)
            for number, row in enumerate(chunk, first)
        ]
        first += len(chunk)


def _as_if_started(campaign: Campaign, now: Instant, notes: list[str]) -> Campaign:
    """The campaign as it dials: one that waits for a person is started now."""
    waits = campaign.status is CampaignStatus.SCHEDULED and campaign.start_at is None
    if campaign.status is CampaignStatus.PAUSED:
        notes.append("the campaign is paused: the forecast is as if it were resumed now")
    elif not waits:
        return campaign
    return replace(campaign, status=CampaignStatus.RUNNING, started_at=campaign.started_at or now)


def _share(campaign: Campaign, other: Campaign) -> bool:
    """Whether both may dial over the same trunk."""
    return not campaign.trunks or not other.trunks or bool(set(campaign.trunks) & set(other.trunks))


def waiting_of(counters: Mapping[str, int]) -> int:
    """How many contacts of a campaign wait for a call."""
    return sum(counters.get("state:" + state, 0) for state in ContactState if state.waiting)


def _running(counters: Mapping[str, int]) -> int:
    return sum(counters.get("state:" + state, 0) for state in ContactState if state.busy)


def _refuse_many(contacts: int) -> None:
    if contacts > MOST_CONTACTS:
        raise RequestError(
            413,
            "too-large",
            "Content too large",
            f"{contacts:,} contacts are more than the {MOST_CONTACTS:,} that a simulation takes; simulate a part of "
            "the list and multiply",
        )


# --- the file ------------------------------------------------------------------------------------


@contextmanager
def _spool(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    path = folder / f"{secrets.token_hex(8)}.upload"
    try:
        try:
            file = path.open("xb")
        except OSError as error:
            raise _disk_refused(error) from error
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def _write(file: BinaryIO, line: bytes) -> None:
    try:
        file.write(line)
    except OSError as error:
        raise _disk_refused(error) from error


def _disk_refused(error: OSError) -> PortError:
    return PortError(f"the contacts of a simulation cannot be kept on disk: {error.strerror}", retryable=True)
