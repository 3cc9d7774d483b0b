"""The one door to the phone network: an ordered evaluation of every rule, at the instant of dialing.

Whoever asks for a call passes here, and what the rules said is stored with the attempt as its receipt. The
same rules, evaluated for the same world, answer why something is not being dialed and when that changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from dialerd.core.clock import Instant, Millis, Now, after, to_datetime, to_iso
from dialerd.core.model import Campaign, CampaignStatus, Contact, TrunkName
from dialerd.core.windows import opening
from dialerd.core.world import Line, World

BUSY_NUMBER_RECHECK = Millis(1_000)


class Scope(StrEnum):
    """What a refusal concerns, and so what the planner need not try again now."""

    DAEMON = "daemon"
    CAMPAIGN = "campaign"
    CONTACT = "contact"
    TRUNKS = "trunks"


@dataclass(frozen=True, slots=True)
class Check:
    """What one rule said."""

    rule: str
    scope: Scope
    ok: bool
    detail: str
    until: Instant | None = None
    """When the refusal lifts, where that is known."""


@dataclass(frozen=True, slots=True)
class Route:
    """The trunk a call may take now."""

    line: Line


def daemon_checks(world: World) -> Iterator[Check]:
    """Rules that concern every call."""
    host = world.host[""]
    yield Check("asterisk", Scope.DAEMON, host.boot is not None, host.detail)
    yield Check("manager", Scope.DAEMON, host.manager is None, host.manager or "connected")
    live = len(world.calls)
    yield Check(
        "engine-session",
        Scope.DAEMON,
        live < host.sessions,
        f"{live} of {host.sessions} in use" if host.sessions else host.media_detail,
    )


def campaign_checks(world: World, campaign: Campaign, now: Now) -> Iterator[Check]:
    """Rules that concern every call of a campaign."""
    yield Check("campaign", Scope.CAMPAIGN, campaign.status is CampaignStatus.RUNNING, campaign.status)
    yield window_check(campaign, now.wall)
    limit = campaign.max_concurrent_calls
    if limit is not None:
        queue = world.queues.get(campaign.id)
        live = queue.live if queue else 0
        yield Check("campaign-concurrency", Scope.CAMPAIGN, live < limit, f"{live} of {limit} in use")
    meter = world.campaign_meters.get(campaign.id)
    if meter is not None:
        free_at = meter.free_at(now.mono)
        yield Check(
            "campaign-rate",
            Scope.CAMPAIGN,
            free_at <= now.mono,
            f"{meter.rate:g} calls a second",
            _wall_of(free_at, now),
        )


def window_check(campaign: Campaign, now: Instant) -> Check:
    """The campaign's window: open, and the ring timeout fits before it closes."""
    window = opening(campaign, now)
    if window.open:
        closes = to_iso(window.last_start)
        return Check("window", Scope.CAMPAIGN, True, f"open, last start {closes}" if closes else "open")
    if window.next_open is not None:
        return Check(
            "window", Scope.CAMPAIGN, False, f"opens {_local(window.next_open, campaign)}", window.next_open
        )
    return Check("window", Scope.CAMPAIGN, False, "too close to the end of the window, or past it")


def contact_checks(world: World, campaign: Campaign, contact: Contact, now: Now) -> Iterator[Check]:
    """Rules that concern one contact."""
    yield Check(
        "attempts",
        Scope.CONTACT,
        contact.attempts < campaign.max_attempts,
        f"{contact.attempts} of {campaign.max_attempts} used",
    )
    yield Check(
        "not-before",
        Scope.CONTACT,
        contact.not_before <= now.wall,
        to_iso(contact.not_before) or "" if contact.not_before else "any time",
        contact.not_before,
    )
    live = world.numbers.get(contact.phone)
    yield Check(
        "live-call",
        Scope.CONTACT,
        live is None,
        f"call {live} is live" if live else "none",
        after(now.wall, BUSY_NUMBER_RECHECK) if live else None,
    )
    rested = world.rested.get(contact.phone)
    free = after(rested, world.policy.min_gap) if rested is not None else None
    yield Check(
        "min-gap",
        Scope.CONTACT,
        free is None or free <= now.wall,
        f"last call ended {to_iso(rested)}" if rested is not None else "no recent call",
        free,
    )


