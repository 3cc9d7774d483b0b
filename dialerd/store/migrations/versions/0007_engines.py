"""What engines need: which one holds a campaign's or a call's conversations, who stands in, and who did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns."""
    for name in ("engine", "stand_ins"):
        op.add_column("campaigns", sa.Column(name, sa.Text))
    for name in ("engine", "stand_ins", "instructions", "takeover"):
        op.add_column("calls", sa.Column(name, sa.Text))
