"""The one door to the phone network: an ordered evaluation of every rule, at the instant of dialing.

Whoever asks for a call passes here, and what the rules said is stored with the attempt as its receipt. The
same rules, evaluated for the same world, answer why something is not being dialed and when that changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from dialerd.core import abandonment, sessions
from dialerd.core.clock import Instant, Millis, Mono, Now, after, to_iso, to_local_iso
from dialerd.core.compliance import Callee
from dialerd.core.contact import Contact, ContactState
from dialerd.core.dnc import DncMatch
from dialerd.core.effects import Originate
from dialerd.core.engine import EMBEDDED
from dialerd.core.identity import E164, TrunkName, call_of
from dialerd.core.model import Call, Campaign, CampaignStatus, Terms
from dialerd.core.policy import Halt
from dialerd.core.queue import Queue
from dialerd.core.record import record
from dialerd.core.routing import Route, trunk_check
from dialerd.core.verdict import Check, Scope
from dialerd.core.windows import Calendar, Opening, Window, opening
from dialerd.core.world import Host, Line, World

BUSY_NUMBER_RECHECK = Millis(1_000)
_NONE: frozenset[Any] = frozenset()


@record
class Ask:
    """A call somebody wants placed: a campaign's contact, or a call of its own (without both)."""

    phone: E164
    terms: Terms
    campaign: Campaign | None = None
    contact: Contact | None = None
    timezone: str | None = None
    recent: tuple[Instant, ...] = ()
    """Starts of earlier calls to the number, for a call without contact."""
    engine: str = EMBEDDED
    """Who holds the conversation, of a call without campaign."""


@record
class Passed:
    """Every rule agreed: the trunk to use and the receipt to store."""

    line: Line
    caller_id: E164
    receipt: dict[str, Any]


def evaluate(world: World, ask: Ask, now: Now) -> Passed | Check:
    """The ordered evaluation: the first refusal, or the way through."""
    said: dict[str, str] = {}
    callee = world.compliance.callee(ask.phone, ask.timezone)
    for checks in _stages(world, ask, callee, now):
        for check in checks:
            if not check.ok:
                return check
            said[check.rule] = check.detail
    route = trunk_check(world, ask.phone, ask.terms, now, _NONE, ask.contact)
    if isinstance(route, Check):
        return route
    line = route.line
    said["trunk"] = f"{line.trunk.name}: {line.in_use} of {line.trunk.max_channels} in use"
    return Passed(line, route.caller_id, _receipt(world, callee, said, now.wall))


def why(world: World, ask: Ask, now: Now) -> list[Check]:
    """Everything that stands between this call and being placed now, in the order of the evaluation."""
    callee = world.compliance.callee(ask.phone, ask.timezone)
    found = [check for checks in _stages(world, ask, callee, now) for check in checks if not check.ok]
    route = trunk_check(world, ask.phone, ask.terms, now, _NONE, ask.contact)
    return [*found, route] if isinstance(route, Check) else found


def campaign_why(world: World, campaign: Campaign, now: Now) -> list[Check]:
    """Everything that keeps a campaign from dialing anyone now, in the order of the evaluation."""
    stages = (
        daemon_checks(world, now.wall),
        campaign_checks(campaign, now.wall),
        capacity_checks(world, campaign, now),
    )
    found = [check for checks in stages for check in checks if not check.ok]
    route = trunk_check(world, None, campaign.terms, now, _NONE)
    if isinstance(route, Check):
        found.append(route)
    queue = world.queues.get(campaign.id) or Queue()
    if not found and not queue.contacts and not queue.loading:
        dues = [queue.next_due] + [deferred.until for deferred in queue.deferred]
        due = min((at for at in dues if at is not None), default=None)
        later = f"the next contact is due {to_iso(due)}" if due is not None else "no contact waits for a call"
        found.append(Check("nothing-due", Scope.CAMPAIGN, False, later, due))
    return found


