"""Calls and reports of them, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.control.answers import Moment, Phone, Ratio, Warnings


class Callee(BaseModel):
    """Who was called."""

    phone: Phone
    name: str | None


class Try(BaseModel):
    """One originate: an attempt has more than one only by failover to another trunk."""

    channel: Annotated[str, Field(description="its id in Asterisk")]
    number: int
    trunk: str
    caller_id: str | None
    state: str
    sip_code: int | None
    cause: Annotated[int | None, Field(description="hangup cause, Q.850")]
    ring_seconds: float | None
    started_at: Moment
    ringing_at: Moment | None
    answered_at: Moment | None
    ended_at: Moment | None


class Receipt(BaseModel):
    """What the gate checked before the call, and what each rule said."""

    model_config = ConfigDict(extra="allow")

    at: Moment
    local_time: Annotated[str, Field(description="on the callee's clock, where its zone is known")]
    rules: dict[str, str]


class Takeover(BaseModel):
    """The agent that took a call which the call's own could not take."""

    agent_id: str
    engine: str
    detail: Annotated[str, Field(description="why the agent before it could not")]


class Transfer(BaseModel):
    """A call's last transfer to a person."""

    target: Annotated[str | None, Field(description="as it was named")]
    where: str | None
    warm: bool
    reason: str | None
    summary: str | None
    trigger: Literal["request", "keyword", "key", "max_duration", "condition"]
    state: Literal["ringing", "joining", "connected", "ended"]
    outcome: Annotated[
        Literal["answered", "cancelled", "no_target", "busy", "no_answer", "failed"] | None,
        Field(description="null while that is open"),
    ]
    asked_at: Moment
    answered_at: Moment | None
    ended_at: Moment | None


class Recording(BaseModel):
    """What there is of a call to be heard."""

    bytes: int
    duration_seconds: float


class Call(BaseModel):
    """One attempt, or a call of its own."""

    id: str
    campaign_id: Annotated[str | None, Field(description="null: a call of its own")]
    contact: Callee
    status: Literal["in_progress", "completed", "failed"]
    disposition: str | None
    reason: str | None
    attempt: int
    callback: Annotated[bool, Field(description="the callee had asked for it")]
    counted: Annotated[
        bool, Field(description="false: it failed on our or the carrier's side, and is made up for")
    ]
    tries: list[Try]
    duration_seconds: Annotated[float, Field(description="from answer to end")]
    language: str
    script_id: Annotated[str | None, Field(description="null: its engine needs none")]
    script_version: int | None
    agent_id: str | None
    voice: str | None
    engine: str
    taken_over_by: Takeover | None
    trunk: str | None
    caller_id: str | None
    hangup_cause: int | None
    sip_code: int | None
    answered_by: Annotated[
        Literal["human", "machine"] | None, Field(description="null: it could not be told")
    ]
    message_left: Annotated[bool, Field(description="on an answering machine")]
    started_at: Moment
    answered_at: Moment | None
    ended_at: Moment | None
    recording_url: str | None
    recording: Recording | None
    transcript: list[dict[str, Any]]
    captured: dict[str, Any]
    transfer: Transfer | None
    gate: Receipt


class Placed(Call):
    """A call that was placed by itself."""

    warnings: Warnings


class Figures(BaseModel):
    """Figures of some calls."""

    calls: int
    counted: Annotated[int, Field(description="as an attempt")]
    answered: int
    connect_rate: Annotated[Ratio, Field(description="answered ÷ counted")]
    avg_talk_seconds: float | None
    positive: int
    refunds: Annotated[int, Field(description="calls that cost no attempt")]
    failovers: Annotated[int, Field(description="tries given up for one over another trunk")]
    reasons: dict[str, int]


class Group(Figures):
    """Calls that have one thing in common."""

    key: Annotated[str | None, Field(description="the trunk, caller id, hour, day, reason or campaign")]
    name: str | None


class Report(BaseModel):
    """Calls that are over, by one thing that they have in common."""

    by: str
    begin: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]
    timezone: str
    campaign_id: str | None
    data: list[Group]
    total: Figures
    left_out: Annotated[int, Field(description="groups beyond those shown")]
