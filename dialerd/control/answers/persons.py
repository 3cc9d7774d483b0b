"""People and the audit trail, as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from dialerd.control.answers import Moment, Phone
from dialerd.control.answers.calls import Call
from dialerd.control.answers.campaigns import Contact
from dialerd.control.answers.lists import Entry


class Place(Contact):
    """A person's place in a campaign."""

    campaign_id: str
    campaign_name: str
    campaign_status: str


class Cap(BaseModel):
    """How often a number was called, beside what is allowed."""

    hours: float
    calls: int
    limit: int
    until: Moment | None


class Person(BaseModel):
    """What is stored under a number."""

    phone: Phone
    dnc: Entry | None
    live_call: str | None
    being_erased: bool
    frequency: list[Cap]
    campaigns: list[Place]
    calls: list[Call]
    total_calls: int


class Erased(BaseModel):
    """A person of whom not all is gone yet."""

    phone: Phone
    being_erased: bool


class Deed(BaseModel):
    """A change that somebody made."""

    id: int | str
    at: Moment
    actor: str
    actor_name: str | None
    origin: str | None
    action: str
    object: str | None
    details: dict[str, Any]
