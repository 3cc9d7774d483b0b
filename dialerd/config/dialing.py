"""Settings of the rules that every call passes."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import Field, field_validator

from dialerd.config.section import Section
from dialerd.core.errors import Fault
from dialerd.core.legal import legal_rules
from dialerd.core.zones import parse_default_zones
from dialerd.numbering import holiday_dates

T = TypeVar("T")


class DialingSettings(Section):
    """Rules for every call of this installation."""

    legal_hours: Literal["on", "off"] = "on"
    """Legal calling hours in the callee's local time, for countries with a preset or an entry in `legal`."""
    legal: dict[str, dict[str, Any]] = Field(default={}, description="countries added, or presets replaced")
    default_zones: dict[str, str] = Field(default={}, description='prefix to time zone, as "+1800" to one')
    clock_settle_seconds: float = Field(default=60, ge=0, le=3_600)
    """How long the wall clock must be steady, after a step, before anything is dialed."""
    audit_seconds: float = Field(default=5, gt=0, le=600)
    """How often open calls are compared with Asterisk's channels."""
    min_gap_minutes: float = Field(default=15, ge=0, le=1_440)
    max_calls_per_24h: int | None = Field(default=None, ge=1)
    max_calls_per_7d: int | None = Field(default=None, ge=1)
    """Frequency caps: calls to one number over all campaigns, callbacks and single calls included; empty: no cap."""
    refund_minutes: list[float] = Field(default=[1, 5, 15])
    abandoned_share: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="callees who hear nobody within two seconds; more brake a campaign",
    )
    abandoned_after_answers: int = Field(default=100, ge=1, description="answers from which that is judged")
    max_call_minutes: float = Field(default=10, gt=0, le=240)

    @field_validator("legal")
    @classmethod
    def _legal_is_understood(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        _, faults = legal_rules(value, "legal", lambda code: holiday_dates(code, (_ANY_YEAR,)))
        return _faultless(value, faults)

    @field_validator("default_zones")
    @classmethod
    def _zones_are_known(cls, value: dict[str, str]) -> dict[str, str]:
        return _faultless(value, parse_default_zones(value, "default_zones")[1])

    @field_validator("refund_minutes")
    @classmethod
    def _three_waits(cls, value: list[float]) -> list[float]:
        if len(value) != 3 or any(wait < 0 for wait in value):
            raise ValueError("must be three waits in minutes, each ≥ 0, e.g. [1, 5, 15]")
        return value


_ANY_YEAR = 2026
"""Holidays are only looked up here to learn whether their country is known."""


def _faultless(value: T, faults: list[Fault]) -> T:
    """`value`, unless something is wrong with it."""
    if faults:
        raise ValueError("; ".join(f"{fault.loc}: {fault.msg}" for fault in faults))
    return value
