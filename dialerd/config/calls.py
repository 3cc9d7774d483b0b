"""The settings of what may become of an answered call: transfers to a person, and recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from dialerd.core.clock import SECOND, Millis, minutes, seconds
from dialerd.core.transfer import (
    LEAST_PATIENCE,
    MOST_PATIENCE,
    Target,
    TransferPlan,
    TransferRules,
    parse_target,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SOUND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,119}")


def _target(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text, as in queue:support")
    parse_target(value)
    return value


class TransferSettings(BaseModel):
    """What holds for every transfer to a person."""

    model_config = ConfigDict(extra="forbid")

    default: str | None = Field(
        default=None, description="the target of calls whose campaign and agent name none"
    )
    max_minutes: float = Field(default=60, gt=0, le=1_440, description="for which callee and person may talk")


class TransferTargetSettings(BaseModel):
    """A target under a name of its own: a phone, a queue or a dialplan extension of this Asterisk."""

    model_config = ConfigDict(extra="forbid")

    target: Annotated[str, BeforeValidator(_target)] = Field(
        description="endpoint:NAME, queue:NAME or extension:EXT@CONTEXT"
    )
    warm: bool | None = None
    timeout_seconds: float | None = Field(
        default=None, ge=LEAST_PATIENCE / SECOND, le=MOST_PATIENCE / SECOND, description="its phone rings"
    )
    fallback: str | None = Field(
        default=None, description="the target that is tried when nobody answers here"
    )
    announcement: str | None = Field(
        default=None, description="a sound of Asterisk's that the person hears before a warm transfer"
    )

    @field_validator("announcement")
    @classmethod
    def _is_a_sound(cls, value: str | None) -> str | None:
        if value is not None and (not _SOUND.fullmatch(value) or ".." in value):
            raise ValueError('must be the name of a sound without its ending, as in "custom/new-call"')
        return value


class RecordingSettings(BaseModel):
    """Recordings of calls: where they are, how long they are kept, and whether callees are told."""

    model_config = ConfigDict(extra="forbid")

    dir: Path | None = None
    """Default: `recordings` in the state directory."""
    keep_days: float | None = Field(default=90, gt=0, le=36_500)
    keep_bytes: int | None = Field(default=None, ge=1_000_000)
    """Of all recordings together; beyond it the oldest go."""
    announcement_required: bool = True
    """Whether a campaign that records is warned of whose script does not say so."""


def plan_faults(plans: Mapping[str, TransferTargetSettings], default: str | None) -> list[str]:
    """What is wrong with the targets taken together."""
    faults = [
        f"transfers.{name}: names are lower-case letters, digits, '_' and '-'"
        for name in plans
        if not _NAME.fullmatch(name)
    ]
    faults += [
        f"transfers.{name}.fallback: there is no [transfers.{plan.fallback}]"
        for name, plan in plans.items()
        if plan.fallback is not None and plan.fallback not in plans
    ]
    if default is not None and default not in plans:
        faults.append(f"transfer.default: there is no [transfers.{default}]")
    return faults


def transfer_rules(
    general: TransferSettings, plans: Mapping[str, TransferTargetSettings], trunk_endpoints: Iterable[str]
) -> TransferRules:
    """The same in the core's terms."""
    return TransferRules(
        plans={name: _plan(plan) for name, plan in plans.items()},
        default=general.default,
        most=minutes(general.max_minutes),
        forbidden=frozenset(trunk_endpoints),
    )


def _plan(plan: TransferTargetSettings) -> TransferPlan:
    target: Target = parse_target(plan.target)
    patience: Millis | None = None if plan.timeout_seconds is None else seconds(plan.timeout_seconds)
    return TransferPlan(target, plan.warm, patience, plan.fallback, plan.announcement)
