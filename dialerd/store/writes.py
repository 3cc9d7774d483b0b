"""Statements of what is written outside the journal: imports of contacts, scripts and API keys.

Nothing here touches a contact that the engine may hold: only rows of an import that is not sealed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Dialect, bindparam, func, literal_column, select

from dialerd.core.contact import ContactState
from dialerd.core.identity import CampaignId, ImportId
from dialerd.core.results import Reject
from dialerd.ports import ApiKey, NewContact, Script
from dialerd.store.sql import (
    Sql,
    compiled,
    insert_sql,
    inserting,
    positional,
    to_json,
    to_json_or_null,
    update_sql,
)
from dialerd.store.tables import (
    IMPORT_DROPPED,
    IMPORT_OPEN,
    IMPORT_SEALED,
    api_keys,
    contacts,
    imports,
    rejects,
    scripts,
)

Row: TypeAlias = tuple[Any, ...]

_IS_OPEN = imports.c.state == literal_column(f"'{IMPORT_OPEN}'")
_GIVEN = (
    contacts.c.campaign_id,
    contacts.c.import_id,
    contacts.c.phone,
    contacts.c.state,
    contacts.c.waiting,
    contacts.c.name,
    contacts.c.timezone,
    contacts.c.external_id,
    contacts.c.variables,
)


# --- imports -------------------------------------------------------------------------------------


@cache
def begin_import(dialect: Dialect) -> Sql:
    """A new open import; returns its id. Parameter: campaign."""
    row: dict[str, ColumnElement[Any]] = {
        "campaign_id": bindparam("campaign"),
        "state": literal_column(f"'{IMPORT_OPEN}'"),
        "contacts": literal_column("0"),
    }
    return compiled(imports.insert().values(row).returning(imports.c.id), dialect)


@cache
def add_contact(dialect: Dialect) -> str:
    """A new contact, taking `contact_rows`; a number that the campaign has already changes nothing."""
    fresh: dict[str, ColumnElement[Any]] = {
        "positive": literal_column("0" if dialect.name == "sqlite" else "false"),
        **dict.fromkeys(("not_before", "attempts", "turns", "refunds"), literal_column("0")),
    }
    adding = inserting(contacts, _GIVEN, dialect).values(fresh)
    adding = adding.on_conflict_do_nothing(index_elements=[contacts.c.campaign_id, contacts.c.phone])
    return positional(adding, dialect, [f"v_{column.name}" for column in _GIVEN])


def contact_rows(import_id: ImportId, campaign: CampaignId, people: Iterable[NewContact]) -> list[Row]:
    """Parameters of `add_contact`. Raises `TypeError` for variables that are no JSON."""
    return [
        (
            campaign,
            import_id,
            str(person.phone),
            ContactState.SUPPRESSED if person.suppressed else ContactState.PENDING,
            0 if person.suppressed else 1,
            person.name,
            person.timezone,
            person.external_id,
            to_json_or_null(person.variables),
        )
        for person in people
    ]


@cache
def grow_import(dialect: Dialect) -> Sql:
    """Count what was added; changes nothing if the import is not open. Parameters: added, import, campaign."""
    growing = imports.update().values(contacts=imports.c.contacts + bindparam("added"))
    growing = growing.where(
        imports.c.id == bindparam("import"), imports.c.campaign_id == bindparam("campaign")
    )
    return compiled(growing.where(_IS_OPEN), dialect)


@cache
def import_state(dialect: Dialect) -> Sql:
    """State and campaign of an import. Parameter: import."""
    query = select(imports.c.state, imports.c.campaign_id).where(imports.c.id == bindparam("import"))
    return compiled(query, dialect)


@cache
def unsealed_imports(dialect: Dialect) -> Sql:
    """Ids of the imports that are not sealed."""
    query = select(imports.c.id).where(imports.c.state != literal_column(f"'{IMPORT_SEALED}'"))
    return compiled(query, dialect)


@cache
def doom_import(dialect: Dialect) -> Sql:
    """From here an open import cannot be sealed any more. Parameter: import."""
    dooming = imports.update().values(state=literal_column(f"'{IMPORT_DROPPED}'"))
    return compiled(dooming.where(imports.c.id == bindparam("import"), _IS_OPEN), dialect)


@cache
def empty_import(dialect: Dialect) -> Sql:
    """Delete some of an import's contacts. Parameters: campaign, import, limit."""
    some = (
        select(contacts.c.id)
        .where(contacts.c.campaign_id == bindparam("campaign"), contacts.c.import_id == bindparam("import"))
        .limit(bindparam("limit"))
    )
    return compiled(contacts.delete().where(contacts.c.id.in_(some)), dialect)


@cache
def empty_rejects(dialect: Dialect) -> Sql:
    """Delete some of an import's rejected rows. Parameters: import, limit."""
    some = select(rejects.c.line).where(rejects.c.import_id == bindparam("import")).limit(bindparam("limit"))
    emptying = rejects.delete().where(rejects.c.import_id == bindparam("import"), rejects.c.line.in_(some))
    return compiled(emptying, dialect)


@cache
def add_reject(dialect: Dialect) -> str:
    """A rejected row, taking `reject_rows`."""
    return insert_sql(rejects, list(rejects.c), dialect)


def reject_rows(import_id: ImportId, refused: Iterable[Reject]) -> list[Row]:
    """Parameters of `add_reject`. Raises `TypeError` for values that are no JSON."""
    return [
        (import_id, one.line, one.phone, one.digits, one.reason, to_json_or_null(one.row)) for one in refused
    ]


@cache
def forget_import(dialect: Dialect) -> Sql:
    """Delete an import's own row. Parameter: import."""
    return compiled(imports.delete().where(imports.c.id == bindparam("import")), dialect)


# --- scripts and keys ----------------------------------------------------------------------------


@cache
def add_script(dialect: Dialect) -> str:
    """A script version, taking `script_row`."""
    return insert_sql(scripts, list(scripts.c), dialect)


def script_row(script: Script) -> Row:
    """Parameters of `add_script`. Raises `TypeError` for a body that is no JSON."""
    return (
        script.id,
        script.version,
        script.name,
        to_json(script.languages),
        to_json(script.variables),
        to_json(script.body),
        script.source,
        script.created_at,
        None,
    )


@cache
def delete_script(dialect: Dialect) -> Sql:
    """Delete the versions of a script that are not deleted yet. Parameters: at, script."""
    deleting = scripts.update().values(deleted_at=bindparam("at", type_=scripts.c.deleted_at.type))
    return compiled(
        deleting.where(scripts.c.id == bindparam("script"), scripts.c.deleted_at.is_(None)), dialect
    )


@cache
def add_key(dialect: Dialect) -> str:
    """An API key, taking `key_row`."""
    return insert_sql(api_keys, list(api_keys.c), dialect)


def key_row(key: ApiKey) -> Row:
    """Parameters of `add_key`."""
    return (key.id, key.name, key.scope, key.digest, key.created_at, key.last_used_at, key.revoked_at)


@cache
def note_use(dialect: Dialect) -> str:
    """When a key was last used. Parameters: instant, key."""
    return update_sql(api_keys, [api_keys.c.last_used_at], [api_keys.c.id], dialect)


@cache
def revoke_key(dialect: Dialect) -> Sql:
    """Revoke a key; one that is revoked keeps its instant. Parameters: at, key."""
    at = bindparam("at", type_=api_keys.c.revoked_at.type)
    revoking = api_keys.update().values(revoked_at=func.coalesce(api_keys.c.revoked_at, at))
    return compiled(revoking.where(api_keys.c.id == bindparam("key")), dialect)
