"""The reading half of the store port, the same for every database; a store adds the connections and the writer.

Two lanes, so that what the engine waits for never queues behind a list that a person asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Dialect

from dialerd.core.clock import Instant
from dialerd.core.model import E164, CallId, Campaign, CampaignId, Contact, ContactId, ScriptId
from dialerd.ports import (
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    OpenState,
    Page,
    ReadyBatch,
    Script,
)
from dialerd.store import queries, rows
from dialerd.store.sql import Sql, to_json


class Lane(Protocol):
    """A connection that answers one query after another."""

    async def fetch(self, sql: Sql, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows of a query. Raises `PortError`."""
        ...


class Reads:
    """Every question of the port."""

    def __init__(self, dialect: Dialect, engine: Lane, people: Lane) -> None:
        self._dialect = dialect
        self._engine = engine
        self._people = people

    # --- the engine ------------------------------------------------------------------------------

    async def _held(self, rested_since: Instant) -> OpenState:
        """What the engine must hold."""
        dialect, fetch = self._dialect, self._engine.fetch
        held = rows.campaigns_with_counters(await fetch(queries.held_campaigns(dialect), {}))
        ((last,),) = await fetch(queries.last_call(dialect), {})
        rested = await fetch(queries.rested(dialect), {"since": rested_since})
        return OpenState(
            campaigns=tuple(campaign for campaign, _ in held),
            counters={campaign.id: counted for campaign, counted in held},
            calls=rows.open_calls(await fetch(queries.open_calls(dialect), {})),
            last_call=last,
            rested={E164(phone): Instant(ended) for phone, ended in rested},
        )

    async def ready(
        self, campaign: CampaignId, now: Instant, held: frozenset[ContactId], limit: int
    ) -> ReadyBatch:
        """At most `limit` due waiting contacts outside `held`, by (not_before, id). Raises `PortError`."""
        values = {"campaign": campaign, "now": now, "held": to_json(list(held)), "limit": limit + 1}
        found = [rows.contact(row) for row in await self._engine.fetch(queries.ready(self._dialect), values)]
        due = [contact for contact in found if contact.not_before <= now]
        later = found[len(due) :]
        return ReadyBatch(
            contacts=tuple(due[:limit]),
            exhausted=len(due) <= limit,
            next_due=later[0].not_before if later else None,
        )

    # --- people ----------------------------------------------------------------------------------

    async def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A campaign and its counters. Raises `PortError`."""
        found = await self._people.fetch(queries.campaign(self._dialect), {"campaign": campaign})
        return next(iter(rows.campaigns_with_counters(found)), None)

    async def campaigns(
        self, where: CampaignFilter, page: Page
    ) -> tuple[Sequence[tuple[Campaign, Mapping[str, int]]], int]:
        """A page of campaigns with their counters, newest first, and how many match. Raises `PortError`."""
        asked = queries.asked(where)
        names = frozenset(asked)
        found = await self._people.fetch(queries.campaign_page(self._dialect, names), asked | _of(page))
        total = await self._count(queries.campaign_count(self._dialect, names), asked)
        return rows.campaigns_with_counters(found), total

    async def contacts(self, campaign: CampaignId, page: Page) -> tuple[Sequence[Contact], int]:
        """A page of a campaign's sealed contacts in list order, and how many there are. Raises `PortError`."""
        asked = {"campaign": campaign}
        found = await self._people.fetch(queries.contact_page(self._dialect), asked | _of(page))
        total = await self._count(queries.contact_count(self._dialect), asked)
        return [rows.contact(row) for row in found], total

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many match. Raises `PortError`."""
        asked = queries.asked(where)
        names = frozenset(asked)
        found = await self._people.fetch(queries.call_page(self._dialect, names), asked | _of(page))
        total = await self._count(queries.call_count(self._dialect, names), asked)
        return rows.call_rows(found), total

    async def call(self, call: CallId) -> CallRow | None:
        """One call. Raises `PortError`."""
        found = await self._people.fetch(queries.call(self._dialect), {"call": call})
        return next(iter(rows.call_rows(found)), None)

    async def script(self, script_id: ScriptId, version: int | None = None) -> Script | None:
        """One version of a script, the newest without `version`. Raises `PortError`."""
        values: dict[str, Any] = {"script": script_id}
        query = queries.newest_script(self._dialect)
        if version is not None:
            values["version"] = version
            query = queries.script_version(self._dialect)
        found = await self._people.fetch(query, values)
        return rows.script(found[0]) if found else None

    async def scripts(self, page: Page) -> tuple[Sequence[Script], int]:
        """Newest version of each script, newest first, and how many scripts there are. Raises `PortError`."""
        found = await self._people.fetch(queries.script_page(self._dialect), _of(page))
        total = await self._count(queries.script_count(self._dialect), {})
        return [rows.script(row) for row in found], total

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest. Raises `PortError`."""
        found = await self._people.fetch(queries.key_by_digest(self._dialect), {"digest": digest})
        return rows.key(found[0]) if found else None

    async def keys(self) -> Sequence[ApiKey]:
        """All keys, newest first. Raises `PortError`."""
        found = await self._people.fetch(queries.keys(self._dialect), {})
        return [rows.key(row) for row in found]

    async def _count(self, query: Sql, values: Mapping[str, Any]) -> int:
        ((count,),) = await self._people.fetch(query, values)
        return int(count or 0)


def _of(page: Page) -> dict[str, int]:
    return {"limit": page.limit, "offset": page.offset}