def failover_route(world: World, ask: Ask, now: Now, tried: frozenset[TrunkName]) -> Route | None:
    """The trunk over which a running attempt may go on: every rule but those on what it already holds."""
    callee = world.compliance.callee(ask.phone, ask.timezone)
    rules: list[Iterable[Check]] = [
        daemon_checks(world, now.wall),
        _number_checks(world, ask, callee, now.wall),
    ]
    if ask.campaign is not None:
        rules.append(campaign_checks(ask.campaign, now.wall))
    if world.flow[""].unanswered >= world.policy.max_unanswered_originates:
        return None
    if any(not check.ok for checks in rules for check in checks):
        return None
    route = trunk_check(world, ask.phone, ask.terms, now, tried, ask.contact)
    return route if isinstance(route, Route) else None


def recheck(world: World, order: Originate, now: Instant) -> str | None:
    """Between commit and send: the rule that refuses the try now, or None. Reads committed state."""
    call = world.calls.committed.get(call_of(order.channel))
    if call is None or call.hangup is not None:
        return "call"
    for check in _host_checks(world, world.host.committed[""], now):
        if not check.ok:
            return check.rule
    unfit = _unfit(world, call, order.trunk)
    if unfit is not None:
        return unfit
    if call.campaign_id is not None:
        campaign = world.campaigns.committed.get(call.campaign_id)
        if campaign is None or campaign.status is not CampaignStatus.RUNNING or campaign.closing:
            return "campaign"
        if not campaign_opening(campaign, now).open:
            return "window"
    if order.phone in world.erasing.committed:
        return "erasure"
    if world.dnc.match(order.phone, now) is not None:
        return "dnc"
    timezone = call.contact.timezone if call.contact is not None else None
    callee = world.compliance.callee(order.phone, timezone)
    return None if opening(callee.window, now, order.ring_timeout).open else "legal-hours"


def _unfit(world: World, call: Call, trunk: TrunkName) -> str | None:
    """Whether the call's trunk or its engine is of no use any more."""
    line = world.lines.committed.get(trunk)
    if line is None or line.paused is not None or line.down is not None:
        return "trunk"
    if call.engine != EMBEDDED and not sessions.state(world.host.committed[""], call.engine).sessions:
        return sessions.RULE
    return None


# --- the rules, in their order -------------------------------------------------------------------


def _stages(world: World, ask: Ask, callee: Callee, now: Now) -> Iterator[Iterable[Check]]:
    yield daemon_checks(world, now.wall)
    if ask.campaign is not None:
        yield campaign_checks(ask.campaign, now.wall)
    yield _number_checks(world, ask, callee, now.wall)
    if ask.contact is not None and ask.campaign is not None:
        yield _contact_checks(ask.campaign, ask.contact, now.wall)
    yield _line_checks(world, ask, now.wall)
    yield capacity_checks(world, ask.campaign, now, ask.engine)


def daemon_checks(world: World, now: Instant) -> tuple[Check, ...]:
    """Rules that concern every call."""
    return _host_checks(world, world.host[""], now)


def _host_checks(world: World, host: Host, now: Instant) -> tuple[Check, ...]:
    dnc, law = world.dnc, world.compliance
    return _daemon_said(
        host.halt,
        host.boot is not None,
        host.detail,
        host.manager,
        host.clock,
        dnc.detail,
        dnc.version,
        law.stale(now),
        law.tzdata,
    )


@lru_cache(maxsize=64)
def _daemon_said(
    halt: Halt | None,
    connected: bool,
    detail: str,
    manager: str | None,
    clock: str | None,
    dnc_fault: str | None,
    dnc_version: int,
    stale: str | None,
    tzdata: str,
) -> tuple[Check, ...]:
    """Asked for every call and nearly always answered alike."""
    halted = f"{halt} ordered; resume lifts it" if halt is not None else "not paused"
    return (
        Check("daemon", Scope.DAEMON, halt is None, halted),
        Check("asterisk", Scope.DAEMON, connected, detail),
        Check("manager", Scope.DAEMON, manager is None, manager or "connected"),
        Check("clock", Scope.DAEMON, clock is None, clock or "steady"),
        Check("dnc-list", Scope.DAEMON, dnc_fault is None, dnc_fault or f"version {dnc_version}"),
        Check("tzdata", Scope.DAEMON, stale is None, stale or tzdata),
    )


