"""What would change a forecast: one limit lifted at a time, of those that bind longest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from dialerd.core.clock import MINUTE, Instant, Millis
from dialerd.core.contact import ContactState
from dialerd.core.model import Campaign
from dialerd.core.trunk import Trunk
from dialerd.core.wallclock import DAY
from dialerd.sim import limits
from dialerd.sim.limits import Bound
from dialerd.sim.run import Run, Setting

BINDS = 0.05
"""A limit that binds for a smaller part of the time is left as it is."""
MORE = 1.5


@dataclass(frozen=True, slots=True)
class Change:
    """One limit lifted."""

    says: str
    rule: str
    subject: str | None
    setting: Setting


def changes(before: Run, setting: Setting, total_ms: int) -> Iterator[Change]:
    """What could be lifted of `setting`, of what binds longest first."""
    longer = _longer(before, setting)
    if longer is not None:
        yield longer
    found = sorted(before.limits.found.values(), key=lambda bound: -bound.millis)
    for bound in found:
        if bound.millis >= BINDS * total_ms:
            change = _lifted(bound, setting)
            if change is not None:
                yield change


def _lifted(bound: Bound, setting: Setting) -> Change | None:
    campaign = setting.campaign
    trunk = next((one for one in setting.trunks if one.name == bound.subject), None)
    says = None
    if bound.rule == limits.TRUNK_CHANNELS and trunk is not None:
        channels = ceil(trunk.max_channels * MORE)
        says = f"trunk {trunk.name}: {channels} channels instead of {trunk.max_channels}"
        setting = _with_trunk(setting, replace(trunk, max_channels=channels))
    elif bound.rule == limits.TRUNK_RATE and trunk is not None:
        # No second holds a part of a call.
        more = trunk.calls_per_second * MORE
        rate = float(ceil(more)) if more > 1 else more
        says = f"trunk {trunk.name}: {rate:g} calls a second instead of {trunk.calls_per_second:g}"
        setting = _with_trunk(setting, replace(trunk, calls_per_second=rate))
    elif bound.rule == "engine-session":
        says, setting = _more_sessions(setting)
    elif (eased := _eased(bound.rule, campaign)) is not None:
        says, campaign = eased
        setting = replace(setting, campaign=campaign)
    return Change(says, bound.rule, bound.subject, setting) if says is not None else None


def _more_sessions(setting: Setting) -> tuple[str, Setting]:
    """More of whichever is less: of the campaign's engine, or of the media workers."""
    engine = setting.campaign.engine
    own = setting.engines.get(engine, setting.sessions)
    if own < setting.sessions:
        more = ceil(own * MORE)
        says = f"engine {engine}: {more} sessions instead of {own}"
        return says, replace(setting, engines={**setting.engines, engine: more})
    sessions = round(setting.sessions * MORE)
    says = f"media workers for {sessions} calls instead of {setting.sessions}"
    return says, replace(setting, sessions=sessions)


def _with_trunk(setting: Setting, changed: Trunk) -> Setting:
    return replace(
        setting, trunks=tuple(changed if one.name == changed.name else one for one in setting.trunks)
    )


def _eased(rule: str, campaign: Campaign) -> tuple[str, Campaign] | None:
    """A campaign with one limit of its own lifted."""
    if rule == "campaign-rate":
        says = f"without the campaign's limit of {campaign.calls_per_second:g} calls a second"
        return says, replace(campaign, calls_per_second=None)
    if rule == "campaign-concurrency":
        says = f"without the campaign's limit of {campaign.max_concurrent_calls} calls at a time"
        return says, replace(campaign, max_concurrent_calls=None)
    if rule == limits.RETRY_INTERVAL:
        half = Millis(campaign.retry_interval // 2)
        easier = {
            reason: replace(one, after=Millis(one.after // 2)) for reason, one in campaign.retry_rules.items()
        }
        says = f"retries after {half / MINUTE:g} minutes instead of {campaign.retry_interval / MINUTE:g}"
        return says, replace(campaign, retry_interval=half, retry_rules=easier)
    if rule == "window" and (campaign.hours or campaign.closed):
        return "calling at every hour and on every day of the window", replace(
            campaign, hours=(), closed=frozenset()
        )
    return None


def _longer(before: Run, setting: Setting) -> Change | None:
    """The window a day longer, if its end leaves contacts unreached."""
    campaign = setting.campaign
    if campaign.end_at is None or not any(
        c.state is ContactState.EXPIRED for c in before.people.of(campaign.id)
    ):
        return None
    later = replace(campaign, end_at=Instant(campaign.end_at + DAY))
    return Change("ending a day later", "window", None, replace(setting, campaign=later))
