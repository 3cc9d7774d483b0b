"""Who has answered a call, what is done with machines, and whether one has a message already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns."""
    op.add_column("campaigns", sa.Column("on_machine", sa.Text))
    op.add_column(
        "contacts", sa.Column("message_left", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("calls", sa.Column("on_machine", sa.Text))
    op.add_column("calls", sa.Column("answered_by", sa.Text))
    op.add_column("calls", sa.Column("message_left", sa.Boolean, nullable=False, server_default=sa.false()))
