"""Transfers as requests ask for them: which targets there are, and what is said to the person.

Whether a call can be transferred at this moment is decided in the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.clock import SECOND, seconds
from dialerd.core.errors import Fault
from dialerd.core.transfer import (
    LEAST_PATIENCE,
    LONGEST_REASON,
    LONGEST_SUMMARY,
    MOST_PATIENCE,
    TransferRules,
    TransferTrigger,
    TransferWish,
    resolve,
)
from dialerd.engine.fields import Number, Text, read_model

Trigger = Literal["request", "keyword", "key", "max_duration", "condition"]


class TransferFields(BaseModel):
    """Connect the callee with a person."""

    model_config = ConfigDict(extra="forbid", strict=True)

    target: Annotated[Text, Field(max_length=140)] | None = Field(
        None,
        description="a configured name, endpoint:NAME or queue:NAME; default: the call's, then the installation's",
    )
    warm: bool | None = Field(
        None,
        description="true: the agent talks on until the person is there; false: it falls silent at once; "
        "default: as configured for the target",
    )
    reason: Annotated[Text, Field(max_length=LONGEST_REASON)] | None = None
    summary: Annotated[Text, Field(max_length=LONGEST_SUMMARY)] | None = Field(
        None,
        description="told to the person's side: in channel variables, a phone in SIP headers; and by webhook",
    )
    timeout_seconds: (
        Annotated[Number, Field(ge=LEAST_PATIENCE / SECOND, le=MOST_PATIENCE / SECOND)] | None
    ) = Field(None, description="how long the person's phone rings; default: the target's, or 25")
    trigger: Trigger = Field(
        "request", description="why; of two for one transfer the first of these is recorded"
    )


def read_wish(given: Mapping[str, Any], rules: TransferRules) -> tuple[TransferWish, list[Fault]]:
    """A wish from a request, and what is wrong with it."""
    fields, faults = read_model(TransferFields, {k: v for k, v in given.items() if v is not None})
    if fields.target is not None:
        faults += [Fault("target", msg) for msg in target_faults(fields.target, rules)]
    timeout = fields.timeout_seconds
    return (
        TransferWish(
            fields.target,
            fields.warm,
            fields.reason or "",
            fields.summary or "",
            None if timeout is None else seconds(timeout),
            TransferTrigger(fields.trigger),
        ),
        faults,
    )


def target_faults(name: str, rules: TransferRules) -> list[str]:
    """Why nobody can be transferred there."""
    if resolve(rules, name, None) is not None:
        return []
    known = ", ".join(sorted(rules.plans)) or "none"
    return [
        f"there is no transfer target {name[:60]!r}; configured are: {known} (or endpoint:NAME of a phone, queue:NAME)"
    ]
