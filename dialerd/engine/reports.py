"""Reports: what came of the calls of a time span, by trunk, caller id, hour, reason or campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from dialerd.core.clock import Instant, to_datetime, to_iso
from dialerd.core.errors import Fault, invalid
from dialerd.core.identity import CampaignId
from dialerd.core.metrics import mean_seconds, ratio
from dialerd.core.model import Campaign
from dialerd.core.report import By, Group, Key, Report, Tally
from dialerd.core.wallclock import DAY, Stretch, is_zone, offsets
from dialerd.engine.fields import UNKNOWN_PARAMETER, instant
from dialerd.engine.runtime import Engine
from dialerd.ports import Clock, ReportFilter, Store

LONGEST = {By.HOUR: 31}
LONGEST_OF_OTHERS = 366
"""Days that a report may cover."""
USUAL = 7
"""Days that it covers if nobody says more, of all campaigns."""

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Asked:
    """A report as it was asked for, each value as text."""

    by: str | None
    start: str | None
    end: str | None
    campaign: str | None
    zone: str | None
    unknown: tuple[str, ...] = ()
    """What was asked for beside it, and means nothing."""


class Reports:
    """Figures of the calls that are stored."""

    def __init__(self, engine: Engine, store: Store, clock: Clock) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock

    async def show(self, asked: Asked) -> dict[str, Any]:
        """A report. Raises `RequestError` 422 with every fault, `PortError`."""
        campaign = await self._campaign(asked.campaign)
        where, faults = read_filter(asked, campaign, self._clock.now().wall)
        if faults:
            raise invalid(faults)
        found = await self._store.report(where)
        return {
            "by": where.by.value,
            "from": to_iso(where.started_from),
            "to": to_iso(where.started_to),
            "timezone": asked.zone or "UTC",
            "campaign_id": where.campaign,
            **report_view(found, where),
        }

    async def _campaign(self, ident: str | None) -> Campaign | None:
        if ident is None:
            return None
        campaign = CampaignId(ident)
        found = self._engine.memory.campaign(campaign) or await self._store.campaign(campaign)
        return found[0] if found is not None else None


def read_filter(asked: Asked, campaign: Campaign | None, now: Instant) -> tuple[ReportFilter, list[Fault]]:
    """The calls that are asked for, and every fault of the question."""
    faults = [Fault(name[:60], UNKNOWN_PARAMETER) for name in sorted(asked.unknown)]
    by = _by(asked.by, faults)
    if asked.campaign is not None and campaign is None:
        faults.append(Fault("campaign_id", f"there is no campaign {asked.campaign[:60]}"))
    zone = asked.zone or "UTC"
    if not is_zone(zone):
        faults.append(Fault("timezone", f"{zone[:60]!r} is not an IANA time zone, as in Asia/Kolkata"))
        zone = "UTC"
    end = _moment("to", asked.end, zone, faults)
    start = _moment("from", asked.start, zone, faults)
    if not faults and start is not None and start > (end or now):
        faults.append(Fault("from", "must not be after the end" if end else "must not be in the future"))
    longest = LONGEST.get(by, LONGEST_OF_OTHERS) * DAY
    end = end or now
    if start is None:
        usual = campaign.created_at if campaign is not None else end - USUAL * DAY
        start = Instant(max(min(usual, end), end - longest, 0))
    elif not faults and end - start > longest:
        shorter = "; by day it may be longer" if by is By.HOUR else ""
        faults.append(Fault("from", f"must be at most {longest // DAY} days before the end{shorter}"))
    clock: tuple[Stretch, ...] = offsets(zone, start, end) if by.timed and not faults else ()
    return ReportFilter(by, start, end, campaign.id if campaign else None, clock), faults


def _by(text: str | None, faults: list[Fault]) -> By:
    try:
        return By(text or "")
    except ValueError:
        known = ", ".join(By)
        faults.append(Fault("by", f"must be one of {known}" if text else f"required: one of {known}"))
        return By.TRUNK


def _moment(loc: str, text: str | None, zone: str, faults: list[Fault]) -> Instant | None:
    if text is None:
        return None
    try:
        return instant(text, ZoneInfo(zone), last=loc == "to")
    except ValueError as error:
        faults.append(Fault(loc, str(error)))
        return None


def report_view(found: Report, where: ReportFilter) -> dict[str, Any]:
    """The report object's figures."""
    return {
        "data": [_group_view(group, where) for group in found.groups],
        "total": _tally_view(found.total),
        "left_out": found.left_out,
    }


def _group_view(group: Group, where: ReportFilter) -> dict[str, Any]:
    return {"key": _key_view(group.key, where), "name": group.name, **_tally_view(group.tally)}


def _key_view(key: Key, where: ReportFilter) -> str | None:
    if not isinstance(key, int):
        return key
    if where.by is By.DAY:
        return date.fromordinal(key + _EPOCH).isoformat()
    if where.by is By.HOUR_OF_DAY:
        return f"{key:02}:00"
    offset = next(stretch.offset for stretch in where.clock if key < stretch.end)
    local: datetime = to_datetime(Instant(key)).astimezone(timezone(timedelta(milliseconds=offset)))
    return local.isoformat(timespec="minutes")


def _tally_view(tally: Tally) -> Mapping[str, Any]:
    """Rates are of the attempts that counted."""
    return {
        "calls": tally.calls,
        "counted": tally.counted,
        "answered": tally.answered,
        "connect_rate": ratio(tally.answered, tally.counted),
        "avg_talk_seconds": mean_seconds(tally.talk, tally.answered),
        "positive": tally.positive,
        "refunds": tally.refunds,
        "failovers": tally.failovers,
        "reasons": dict(tally.reasons),
    }
