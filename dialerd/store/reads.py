"""The reading half of the store port, the same for every database; a store adds the connections and the writer.

Lanes, so that what the engine waits for never queues behind a list that a person asked for, and neither behind a
report, which reads every call of its span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Dialect

from dialerd.core import metrics
from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactKind, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState
from dialerd.core.dnc import DncEntry, DncPatterns, span
from dialerd.core.identity import CALL_IDS_PER_MILLI, E164, CallId, CampaignId, ContactId, ScriptId, call_id
from dialerd.core.model import Campaign
from dialerd.core.report import Report
from dialerd.core.webhook import WebhookId
from dialerd.ports import (
    AnsweredRequest,
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    DeedFilter,
    Dnc,
    KeptDeed,
    OpenState,
    Page,
    PastCall,
    ReadyBatch,
    ReportFilter,
    Script,
    VoiceAgent,
)
from dialerd.store import (
    agents,
    deeds,
    disposal,
    erasure,
    outbox,
    queries,
    recordings,
    reports,
    requests,
    rows,
)
from dialerd.store.asking import Lane, Rows
from dialerd.store.exports import Exports
from dialerd.store.sql import Sql, to_json

T = TypeVar("T")

DNC_BATCH = 10_000
"""Entries of the do-not-call list that are read at a time: the event loop and other questions come in between."""


_BEHIND_ALL = "cam"
"""Greater than every call's id."""


