"""What a list is asked for in a query string: one model a list, so that every fault of a question is told at once.

A parameter that means nothing is a fault like any other: a filter with a slip in its name would else show everything.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dialerd.core.clock import Instant
from dialerd.core.identity import E164
from dialerd.engine.fields import instant
from dialerd.ports import Page

NOT_A_NUMBER = "must be a number in E.164 form, as in +919876543210"
_OFFSET_WITHOUT_PLUS = re.compile(r" (\d\d:?\d\d)$")


def time_in_query(value: str) -> str:
    """A time in a query string, where an unescaped + arrives as a space."""
    return _OFFSET_WITHOUT_PLUS.sub(r"+\1", value)


def phone_in_query(value: str) -> str:
    """A number in a query string, whose + may have arrived as a space."""
    return "+" + value.strip() if value.startswith(" ") else value


def number(value: str) -> E164:
    """A number. Raises `ValueError` in the words of the API."""
    try:
        return E164(value)
    except ValueError:
        raise ValueError(NOT_A_NUMBER) from None


def _first_moment(value: str) -> Instant:
    return instant(time_in_query(value), UTC, last=False)


def _last_moment(value: str) -> Instant:
    return instant(time_in_query(value), UTC, last=True)


_TEXT = WithJsonSchema({"type": "string"})
_FIRST = Annotated[Instant, BeforeValidator(_first_moment), _TEXT]
_LAST = Annotated[Instant, BeforeValidator(_last_moment), _TEXT]

PlusAsSpace = Annotated[str, AfterValidator(phone_in_query)]
Number = Annotated[str, AfterValidator(phone_in_query), AfterValidator(number)]


class Asked(BaseModel):
    """The parameters of a query; others are refused."""

    model_config = ConfigDict(extra="forbid")


class Paging(Asked):
    """Which part of a list."""

    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10**9)

    @property
    def page(self) -> Page:
        """The same for the services."""
        return Page(self.limit, self.offset)


class Span(Paging):
    """A part of what lies between two times."""

    start: _FIRST | None = Field(None, alias="from", description="ISO 8601 with offset, or a date (UTC)")
    end: _LAST | None = Field(
        None, alias="to", description="ISO 8601 with offset, or a date (UTC), inclusive"
    )


def _page(asked: Annotated[Paging, Query()]) -> Page:
    return asked.page


Paged = Annotated[Page, Depends(_page)]
"""Of a list without filters."""
