"""The fields of a campaign: read from a request, checked on their own, every fault found at once.

A new campaign and an edit of one pass the same checks. What needs the store (does the script exist, does it speak the
language) is asked in `dialerd.engine.admission`; the contact list has its own rules. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core import gate
from dialerd.core.clock import SECOND, Instant, Millis, minutes, to_iso
from dialerd.core.disposition import Reason
from dialerd.core.errors import Fault
from dialerd.core.model import Campaign, RetryRule, Shares
from dialerd.core.retry import NEVER_AGAIN, REPEATABLE
from dialerd.engine.fields import Language, Number, Text, read_model
from dialerd.engine.schedule import Schedule, ScheduleFields, read_schedule
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.terms import TermsFields, transfer_faults, trunk_faults

MOST_CALLBACKS = 10

_YEAR_OF_MINUTES = 366 * 24 * 60
_FIXED = ("script_id", "agent_id", "language", "contacts", "default_region", "on_invalid")
_RENAMED = {
    "retry_interval_minutes": "retry_interval",
    "ring_timeout_seconds": "ring_timeout",
    "transfer_target": "transfer_to",
    "recording": "record",
    "answering_machine": "on_machine",
}
"""Fields that have another name in `Campaign`."""


class RetryRuleFields(BaseModel):
    """How attempts that ended for one reason are repeated."""

    model_config = ConfigDict(extra="forbid", strict=True)

    after_minutes: Number | None = Field(
        None, ge=0, le=_YEAR_OF_MINUTES, description="default: the campaign's retry_interval_minutes"
    )
    max: int | None = Field(
        None,
        ge=0,
        le=10,
        description="retries for this reason at most; default: as many as max_attempts leaves",
    )


Share = Annotated[Number, Field(gt=0, le=1_000)]


class SharesFields(BaseModel):
    """How starts are shared between kinds of contacts, as long as all of them wait."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fresh: Share = 1
    retries: Share = 1
    callbacks: Share = 8


class EditableFields(TermsFields):
    """What may be changed while a campaign lives."""

    name: Annotated[Text, Field(max_length=255)] | None = None
    schedule: ScheduleFields | None = Field(
        None, description="without one the campaign stays scheduled until it is started"
    )
    max_attempts: int = Field(1, ge=1, le=10, description="total attempts, the first included")
    retry_interval_minutes: Number = Field(60, ge=0, le=_YEAR_OF_MINUTES)
    retry_rules: dict[str, RetryRuleFields] = Field(
        {},
        description="by reason (busy, no_answer …), instead of retry_interval_minutes; max_attempts caps all",
    )
    max_callbacks: int = Field(
        1, ge=0, le=MOST_CALLBACKS, description="calls that the callee asks for, outside max_attempts"
    )
    max_concurrent_calls: int | None = Field(None, ge=1, le=100_000)
    calls_per_second: Number | None = Field(
        None, gt=0, le=1_000, description="no second holds more starts than this: of 2.5 it takes 2"
    )
    weight: Number = Field(
        1, gt=0, le=1_000, description="starts on a trunk, in proportion to those of the others that share it"
    )
    shares: SharesFields = SharesFields()
    keep_open: bool = False