class Reads(Exports):
    """Every question of the port. All of them raise `PortError`."""

    def __init__(self, name: str, dialect: Dialect, engine: Lane, people: Lane, reports: Lane) -> None:
        """`name`: what the store is called in messages."""
        super().__init__(name, dialect, reports)
        self._engine = engine
        self._people = people
        self._reports = reports
        self._sweep = _Sweep("")

    # --- the engine ------------------------------------------------------------------------------

    async def _held(self, rested_since: Instant, shown_since: Instant | None) -> OpenState:
        """What the engine must hold."""
        dialect, lane = self._dialect, self._engine
        held = await self._ask(lane, queries.held_campaigns(dialect), {}, rows.campaigns_with_counters)
        decided = await self._ask(lane, queries.decided(dialect), {}, rows.decided)
        return OpenState(
            campaigns=tuple(campaign for campaign, _ in held),
            counters={campaign.id: counted for campaign, counted in held},
            calls=await self._ask(lane, queries.open_calls(dialect), {}, rows.open_calls),
            last_call=await self._ask(lane, queries.last_call(dialect), {}, rows.only),
            rested=await self._ask(lane, queries.rested(dialect), {"since": rested_since}, rows.rested),
            halt=decided.halt,
            trunks=decided.trunks,
            shown=await self._shown(shown_since) if shown_since is not None else {},
            erasing=frozenset(await self.erasures()),
            webhooks=await self._ask(lane, outbox.held_webhooks(dialect), {}, rows.webhooks_of),
            last_delivery=await self._ask(lane, outbox.last_delivery(dialect), {}, rows.last_delivery),
        )

    async def _shown(self, since: Instant) -> dict[E164, tuple[tuple[int, int], ...]]:
        return await self._ask(self._engine, queries.shown(self._dialect), {"since": since}, rows.shown)

    async def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        """Of each kind at most so many (`limits`) due waiting contacts outside `held`, by (not_before, id)."""
        values = {"campaign": campaign, "now": now, "held": to_json(list(held))}
        values |= {"since": _after(recent_since), **queries.ready_limits(limits)}
        found = await self._ask(
            self._engine,
            queries.ready(self._dialect),
            values,
            lambda given: rows.contacts_and_recent(given, now),
        )
        return batch_of(found, now, limits)

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
        found: list[Contact] = []
        values = {
            "campaign": campaign,
            "now": now,
            "held": to_json(list(held)),
            "since": _after(recent_since),
        }
        for prefix in sorted(prefixes):
            first, last = span(f"+{prefix}*")
            if len(found) < limit and behind < last:
                bounds = {
                    "first": max(first, behind),
                    "behind": behind,
                    "last": last,
                    "limit": limit - len(found),
                }
                found += await self._ask(
                    self._engine,
                    queries.ready_under(self._dialect),
                    values | bounds,
                    lambda given: rows.contacts_and_recent(given, now),
                )
        return found

    async def recent_calls(self, phone: E164, since: Instant) -> tuple[Instant, ...]:
        """Starts of the counted calls to a number after `since`, over all campaigns, oldest first."""
        values = {"phone": phone, "since": _after(since)}
        return await self._ask(self._engine, queries.recent_calls(self._dialect), values, rows.instants)

    async def waiting_under(self, pattern: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of live campaigns whose number matches a do-not-call pattern."""
        if not pattern.endswith("*"):
            return await self._under(self._engine, _Sweep(pattern), limit)
        # A sweep takes out what it finds and asks again: to begin where it has come to spares it all that it has
        # passed. The engine's other questions do not wait for a long one.
        sweep = self._sweep if self._sweep.pattern == pattern else _Sweep(pattern)
        found = await self._under(self._people, sweep, limit)
        if len(found) < limit and sweep != _Sweep(pattern):
            found = await self._under(self._people, _Sweep(pattern), limit)
        self._sweep = _Sweep(pattern).behind(found[-1]) if found else _Sweep("")
        return found

    async def _under(self, lane: Lane, sweep: _Sweep, limit: int) -> list[Contact]:
        values = sweep.bounds() | {"limit": limit}
        return await self._ask(lane, queries.waiting_under(self._dialect), values, rows.contacts_of)

    async def waiting(self, campaign: CampaignId, behind: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of a campaign, due or not, by number, greater than `behind`."""
        values = {"campaign": campaign, "behind": behind, "limit": limit}
        return await self._list(queries.waiting(self._dialect), values, rows.contacts_of)

    async def past_calls(
        self, campaign: CampaignId | None, before: CallId | None, limit: int
    ) -> Sequence[PastCall]:
        """At most `limit` calls that are over, of a campaign or of all, newest first."""
        query = queries.past_calls(self._dialect, of_campaign=campaign is not None)
        asked = {} if campaign is None else {"campaign": campaign}
        values = {**asked, "before": before or _BEHIND_ALL, "limit": limit}
        return await self._list(query, values, rows.past_calls)

    async def dnc(self) -> Dnc:
        """The whole do-not-call list, entries that have ended included."""
        decided = await self._ask(self._engine, queries.decided(self._dialect), {}, rows.decided)
        listed, after, more = DncPatterns(), "", True
        while more:
            values = {"after": after, "limit": DNC_BATCH}
            batch = await self._engine.fetch(queries.dnc_patterns(self._dialect), values)
            self._read(batch, lambda found: listed.update(rows.patterns(found)))
            more = len(batch) == DNC_BATCH
            after = batch[-1][0] if batch else after
        return Dnc(decided.dnc_version, listed)

    # --- people ----------------------------------------------------------------------------------

    async def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A campaign and its counters."""
        query = queries.campaign(self._dialect)
        found = await self._list(query, {"campaign": campaign}, rows.campaigns_with_counters)
        return found[0] if found else None

    async def campaigns(
        self, where: CampaignFilter, page: Page
    ) -> tuple[Sequence[tuple[Campaign, Mapping[str, int]]], int]:
        """A page of campaigns with their counters, newest first, and how many match."""
        asked = queries.asked(where)
        names = frozenset(asked)
        query = queries.campaign_page(self._dialect, names)
        found = await self._list(query, asked | _of(page), rows.campaigns_with_counters)
        return found, await self._count(queries.campaign_count(self._dialect, names), asked)

    async def deletions(self) -> Sequence[CampaignId]:
        """The campaigns that are being deleted, oldest order first."""
        return await self._list(disposal.deletions_waiting(self._dialect), {}, rows.first_column)

    async def finished_before(self, before: Instant, limit: int) -> Sequence[CampaignId]:
        """At most `limit` campaigns that finished before an instant and are not being deleted; oldest first."""
        values = {"before": before, "limit": limit}
        return await self._list(disposal.finished_before(self._dialect), values, rows.first_column)

    async def erasures(self) -> Sequence[E164]:
        """The numbers of persons that are being erased, oldest order first."""
        found = await self._list(erasure.waiting(self._dialect), {}, rows.first_column)
        return [E164(phone) for phone in found]

    async def history(self, phone: E164, limit: int) -> Sequence[tuple[Campaign, Contact]]:
        """At most `limit` sealed contacts with a number, of the newest campaigns first."""
        values = {"phone": phone, "limit": limit}
        return await self._list(queries.history(self._dialect), values, rows.histories)

    async def contacts(
        self, campaign: CampaignId, page: Page, state: ContactState | None = None
    ) -> tuple[Sequence[Contact], int]:
        """A page of a campaign's sealed contacts in list order, and how many there are (in `state`)."""
        asked: dict[str, Any] = {"campaign": campaign} | ({} if state is None else {"state": state})
        query = queries.contact_page(self._dialect, in_state=state is not None)
        found = await self._list(query, asked | _of(page), rows.contacts_of)
        return found, await self._count(
            queries.contact_count(self._dialect, in_state=state is not None), asked
        )

    async def contact(self, campaign: CampaignId, phone: E164) -> Contact | None:
        """The sealed contact of a campaign with this number."""
        asked = {"campaign": campaign, "phone": phone}
        found = await self._list(queries.contact(self._dialect), asked, rows.contacts_of)
        return found[0] if found else None

    async def audit_counters(self, campaign: CampaignId) -> Mapping[str, tuple[int, int]]:
        """Counters of contacts that differ from a recount: key → (kept, counted)."""
        groups, kept = await self._list(queries.audit(self._dialect), {"campaign": campaign}, rows.audited)
        return metrics.drift(kept, metrics.recount_groups(groups))

    async def doomed_files(self, limit: int) -> Sequence[str]:
        """Recordings whose files are to be deleted, oldest order first."""
        return await self._list(recordings.doomed(self._dialect), {"limit": limit}, rows.first_column)

    async def dnc_entries(self, page: Page) -> tuple[Sequence[DncEntry], int]:
        """A page of the do-not-call list, newest first, and how many entries there are."""
        found = await self._list(queries.dnc_page(self._dialect), _of(page), rows.dnc_entries)
        return found, await self._count(queries.dnc_count(self._dialect), {})

    async def dnc_entry(self, pattern: str) -> DncEntry | None:
        """The entry of exactly this pattern, ended or not."""
        query = queries.dnc_entry(self._dialect)
        found = await self._list(query, {"pattern": pattern}, rows.dnc_entries)
        return found[0] if found else None

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many match."""
        asked = queries.asked(where)
        names = frozenset(asked)
        found = await self._list(queries.call_page(self._dialect, names), asked | _of(page), rows.call_rows)
        return found, await self._count(queries.call_count(self._dialect, names), asked)

    async def call(self, call: CallId) -> CallRow | None:
        """One call."""
        found = await self._list(queries.call(self._dialect), {"call": call}, rows.call_rows)
        return found[0] if found else None

    async def report(self, where: ReportFilter) -> Report:
        """The figures of the calls that are over."""
        query = reports.statement(self._dialect, where)
        return await self._ask(
            self._reports, query, reports.values(where), lambda found: reports.told(found, where.by)
        )

    async def script(self, script_id: ScriptId, version: int | None = None) -> Script | None:
        """One version of a script, deleted or not; without `version` the newest, if it is not deleted."""
        values: dict[str, Any] = {"script": script_id}
        query = queries.newest_script(self._dialect)
        if version is not None:
            values["version"] = version
            query = queries.script_version(self._dialect)
        found = await self._list(query, values, rows.scripts_of)
        return found[0] if found else None

    async def scripts(self, page: Page) -> tuple[Sequence[Script], int]:
        """Newest version of each script, newest first, and how many scripts there are."""
        found = await self._list(queries.script_page(self._dialect), _of(page), rows.scripts_of)
        return found, await self._count(queries.script_count(self._dialect), {})

    async def waiting_deliveries(
        self, webhook: WebhookId, behind: DeliveryNumber, limit: int
    ) -> Sequence[Delivery]:
        """At most `limit` waiting deliveries with greater numbers than `behind`, in order."""
        values = {"webhook": webhook, "behind": behind, "limit": limit}
        return await self._list(outbox.waiting(self._dialect), values, rows.deliveries_of)

    async def deliveries(
        self, webhook: WebhookId, page: Page, state: DeliveryState | None = None
    ) -> tuple[Sequence[Delivery], int]:
        """A page of a webhook's deliveries, newest first, and how many there are (in `state`)."""
        asked = {"webhook": webhook} | ({} if state is None else {"state": state})
        query = outbox.page(self._dialect, in_state=state is not None)
        found = await self._list(query, asked | _of(page), rows.deliveries_of)
        return found, await self._count(outbox.count(self._dialect, in_state=state is not None), asked)

    async def delivery(self, webhook: WebhookId, number: DeliveryNumber) -> Delivery | None:
        """One delivery of a webhook."""
        values = {"webhook": webhook, "number": number}
        found = await self._list(outbox.one(self._dialect), values, rows.deliveries_of)
        return found[0] if found else None

    async def delivery_counts(self) -> Mapping[tuple[WebhookId, DeliveryState], int]:
        """How many deliveries of each webhook wait, and how many are dead."""
        return await self._list(outbox.unsettled(self._dialect), {}, rows.delivery_counts)

    async def script_versions(self, script_id: ScriptId) -> int:
        """The highest version that was ever stored; 0: none."""
        return await self._count(queries.highest_version(self._dialect), {"script": script_id})

    async def agent(self, agent_id: str) -> VoiceAgent | None:
        """One agent."""
        found = await self._list(agents.one(self._dialect), {"agent": agent_id}, agents.read)
        return found[0] if found else None

    async def agents(self, page: Page) -> tuple[Sequence[VoiceAgent], int]:
        """A page of agents, newest first, and how many there are."""
        found = await self._list(agents.page(self._dialect), _of(page), agents.read)
        return found, await self._count(agents.count(self._dialect), {})

    async def agents_naming(self, *, script: str = "", agent: str = "") -> Sequence[str]:
        """Ids of the agents that name a script, or another agent as their fallback."""
        values = {"script": script, "agent": agent}
        return await self._list(agents.naming(self._dialect), values, rows.first_column)

    async def deeds(self, where: DeedFilter, page: Page) -> tuple[Sequence[KeptDeed], int]:
        """A page of the audit trail, newest first, and how many entries match."""
        asked = queries.asked(where)
        names = frozenset(asked)
        found = await self._list(deeds.page(self._dialect, names), asked | _of(page), deeds.read)
        return found, await self._count(deeds.count(self._dialect, names), asked)

    async def request_done(self, ident: str, after: Instant) -> AnsweredRequest | None:
        """The request that was carried out under this name after an instant."""
        values = {"ident": ident, "after": after}
        found = await self._list(requests.known(self._dialect), values, requests.answered)
        return found[0] if found else None

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        found = await self._list(queries.key_by_digest(self._dialect), {"digest": digest}, rows.keys)
        return found[0] if found else None

    async def keys(self) -> Sequence[ApiKey]:
        """All keys, newest first."""
        return await self._list(queries.keys(self._dialect), {}, rows.keys)

    async def _count(self, query: Sql, values: Mapping[str, Any]) -> int:
        return int(await self._list(query, values, rows.only) or 0)

    async def _list(self, query: Sql, values: Mapping[str, Any], read: Callable[[Rows], T]) -> T:
        return await self._ask(self._people, query, values, read)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Where the next batch of contacts under a do-not-call pattern begins."""

    pattern: str
    campaign: str = ""
    since: str = ""

    def behind(self, contact: Contact) -> _Sweep:
        """Directly behind a contact: no number is between one and the same with a zero after it."""
        return _Sweep(self.pattern, contact.campaign_id, contact.phone + "0")

    def bounds(self) -> dict[str, Any]:
        """Parameters of `queries.waiting_under`."""
        first, last = span(self.pattern)
        return {"campaign": self.campaign, "since": self.since, "first": first, "last": last}


def batch_of(found: Sequence[Contact], now: Instant, limits: tuple[int, int, int]) -> ReadyBatch:
    """Contacts, of each kind one more than `limits` say if there are more, as what the engine asked for."""
    due: list[Contact] = []
    exhausted = set(ContactKind)
    for kind, limit in zip(ContactKind, limits, strict=True):
        of_kind = [contact for contact in found if contact.state.kind is kind and contact.not_before <= now]
        due += of_kind[:limit]
        if len(of_kind) > limit:
            exhausted.discard(kind)
    later = (contact.not_before for contact in found if contact.not_before > now)
    return ReadyBatch(tuple(due), frozenset(exhausted), min(later, default=None))


def _after(since: Instant | None) -> str:
    """The call id that calls after `since` are behind; None: that none is behind."""
    return "cal_~" if since is None else call_id(since * CALL_IDS_PER_MILLI)


def _of(page: Page) -> dict[str, int]:
    return {"limit": page.limit, "offset": page.offset}
