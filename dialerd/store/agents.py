"""Voice agents: statements, and rows as records of the port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Dialect, bindparam, func, select

from dialerd.core.clock import Instant
from dialerd.core.identity import ScriptId
from dialerd.core.model import Declared
from dialerd.ports import VoiceAgent
from dialerd.store.encode import Row
from dialerd.store.sql import Sql, compiled, insert_sql, to_json, update_sql
from dialerd.store.tables import agents

_FIXED = ("id", "created_at")
_CHANGES = [column for column in agents.c if column.name not in _FIXED]


@cache
def add(dialect: Dialect) -> str:
    """A new agent, taking `added`."""
    return insert_sql(agents, list(agents.c), dialect)


def added(agent: VoiceAgent) -> Row:
    """Parameters of `add`."""
    *about, transfer_to, record = _changes(agent)
    return (agent.id, *about, agent.created_at, transfer_to, record)


@cache
def save(dialect: Dialect) -> str:
    """Change an agent, taking `saved`."""
    return update_sql(agents, _CHANGES, [agents.c.id], dialect)


def saved(agent: VoiceAgent) -> Row:
    """Parameters of `save`."""
    return (*_changes(agent), agent.id)


def _changes(agent: VoiceAgent) -> Row:
    declared = {
        name: {"positive": about.positive, "terminal": about.terminal}
        for name, about in agent.dispositions.items()
    }
    return (
        agent.name,
        agent.language,
        agent.voice,
        agent.script_id,
        agent.engine,
        agent.fallback,
        to_json(declared),
        agent.transfer_to,
        agent.record,
    )


@cache
def remove(dialect: Dialect) -> Sql:
    """Delete an agent. Parameter: agent."""
    return compiled(agents.delete().where(agents.c.id == bindparam("agent")), dialect)


@cache
def one(dialect: Dialect) -> Sql:
    """An agent. Parameter: agent."""
    return compiled(select(*agents.c).where(agents.c.id == bindparam("agent")), dialect)


@cache
def page(dialect: Dialect) -> Sql:
    """Agents, newest first. Parameters: limit, offset."""
    query = select(*agents.c).order_by(agents.c.created_at.desc(), agents.c.id.desc())
    return compiled(query.limit(bindparam("limit")).offset(bindparam("offset")), dialect)


@cache
def count(dialect: Dialect) -> Sql:
    """How many agents there are."""
    return compiled(select(func.count()).select_from(agents), dialect)


@cache
def naming(dialect: Dialect) -> Sql:
    """Ids of the agents that name a script or another agent. Parameters: script, agent."""
    named = (agents.c.script_id == bindparam("script")) | (agents.c.fallback == bindparam("agent"))
    return compiled(select(agents.c.id).where(named).order_by(agents.c.id), dialect)


def read(rows: Iterable[Sequence[Any]]) -> list[VoiceAgent]:
    """Agents from rows."""
    return [_read(row) for row in rows]


def _read(row: Sequence[Any]) -> VoiceAgent:
    ident, name, language, voice, script, engine, fallback, dispositions, created_at, transfer_to, record = (
        row
    )
    return VoiceAgent(
        id=ident,
        name=name,
        language=language,
        voice=voice,
        script_id=None if script is None else ScriptId(script),
        engine=engine,
        fallback=fallback,
        dispositions={label: Declared(**about) for label, about in orjson.loads(dispositions).items()},
        created_at=Instant(created_at),
        transfer_to=transfer_to,
        record=None if record is None else bool(record),
    )
