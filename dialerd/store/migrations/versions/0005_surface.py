"""What the rest of the interface needs: voice agents, requests that are answered once, labels set by others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Two tables; who talks in campaigns and calls; scripts that are gone, but not for the calls they were used in."""
    op.create_table(
        "agents",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("voice", sa.Text),
        sa.Column("script_id", _KEY),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("fallback", _KEY),
        sa.Column("dispositions", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("ident", _KEY, primary_key=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("made", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("requests_by_age", "requests", ["at"])
    op.add_column("scripts", sa.Column("deleted_at", sa.BigInteger))
    op.add_column("campaigns", sa.Column("voice", sa.Text))
    for name in ("agent_id", "voice", "label"):
        op.add_column("calls", sa.Column(name, sa.Text))
