"""Settings of SIP trunks."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from dialerd.config.section import PJSIP_NAME, Number, Section
from dialerd.numbering import begins_numbers


class TrunkSettings(Section):
    """One SIP trunk: a PJSIP endpoint and what its carrier allows."""

    endpoint: str
    caller_ids: list[Number] = Field(
        description="the first is the default; without one Asterisk would send Anonymous"
    )
    max_channels: int = Field(default=10, ge=1, le=10_000)
    calls_per_second: float = Field(default=1.0, gt=0, le=1_000)
    number_format: Literal["e164", "digits"] = "e164"
    codecs: list[Literal["ulaw", "alaw", "g722", "opus"]] = Field(
        default=["ulaw"],
        min_length=1,
        description="offered to its carrier, as far as its endpoint allows; the first decides how calls are carried",
    )
    registration: str | None = Field(
        default=None, description="the PJSIP registration without which its carrier takes no calls"
    )
    prefixes: list[str] = Field(
        default=[""],
        description='numbers it takes, as "+91"; of several trunks the longest match is used',
    )
    strip: str = Field(default="", pattern=r"^[0-9]{0,15}$")
    prepend: str = Field(default="", pattern=r"^[0-9]{0,10}$")
    adaptive: bool = Field(
        default=True,
        description="begin slowly, and slow down while the carrier has no room (503, congestion)",
    )
    caller_id_daily_cap: int | None = Field(default=None, description="calls a day that show one number")
    caller_id_rest_minutes: float = Field(
        default=60, ge=0, le=10_080, description="rest of a number that is answered less than others; 0: none"
    )
    caller_id_rest_below: float = Field(
        default=0.5, gt=0, lt=1, description="part of the others' answer rate below which a number rests"
    )

    @field_validator("caller_ids")
    @classmethod
    def _caller_ids_once(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("needs at least one number to show: without it Asterisk would send Anonymous")
        twice = sorted({number for number in value if value.count(number) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return value

    @field_validator("codecs")
    @classmethod
    def _codecs_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("must name each codec once")
        return value

    @field_validator("caller_id_daily_cap")
    @classmethod
    def _cap_allows_calls(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"{value} would let no call leave: give at least 1, or leave it out for no cap")
        return value

    @field_validator("prefixes")
    @classmethod
    def _prefixes_are_digits(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError('no number could reach this trunk: leave it out, or [""], for all numbers')
        bad = [prefix for prefix in value if not re.fullmatch(r"(\+[1-9][0-9]{0,14})?", prefix)]
        if bad:
            raise ValueError(f'must be "+" and digits, as in "+91", or "" for all numbers: {", ".join(bad)}')
        nowhere = [prefix for prefix in value if not begins_numbers(prefix)]
        if nowhere:
            raise ValueError(
                f"no country's numbers begin so, none could reach this trunk: {', '.join(nowhere)}"
            )
        twice = sorted({prefix for prefix in value if value.count(prefix) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        needless = sorted(
            f"{long} lies within {short or 'all numbers'}"
            for long in value
            for short in value
            if long != short and long.startswith(short)
        )
        if needless:
            raise ValueError(f"overlap, leave the longer one out: {', '.join(needless)}")
        return value

    @field_validator("endpoint", "registration")
    @classmethod
    def _is_a_name(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not PJSIP_NAME.fullmatch(value):
            raise ValueError(
                f"must be the name of a PJSIP {info.field_name} (letters, digits, '.', '_', '-'; no comma, no address)"
            )
        return value