def campaign_checks(campaign: Campaign, now: Instant) -> Iterator[Check]:
    """Rules that concern every call of a campaign, but for what it may use at once."""
    yield _running(campaign.status, campaign.closing)
    yield _window_verdict("window", Scope.CAMPAIGN, campaign_opening(campaign, now), campaign.timezone)


@lru_cache(maxsize=16)
def _running(status: CampaignStatus, closing: bool) -> Check:
    runs = status is CampaignStatus.RUNNING and not closing
    return Check("campaign", Scope.CAMPAIGN, runs, "closing" if closing else status.value)


def _number_checks(world: World, ask: Ask, callee: Callee, now: Instant) -> Iterator[Check]:
    if callee.fault is not None:
        yield Check("zone-unknown", Scope.CONTACT, False, callee.fault)
    else:
        legal = opening(callee.window, now, ask.terms.ring_timeout)
        zone = callee.zones[0] if callee.zones else None
        yield _window_verdict("legal-hours", Scope.CONTACT, legal, zone, callee.detail)
    if ask.phone in world.erasing:
        yield Check("erasure", Scope.CONTACT, False, "what is stored of this person is being erased")
    listed = world.dnc.match(ask.phone, now)
    yield _NOT_LISTED if listed is None else _listed(listed)


def _contact_checks(campaign: Campaign, contact: Contact, now: Instant) -> Iterator[Check]:
    if contact.state is ContactState.CALLBACK_WAITING:
        used, most, what = contact.callbacks, campaign.max_callbacks, "callbacks"
    else:
        used, most, what = contact.attempts, campaign.max_attempts, "attempts"
    yield _attempts_left(used, most, what)
    due = contact.not_before
    yield Check("not-before", Scope.CONTACT, due <= now, to_iso(due) or "", due) if due else _ANY_TIME


@lru_cache(maxsize=256)
def _attempts_left(used: int, most: int, what: str) -> Check:
    return Check("attempts", Scope.CONTACT, used < most, f"{used} of {most} {what} used")


def _line_checks(world: World, ask: Ask, now: Instant) -> Iterator[Check]:
    phone = ask.phone
    live = world.numbers.get(phone)
    again = after(now, BUSY_NUMBER_RECHECK)
    yield (
        _NOT_LIVE if live is None else Check("live-call", Scope.CONTACT, False, f"call {live} is live", again)
    )
    rested = world.rested.get(phone)
    if rested is None:
        yield _NO_RECENT_CALL
    else:
        free = after(rested, world.policy.min_gap)
        yield Check("min-gap", Scope.CONTACT, free <= now, f"last call ended {to_iso(rested)}", free)
    if world.policy.caps:
        yield _frequency(world, ask, now)


def _frequency(world: World, ask: Ask, now: Instant) -> Check:
    """Whether the number has had as many calls as any cap allows; over all campaigns."""
    told = ask.contact.recent if ask.contact is not None else ask.recent
    starts = sorted({*told, *(world.recent.get(ask.phone) or ())})
    until: list[Instant] = []
    said = []
    for window, most in world.policy.caps:
        within = [start for start in starts if start > now - window]
        said.append(f"{len(within)} of {most} calls in {window / _HOUR:g} h")
        if len(within) >= most:
            until.append(after(within[len(within) - most], window))
    return Check("frequency", Scope.CONTACT, not until, ", ".join(said), max(until, default=None))


_HOUR = 3_600_000


