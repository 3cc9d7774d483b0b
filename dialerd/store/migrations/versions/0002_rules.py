"""What the rules of dialing need: calendars, retry rules, callbacks, the do-not-call list, halts and trunk changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add columns in place, without rewriting a table, and two tables."""
    _widen(
        "campaigns",
        sa.Column("hours", sa.Text),
        sa.Column("holidays", sa.Text),
        sa.Column("closed", sa.Text),
        sa.Column("retry_rules", sa.Text),
        sa.Column("max_callbacks", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    )
    _widen(
        "contacts",
        sa.Column("retries", sa.Text),
        sa.Column("callbacks", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("callback_unmet", sa.BigInteger),
    )
    _widen(
        "calls",
        sa.Column("name", sa.Text),
        sa.Column("variables", sa.Text),
        sa.Column("callback", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("callback_at", sa.BigInteger),
        sa.Column("cut", sa.Text),
    )
    _dnc_and_state()


def _widen(table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        op.add_column(table, column)


def _dnc_and_state() -> None:
    op.create_table(
        "dnc",
        sa.Column("pattern", _KEY, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("dnc_by_creation", "dnc", ["created_at", "pattern"])
    op.create_table(
        "state",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
