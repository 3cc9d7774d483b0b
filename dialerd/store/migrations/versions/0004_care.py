"""What the care of data needs: rows that imports refused, deletions and erasures under way, the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Four tables."""
    op.create_table(
        "rejects",
        sa.Column("import_id", sa.BigInteger, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("phone", sa.Text),
        sa.Column("digits", _KEY),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("row", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("rejects_by_digits", "rejects", ["digits"])
    op.create_table(
        "deletions",
        sa.Column("campaign_id", _KEY, sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasures",
        sa.Column("phone", _KEY, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("origin", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text),
        sa.Column("details", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_time", "audit", ["at"])
