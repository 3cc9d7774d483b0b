"""What a simulated run tells of a campaign: when it is done, what holds it up, and what would change that.

The campaign is run to its end, then again with one limit lifted at a time, over the same callees. This runs in a
process of its own.
"""

from __future__ import annotations

import gc
import pickle
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import orjson

from dialerd.core import gate, metrics
from dialerd.core.clock import SECOND, Instant, to_iso
from dialerd.core.compliance import Compliance
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import CALLBACK_REQUESTED
from dialerd.core.errors import RequestError
from dialerd.core.trunk import Trunk
from dialerd.core.windows import Window, opening
from dialerd.engine.callparts import number
from dialerd.engine.case import Bulk, Case, read_bulk
from dialerd.numbering import Rules, compliance, pin_zones
from dialerd.sim.callees import Habits
from dialerd.sim.changes import Change, changes
from dialerd.sim.experience import learn
from dialerd.sim.run import Budget, Run, Setting, TooLong, local_hour, run
from dialerd.sim.scale import Scale, calls_ahead, divisible

MOST_SECONDS = 90.0
"""For a forecast with all its runs."""
MOST_CHANGES = 4
QUICK_CALLS = 10_000
"""A campaign of more calls is simulated in a smaller world, of so many, unless `exact` is asked for."""
ENOUGH_CALLS = 2_500
"""Calls from which the effect of a change can be seen."""
_HOUR = 3_600_000
_DAY = 24 * _HOUR


