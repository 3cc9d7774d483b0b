"""Campaigns: created, read, edited, given contacts, started and stopped, and why they are not dialing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dialerd.core.commands import (
    Command,
    DeleteCampaign,
    EditCampaign,
    PauseCampaign,
    Refused,
    ResumeCampaign,
    StartCampaign,
    StopCampaign,
)
from dialerd.core.contact import Contact, ContactState
from dialerd.core.errors import RequestError, conflict, invalid, not_found
from dialerd.core.identity import E164, CampaignId
from dialerd.core.journal import RequestDone
from dialerd.core.metrics import figures
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.engine.admission import Admission, Admitted
from dialerd.engine.cloning import Cloning
from dialerd.engine.contactlist import ContactFile
from dialerd.engine.doubts import Doubts
from dialerd.engine.draft import closed_for_good, read_changes
from dialerd.engine.feed import Happening
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import message_faults
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.unheard import unheard_faults
from dialerd.engine.upkeep import Upkeep
from dialerd.engine.views import campaign_view, contact_view, page_view
from dialerd.ports import CampaignFilter, Clock, Page, Store

Reasons = list[dict[str, str | None]]

_EDIT_ATTEMPTS = 5
"""How often an unconditional edit is worked out anew because another one came between."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """A command's result: the thing as it is now, and originates that had not shown themselves yet."""

    shown: dict[str, Any]
    in_flight: int


