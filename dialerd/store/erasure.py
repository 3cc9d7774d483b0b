"""What is stored of a person, erased bit by bit: each step is one that a turn of the engine may wait for.

Every table that can hold a number has its step here, or does not hold it: of the do-not-call list alone the entry
stays, and the audit trail has patterns of that list and no person. A step that was lost in a crash is taken again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
)

from dialerd.core.contact import ContactState
from dialerd.core.delivery import DeliveryState
from dialerd.core.identity import E164
from dialerd.core.model import CallStatus
from dialerd.core.webhook import EventKind
from dialerd.store import recordings
from dialerd.store.sql import Sql, compiled, texts_in, to_json
from dialerd.store.tables import calls, campaigns, contacts, deliveries, erasures, numbers, rejects, requests
from dialerd.store.transactions import STEP, Transaction, execute, fetch

_PHONE: ColumnElement[str] = bindparam("phone")
_LIMIT: ColumnElement[int] = bindparam("limit")
_STANDS_IN = 999_000_000_000_000
"""The number that stands in for a contact's is this one and its id (`E164.erased`)."""
_SAID = ("name", "variables", "captured", "transcript", "label", "transfer", "instructions")
_HEARD = ("recording", "recording_bytes", "recording_ms")
_COUNTRY_CODE = 3
"""Digits that a country code has at most."""


def erase_number(dialect: Dialect, phone: E164) -> Transaction[int]:
    """Change some rows that tell of a number that is marked for it, at last the mark; how many rows that were."""
    told = {"note": f"%{phone.digits}%", "named": f'%"{phone}"%'}
    values = {"phone": phone, "limit": STEP, "digits": _spellings(phone), **told}
    for some in steps(dialect):
        changed = yield from execute(some, values)
        if changed:
            return changed
    if (yield fetch(_left(dialect), values)):
        return 0
    return (yield from execute(_mark(dialect), values))


def _spellings(phone: E164) -> str:
    """How a list may have written the number, as `rejects.digits` has it (JSON)."""
    digits = phone.digits
    return to_json([digits[skipped:].lstrip("0") for skipped in range(_COUNTRY_CODE + 1)])


@cache
def steps(dialect: Dialect) -> tuple[Sql, ...]:
    """For each table that can tell of a number what changes some of its rows. Parameters: those of `erase_number`."""
    return (
        recordings.doom_of_person(dialect),
        _contacts(dialect),
        _calls(dialect),
        _rejects(dialect),
        compiled(numbers.delete().where(numbers.c.phone == _PHONE), dialect),
        _answers(dialect),
        _notes(dialect),
        _deliveries(dialect),
    )


@cache
def waiting(dialect: Dialect) -> Sql:
    """The numbers that are being erased, oldest order first."""
    return compiled(select(erasures.c.phone).order_by(erasures.c.since, erasures.c.phone), dialect)


def _of_person() -> Select[Any]:
    """Ids of the contacts with a number, found campaign by campaign: no index begins with it. Parameter: phone."""
    query = select(contacts.c.id).where(contacts.c.campaign_id.in_(select(campaigns.c.id)))
    return query.where(contacts.c.phone == _PHONE)


@cache
def _contacts(dialect: Dialect) -> Sql:
    """Not those that wait or are being called: the engine may hold them."""
    resting: list[ColumnElement[str]] = [
        literal_column(f"'{state}'") for state in ContactState if not state.waiting and not state.busy
    ]
    some = _of_person().where(contacts.c.state.in_(resting)).limit(_LIMIT)
    gone = dict.fromkeys(("name", "timezone", "external_id", "variables"), null())
    erasing = contacts.update().values({"phone": _stand_in(contacts.c.id), **gone})
    return compiled(erasing.where(contacts.c.id.in_(some)), dialect)


@cache
def _calls(dialect: Dialect) -> Sql:
    over = calls.c.status != literal_column(f"'{CallStatus.IN_PROGRESS}'")
    some = select(calls.c.id).where(calls.c.phone == _PHONE, over).limit(_LIMIT)
    gone = dict.fromkeys((*_SAID, *_HEARD), null())
    stand_in = _stand_in(func.coalesce(calls.c.contact_id, literal_column("0")))
    return compiled(calls.update().values({"phone": stand_in, **gone}).where(calls.c.id.in_(some)), dialect)


def _stand_in(ident: ColumnElement[int]) -> ColumnElement[str]:
    number = literal_column(str(_STANDS_IN), BigInteger) + ident
    return literal_column("'+'", Text).concat(cast(number, Text))


@cache
def _rejects(dialect: Dialect) -> Sql:
    return compiled(rejects.delete().where(rejects.c.digits.in_(texts_in("digits", dialect))), dialect)


@cache
def _answers(dialect: Dialect) -> Sql:
    """Nobody knows who is named in an answer that is kept: repeated, it is given from what there is then."""
    some = select(requests.c.ident).where(requests.c.status.is_not(None)).limit(_LIMIT)
    gone = dict.fromkeys(("status", "headers", "body"), null())
    return compiled(requests.update().values(gone).where(requests.c.ident.in_(some)), dialect)


@cache
def _notes(dialect: Dialect) -> Sql:
    """What is noted of a request that made a campaign may name examples of its contacts."""
    some = select(requests.c.ident).where(requests.c.made.startswith(literal_column("'cmp'")))
    some = some.where(requests.c.note.like(bindparam("note"))).limit(_LIMIT)
    emptying = requests.update().values({"note": literal_column("''", Text)})
    return compiled(emptying.where(requests.c.ident.in_(some)), dialect)


@cache
def _deliveries(dialect: Dialect) -> Sql:
    """What webhooks were to be told of the person; that they must not be called is told still."""
    protects: ColumnElement[str] = literal_column(f"'{EventKind.DNC_ADDED}'")
    waits: ColumnElement[str] = literal_column(f"'{DeliveryState.WAITING}'")
    some = select(deliveries.c.number).where(deliveries.c.body.like(bindparam("named")))
    some = some.where((deliveries.c.event != protects) | (deliveries.c.state != waits)).limit(_LIMIT)
    return compiled(deliveries.delete().where(deliveries.c.number.in_(some)), dialect)


@cache
def _left(dialect: Dialect) -> Sql:
    """A row while a contact with the number waits, or a call to it runs. Parameter: phone."""
    called: Select[Any] = select(literal_column("1")).where(calls.c.phone == _PHONE)
    return compiled(_of_person().union_all(called).limit(literal_column("1")), dialect)


@cache
def _mark(dialect: Dialect) -> Sql:
    return compiled(erasures.delete().where(erasures.c.phone == _PHONE), dialect)