def trunk_check(world: World, campaign: Campaign, now: Now, exclude: frozenset[TrunkName]) -> Check | Route:
    """The first trunk of the campaign with a free channel and a rate token, or why there is none."""
    names = campaign.trunks or tuple(line.trunk.name for line in world.lines.values())
    refusals: list[str] = []
    until: list[Instant] = []
    for name in names:
        line = world.lines.get(name)
        if name in exclude:
            continue
        if line is None:
            refusals.append(f"trunk {name} is not configured")
        elif line.paused is not None:
            refusals.append(f"trunk {name} is paused: {line.paused}")
        elif line.reachable is False:
            refusals.append(f"trunk {name} is unreachable")
        elif line.in_use >= line.trunk.max_channels:
            refusals.append(f"trunk {name}: {line.in_use} of {line.trunk.max_channels} channels in use")
        elif not world.trunk_meters[name].allows(now.mono):
            refusals.append(f"trunk {name}: {line.trunk.calls_per_second:g} calls a second reached")
            until.append(_wall_of(world.trunk_meters[name].free_at(now.mono), now))
        else:
            return Route(line)
    detail = "; ".join(refusals) or "no trunk is left to try"
    return Check("trunk", Scope.TRUNKS, False, detail, min(until, default=None))


@dataclass(frozen=True, slots=True)
class Passed:
    """Every rule agreed: the trunk to use and the receipt to store."""

    line: Line
    receipt: dict[str, Any]


def evaluate(world: World, campaign: Campaign, contact: Contact, now: Now) -> Passed | Check:
    """The ordered evaluation: the first refusal, or the way through."""
    said: dict[str, str] = {}
    for checks in (
        daemon_checks(world),
        campaign_checks(world, campaign, now),
        contact_checks(world, campaign, contact, now),
    ):
        for check in checks:
            if not check.ok:
                return check
            said[check.rule] = check.detail
    route = trunk_check(world, campaign, now, frozenset())
    if isinstance(route, Check):
        return route
    said["trunk"] = f"{route.line.trunk.name}: {route.line.in_use} of {route.line.trunk.max_channels} in use"
    return Passed(route.line, {"at": _local(now.wall, campaign), "rules": said})


def may_fail_over(world: World, campaign: Campaign, now: Now) -> bool:
    """Whether a running attempt may try another trunk: every rule but those on what it already holds."""
    host = world.host[""]
    if host.boot is None or host.manager is not None:
        return False
    if host.unanswered >= world.policy.max_unanswered_originates:
        return False
    held = ("campaign-concurrency",)
    return all(check.ok for check in campaign_checks(world, campaign, now) if check.rule not in held)


def refusals(world: World, campaign: Campaign, now: Now) -> list[Check]:
    """Everything that keeps the campaign from dialing now, in the order of the evaluation."""
    found = [check for check in daemon_checks(world) if not check.ok]
    found += [check for check in campaign_checks(world, campaign, now) if not check.ok]
    route = trunk_check(world, campaign, now, frozenset())
    if isinstance(route, Check):
        found.append(route)
    return found


def recheck(world: World, campaign: Campaign | None, line: Line | None, now: Instant) -> str | None:
    """Between commit and send: the rule that refuses the try now, or None. Reads committed state."""
    host = world.host.committed[""]
    if host.boot is None:
        return "asterisk"
    if host.manager is not None:
        return "manager"
    if line is None or line.paused is not None or line.reachable is False:
        return "trunk"
    if campaign is None:
        return "campaign"
    if campaign.status is not CampaignStatus.RUNNING or campaign.closing:
        return "campaign"
    return None if opening(campaign, now).open else "window"


def _local(instant: Instant, campaign: Campaign) -> str:
    zone = campaign.timezone
    local: datetime = to_datetime(instant)
    if zone is not None:
        local = local.astimezone(ZoneInfo(zone))
    return f"{local.isoformat(timespec='milliseconds')}{f' {zone}' if zone else ''}"


def _wall_of(mono: int, now: Now) -> Instant:
    return Instant(now.wall + max(0, mono - now.mono + 999) // 1000)
