"""What is read for files of a campaign's contacts: a part at a time, so that none is ever held whole.

A part begins behind the last row of the one before, wherever that was asked for; nothing is kept in between. It comes
from one statement or two, not from one long transaction, which would keep the database from tidying up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Dialect,
    Select,
    bindparam,
    false,
    func,
    literal_column,
    select,
)

from dialerd.core import results
from dialerd.core.clock import Instant, Millis
from dialerd.core.contact import Contact
from dialerd.core.errors import PortError
from dialerd.core.identity import ERASED, CallId, CampaignId, ContactId
from dialerd.core.leftovers import LOST_FOR_GOOD, STATES, Leftover
from dialerd.core.results import Columns, ContactCall, Reject, Result
from dialerd.core.spreadsheet import written
from dialerd.ports import ExportPart
from dialerd.store import rows
from dialerd.store.asking import Asking, Lane, Rows
from dialerd.store.queries import sealed, shown_campaign
from dialerd.store.rows import CONTACT
from dialerd.store.sql import Sql, compiled, texts_in, to_json
from dialerd.store.tables import calls, contacts, rejects, tries

PART = 500
"""Rows of a part."""
HANDFUL = 200
"""Contacts that are read at a time in the daemon itself: a millisecond or two of its interpreter."""
GLANCE = 5_000
"""Rows that are looked through at a time for the names of their columns."""


class Exports(Asking):
    """Reads campaigns for files. Raises `PortError`, also if the campaign is deleted on the way."""

    def __init__(self, name: str, dialect: Dialect, lane: Lane) -> None:
        """`name`: what the store is called in messages."""
        super().__init__(name, dialect)
        self._files = lane

    async def result_columns(self, campaign: CampaignId) -> Columns:
        """The names of all variables and captured values of a campaign."""
        variables = await self._names(_variables(self._dialect), {"campaign": campaign, "behind": ""})
        captured = await self._names(_captured(self._dialect), {"campaign": campaign, "behind": ""})
        return Columns.of(variables, captured)

    async def results(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """A row for each of the next contacts in list order."""
        people, more = await self._listed(campaign, _contacts(self._dialect), behind, PART)
        asked = {"phones": to_json([str(person.phone) for person in people])}
        called = await self._ask(self._files, _calls(self._dialect), asked, _calls_by_contact)
        found = (Result(person, tuple(called.get(person.id, ()))) for person in people)
        text = written(results.result_row(result, columns) for result in found)
        return await self._part(campaign, text, more)

    async def leftovers(
        self, campaign: CampaignId, which: Leftover, behind: tuple[int, ...]
    ) -> tuple[Sequence[Contact], tuple[int, ...] | None]:
        """Some contacts of a campaign that a clone takes over, in list order, and behind what the next ones begin."""
        return await self._listed(campaign, _leftovers(self._dialect, which), behind, HANDFUL)

    async def _listed(
        self, campaign: CampaignId, query: Sql, behind: tuple[int, ...], limit: int
    ) -> tuple[Sequence[Contact], tuple[int, ...] | None]:
        if not behind:
            bounds = await self._ask(self._files, _bounds(self._dialect), {"campaign": campaign}, list)
            first, last = bounds[0]
            behind = (0, 0) if first is None else (first - 1, last)
        values = {"campaign": campaign, "behind": behind[0], "last": behind[1], "limit": limit}
        found = await self._ask(self._files, query, values, rows.contacts_of)
        return found, (found[-1].id, behind[1]) if len(found) == limit else None

    async def reject_columns(self, campaign: CampaignId) -> Columns:
        """The names of all columns that rejected rows of a campaign's lists had."""
        found = await self._names(_rejects(self._dialect), {"campaign": campaign, "import": 0, "line": -1})
        return Columns.of(name for name in found if name not in results.IDENTITY)

    async def rejects(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """A row for each of the next rejected rows, list by list: number of the list, line, reason, what it gave."""
        number, import_id, line = behind or (0, 0, -1)
        values = {"campaign": campaign, "import": import_id, "line": line, "limit": PART}
        found = await self._ask(self._files, _rejects(self._dialect), values, list)
        told = []
        for ident, line, *fields in found:
            number += ident != import_id
            import_id = ident
            told.append(results.reject_row(number, _reject(line, *fields), columns))
        more = (number, import_id, line) if len(found) == PART else None
        return await self._part(campaign, written(told), more)

    async def _part(self, campaign: CampaignId, text: bytes, behind: tuple[int, ...] | None) -> ExportPart:
        if behind is None:
            query = shown_campaign(self._dialect)
            if not await self._ask(self._files, query, {"campaign": campaign}, list):
                raise PortError(f"the campaign {campaign} was deleted meanwhile", retryable=False)
        return ExportPart(text, behind)

    async def _names(self, query: Sql, values: dict[str, Any]) -> list[str]:
        """The names in the objects in the last column, as they first appear; `values`: where to begin, by name."""
        names: dict[str, None] = {}
        begins = [name for name in values if name != "campaign"]
        more = True
        while more:
            found = await self._ask(self._files, query, {**values, "limit": GLANCE}, list)
            for told in self._read(found, _objects):
                names |= dict.fromkeys(told)
            more = len(found) == GLANCE
            if found:
                values |= zip(begins, found[-1], strict=False)
        return list(names)


def _objects(found: Rows) -> list[Mapping[str, Any]]:
    return [orjson.loads(row[-1]) for row in found if row[-1] is not None]


def _calls_by_contact(found: Rows) -> dict[ContactId, list[ContactCall]]:
    by_contact: dict[ContactId, list[ContactCall]] = {}
    for contact, ident, started, answered, ended, duration, captured in found:
        told = {} if captured is None else orjson.loads(captured)
        call = ContactCall(CallId(ident), Instant(started), answered, ended, Millis(duration), told)
        by_contact.setdefault(contact, []).append(call)
    return by_contact


def _reject(line: int, phone: str | None, reason: str, row: str | None) -> Reject:
    return Reject(line, phone, reason, {} if row is None else orjson.loads(row))


# --- questions -----------------------------------------------------------------------------------


_OF_CAMPAIGN = contacts.c.campaign_id == bindparam("campaign")


@cache
def _bounds(dialect: Dialect) -> Sql:
    """The least and the greatest id of a campaign's contacts, NULLs without any. Parameter: campaign."""
    return compiled(select(func.min(contacts.c.id), func.max(contacts.c.id)).where(_OF_CAMPAIGN), dialect)


@cache
def _contacts(dialect: Dialect) -> Sql:
    """`CONTACT` in list order. Parameters: campaign, behind and last (ids), limit."""
    return compiled(_in_list_order(), dialect)


@cache
def _leftovers(dialect: Dialect, which: Leftover) -> Sql:
    """The same of contacts that a clone takes over (`dialerd.core.leftovers.is_left`)."""
    query = _in_list_order().where(_is_one_of(contacts.c.state, STATES[which]))
    query = query.where(contacts.c.phone.not_like(literal_column(f"'{ERASED}%'")))
    if which is Leftover.UNREACHED:
        callable_still = contacts.c.reason.is_(None) | ~_is_one_of(contacts.c.reason, LOST_FOR_GOOD)
        query = query.where(contacts.c.connected_attempt.is_(None), callable_still)
    return compiled(query, dialect)


def _is_one_of(column: Column[str], words: Iterable[str]) -> ColumnElement[bool]:
    literals: list[ColumnElement[str]] = [literal_column(f"'{word}'") for word in sorted(words)]
    return column.in_(literals) if literals else false()


def _in_list_order() -> Select[Any]:
    return (
        select(*CONTACT)
        # Not `_OF_CAMPAIGN`: the planner would sort all contacts of the campaign for each part.
        .where(func.coalesce(contacts.c.campaign_id, "") == bindparam("campaign"))
        .where(contacts.c.id > bindparam("behind"), contacts.c.id <= bindparam("last"))
        .where(contacts.c.import_id.in_(sealed()))
        .order_by(contacts.c.id)
        .limit(bindparam("limit"))
    )


@cache
def _variables(dialect: Dialect) -> Sql:
    """Number and variables of contacts, by number. Parameters: campaign, behind (a number), limit."""
    query = (
        select(contacts.c.phone, contacts.c.variables)
        .where(_OF_CAMPAIGN, contacts.c.phone > bindparam("behind"))
        .where(contacts.c.import_id.in_(sealed()))
        .order_by(contacts.c.phone)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


@cache
def _calls(dialect: Dialect) -> Sql:
    """Contact, id, start, answer, end, talk time and captured values of the calls to some numbers, oldest first.

    Parameter: phones (JSON list).
    """
    answered = select(func.max(tries.c.answered_at)).where(tries.c.call_id == calls.c.id)
    told = (calls.c.ended_at, calls.c.duration_ms, calls.c.captured)
    query = (
        select(calls.c.contact_id, calls.c.id, calls.c.started_at, answered.scalar_subquery(), *told)
        # By number alone: the campaign would draw the planner to an index over all of its calls.
        .where(calls.c.phone.in_(texts_in("phones", dialect)), calls.c.contact_id.is_not(None))
        .order_by(calls.c.phone, calls.c.id)
    )
    return compiled(query, dialect)


@cache
def _captured(dialect: Dialect) -> Sql:
    """Id and captured values of a campaign's calls, oldest first. Parameters: campaign, behind (an id), limit."""
    query = (
        select(calls.c.id, calls.c.captured)
        .where(calls.c.campaign_id == bindparam("campaign"), calls.c.id > bindparam("behind"))
        .order_by(calls.c.id)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)


@cache
def _rejects(dialect: Dialect) -> Sql:
    """Import, line, phone, reason and row of rejected rows.

    Parameters: campaign, import and line behind which they are, limit.
    """
    later = (rejects.c.import_id > bindparam("import")) | (rejects.c.line > bindparam("line"))
    query = (
        select(rejects.c.import_id, rejects.c.line, rejects.c.phone, rejects.c.reason, rejects.c.row)
        .where(rejects.c.import_id.in_(sealed()), rejects.c.import_id >= bindparam("import"), later)
        .order_by(rejects.c.import_id, rejects.c.line)
        .limit(bindparam("limit"))
    )
    return compiled(query, dialect)
