"""What the API answers, as shapes for its description.

The answers themselves are made by `dialerd.engine.views` and never pass through these: checking each answer would cost
time that dialing needs. A test holds the two against each other, key by key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""UTC, ISO 8601 with a `Z`."""
Phone = Annotated[str, Field(description="E.164")]
Ratio = Annotated[float | None, Field(description="null: of nothing")]
Responses = dict[int | str, dict[str, Any]]

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    data: list[T]
    total: int
    limit: int
    offset: int


class Row(BaseModel):
    """A row of an uploaded list that something is to be said of."""

    line: int
    phone: str | None
    reason: str


Warnings = Annotated[list[str], Field(description="what speaks against it and did not keep it from being so")]


class Reason(BaseModel):
    """Something that keeps calls from being placed."""

    reason: str
    detail: str
    until: Annotated[Moment | None, Field(description="when it lifts; null: nobody knows")]


def of(model: Any, about: str, *statuses: int) -> Responses:
    """The answers of an operation that carry `model`; without `statuses` 200."""
    return {status: {"model": model, "description": about} for status in statuses or (200,)}


def made(model: Any, about: str, headers: Iterable[str] = ("Location",)) -> Responses:
    """The answer 201 with what was made, and the headers that tell where it is."""
    shown = {name: {"schema": {"type": "string"}, "description": _HEADERS[name]} for name in headers}
    return {201: {"model": model, "description": about, "headers": shown}}


_HEADERS = {"Location": "where it is", "ETag": "its version, for If-Match"}
