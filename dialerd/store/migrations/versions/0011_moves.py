"""What turns add to counters, before it is folded into them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """One table; the counters of an older store stay where they are."""
    op.create_table(
        "counter_moves",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("moves", sa.Text().with_variant(JSONB, "postgresql"), nullable=False),
        sqlite_autoincrement=True,
    )
