"""What a forecast is made from, and how it gets to the process that makes it: a small record beside a file of lines.

The file holds what there may be very much of (contacts, past calls), written and read a few hundred at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, CampaignId, ContactId
from dialerd.core.model import Campaign
from dialerd.core.policy import Policy
from dialerd.core.trunk import Trunk
from dialerd.engine.fields import Number
from dialerd.ports import PastCall


class Assumptions(BaseModel):
    """What is to be taken for granted, instead of what past calls tell."""

    model_config = ConfigDict(extra="forbid", strict=True)

    answer_rate: Number | None = Field(None, ge=0, le=1, description="answered calls of all calls")
    talk_seconds: Number | None = Field(None, gt=0, le=36_000, description="mean length of an answered call")
    ring_seconds: Number | None = Field(None, gt=0, le=600, description="mean time until somebody answers")
    trunk_channels: int | None = Field(
        None, ge=1, le=100_000, description="channels of each trunk that the campaign may use"
    )
    exact: bool = Field(
        False, description="simulate every contact of a long list too, instead of every so manieth"
    )
    seed: int = Field(1, ge=0, lt=2**63, description="the same seed gives the same forecast")


@dataclass(frozen=True, slots=True)
class Rival:
    """Another campaign that dials over the same trunks."""

    campaign: Campaign
    waiting: int


@dataclass(frozen=True, slots=True)
class Case:
    """What a forecast is made from; `file` holds the rest."""

    campaign: Campaign
    file: Path
    now: Instant
    trunks: tuple[Trunk, ...]
    """As they may be used now."""
    paused: Mapping[str, str]
    """Trunks that are not used, and why."""
    policy: Policy
    sessions: int
    """Calls that the media workers can hold at a time."""
    rivals: tuple[Rival, ...]
    assumed: Assumptions
    notes: tuple[str, ...] = ()
    """What a reader must know of it."""
    engines: Mapping[str, int] = field(default_factory=dict)
    """Calls that each engine beside the embedded one can hold at a time."""


@dataclass(slots=True)
class Bulk:
    """What the file of a case holds."""

    contacts: list[Contact]
    """Those of the campaign that it is not done with."""
    samples: dict[CampaignId, list[Contact]]
    """Of each rival some who wait."""
    past: list[PastCall]
    """Calls of the campaign, newest first."""
    past_of_all: list[PastCall]
    """Calls of the whole installation."""


class Forecaster(Protocol):
    """Runs simulations, outside this process."""

    async def __call__(self, case: Case) -> bytes:
        """The forecast object of the API as JSON, for it may have many thousand values.

        Raises `RequestError` for a case that is too large, `PortError`.
        """
        ...


# --- lines ---------------------------------------------------------------------------------------


def contact_line(contacts: Iterable[Contact]) -> bytes:
    """Contacts of any campaigns."""
    rows = [
        (
            contact.id,
            contact.campaign_id,
            contact.phone,
            contact.timezone,
            contact.state,
            contact.attempts,
            contact.turns,
            contact.refunds,
            contact.not_before,
            contact.connected_attempt,
            contact.retries,
            contact.callbacks,
            contact.caller_id,
            contact.recent,
        )
        for contact in contacts
    ]
    return orjson.dumps(["contacts", rows]) + b"\n"


def past_line(calls: Iterable[PastCall], *, of_all: bool) -> bytes:
    """Past calls."""
    kind = "past_of_all" if of_all else "past"
    rows = [
        (
            call.id,
            call.phone,
            call.timezone,
            call.started_at,
            call.ring_ms,
            call.talk_ms,
            call.disposition,
            call.reason,
        )
        for call in calls
    ]
    return orjson.dumps([kind, rows]) + b"\n"


def read_bulk(case: Case) -> Bulk:
    """What the file of a case holds. Raises `OSError`."""
    bulk = Bulk([], {}, [], [])
    with case.file.open("rb") as lines:
        for kind, rows in map(orjson.loads, lines):
            if kind == "past":
                bulk.past += _past(rows)
            elif kind == "past_of_all":
                bulk.past_of_all += _past(rows)
            else:
                for contact in _contacts(rows):
                    if contact.campaign_id == case.campaign.id:
                        bulk.contacts.append(contact)
                    else:
                        bulk.samples.setdefault(contact.campaign_id, []).append(contact)
    return bulk


def _contacts(rows: Iterable[list[Any]]) -> Iterator[Contact]:
    for row in rows:
        (
            ident,
            campaign,
            phone,
            zone,
            state,
            attempts,
            turns,
            refunds,
            due,
            connected,
            retries,
            calls,
            *rest,
        ) = row
        shown, recent = rest
        yield Contact(
            ContactId(ident),
            CampaignId(campaign),
            E164(phone),
            timezone=zone,
            state=ContactState(state),
            attempts=attempts,
            turns=turns,
            refunds=refunds,
            not_before=Instant(due),
            connected_attempt=connected,
            retries=retries,
            callbacks=calls,
            caller_id=E164(shown) if shown is not None else None,
            recent=tuple(recent),
        )


def _past(rows: Iterable[list[Any]]) -> Iterator[PastCall]:
    for ident, phone, zone, started, ring, talk, disposition, reason in rows:
        yield PastCall(
            ident,
            E164(phone),
            zone,
            Instant(started),
            ring,
            talk,
            disposition,
            Reason(reason) if reason is not None else None,
        )
