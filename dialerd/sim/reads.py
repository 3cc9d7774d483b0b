"""The reading half of the fake store: the questions of the port, answered from the disk's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from dialerd.core import metrics
from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry, DncPatterns
from dialerd.core.errors import PortError
from dialerd.core.identity import E164, CallId, CampaignId, ContactId, ScriptId
from dialerd.core.model import CallStatus, Campaign, Try
from dialerd.core.report import By, Part, Report, key_of, report
from dialerd.core.usage import HOUR
from dialerd.core.webhook import WebhookId
from dialerd.engine.call_views import row_of
from dialerd.ports import (
    AnsweredRequest,
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    Dnc,
    OpenState,
    Page,
    PastCall,
    ReadyBatch,
    ReportFilter,
    Script,
    VoiceAgent,
)
from dialerd.sim.disk import FakeDisk, StoredCall

T = TypeVar("T")


class FakeReads:
    """Every question of the port. All of them raise `PortError` while the store is closed."""

    disk: FakeDisk
    _is_open: bool

    def _opened(self) -> FakeDisk:
        if not self._is_open:
            raise PortError("the store is closed", retryable=False)
        return self.disk

    # --- the engine ------------------------------------------------------------------------------

    def _held(self, rested_since: Instant, shown_since: Instant | None) -> OpenState:
        """What the engine must hold."""
        disk = self._opened()
        running = [kept for kept in disk.calls.values() if kept.closed is None]
        busy = {kept.call.campaign_id for kept in running}
        held = [found for found in disk.campaigns.values() if found.status.live or found.id in busy]
        return OpenState(
            campaigns=tuple(sorted(held, key=lambda found: (found.created_at, found.id))),
            counters={found.id: dict(disk.counters.get(found.id) or {}) for found in held},
            calls=tuple(
                replace(kept.call, contact=self._contact(kept))
                for kept in sorted(running, key=lambda kept: kept.call.id)
                if kept.call.tries
            ),
            last_call=max((kept.call.id for kept in disk.calls.values()), default=None),
            rested={
                E164(freed.phone): Instant(freed.ended_at)
                for freed in disk.numbers.values()
                if freed.ended_at >= rested_since
            },
            halt=disk.halt.get(""),
            trunks=tuple(sorted(disk.trunks.values(), key=lambda change: change.trunk)),
            shown=self._shown(shown_since) if shown_since is not None else {},
            erasing=frozenset(disk.erasures.committed),
            webhooks=tuple(sorted(disk.webhooks.values(), key=lambda hook: (hook.created_at, hook.id))),
            last_delivery=max((row.number for row in disk.deliveries.values()), default=DeliveryNumber(0)),
        )

    def _shown(self, since: Instant) -> dict[E164, tuple[tuple[int, int], ...]]:
        calls = (kept.call for kept in self.disk.calls.values() if kept.call.started_at >= since)
        tries = Counter((one.caller_id, one.opened_at // HOUR) for call in calls for one in call.tries)
        numbers = sorted({number for number, _ in tries})
        return {
            number: tuple((hour, tries[one, hour]) for one, hour in sorted(tries) if one == number)
            for number in numbers
        }

    async def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        """Of each kind at most so many (`limits`) due waiting contacts outside `held`, by (not_before, id)."""
        self._opened()
        waiting = [
            contact for contact in self._sealed(campaign) if contact.state.waiting and contact.id not in held
        ]
        waiting.sort(key=lambda contact: (contact.not_before, contact.id))
        due: list[Contact] = []
        exhausted = set(ContactKind)
        for kind, limit in zip(ContactKind, limits, strict=True):
            of_kind = [one for one in waiting if one.state.kind is kind and one.not_before <= now]
            due += of_kind[:limit]
            if len(of_kind) > limit:
                exhausted.discard(kind)
        if recent_since is not None:
            due = [replace(one, recent=self._recent(one.phone, recent_since)) for one in due]
        next_due = min((one.not_before for one in waiting if one.not_before > now), default=None)
        shown = tuple(replace(one, read_at=now) for one in due)
        return ReadyBatch(shown, frozenset(exhausted), next_due)

    async def ready_under(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        prefixes: Sequence[str],
        behind: str,
        limit: int,
        recent_since: Instant | None = None,
    ) -> Sequence[Contact]:
        """At most `limit` due waiting contacts outside `held` whose digits begin with a prefix, by their numbers."""
        self._opened()
        found = [
            contact
            for contact in self._sealed(campaign)
            if contact.state.waiting
            and contact.not_before <= now
            and contact.id not in held
            and contact.phone > behind
            and contact.phone.startswith(tuple(f"+{prefix}" for prefix in prefixes))
        ]
        found.sort(key=lambda contact: contact.phone)
        if recent_since is not None:
            found = [replace(one, recent=self._recent(one.phone, recent_since)) for one in found[:limit]]
        return [replace(contact, read_at=now) for contact in found[:limit]]

    async def recent_calls(self, phone: E164, since: Instant) -> tuple[Instant, ...]:
        """Starts of the counted calls to a number after `since`, over all campaigns, oldest first."""
        self._opened()
        return self._recent(phone, since)

    def _recent(self, phone: E164, since: Instant) -> tuple[Instant, ...]:
        kept = (kept for kept in self.disk.calls.values() if kept.call.phone == phone)
        counted = (kept.call for kept in kept if kept.closed is None or kept.closed.counted)
        return tuple(sorted(call.started_at for call in counted if call.started_at > since))

    async def waiting_under(self, pattern: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of live campaigns whose number matches a do-not-call pattern."""
        live = [campaign.id for campaign in self._opened().campaigns.values() if campaign.status.live]
        found = [
            contact
            for campaign in live
            for contact in self._sealed(campaign)
            if contact.state.waiting and _is_under(contact.phone, pattern)
        ]
        return found[:limit]

    async def waiting(self, campaign: CampaignId, behind: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of a campaign, due or not, by number, greater than `behind`."""
        self._opened()
        found = [one for one in self._sealed(campaign) if one.state.waiting and one.phone > behind]
        return sorted(found, key=lambda contact: contact.phone)[:limit]

    async def past_calls(
        self, campaign: CampaignId | None, before: CallId | None, limit: int
    ) -> Sequence[PastCall]:
        """At most `limit` calls that are over, of a campaign or of all, newest first."""
        found = [
            kept
            for kept in self._opened().calls.values()
            if kept.closed is not None
            and campaign in (None, kept.call.campaign_id)
            and (before is None or kept.call.id < before)
        ]
        found.sort(key=lambda kept: kept.call.id, reverse=True)
        return [past for kept in found[:limit] if (past := self._past(kept)) is not None]

    async def dnc(self) -> Dnc:
        """The whole do-not-call list, entries that have ended included."""
        disk = self._opened()
        listed = DncPatterns((entry.pattern, entry.expires_at) for entry in disk.dnc.values())
        return Dnc(disk.dnc_version[""], listed)

    # --- people ----------------------------------------------------------------------------------

    async def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A campaign and its counters."""
        disk = self._opened()
        found = disk.campaigns.get(campaign) if not self._is_hidden(campaign) else None
        return None if found is None else (found, dict(disk.counters.get(campaign) or {}))

    async def campaigns(
        self, where: CampaignFilter, page: Page
    ) -> tuple[Sequence[tuple[Campaign, Mapping[str, int]]], int]:
        """A page of campaigns with their counters, newest first, and how many match."""
        disk = self._opened()
        found = [
            campaign
            for campaign in disk.campaigns.values()
            if not self._is_hidden(campaign.id)
            and (where.status is None or campaign.status is where.status)
            and within(campaign.created_at, where.created_from, where.created_to)
        ]
        found.sort(key=lambda campaign: (campaign.created_at, campaign.id), reverse=True)
        shown, total = paged(found, page)
        return [(campaign, dict(disk.counters.get(campaign.id) or {})) for campaign in shown], total

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many match."""
        kept = [kept for kept in self._opened().calls.values() if kept.call.tries]
        rows = [self._row(one) for one in kept if not self._is_hidden(one.call.campaign_id)]
        found = [row for row in rows if _matches(row, where)]
        return paged(sorted(found, key=lambda row: row.id, reverse=True), page)

    async def call(self, call: CallId) -> CallRow | None:
        """One call."""
        kept = self._opened().calls.get(call)
        if kept is None or not kept.call.tries or self._is_hidden(kept.call.campaign_id):
            return None
        return self._row(kept)

    async def report(self, where: ReportFilter) -> Report:
        """The figures of the calls that are over."""
        kept = [
            kept
            for kept in self._opened().calls.values()
            if _is_reported(kept, where) and not self._is_hidden(kept.call.campaign_id)
        ]
        found = [
            replace(
                _part(kept, where, one), name=self._campaign_name(kept) if where.by is By.CAMPAIGN else None
            )
            for kept in kept
            for one in kept.call.tries
        ]
        return report(where.by, found, found)

    def _campaign_name(self, kept: StoredCall) -> str | None:
        campaign = kept.call.campaign_id
        return self.disk.campaigns[campaign].name if campaign is not None else None

    async def contacts(
        self, campaign: CampaignId, page: Page, state: ContactState | None = None
    ) -> tuple[Sequence[Contact], int]:
        """A page of a campaign's sealed contacts in list order, and how many there are (in `state`)."""
        self._opened()
        found = [contact for contact in self._sealed(campaign) if state in (None, contact.state)]
        return paged(sorted(found, key=lambda contact: contact.id), page)

    async def contact(self, campaign: CampaignId, phone: E164) -> Contact | None:
        """The sealed contact of a campaign with this number."""
        self._opened()
        return next((contact for contact in self._sealed(campaign) if contact.phone == phone), None)

    async def audit_counters(self, campaign: CampaignId) -> Mapping[str, tuple[int, int]]:
        """Counters of contacts that differ from a recount: key → (kept, counted)."""
        kept = self._opened().counters.get(campaign) or {}
        return metrics.drift(kept, metrics.recount(self._sealed(campaign)))

    async def dnc_entries(self, page: Page) -> tuple[Sequence[DncEntry], int]:
        """A page of the do-not-call list, newest first, and how many entries there are."""
        entries = self._opened().dnc.values()
        return paged(sorted(entries, key=lambda entry: (entry.created_at, entry.pattern), reverse=True), page)

    async def dnc_entry(self, pattern: str) -> DncEntry | None:
        """The entry of exactly this pattern, ended or not."""
        return self._opened().dnc.get(pattern)

    async def script(self, script_id: ScriptId, version: int | None = None) -> Script | None:
        """One version of a script, deleted or not; without `version` the newest, if it is not deleted."""
        disk = self._opened()
        if version is not None:
            return disk.scripts.get((script_id, version))
        return max(self._versions(script_id), key=lambda script: script.version, default=None)

    async def script_versions(self, script_id: ScriptId) -> int:
        """The highest version that was ever stored; 0: none."""
        kept = self._opened().scripts.values()
        return max((script.version for script in kept if script.id == script_id), default=0)

    async def scripts(self, page: Page) -> tuple[Sequence[Script], int]:
        """Newest version of each script, newest first, and how many scripts there are."""
        idents = {script.id for script in self._opened().scripts.values()}
        newest = [
            max(versions, key=lambda script: script.version)
            for ident in idents
            if (versions := self._versions(ident))
        ]
        return paged(sorted(newest, key=lambda script: (script.created_at, script.id), reverse=True), page)

    def _versions(self, script_id: ScriptId) -> list[Script]:
        disk = self._opened()
        return [
            script
            for key, script in disk.scripts.committed.items()
            if script.id == script_id and key not in disk.gone
        ]

    async def agent(self, agent_id: str) -> VoiceAgent | None:
        """One agent."""
        return self._opened().agents.get(agent_id)

    async def agents(self, page: Page) -> tuple[Sequence[VoiceAgent], int]:
        """A page of agents, newest first, and how many there are."""
        found = self._opened().agents.values()
        return paged(sorted(found, key=lambda agent: (agent.created_at, agent.id), reverse=True), page)

    async def agents_naming(self, *, script: str = "", agent: str = "") -> Sequence[str]:
        """Ids of the agents that name a script, or another agent as their fallback."""
        found = self._opened().agents.values()
        named = (one for one in found if one.script_id == script or one.fallback == agent)
        return sorted(one.id for one in named)

    async def request_done(self, ident: str, after: Instant) -> AnsweredRequest | None:
        """The request that was carried out under this name after an instant."""
        known = self._opened().requests.get(ident)
        return known if known is not None and known.done.at > after else None

    async def waiting_deliveries(
        self, webhook: WebhookId, behind: DeliveryNumber, limit: int
    ) -> Sequence[Delivery]:
        """At most `limit` waiting deliveries with greater numbers than `behind`, in order."""
        waiting = self._deliveries(webhook, DeliveryState.WAITING)
        return [row for row in waiting if row.number > behind][:limit]

    async def deliveries(
        self, webhook: WebhookId, page: Page, state: DeliveryState | None = None
    ) -> tuple[Sequence[Delivery], int]:
        """A page of a webhook's deliveries, newest first, and how many there are (in `state`)."""
        return paged(self._deliveries(webhook, state)[::-1], page)

    async def delivery(self, webhook: WebhookId, number: DeliveryNumber) -> Delivery | None:
        """One delivery of a webhook."""
        return next((row for row in self._deliveries(webhook) if row.number == number), None)

    async def delivery_counts(self) -> Mapping[tuple[WebhookId, DeliveryState], int]:
        """How many deliveries of each webhook wait, and how many are dead."""
        rows = self._opened().deliveries.values()
        open_ones = (row for row in rows if row.state is not DeliveryState.DELIVERED)
        return Counter((row.webhook, row.state) for row in open_ones)

    def _deliveries(self, webhook: WebhookId, state: DeliveryState | None = None) -> list[Delivery]:
        """A webhook's deliveries in order."""
        rows = self._opened().deliveries.values()
        found = [row for row in rows if row.webhook == webhook and state in (None, row.state)]
        return sorted(found, key=lambda row: row.number)

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        keys = self._opened().keys.values()
        return next((key for key in keys if key.digest == digest and key.revoked_at is None), None)

    async def keys(self) -> Sequence[ApiKey]:
        """All keys, newest first."""
        return sorted(self._opened().keys.values(), key=lambda key: (key.created_at, key.id), reverse=True)

    def _is_hidden(self, campaign: CampaignId | None) -> bool:
        return campaign is not None and campaign in self.disk.deletions

    def _sealed(self, campaign: CampaignId) -> Iterable[Contact]:
        for listed in self.disk.contacts.values():
            if listed.contact.campaign_id == campaign and self.disk.imports[listed.import_id].sealed:
                yield listed.contact

    def _contact(self, kept: StoredCall) -> Contact | None:
        listed = self.disk.contacts.get(kept.contact) if kept.contact is not None else None
        return listed.contact if listed is not None else None

    def _past(self, kept: StoredCall) -> PastCall | None:
        if kept.closed is None or not kept.call.tries:
            return None
        call, contact, last = kept.call, self._contact(kept), kept.call.current
        until = last.answered_at if last.answered_at is not None else last.ended_at
        return PastCall(
            call.id,
            call.phone,
            contact.timezone if contact is not None else None,
            call.started_at,
            max(0, until - last.opened_at) if until is not None else 0,
            kept.closed.duration
            if last.answered_at is not None and kept.closed.reason is not Reason.VOICEMAIL
            else None,
            kept.closed.disposition,
            kept.closed.reason,
        )

    def _row(self, kept: StoredCall) -> CallRow:
        return row_of(replace(kept.call, contact=self._contact(kept)), kept.closed)


def paged(found: Sequence[T], page: Page) -> tuple[Sequence[T], int]:
    """A page of what was found, and how much that was."""
    return found[page.offset : page.offset + page.limit], len(found)


def within(instant: Instant, first: Instant | None, end: Instant | None) -> bool:
    """Whether an instant is within inclusive bounds."""
    return (first is None or instant >= first) and (end is None or instant <= end)


def _matches(row: CallRow, where: CallFilter) -> bool:
    return (
        where.campaign in (None, row.campaign_id)
        and where.disposition in (None, row.disposition)
        and where.language in (None, row.language)
        and where.phone in (None, row.phone)
        and within(row.started_at, where.started_from, where.started_to)
    )


def _is_reported(kept: StoredCall, where: ReportFilter) -> bool:
    call = kept.call
    return (
        kept.closed is not None
        and where.campaign in (None, call.campaign_id)
        and where.started_from <= call.started_at <= where.started_to
    )


def _part(kept: StoredCall, where: ReportFilter, one: Try) -> Part:
    """What one try of a call that is over adds to a report."""
    call, closed, by = kept.call, kept.closed, where.by
    assert closed is not None
    last = one is call.tries[-1]
    keys = {
        By.TRUNK: one.trunk,
        By.CALLER_ID: one.caller_id,
        By.REASON: closed.reason,
        By.CAMPAIGN: call.campaign_id,
    }
    return Part(
        key=key_of(by, call.started_at, where.clock) if by.timed else keys[by],
        reason=closed.reason,
        tries=1,
        calls=int(last),
        counted=int(last and closed.counted),
        answered=int(last and closed.status is CallStatus.COMPLETED),
        positive=int(last and call.report.positive),
        talk=closed.duration if last else Millis(0),
    )


def _is_under(phone: E164, pattern: str) -> bool:
    return phone.startswith(pattern[:-1]) if pattern.endswith("*") else phone == pattern
