"""A smaller world: a k-th of the contacts, of the channels and of the rates, which takes as long as the whole one.

So a forecast of a long list costs as much as one of a short list. What is counted in it is multiplied. It decides
nothing about calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil

from dialerd.core.contact import Contact
from dialerd.core.model import Campaign
from dialerd.engine.case import Bulk, Case
from dialerd.sim.run import Setting

LEAST_CHANNELS, LEAST_RATE = 4, 1.0
"""Of a trunk in a smaller world: with fewer, chance would be most of what is seen."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many times smaller a world is; 1: it is the whole one."""

    parts: int = 1

    @property
    def said(self) -> str:
        """In words of the API."""
        return f"1/{self.parts}" if self.parts > 1 else "all"

    def case(self, case: Case) -> Case:
        """What a run is made from, in this world."""
        if self.parts == 1:
            return case
        rivals = tuple(replace(rival, waiting=ceil(rival.waiting / self.parts)) for rival in case.rivals)
        unanswered = max(1, case.policy.max_unanswered_originates // self.parts)
        policy = replace(case.policy, max_unanswered_originates=unanswered)
        return replace(case, rivals=rivals, policy=policy)

    def bulk(self, bulk: Bulk) -> Bulk:
        """Every so manieth contact."""
        return bulk if self.parts == 1 else replace(bulk, contacts=bulk.contacts[:: self.parts])

    def setting(self, setting: Setting) -> Setting:
        """The same limits, so many times lower."""
        if self.parts == 1:
            return setting
        campaign = setting.campaign
        most, rate = campaign.max_concurrent_calls, campaign.calls_per_second
        return Setting(
            replace(
                campaign,
                max_concurrent_calls=None if most is None else max(1, round(most / self.parts)),
                calls_per_second=None if rate is None else rate / self.parts,
            ),
            tuple(
                replace(
                    trunk,
                    max_channels=max(1, round(trunk.max_channels / self.parts)),
                    calls_per_second=trunk.calls_per_second / self.parts,
                )
                for trunk in setting.trunks
            ),
            max(1, round(setting.sessions / self.parts)),
            {name: max(1, round(limit / self.parts)) for name, limit in setting.engines.items()},
        )

    def shares(self, total: int, counted: Mapping[str, int]) -> dict[str, int]:
        """What was counted of kinds that together are all contacts, of `total` in the whole world."""
        if self.parts == 1:
            return dict(counted)
        found = {kind: count * self.parts for kind, count in counted.items()}
        if found:
            # The last contact taken stands for fewer than the others.
            most = max(found, key=lambda kind: found[kind])
            found[most] = max(0, found[most] + total - sum(found.values()))
        return found


def divisible(setting: Setting, calls: float, enough: int) -> Scale:
    """How much smaller a world with so many calls can be, and still tell the same: `enough` calls stay."""
    parts = [int(calls) // enough]
    for trunk in setting.trunks:
        parts += [trunk.max_channels // LEAST_CHANNELS, int(trunk.calls_per_second / LEAST_RATE)]
    most = setting.campaign.max_concurrent_calls
    if most is not None:
        parts.append(most // LEAST_CHANNELS)
    own = setting.engines.get(setting.campaign.engine)
    if own is not None:
        parts.append(own // LEAST_CHANNELS)
    return Scale(max(1, min(parts)))


def calls_ahead(campaign: Campaign, contacts: Iterable[Contact], answer_rate: float) -> float:
    """About how many calls the contacts take: each until it answers, or has had its attempts."""
    unanswered = 1.0 - answer_rate
    of_left = [0.0]
    for attempt in range(campaign.max_attempts):
        of_left.append(of_left[-1] + unanswered**attempt)
    return sum(of_left[max(0, campaign.max_attempts - contact.attempts)] for contact in contacts)
