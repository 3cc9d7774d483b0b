"""The do-not-call list and API keys, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dialerd.control.answers import Moment, Row


class Entry(BaseModel):
    """A number or prefix that is never dialed."""

    phone: Annotated[str, Field(description="E.164, or a prefix as +9198*")]
    reason: str | None
    source: str | None
    created_at: Moment
    expires_at: Moment | None


class Listed(BaseModel):
    """What became of a list of numbers."""

    received: int
    accepted: int
    duplicates: int
    duplicate_rows: list[Row]
    warnings: list[Row]
    invalid: list[Row]


class CheckedList(Listed):
    """What would become of a campaign's list."""

    suppressed_dnc: Annotated[int, Field(description="of the accepted: on the do-not-call list now")]


class Key(BaseModel):
    """An API key, never the key itself."""

    key_id: str
    name: str
    scope: Literal["read", "write", "admin"]
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class ListedKey(Key):
    """A key in the list of all."""

    current: Annotated[bool, Field(description="whether it is the key of this request")]


class NewKey(Key):
    """A new key."""

    key: Annotated[str, Field(description="shown in this answer only")]