def in_child(case: Case, rules: Rules) -> bytes:
    """The forecast of a case as JSON, in a process that has read nothing yet. Raises `RequestError`."""
    return orjson.dumps(tell(case, read_bulk(case), _tables(pickle.dumps((rules, case.now // _DAY)))))


@lru_cache(maxsize=1)
def _tables(pickled: bytes) -> Compliance:
    """Tables take a second to make: they are kept for a day."""
    rules, day = pickle.loads(pickled)
    pin_zones()
    return compliance(rules, Instant(day * _DAY))


def tell(case: Case, bulk: Bulk, rules: Compliance, budget: Budget | None = None) -> dict[str, Any]:
    """The forecast object of the API. Raises `RequestError` 422 if the campaign is more than can be simulated."""
    budget = budget or Budget(until=time.monotonic() + MOST_SECONDS)
    known = learn(
        bulk.past,
        bulk.past_of_all,
        case.assumed,
        lambda phone, zone, at: local_hour(rules, phone, zone, at),
    )
    bulk, never = _callable(case, bulk, rules)
    whole = _World(case, bulk, known.habits, rules, Scale())
    setting = Setting(case.campaign, _trunks(case), case.sessions, case.engines)
    world = whole if case.assumed.exact else whole.shrunk(_quick(case, bulk, setting, known.habits))
    with _uncollected():
        began = budget.clock()
        try:
            base = world.run(setting, budget)
        except TooLong as reached:
            raise _too_large(case, reached) from None
        seen = Seen(base, world.scale, setting)
        trials = _Trials.after(seen, budget.clock() - began, whole)
        for change in changes(base, setting, _span(case, base)):
            trials.attempt(change)
    return {
        "campaign_id": case.campaign.id if case.campaign.id != UNSTORED else None,
        "name": case.campaign.name,
        "seed": case.assumed.seed,
        "from": to_iso(case.now),
        "simulated_on": world.scale.said,
        **_end(case, base),
        "contacts": seen.contacts(len(bulk.contacts), never),
        **seen.calls,
        "limits": _limits(case, base),
        "changes": trials.told,
        "changes_not_tried": trials.untried,
        "assumptions": known.sources,
        "campaigns_included": [
            {
                "campaign_id": rival.campaign.id,
                "name": rival.campaign.name,
                "waiting_contacts": rival.waiting,
            }
            for rival in case.rivals
            if bulk.samples.get(rival.campaign.id)
        ],
        "notes": [*case.notes, *_notes(case, base)],
    }


def _quick(case: Case, bulk: Bulk, setting: Setting, habits: Habits) -> Scale:
    """How small a world will do: that of about `QUICK_CALLS` calls."""
    own = calls_ahead(setting.campaign, bulk.contacts, habits.answer_rate)
    return divisible(setting, own + sum(min(own, rival.waiting) for rival in case.rivals), QUICK_CALLS)


@dataclass(frozen=True, slots=True)
class _World:
    """What runs are made in."""

    case: Case
    bulk: Bulk
    habits: Habits
    rules: Compliance
    scale: Scale

    def shrunk(self, scale: Scale) -> _World:
        """The whole world, so many times smaller."""
        return replace(self, case=scale.case(self.case), bulk=scale.bulk(self.bulk), scale=scale)

    def run(self, setting: Setting, budget: Budget) -> Run:
        """A run with a setting of the whole world. Raises `TooLong`."""
        return run(self.case, self.bulk, self.habits, self.rules, self.scale.setting(setting), budget)


@dataclass(slots=True)
class _Trials:
    """Runs with one limit lifted, as many as there is time for; of a large campaign in a smaller world."""

    seen: Seen
    world: _World
    seconds: float
    """What a run took last."""
    base: Run | None = None
    """What the others are compared with."""
    told: list[dict[str, Any]] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)

    @classmethod
    def after(cls, seen: Seen, seconds: float, whole: _World) -> _Trials:
        """Trials that follow a run which took so many seconds."""
        parts = seen.scale.parts
        scale = divisible(seen.setting, seen.run.calls_of_all * parts, ENOUGH_CALLS)
        is_same = scale.parts <= parts
        world = whole.shrunk(seen.scale if is_same else scale)
        return cls(seen, world, seconds * parts / world.scale.parts, seen.run if is_same else None)

    def attempt(self, change: Change) -> None:
        """Run with a change, if there is time."""
        budget = self.seen.run.budget
        late = budget.clock() + self.seconds > budget.until
        if late or len(self.told) == MOST_CHANGES:
            self.untried.append(change.says)
            return
        try:
            if self.base is None:
                self.base = self.world.run(self.seen.setting, budget)
            other = self.world.run(change.setting, budget)
        except TooLong:
            self.untried.append(change.says)
            return
        about = {"change": change.says, "rule": change.rule, "trunk": change.subject}
        self.told.append({**about, **_against(self.seen.run, self.base, other, self.world.scale)})


UNSTORED = "cmp_simulated"
"""The id of a campaign that is not stored."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """A run makes very many values and no cycles: the collector would walk through them for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _trunks(case: Case) -> tuple[Trunk, ...]:
    channels = case.assumed.trunk_channels
    usable = case.campaign.trunks
    return tuple(
        replace(trunk, max_channels=channels)
        if channels is not None and (not usable or trunk.name in usable)
        else trunk
        for trunk in case.trunks
    )


def _callable(case: Case, bulk: Bulk, rules: Compliance) -> tuple[Bulk, dict[str, int]]:
    """The contacts without those that no waiting would let the campaign call, and how many those are, by why."""
    own, ring = gate.campaign_window(case.campaign), case.campaign.ring_timeout
    known: dict[Window, bool] = {}
    never = {"zone_unknown": 0, "no_common_hours": 0}
    kept: list[Contact] = []
    for contact in bulk.contacts:
        callee = rules.callee(contact.phone, contact.timezone)
        window = callee.window
        if window not in known:
            found = opening(Window(own.start, own.end, own.calendars + window.calendars), case.now, ring)
            known[window] = found.open or found.next_open is not None
        if callee.fault is not None:
            never["zone_unknown"] += 1
        elif not known[window]:
            never["no_common_hours"] += 1
        else:
            kept.append(contact)
    return replace(bulk, contacts=kept), never


def _too_large(case: Case, reached: TooLong) -> RequestError:
    return RequestError(
        422,
        "simulation-too-large",
        "Simulation too large",
        f"the simulation was given up after {reached}: simulate a part of the list, or wait until fewer other "
        f"campaigns dial over its trunks ({len(case.rivals)} do)",
    )


# --- parts of the forecast -----------------------------------------------------------------------


def _end(case: Case, seen: Run) -> dict[str, Any]:
    cut_off = any(one.state is ContactState.EXPIRED for one in seen.people.of(seen.campaign))
    ended = "end_time" if cut_off else "done"
    return {
        "finishes_at": to_iso(seen.finished_at),
        "ends_by": "never" if seen.finished_at is None else ended,
        "seconds": number((seen.finished_at - case.now) / SECOND) if seen.finished_at is not None else None,
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted in a run, as it is in the whole world."""

    run: Run
    scale: Scale
    setting: Setting
    """Of the whole world."""

    def contacts(self, total: int, never: Mapping[str, int]) -> dict[str, int]:
        """What becomes of the contacts: `total` that may be called, and those that never may."""
        people = list(self.run.people.of(self.run.campaign))
        left = [one for one in people if one.state is ContactState.EXPIRED or one.state.waiting]
        counted = {
            "finished": sum(one.state is ContactState.FINISHED for one in people),
            "never_called": sum(not one.turns for one in left),
            "retries_cut_off": sum(bool(one.turns) for one in left),
            "suppressed": sum(one.state is ContactState.SUPPRESSED for one in people),
        }
        return {"total": total + sum(never.values()), **self.scale.shares(total, counted), **never}

    @property
    def calls(self) -> dict[str, Any]:
        """The calls that it takes, and what comes of them."""
        run, parts = self.run, self.scale.parts
        counters = metrics.recount(run.people.of(run.campaign))
        shown = metrics.figures({name: count * parts for name, count in counters.items()})
        talk = round(run.talk_ms / SECOND / run.answered, 1) if run.answered else None
        return {
            "calls": {
                "total": run.calls * parts,
                "answered": run.answered * parts,
                "answer_rate": round(run.answered / run.calls, 4) if run.calls else None,
                "mean_talk_seconds": number(talk) if talk is not None else None,
                "of_all_campaigns": run.calls_of_all * parts,
            },
            "dispositions": shown.dispositions,
            "reasons": shown.reasons,
            "calls_per_hour": [
                {
                    "hour": to_iso(Instant(hour * _HOUR)),
                    "calls": seen["calls"] * parts,
                    "answered": seen["answered"] * parts,
                }
                for hour, seen in sorted(run.by_hour.items())
            ],
            "trunks": [self._trunk(trunk) for trunk in self.setting.trunks],
        }

    def _trunk(self, trunk: Trunk) -> dict[str, Any]:
        peak = self.run.peaks.get(trunk.name, 0) * self.scale.parts
        return {
            "name": trunk.name,
            "peak_channels": min(trunk.max_channels, peak),
            "max_channels": trunk.max_channels,
            "calls_per_second": number(trunk.calls_per_second),
            "tries": self.run.by_trunk[trunk.name] * self.scale.parts,
        }


def _span(case: Case, seen: Run) -> int:
    """Milliseconds from now to the end."""
    ended = seen.finished_at if seen.finished_at is not None else seen.last_call
    return max(1, ended - case.now)


def _limits(case: Case, seen: Run) -> list[dict[str, Any]]:
    span = _span(case, seen)
    found = sorted(seen.limits.found.values(), key=lambda bound: (-bound.millis, bound.rule))
    return [
        {
            "rule": bound.rule,
            "trunk": bound.subject,
            "seconds": number(round(bound.millis / SECOND, 1)),
            "share": round(min(1.0, bound.millis / span), 3),
            "first": to_iso(bound.first),
            "last": to_iso(bound.last),
            "by_hour": [
                {"hour": to_iso(Instant(hour * _HOUR)), "seconds": number(round(millis / SECOND, 1))}
                for hour, millis in sorted(bound.by_hour.items())
                if millis and hour in seen.by_hour
            ],
        }
        for bound in found
        if bound.millis
    ]


def _against(base: Run, compared: Run, other: Run, scale: Scale) -> dict[str, Any]:
    """What a change brings; in a smaller world the difference counts, and is that of the whole one."""
    sooner = finishes = None
    if compared.finished_at is not None and other.finished_at is not None:
        sooner = number((compared.finished_at - other.finished_at) / SECOND)
    if sooner is not None and base.finished_at is not None:
        finishes = to_iso(Instant(base.finished_at - round(sooner * SECOND)))
    elif other.finished_at is not None:
        finishes = to_iso(other.finished_at)
    left = [one for one in other.people.of(other.campaign) if one.state is ContactState.EXPIRED]
    return {
        "finishes_at": finishes,
        "sooner_seconds": sooner,
        "never_called": scale.parts * sum(not one.turns for one in left),
        "tried_on": scale.said,
    }


def _notes(case: Case, seen: Run) -> list[str]:
    notes = []
    if seen.finished_at is None:
        notes.append(
            f"it is not done within a year, or nobody could be called any more after {to_iso(seen.last_call)}"
        )
    if "trunk-paused" in {bound.rule for bound in seen.limits.found.values()} and not case.paused:
        notes.append("a trunk is paused on the way: nearly all of its calls are refused for their numbers")
    if any(one.disposition == CALLBACK_REQUESTED for one in seen.people.of(seen.campaign)):
        notes.append("callees who ask to be called back are not called back in the simulation")
    if any(trunk.caller_id_cap is not None for trunk in case.trunks):
        notes.append("what caller ids were shown today before now is not counted against their daily cap")
    return notes
