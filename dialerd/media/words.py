"""What an engine says of its call beside its audio: a label, values, a wish for a person, that it is done.

The same message for every kind of engine that carries text. It is checked strictly, for it becomes part of the call's
record; what is wrong with it is told to whoever sent it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dialerd.core.clock import from_datetime, seconds
from dialerd.core.disposition import CALLBACK_REQUESTED
from dialerd.core.labels import KNOWN, NOT_THE_AGENTS
from dialerd.core.model import AgentReport
from dialerd.core.record import replace
from dialerd.core.retry import POSITIVE
from dialerd.core.transfer import LONGEST_REASON, LONGEST_SUMMARY, TransferWish

_TAG = re.compile(r"[a-z_]{1,64}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
MOST_CAPTURED = 100
_PLAIN = {"extra_forbidden": "unknown field", "missing": "required"}
"""What is wrong, by pydantic's name for it, where its own words are about Python."""
_VALUE = "must be text of at most 2,000 characters, a number, true, false or null"
MOST_PARTS = 1_000
"""Values of a message, one within another: what is allowed has 600. Each one that is wrong takes its time."""

Value = Annotated[str, Field(max_length=2_000)] | int | float | bool | None


class Refused(ValueError):
    """What is wrong with a message, place by place."""

    def __init__(self, faults: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{fault['loc']}: {fault['msg']}" for fault in faults))
        self.faults = faults


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TransferWords(_Strict):
    """A person is wanted."""

    target: Annotated[str, Field(max_length=200)] | None = None
    warm: bool | None = None
    """None: as the target's settings say."""
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
    summary: Annotated[str, Field(max_length=LONGEST_SUMMARY)] = ""
    timeout_seconds: Annotated[float, Field(ge=1, le=120)] | None = None

    @property
    def wish(self) -> TransferWish:
        """The same in the core's terms."""
        wish = TransferWish(self.target, self.warm, self.reason, self.summary)
        if self.timeout_seconds is None:
            return wish
        return replace(wish, timeout=seconds(self.timeout_seconds))


class TurnWords(_Strict):
    """One turn of the conversation."""

    speaker: Literal["agent", "callee"]
    time: Annotated[float, Field(ge=0)]
    text: Annotated[str, Field(max_length=5_000)]


class Words(_Strict):
    """All that can be said at once; nothing of it is required."""

    event: Literal["dialerd"]
    disposition: Annotated[str, Field(max_length=64)] | None = None
    positive: bool | None = None
    """Of a label of its agent's own; it may be left out, and is as that was declared."""
    callback_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    captured: Annotated[dict[str, Value], Field(max_length=MOST_CAPTURED)] = {}
    transcript: Annotated[list[TurnWords], Field(max_length=100)] = []
    """Turns that are added to those told before."""
    transfer: TransferWords | None = None
    hangup: Literal["now", "when_played"] | None = None

    @field_validator("disposition")
    @classmethod
    def _is_a_label(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _TAG.fullmatch(value):
            raise ValueError("must be 1 to 64 lower-case letters and '_'")
        if value in NOT_THE_AGENTS:
            raise ValueError("is set by the dialer itself")
        if value is not None and value not in KNOWN and value not in _own(info):
            there = ", ".join((*KNOWN, *(label for label in _own(info) if label not in KNOWN)))
            raise ValueError(f"cannot be given to this call; there are: {there}")
        return value

    @field_validator("callback_at")
    @classmethod
    def _is_a_time(cls, value: datetime | None) -> datetime | None:
        if value is not None and not 1971 <= value.year <= 2199:
            raise ValueError("the year must be between 1971 and 2199")
        return value

    @field_validator("captured")
    @classmethod
    def _names_are_printable(cls, value: dict[str, Value]) -> dict[str, Value]:
        if any(not _NAME.fullmatch(name) for name in value):
            raise ValueError("has a name that is empty, longer than 64 characters or unprintable")
        return value

    @model_validator(mode="after")
    def _belongs_together(self, info: ValidationInfo) -> Words:
        if self.callback_at is not None and self.disposition != CALLBACK_REQUESTED:
            raise ValueError(f"callback_at belongs to the disposition {CALLBACK_REQUESTED}")
        if self.positive is None:
            return self
        label = self.disposition
        if label is None or label in KNOWN:
            raise ValueError("positive belongs to a disposition of the agent's own")
        declared = _own(info).get(label)
        if self.positive is not declared:
            means = "positive" if declared else "not positive"
            raise ValueError(f"positive contradicts the agent: {label} is declared as {means}")
        return self

    def over(self, report: AgentReport, labels: Mapping[str, bool]) -> AgentReport:
        """What is known of the call with this label, if there is one."""
        if self.disposition is None:
            return report
        positive = labels.get(self.disposition, self.disposition in POSITIVE)
        at = None if self.callback_at is None else from_datetime(self.callback_at)
        return replace(report, disposition=self.disposition, positive=positive, callback_at=at)


def _own(info: ValidationInfo) -> Mapping[str, bool]:
    """The labels of the agent's own."""
    labels: Mapping[str, bool] = info.context or {}
    return labels


def read(message: Mapping[str, Any], labels: Mapping[str, bool]) -> Words:
    """What an engine says; `labels` are its agent's own, and whether each is positive. Raises `Refused`."""
    if _parts(message) > MOST_PARTS:
        raise Refused([{"loc": "message", "msg": f"has more than {MOST_PARTS:,} values"}])
    try:
        return Words.model_validate(message, context=labels)
    except ValidationError as error:
        # Not what stands there: it may be a number or a name.
        found = error.errors(include_input=False, include_url=False)
        told = dict.fromkeys(_fault(fault["loc"], fault["type"], fault["msg"]) for fault in found)
        raise Refused([{"loc": loc, "msg": msg} for loc, msg in list(told)[:20]]) from None


def _fault(place: Sequence[str | int], kind: str, message: str) -> tuple[str, str]:
    """What is wrong where, for people who write JSON, not Python."""
    if place[:1] == ("captured",) and len(place) > 1:
        # One fault for each type that the value is not of.
        return f"captured.{place[1]}", _VALUE
    plain = _PLAIN.get(kind, message.removeprefix("Value error, ").replace("Input should be", "must be"))
    return ".".join(map(str, place)) or "message", plain


def _parts(message: Mapping[str, Any]) -> int:
    """How many values a message has, counted until they are too many."""
    count, within = 0, [iter(message.values())]
    while within and count <= MOST_PARTS:
        for value in within.pop():
            count += 1
            if isinstance(value, dict | list) and value:
                within.append(iter(value.values() if isinstance(value, dict) else value))
            if count > MOST_PARTS:
                break
    return count