class Campaigns:
    """Every campaign of this installation, live and finished."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Clock,
        settings: ServiceSettings,
        admission: Admission,
        upkeep: Upkeep,
        doubts: Doubts,
    ) -> None:
        self._doubts = doubts
        self._cloning = Cloning(admission, store)
        self._engine = engine
        self._store = store
        self._clock = clock
        self._settings = settings
        self._admission = admission
        self._upkeep = upkeep

    # --- read ------------------------------------------------------------------------------------

    def progress(self, ident: str) -> Happening | None:
        """The figures of a live campaign, as an event; None: the engine does not hold it any more."""
        found = self._engine.memory.campaign(CampaignId(ident))
        if found is None:
            return None
        campaign, counters = found
        shown = figures(counters)
        told = {"progress": shown.progress, "dispositions": shown.dispositions, "metrics": shown.metrics}
        data = {"campaign_id": ident, "status": campaign.status.value, **told}
        return Happening(None, "campaign.progress", self._clock.now().wall, data)

    async def show(self, ident: str) -> dict[str, Any]:
        """One campaign. Raises `RequestError` 404."""
        return self._view(*await self._find(ident))

    async def known(self, ident: str) -> CampaignId:
        """The id of a campaign that there is. Raises `RequestError` 404."""
        campaign, _ = await self._find(ident)
        return campaign.id

    async def page(self, where: CampaignFilter, page: Page) -> dict[str, Any]:
        """A page of campaigns, newest first."""
        found, total = await self._store.campaigns(where, page)
        return page_view([self._view(*item) for item in found], total, page)

    async def contacts(self, ident: str, state: ContactState | None, page: Page) -> dict[str, Any]:
        """A page of a campaign's contacts in the order of its lists. Raises `RequestError` 404."""
        campaign, _ = await self._find(ident)
        found, total = await self._store.contacts(campaign.id, page, state)
        return page_view([contact_view(contact) for contact in found], total, page)

    async def why(self, ident: str) -> dict[str, Any]:
        """Whether a campaign is dialing, and everything that keeps it from it. Raises `RequestError` 404."""
        campaign, _ = await self._find(ident)
        reasons = self._engine.memory.blocked(campaign.id) if campaign.status.live else _over(campaign)
        return {
            "campaign_id": campaign.id,
            "status": campaign.status.value,
            "closing": campaign.closing,
            "dialing": not reasons,
            "reasons": reasons,
        }

    async def why_contact(self, ident: str, phone: E164) -> dict[str, Any]:
        """Whether a contact is being dialed or could be now, and everything against it. Raises `RequestError` 404."""
        campaign, _ = await self._find(ident)
        contact = await self._store.contact(campaign.id, phone)
        if contact is None:
            raise not_found(f"contact in {campaign.id} with the number", phone)
        reasons = await self._against(campaign, contact)
        return {
            "campaign_id": campaign.id,
            "status": campaign.status.value,
            **contact_view(contact),
            "dialing": not reasons,
            "reasons": reasons,
        }

    async def _against(self, campaign: Campaign, contact: Contact) -> Reasons:
        if contact.state.busy:
            return []
        if not contact.state.waiting:
            return [{"reason": "contact", "detail": _ended(contact), "until": None}]
        if not campaign.status.live:
            return _over(campaign)
        recent = await self._engine.memory.recent_calls(contact.phone)
        return self._engine.memory.why(campaign, replace(contact, recent=recent))

    # --- change ----------------------------------------------------------------------------------

    async def create(
        self, fields: Mapping[str, Any] | None, contacts: ContactFile, done: RequestDone | None = None
    ) -> dict[str, Any]:
        """Create a campaign; `fields` None: they stand in the JSON document with the contacts.

        Raises `RequestError` naming every fault, `PortError`.
        """
        return self._admitted(await self._admission.create(fields, contacts, done))

    async def validate(self, fields: Mapping[str, Any] | None, contacts: ContactFile) -> dict[str, Any]:
        """What would become of a campaign's list, had it been created. Nothing is stored; raises as `create`."""
        return await self._admission.validate(fields, contacts)

    async def clone(
        self, ident: str, given: Mapping[str, Any], done: RequestDone | None = None
    ) -> dict[str, Any]:
        """Create a campaign from another one: `contacts` says whom it takes over, the rest what is different.

        Raises `RequestError` 404, and naming every fault, `PortError`.
        """
        source, _ = await self._find(ident)
        return self._admitted(await self._cloning.clone(source, given, done))

    def _admitted(self, admitted: Admitted) -> dict[str, Any]:
        campaign = admitted.campaign
        counters = {"total": admitted.loaded.contacts}
        return {
            **self._view(*(self._engine.memory.campaign(campaign.id) or (campaign, counters))),
            "import": admitted.report,
            "warnings": list(admitted.warnings),
        }

    async def add_contacts(
        self,
        ident: str,
        options: Mapping[str, Any] | None,
        contacts: ContactFile,
        done: RequestDone | None = None,
    ) -> dict[str, Any]:
        """Give a live campaign more contacts. Raises `RequestError` 404, 409 and with every fault, `PortError`."""
        campaign = await self._live(ident, "add contacts to")
        admitted = await self._admission.add(campaign, options, contacts, done)
        return {**await self.show(ident), "import": admitted.report, "warnings": []}

    async def imported(self, done: RequestDone) -> dict[str, Any]:
        """What a request that brought contacts has made, as it is now; the lists of its rows are not known any more."""
        counts = json.loads(done.note or "{}")
        return {
            **await self.show(done.made),
            "import": {**counts, "duplicate_rows": [], "warnings": [], "invalid": []},
            "warnings": [],
        }

    async def edit(
        self, ident: str, fields: Mapping[str, Any], versions: frozenset[int] | None
    ) -> dict[str, Any]:
        """Change fields of a live campaign; `versions`: only if it still has one of these. `warnings` are told too.

        Raises `RequestError`: 404, 409 if it is not live, 412 if somebody else has edited it, 422 with every fault.
        """
        for _ in range(_EDIT_ATTEMPTS):
            campaign = await self._live(ident, "edit")
            if versions is not None and campaign.version not in versions:
                raise _edited(campaign.version)
            changes = await self._changes(campaign, fields)
            doubts = await self._doubts.of_campaign(replace(campaign, **changes))
            # The fields were judged beside those of this version: another edit in between has them judged again.
            command = EditCampaign(campaign.id, changes, campaign.version, fields)
            carried = await self._engine.command(command)
            answer = carried.answer
            if not isinstance(answer, Refused):
                return {**await self.show(ident), "warnings": doubts}
            if not answer.edited:
                raise conflict(answer.detail, state=answer.state)
        raise conflict("the campaign is being edited by others; try again", state="edited")

    async def _changes(self, campaign: Campaign, fields: Mapping[str, Any]) -> dict[str, Any]:
        now = self._clock.now().wall
        changes, faults = read_changes(fields, campaign, now, self._settings)
        if "on_machine" in changes:
            script = await self._store.script(campaign.script_id, campaign.script_version)
            wanted = changes["on_machine"]
            faults += message_faults(wanted, script, campaign.language, campaign.engine)
        faults += unheard_faults(
            campaign.engine,
            self._settings,
            record=changes.get("record", False),
            answering_machine=changes.get("on_machine", ""),
        )
        if not faults and _window_moves(changes):
            faults = closed_for_good(replace(campaign, **changes), now)
        if faults:
            raise invalid(faults)
        return changes

    async def start(self, ident: str, *, at_once: bool) -> Carriage:
        """Start a campaign; before its start time only `at_once`. Raises `RequestError` 404, 409."""
        return await self._carry_out(ident, StartCampaign(CampaignId(ident), at_once), "start")

    async def pause(self, ident: str, *, cancel_ringing: bool) -> Carriage:
        """Place no new calls: none leaves after this has returned with nothing in flight."""
        return await self._carry_out(ident, PauseCampaign(CampaignId(ident), cancel_ringing), "pause")

    async def resume(self, ident: str) -> Carriage:
        """Go on dialing."""
        return await self._carry_out(ident, ResumeCampaign(CampaignId(ident)), "resume")

    async def stop(self, ident: str, *, hang_up: bool, cancel_ringing: bool) -> Carriage:
        """End a campaign for good."""
        command = StopCampaign(CampaignId(ident), hang_up, cancel_ringing)
        return await self._carry_out(ident, command, "stop")

    async def delete(self, ident: str) -> None:
        """Delete a finished campaign with its contacts and calls: nothing of it is shown from here on.

        Raises `RequestError` 404, and 409 if it is live or has live calls.
        """
        campaign, _ = await self._find(ident)
        carried = await self._engine.command(DeleteCampaign(campaign.id))
        if isinstance(carried.answer, Refused):
            raise conflict(carried.answer.detail, state=carried.answer.state)
        self._upkeep.wake()

    async def _carry_out(self, ident: str, command: Command, verb: str) -> Carriage:
        carried = await self._engine.command(command)
        answer = carried.answer
        if not isinstance(answer, Refused):
            return Carriage(await self.show(ident), carried.in_flight)
        if not answer.unknown:
            raise conflict(answer.detail, state=answer.state)
        campaign, counters = await self._find(ident)
        if verb == "stop" and campaign.status is CampaignStatus.STOPPED:
            # Stopping a stopped one changes nothing.
            return Carriage(campaign_view(campaign, counters, []), 0)
        raise _not_live(campaign, verb)

    # --- finding ---------------------------------------------------------------------------------

    async def _find(self, ident: str) -> tuple[Campaign, Mapping[str, int]]:
        campaign = CampaignId(ident)
        found = self._engine.memory.campaign(campaign) or await self._store.campaign(campaign)
        if found is None:
            raise not_found("campaign", ident)
        return found

    async def _live(self, ident: str, verb: str) -> Campaign:
        campaign, _ = await self._find(ident)
        if not campaign.status.live or campaign.closing:
            raise _not_live(campaign, verb)
        return campaign

    def _view(self, campaign: Campaign, counters: Mapping[str, int]) -> dict[str, Any]:
        blocked = self._engine.memory.blocked(campaign.id) if campaign.status.live else []
        return campaign_view(campaign, counters, blocked)


def _not_live(campaign: Campaign, verb: str) -> RequestError:
    state = "closing" if campaign.closing else campaign.status.value
    return conflict(f"cannot {verb} a campaign that is {state}", state=state)


def _edited(version: int) -> RequestError:
    return RequestError(
        412,
        "precondition-failed",
        "Precondition failed",
        f"the campaign is at version {version} by now: read it again and edit what you find then",
        extra={"version": version},
    )


def _over(campaign: Campaign) -> Reasons:
    return [{"reason": "campaign", "detail": campaign.status.value, "until": None}]


def _ended(contact: Contact) -> str:
    words = [contact.state.value, contact.disposition, contact.reason]
    return ": ".join(word for word in words if word)


def _window_moves(changes: Mapping[str, Any]) -> bool:
    return bool(changes.keys() & {"start_at", "end_at", "hours", "closed", "ring_timeout"})
