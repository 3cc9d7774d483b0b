"""What recordings need: which calls are recorded, where the audio is, and files that are to be deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Columns in place, an index over the calls that have a recording, and one table."""
    op.add_column("agents", sa.Column("record", sa.Boolean))
    for table in ("campaigns", "calls"):
        op.add_column(table, sa.Column("record", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("calls", sa.Column("recording", sa.Text))
    op.add_column("calls", sa.Column("recording_bytes", sa.BigInteger))
    op.add_column("calls", sa.Column("recording_ms", sa.BigInteger))
    op.create_index(
        "calls_recorded",
        "calls",
        ["started_at", "recording_bytes"],
        sqlite_where=sa.text("recording IS NOT NULL"),
        postgresql_where=sa.text("recording IS NOT NULL"),
    )
    op.create_table(
        "doomed_files",
        sa.Column("path", _KEY, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