class CampaignFields(EditableFields):
    """A campaign request without its contacts; what is required is asked after reading, for all at once."""

    script_id: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="required unless the agent names one"
    )
    agent_id: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="who talks; default: an embedded agent for the script"
    )
    language: Language | None = Field(None, description="BCP-47")
    default_region: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="country whose national numbers are accepted (IN, US …); without it E.164 only"
    )
    on_invalid: Literal["reject", "skip"] = "reject"


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign request as far as it could be read."""

    fields: CampaignFields
    schedule: Schedule

    @property
    def attributes(self) -> dict[str, Any]:
        """The fields of `Campaign` that it sets; only without faults."""
        interval = minutes(self.fields.retry_interval_minutes)
        return _attributes(self.fields, interval) | self.schedule.attributes


def read_draft(
    given: Mapping[str, Any], now: Instant, settings: ServiceSettings
) -> tuple[Draft, list[Fault]]:
    """The fields that could be read, and every fault of those that could not or that contradict each other."""
    given = {key: value for key, value in given.items() if value is not None}
    times = given.pop("schedule", None)
    fields, faults = read_model(CampaignFields, given)
    faults += _rule_faults(given)
    needed = ("name", "language") if "agent_id" in given else ("name", "script_id", "language")
    faults += [Fault(key, "required") for key in needed if given.get(key) is None]
    schedule = Schedule()
    if times is not None:
        schedule, wrong = read_schedule(times, schedule, now, settings.holiday_dates)
        faults += wrong
    faults += trunk_faults(fields, settings.trunks) + transfer_faults(fields, settings.transfers)
    return Draft(fields, schedule), faults


def read_changes(
    given: Mapping[str, Any], campaign: Campaign, now: Instant, settings: ServiceSettings
) -> tuple[dict[str, Any], list[Fault]]:
    """The fields of `Campaign` that an edit changes, and every fault of it.

    A null takes a field back to its default. Fields that are not touched are not judged, but for those that a touched
    one must agree with.
    """
    faults = [
        Fault(key, "cannot be changed: it was fixed when the campaign was created")
        for key in _FIXED
        if key in given
    ]
    touched = {key: value for key, value in given.items() if key not in (*_FIXED, "schedule")}
    values = {key: value for key, value in touched.items() if value is not None}
    fields, wrong = read_model(EditableFields, values)
    faults += wrong + _rule_faults(values) + transfer_faults(fields, settings.transfers)
    if "name" in touched and touched["name"] is None:
        faults.append(Fault("name", "required"))
    if touched.keys() & {"trunks", "caller_id"}:
        faults += trunk_faults(_merged(fields, touched, campaign), settings.trunks)
    schedule = Schedule.of(campaign)
    if "schedule" in given:
        schedule, wrong = read_schedule(given["schedule"], schedule, now, settings.holiday_dates)
        faults += wrong
    if faults:
        return {}, faults
    interval = campaign.retry_interval
    if "retry_interval_minutes" in touched:
        interval = minutes(fields.retry_interval_minutes)
    all_of_them = _attributes(fields, interval)
    changes = {name: all_of_them[name] for name in (_RENAMED.get(key, key) for key in touched)}
    return changes | (schedule.attributes if "schedule" in given else {}), []


def closed_for_good(campaign: Campaign, now: Instant) -> list[Fault]:
    """The fault of a campaign whose window never opens for a call, however long one waits."""
    opening = gate.campaign_opening(campaign, now)
    if opening.open or opening.next_open is not None:
        return []
    ring = campaign.ring_timeout / SECOND
    until = f" before {to_iso(campaign.end_at)}" if campaign.end_at is not None else ""
    msg = f"leaves no moment{until} at which a phone may ring for {ring:g} s: its hours, holidays and end exclude it"
    return [Fault("schedule", msg)]


def _attributes(fields: EditableFields, interval: Millis) -> dict[str, Any]:
    terms = fields.terms
    return {
        "name": fields.name,
        "max_attempts": fields.max_attempts,
        "retry_interval": interval,
        "retry_rules": _rules(fields.retry_rules, interval),
        "max_callbacks": fields.max_callbacks,
        "ring_timeout": terms.ring_timeout,
        "max_concurrent_calls": fields.max_concurrent_calls,
        "calls_per_second": fields.calls_per_second,
        "weight": fields.weight,
        "shares": Shares(**fields.shares.model_dump()),
        "trunks": terms.trunks,
        "caller_id": terms.caller_id,
        "keep_open": fields.keep_open,
        "transfer_to": terms.transfer_to,
        "record": terms.record,
        "on_machine": fields.on_machine,
    }


def _merged(fields: EditableFields, touched: Mapping[str, Any], campaign: Campaign) -> EditableFields:
    """The terms as they would be."""
    untouched: dict[str, Any] = {}
    if "trunks" not in touched:
        untouched["trunks"] = [str(name) for name in campaign.trunks] or None
    if "caller_id" not in touched:
        untouched["caller_id"] = campaign.caller_id
    return fields.model_copy(update=untouched)


def _rules(rules: Mapping[str, RetryRuleFields], interval: Millis) -> dict[Reason, RetryRule]:
    return {
        Reason(reason): RetryRule(
            interval if rule.after_minutes is None else minutes(rule.after_minutes), rule.max
        )
        for reason, rule in rules.items()
    }


def _rule_faults(given: Mapping[str, Any]) -> list[Fault]:
    """Reasons that there are not, and those that no rule may repeat."""
    rules = given.get("retry_rules")
    faults = []
    for reason in rules if isinstance(rules, dict) else ():
        loc = f"retry_rules.{reason[:60]}"
        if reason not in set(Reason):
            known = ", ".join(sorted(REPEATABLE))
            faults.append(Fault(loc, f"there is no such reason; there are: {known}"))
        elif reason in NEVER_AGAIN:
            faults.append(Fault(loc, "is the last word: such a number is never dialed again"))
        elif reason not in REPEATABLE:
            faults.append(Fault(loc, "cannot have a rule: how long the number is barred is fixed"))
    return faults
