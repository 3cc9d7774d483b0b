"""What transfers to a person need: where to, how far they have come, and with whom they were made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns in place, without rewriting a table."""
    for table in ("agents", "campaigns", "calls"):
        op.add_column(table, sa.Column("transfer_to", sa.Text))
    op.add_column("calls", sa.Column("transfer", sa.Text))
    op.add_column("contacts", sa.Column("escalated", sa.Boolean, nullable=False, server_default=sa.false()))
