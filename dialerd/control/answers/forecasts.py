"""Forecasts, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from dialerd.control.answers import Moment, Ratio
from dialerd.control.answers.campaigns import Dispositions


class Contacts(BaseModel):
    """What becomes of the contacts."""

    total: int
    finished: int
    never_called: int
    retries_cut_off: int
    suppressed: int
    zone_unknown: int
    no_common_hours: int


class Calls(BaseModel):
    """The calls that it takes."""

    total: int
    answered: int
    answer_rate: Ratio
    mean_talk_seconds: float | None
    of_all_campaigns: int


class HourOfCalls(BaseModel):
    """The calls of one hour."""

    hour: Moment
    calls: int
    answered: int


class HourOfWaiting(BaseModel):
    """How long a limit held within one hour."""

    hour: Moment
    seconds: float


class TrunkUse(BaseModel):
    """How a trunk is used."""

    name: str
    peak_channels: int
    max_channels: int
    calls_per_second: float
    tries: int


class Limit(BaseModel):
    """What holds the campaign up."""

    rule: str
    trunk: str | None
    seconds: float
    share: Annotated[float, Field(description="of the time until it is done")]
    first: Moment
    last: Moment
    by_hour: list[HourOfWaiting]


class Change(BaseModel):
    """What one limit lifted would bring."""

    change: str
    rule: str
    trunk: str | None
    finishes_at: Moment | None
    sooner_seconds: float | None
    never_called: int
    tried_on: Annotated[str, Field(description="all, or the part of the list that it was tried on")]


class Assumption(BaseModel):
    """What was taken for granted."""

    value: Any
    source: Annotated[str, Field(description="given, default, or the past calls it was learned from")]
    calls: int


class Rival(BaseModel):
    """Another campaign on the same trunks."""

    campaign_id: str
    name: str
    waiting_contacts: int


class Forecast(BaseModel):
    """When a campaign will be done, what holds it up and what would change that."""

    campaign_id: Annotated[str | None, Field(description="null: it is not stored")]
    name: str
    seed: int
    begin: Annotated[Moment, Field(alias="from")]
    simulated_on: Annotated[
        str,
        Field(description="all, or the part of contacts and limits; what was counted is multiplied then"),
    ]
    finishes_at: Moment | None
    ends_by: Literal["done", "end_time", "never"]
    seconds: float | None
    contacts: Contacts
    calls: Calls
    dispositions: Dispositions
    reasons: dict[str, int]
    calls_per_hour: list[HourOfCalls]
    trunks: list[TrunkUse]
    limits: list[Limit]
    changes: list[Change]
    changes_not_tried: list[str]
    assumptions: dict[str, Assumption]
    campaigns_included: list[Rival]
    notes: list[str]
