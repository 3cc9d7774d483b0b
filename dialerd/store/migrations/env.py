"""Runs the migrations on the connection that `dialerd.store.migrate` hands over, within its transaction."""

from __future__ import annotations

from alembic import context

from dialerd.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
