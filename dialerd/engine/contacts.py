"""A person over all campaigns: what is stored under a number, and the end of it."""

from __future__ import annotations

import asyncio
from typing import Any

from dialerd.core.clock import Instant, to_iso
from dialerd.core.commands import EraseNumber, Refused
from dialerd.core.errors import conflict
from dialerd.core.identity import E164
from dialerd.engine.call_views import call_view
from dialerd.engine.runtime import Engine
from dialerd.engine.upkeep import Upkeep
from dialerd.engine.views import contact_view, dnc_view
from dialerd.ports import CallFilter, Clock, Page, Store

MOST = 100
"""Campaigns, and calls, that are told of; the newest ones."""
ERASING = 5.0
"""Seconds that who has a person erased waits for the end of it."""


class Contacts:
    """Whoever stands behind a number."""

    def __init__(self, engine: Engine, store: Store, clock: Clock, upkeep: Upkeep) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._upkeep = upkeep

    async def show(self, phone: E164) -> dict[str, Any]:
        """All that is stored under a number; a number of which nothing is known has empty lists."""
        found = await self._store.history(phone, MOST)
        calls, total = await self._store.calls(CallFilter(phone=phone), Page(MOST, 0))
        return {
            "phone": phone,
            "dnc": await self._listed(phone),
            "live_call": self._engine.memory.live_call(phone),
            "being_erased": phone in await self._store.erasures(),
            "frequency": await self._frequency(phone),
            "campaigns": [
                {
                    "campaign_id": campaign.id,
                    "campaign_name": campaign.name,
                    "campaign_status": campaign.status.value,
                    **contact_view(contact),
                }
                for campaign, contact in found
            ],
            "calls": [call_view(call) for call in calls],
            "total_calls": total,
        }

    async def erase(self, phone: E164) -> bool:
        """Erase what is stored under a number, its do-not-call entry aside; False: the rest of it goes within minutes.

        From here on the number is not called until nothing is left. A number that stands in the place of an erased one
        tells of nobody. Raises `RequestError` 409 during a live call.
        """
        if phone.erased:
            return True
        carried = await self._engine.command(EraseNumber(phone))
        if isinstance(carried.answer, Refused):
            raise conflict(carried.answer.detail, state=carried.answer.state)
        done = False
        try:
            async with asyncio.timeout(ERASING):
                done = await self._upkeep.erase(phone)
        except TimeoutError:
            return False
        finally:
            if not done:
                self._upkeep.wake()
        return done

    async def _listed(self, phone: E164) -> dict[str, Any] | None:
        """The entry of the do-not-call list that bars the number now."""
        match = self._engine.memory.listed(phone)
        entry = None if match is None else await self._store.dnc_entry(match.pattern)
        return None if entry is None else dnc_view(entry)

    async def _frequency(self, phone: E164) -> list[dict[str, Any]]:
        """For each frequency cap how many calls it counts now, and until when it bars the number."""
        starts = await self._engine.memory.recent_calls(phone)
        now = self._clock.now().wall
        shown = []
        for window, most in self._engine.memory.policy.caps:
            within = [start for start in starts if start > now - window]
            full = Instant(within[len(within) - most] + window) if len(within) >= most else None
            shown.append(
                {
                    "hours": window / 3_600_000,
                    "calls": len(within),
                    "limit": most,
                    "until": to_iso(full),
                }
            )
        return shown
