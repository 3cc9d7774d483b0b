"""Statements on webhooks and what is on its way to them, the same for every database.

The engine's journal inserts (`turns`); everything here reads, or changes a few rows at a time below dialing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, bindparam, func, literal_column, null, select

from dialerd.core.delivery import DeliveryState
from dialerd.store.encode import DELIVERY_CHANGES
from dialerd.store.rows import DELIVERY, WEBHOOK
from dialerd.store.sql import Sql, compiled, update_sql
from dialerd.store.tables import deliveries, webhooks

_OF_WEBHOOK = deliveries.c.webhook_id == bindparam("webhook")
_IN_STATE = deliveries.c.state == bindparam("state")
_WAITING = deliveries.c.state == literal_column(f"'{DeliveryState.WAITING}'")
_DEAD = deliveries.c.state == literal_column(f"'{DeliveryState.DEAD}'")


# --- reading -------------------------------------------------------------------------------------


@cache
def held_webhooks(dialect: Dialect) -> Sql:
    """`WEBHOOK` of all webhooks, oldest first."""
    return compiled(select(*WEBHOOK).order_by(webhooks.c.created_at, webhooks.c.id), dialect)


@cache
def last_delivery(dialect: Dialect) -> Sql:
    """The greatest number of a delivery, NULL without any."""
    return compiled(select(func.max(deliveries.c.number)), dialect)


@cache
def waiting(dialect: Dialect) -> Sql:
    """`DELIVERY` of waiting deliveries, in order. Parameters: webhook, behind, limit."""
    query = select(*DELIVERY).where(_WAITING, _OF_WEBHOOK, deliveries.c.number > bindparam("behind"))
    return compiled(query.order_by(deliveries.c.number).limit(bindparam("limit")), dialect)


def _listed(*columns: Any, in_state: bool) -> Select[Any]:
    query = select(*columns).where(_OF_WEBHOOK)
    return query.where(_IN_STATE) if in_state else query


@cache
def page(dialect: Dialect, *, in_state: bool) -> Sql:
    """`DELIVERY`, newest first. Parameters: webhook, limit, offset, and with `in_state` state."""
    query = _listed(*DELIVERY, in_state=in_state).order_by(deliveries.c.number.desc())
    return compiled(query.limit(bindparam("limit")).offset(bindparam("offset")), dialect)


@cache
def count(dialect: Dialect, *, in_state: bool) -> Sql:
    """How many deliveries a webhook has. Parameters: webhook, and with `in_state` state."""
    return compiled(_listed(func.count(), in_state=in_state).select_from(deliveries), dialect)


@cache
def one(dialect: Dialect) -> Sql:
    """`DELIVERY` of one delivery. Parameters: webhook, number."""
    query = select(*DELIVERY).where(deliveries.c.number == bindparam("number"), _OF_WEBHOOK)
    return compiled(query, dialect)


@cache
def unsettled(dialect: Dialect) -> Sql:
    """Webhook, state and number of its deliveries, of those that wait or are dead."""
    states: list[ColumnElement[str]] = [
        literal_column(f"'{state}'") for state in (DeliveryState.WAITING, DeliveryState.DEAD)
    ]
    query = select(deliveries.c.webhook_id, deliveries.c.state, func.count())
    query = query.where(deliveries.c.state.in_(states))
    return compiled(query.group_by(deliveries.c.state, deliveries.c.webhook_id), dialect)


@cache
def orphaned(dialect: Dialect) -> Sql:
    """Webhooks that are gone and whose deliveries are not."""
    query = select(deliveries.c.webhook_id).distinct()
    return compiled(query.where(deliveries.c.webhook_id.not_in(select(webhooks.c.id))), dialect)


@cache
def oldest_kept(dialect: Dialect) -> Sql:
    """The delivery behind the `newer` newest ones of a state, or no row. Parameters: webhook, state, newer."""
    query = _listed(deliveries.c.number, in_state=True).order_by(deliveries.c.number.desc())
    return compiled(query.limit(literal_column("1")).offset(bindparam("newer")), dialect)


# --- changing ------------------------------------------------------------------------------------


@cache
def note(dialect: Dialect) -> str:
    """What became of a delivery, taking `encode.delivery_noted`."""
    return update_sql(deliveries, DELIVERY_CHANGES, [deliveries.c.number], dialect)


@cache
def revive(dialect: Dialect) -> Sql:
    """Have some dead deliveries wait again. Parameters: webhook, now, limit."""
    some = select(deliveries.c.number).where(_DEAD, _OF_WEBHOOK).limit(bindparam("limit"))
    fresh: dict[str, ColumnElement[Any]] = {
        "state": literal_column(f"'{DeliveryState.WAITING}'"),
        "attempts": literal_column("0"),
        "due_at": bindparam("now", type_=deliveries.c.due_at.type),
        "finished_at": null(),
    }
    return compiled(deliveries.update().values(fresh).where(deliveries.c.number.in_(some)), dialect)


@cache
def drop(dialect: Dialect) -> Sql:
    """Delete some deliveries of a state that are older than one. Parameters: webhook, state, before, limit."""
    old = _listed(deliveries.c.number, in_state=True).where(deliveries.c.number < bindparam("before"))
    some = old.limit(bindparam("limit"))
    return compiled(deliveries.delete().where(deliveries.c.number.in_(some)), dialect)


@cache
def drop_of(dialect: Dialect) -> Sql:
    """Delete some deliveries of a webhook. Parameters: webhook, limit."""
    some = _listed(deliveries.c.number, in_state=False).limit(bindparam("limit"))
    return compiled(deliveries.delete().where(deliveries.c.number.in_(some)), dialect)