def capacity_checks(
    world: World, campaign: Campaign | None, now: Now, engine: str = EMBEDDED
) -> Iterator[Check]:
    """What a campaign, and the agents, may have at once."""
    if campaign is not None:
        queue = world.queues.get(campaign.id) or Queue()
        if queue.fault is not None:
            yield Check("store", Scope.CAMPAIGN, False, f"its contacts cannot be read: {queue.fault}")
        limit = campaign.max_concurrent_calls
        if limit is not None:
            live = queue.live
            yield Check("campaign-concurrency", Scope.CAMPAIGN, live < limit, f"{live} of {limit} in use")
        braked = abandonment.check(world, campaign.id, queue.live)
        if braked is not None:
            yield braked
        free_at = rate_free_at(world, campaign, now.mono)
        if campaign.calls_per_second is not None:
            rate = f"{campaign.calls_per_second:g} calls a second"
            until = Instant(now.wall + max(0, free_at - now.mono + 999) // 1000)
            yield Check("campaign-rate", Scope.CAMPAIGN, free_at <= now.mono, rate, until)
    host = world.host[""]
    held = sessions.in_use(world)
    used = f"{held} of {host.sessions} in use" if host.sessions else host.media_detail
    yield Check(sessions.RULE, Scope.DAEMON, held < host.sessions, used)
    engine = engine if campaign is None else campaign.engine
    if host.sessions and engine != EMBEDDED:
        yield sessions.check(world, engine)


def rate_free_at(world: World, campaign: Campaign, now: Mono) -> Mono:
    """When the campaign's own rate allows its next call."""
    meter = world.campaign_meter(campaign)
    return meter.free_at(now) if meter is not None else now


# --- windows -------------------------------------------------------------------------------------


def campaign_opening(campaign: Campaign, now: Instant) -> Opening:
    """The campaign's own window at `now`, room for its ring timeout included."""
    return opening(campaign_window(campaign), now, campaign.ring_timeout)


def campaign_window(campaign: Campaign) -> Window:
    """When a campaign may dial."""
    return _window(campaign.start_at, campaign.end_at, campaign.timezone, campaign.hours, campaign.closed)


@lru_cache(maxsize=4_096)
def _window(start: Instant | None, end: Instant | None, zone: str | None, hours: Any, closed: Any) -> Window:
    if not hours and not closed:
        return Window(start, end)
    return Window(start, end, (("campaign-hours", Calendar(zone or "UTC", hours, closed)),))


def _window_verdict(rule: str, scope: Scope, found: Opening, zone: str | None, note: str = "") -> Check:
    if found.open:
        return _window_open(rule, scope, found.last_start, zone, note)
    opens = f"opens {to_local_iso(found.next_open, zone)}" if found.next_open is not None else ""
    return Check(rule, scope, False, _joined(opens, found.detail, note), found.next_open)


@lru_cache(maxsize=1_024)
def _window_open(rule: str, scope: Scope, last: Instant | None, zone: str | None, note: str) -> Check:
    """The same for all calls of an opening."""
    detail = f"open, last start {to_local_iso(last, zone)}" if last is not None else "open"
    return Check(rule, scope, True, _joined(detail, note))


# --- words ---------------------------------------------------------------------------------------


_NOT_LISTED = Check("dnc", Scope.CONTACT, True, "not listed")
_ANY_TIME = Check("not-before", Scope.CONTACT, True, "any time")
_NOT_LIVE = Check("live-call", Scope.CONTACT, True, "none")
_NO_RECENT_CALL = Check("min-gap", Scope.CONTACT, True, "no recent call")


def _listed(listed: DncMatch) -> Check:
    until = to_iso(listed.expires_at)
    detail = f"on the do-not-call list as {listed.pattern}" + (f" until {until}" if until else "")
    return Check("dnc", Scope.CONTACT, False, detail, listed.expires_at)


def _joined(*words: str) -> str:
    return "; ".join(word for word in words if word)


def _receipt(world: World, callee: Callee, said: dict[str, str], now: Instant) -> dict[str, Any]:
    return {
        "at": now,
        "zones": callee.zones,
        "zone_source": callee.source,
        "country": callee.country,
        "tzdata": world.compliance.tzdata,
        "dnc_version": world.dnc.version,
        "rules": said,
    }
