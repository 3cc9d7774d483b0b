"""Campaigns and their contacts, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.control.answers import Moment, Phone, Ratio, Reason, Row, Warnings


class Slot(BaseModel):
    """Weekly hours."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    start: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to", description="at or before the start: on the next day")]


class Schedule(BaseModel):
    """When a campaign may dial."""

    start_time: Moment | None
    end_time: Moment | None
    timezone: str | None
    hours: list[Slot]
    holidays: list[str]


class Progress(BaseModel):
    """Contacts by how far the campaign is with them."""

    total_contacts: int
    called: Annotated[int, Field(description="with at least one attempt that counted or is running")]
    pending: Annotated[int, Field(description="total − called − suppressed")]
    in_progress: int
    retry_waiting: int
    callback_waiting: int
    suppressed: Annotated[int, Field(description="on the do-not-call list before any call")]
    finished: int
    expired: Annotated[int, Field(description="the campaign ended before their turn")]
    cancelled: Annotated[int, Field(description="the campaign was stopped before their turn")]
    callback_unmet: int


class Dispositions(BaseModel):
    """Contacts by what came of them; labels that agents declare are further keys."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]

    connected: Annotated[int, Field(description="contacts that ever answered, whatever label followed")]
    not_reachable: int
    callback_requested: int
    interested: int
    not_interested: int
    dnc: int


class Portion(BaseModel):
    """One disposition's part of the contacts called."""

    disposition: str
    count: int
    percentage: float | None


class Metrics(BaseModel):
    """The campaign's ratios."""

    connect_rate: Ratio
    avg_call_duration_seconds: float | None
    conversion_rate: Annotated[Ratio, Field(description="positive ÷ connected")]
    conversion_rate_of_called: Annotated[Ratio, Field(description="positive ÷ called")]
    retry_rate: Annotated[Ratio, Field(description="connected on a later attempt ÷ called")]
    retried_rate: Annotated[Ratio, Field(description="with two or more attempts ÷ called")]
    escalation_rate: Ratio
    abandoned_rate: Annotated[
        Ratio,
        Field(
            description="answered, and no agent heard within two seconds or before we ended it ÷ answered by people"
        ),
    ]


class Count(BaseModel):
    """Calls of one trunk, caller id or hour."""

    calls: int
    answered: int


class HourCount(Count):
    """Calls of one hour."""

    abandoned: Annotated[
        int, Field(description="answered, and no agent heard within two seconds or before we ended it")
    ]


class RetryRule(BaseModel):
    """How attempts that ended for one reason are repeated."""

    after_minutes: float
    max: Annotated[int | None, Field(description="null: as many as max_attempts leaves")]


class Shares(BaseModel):
    """How starts are shared between kinds of contacts."""

    fresh: float
    retries: float
    callbacks: float


class Campaign(BaseModel):
    """A campaign as it is now."""

    campaign_id: str
    name: str
    script_id: Annotated[str | None, Field(description="null: its engine needs none")]
    script_version: int | None
    agent_id: str | None
    engine: str
    fallbacks: Annotated[
        list[str], Field(description="agents that take a call which its agent cannot, in order")
    ]
    voice: str | None
    language: str
    status: Literal["scheduled", "running", "paused", "completed", "stopped"]
    closing: Annotated[bool, Field(description="it ends as soon as its live calls have")]
    version: Annotated[int, Field(description="changes with edits; the ETag")]
    schedule: Schedule
    max_attempts: int
    retry_interval_minutes: float
    retry_rules: dict[str, RetryRule]
    max_callbacks: int
    ring_timeout_seconds: float
    max_concurrent_calls: int | None
    calls_per_second: float | None
    weight: float
    shares: Shares
    trunks: Annotated[list[str], Field(description="in order of preference; empty: every trunk")]
    caller_id: str | None
    transfer_target: str | None
    recording: bool
    keep_open: bool
    answering_machine: Literal["continue", "hangup", "message", "ignore"]
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    progress: Progress
    dispositions: Dispositions
    disposition_breakdown: list[Portion]
    reasons: Annotated[dict[str, int], Field(description="why contacts were not reached")]
    metrics: Metrics
    by_trunk: dict[str, Count]
    by_caller_id: dict[str, Count]
    by_hour: Annotated[dict[str, HourCount], Field(description="hours in UTC, as 2026-01-15T09Z")]
    blocked: Annotated[list[Reason], Field(description="why it is not dialing now; empty: it is")]


class Ordered(Campaign):
    """A campaign after an order."""

    in_flight: Annotated[
        int,
        Field(
            description="with 202: originates sent before the order that had not shown themselves after 2 s"
        ),
    ] = 0


class Example(BaseModel):
    """A contact that cannot be called, and why."""

    phone: Phone
    reason: str


class Import(BaseModel):
    """What became of an uploaded list."""

    received: int
    accepted: int
    duplicates: int
    already_there: Annotated[int, Field(description="of the duplicates: those the campaign had before")]
    suppressed_dnc: int
    zone_unknown: int
    zone_unknown_examples: list[Example]
    no_common_hours: int
    no_common_hours_examples: list[Example]
    duplicate_rows: list[Row]
    warnings: Annotated[
        list[Row],
        Field(
            description="rows that were taken: numbers that may not exist, and values that are not of the type which "
            "the script gives their variable (the first 100 of these, and how many more there are)"
        ),
    ]
    invalid: list[Row]


class Created(Campaign):
    """A campaign that was given contacts, and what became of their list."""

    imported: Annotated[Import, Field(alias="import")]
    warnings: Warnings


class Edited(Campaign):
    """A campaign that was edited."""

    warnings: Warnings


class Explanation(BaseModel):
    """Why a campaign is not dialing."""

    campaign_id: str
    status: str
    closing: bool
    dialing: bool
    reasons: list[Reason]


class Contact(BaseModel):
    """A number in a campaign."""

    phone: Phone
    name: str | None
    timezone: str | None
    external_id: str | None
    variables: dict[str, Any]
    state: Literal[
        "pending",
        "dialing",
        "in_call",
        "retry_waiting",
        "callback_waiting",
        "finished",
        "suppressed",
        "expired",
        "cancelled",
    ]
    attempts: int
    refunds: Annotated[
        int, Field(description="attempts that failed on our or the carrier's side and did not count")
    ]
    next_attempt_at: Annotated[Moment | None, Field(description="null: as soon as its turn comes, or never")]
    disposition: str | None
    reason: str | None
    callbacks: int
    callback_unmet: Annotated[Moment | None, Field(description="asked for, and could not be")]
    message_left: Annotated[bool, Field(description="on its answering machine")]


class ContactExplanation(Contact):
    """Why a contact is not being dialed."""

    campaign_id: str
    status: str
    dialing: bool
    reasons: list[Reason]
