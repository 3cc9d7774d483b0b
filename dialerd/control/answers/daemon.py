"""The daemon and its trunks, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dialerd.control.answers import Moment, Phone, Ratio


class CallerIdUse(BaseModel):
    """How a caller id of a trunk was used."""

    caller_id: Phone
    calls_24h: int
    answered: int
    of_last_calls: int
    rests_until: Moment | None


class Limits(BaseModel):
    """What a trunk may be used for at most."""

    max_channels: int
    calls_per_second: float


class LastCalls(BaseModel):
    """How a trunk's last calls were answered."""

    of: int
    answered: int
    answer_rate: Ratio


class Failures(BaseModel):
    """How a trunk's last calls failed."""

    congested_in_a_row: int
    numbers_refused: int
    of_last_calls: int


class Trunk(Limits):
    """A trunk, with the limits in force."""

    name: str
    endpoint: str
    state: Literal["up", "paused", "unreachable", "unregistered", "unknown"]
    channels_in_use: int
    rate_now: Annotated[float, Field(description="calls a second that the carrier takes now")]
    turned_away: Annotated[
        float, Field(description="part of the last calls that the carrier had no room for")
    ]
    rests_until: Moment | None
    caller_ids: list[CallerIdUse]
    configured: Limits
    reachable: bool | None
    registration: str | None
    registered: bool | None
    down: Annotated[str | None, Field(description="why it cannot be used")]
    paused: Annotated[str | None, Field(description="why it is paused")]
    last_calls: LastCalls
    failures: Failures


class Part(BaseModel):
    """How something that the daemon needs is."""

    state: str


class Asterisk(Part):
    """How Asterisk is."""

    version: str | None


class Worker(Part):
    """A media worker."""

    worker: Annotated[int, Field(description="its number, from 1")]
    state: Annotated[
        Literal["ready", "unready", "late", "draining", "gone"],
        Field(
            description="only a ready one is given calls; late: its event loop does not keep up; draining: it ends "
            "with its last call; gone: another one is being started"
        ),
    ]
    sessions: Annotated[int, Field(description="calls that it holds")]
    sessions_limit: int
    lag_seconds: Annotated[
        float, Field(description="by which its event loop was late at most, of the last few")
    ]
    detail: Annotated[str | None, Field(description="why it takes no calls")]


class Media(Part):
    """How the media workers are."""

    sessions: Annotated[int, Field(description="calls that they can hold at a time")]
    workers: list[Worker]


class Outbox(BaseModel):
    """How telling the webhooks stands; null: cannot be read."""

    webhooks: int
    disabled: int
    waiting: int | None
    dead: int | None


class Status(BaseModel):
    """The daemon as it stands."""

    instance: str
    version: str
    dialing: Annotated[bool, Field(description="calls can be placed")]
    halt: Annotated[str | None, Field(description="pause or panic, until it is lifted")]
    problems: list[str]
    asterisk: Asterisk
    manager: Part
    store: Part
    media: Media
    live_calls: int
    slot_drift: int
    dnc_entries: int
    trunks: list[Trunk]
    webhooks: Outbox
    campaigns: Annotated[dict[str, int | None], Field(description="by status; null: cannot be read")]


class Halted(Status):
    """The daemon after an order."""

    in_flight: Annotated[
        int,
        Field(
            description="with 202: originates sent before the order that had not shown themselves after 2 s"
        ),
    ] = 0


class Readiness(BaseModel):
    """Whether calls can be placed."""

    ready: bool
    problems: list[str]
    asterisk: str
    manager: str
    store: str
    media: str


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]
