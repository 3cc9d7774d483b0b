"""The history of the schema, for Alembic. A published migration is never edited."""
