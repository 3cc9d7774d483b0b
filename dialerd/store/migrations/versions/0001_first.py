"""The first schema: campaigns, contacts, calls and what serves them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create every table of the first version."""
    _campaigns()
    _contacts()
    _calls()
    _scripts_and_keys()


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("script_id", sa.Text, nullable=False),
        sa.Column("script_version", sa.Integer, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("start_at", sa.BigInteger),
        sa.Column("end_at", sa.BigInteger),
        sa.Column("timezone", sa.Text),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("retry_interval", sa.BigInteger, nullable=False),
        sa.Column("ring_timeout", sa.BigInteger, nullable=False),
        sa.Column("max_concurrent_calls", sa.Integer),
        sa.Column("calls_per_second", sa.Double),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("trunks", sa.Text, nullable=False),
        sa.Column("caller_id", sa.Text),
        sa.Column("keep_open", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("closing", sa.Boolean, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("campaign_id", _KEY, sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _contacts() -> None:
    op.create_table(
        "imports",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("campaign_id", _KEY, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("contacts", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("imports_by_campaign", "imports", ["campaign_id"])
    op.create_table(
        "contacts",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("campaign_id", _KEY, nullable=False),
        sa.Column("import_id", sa.BigInteger, nullable=False),
        sa.Column("phone", _KEY, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("waiting", sa.SmallInteger, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("refunds", sa.Integer, nullable=False),
        sa.Column("disposition", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("positive", sa.Boolean, nullable=False),
        sa.Column("connected_attempt", sa.Integer),
        sa.Column("name", sa.Text),
        sa.Column("timezone", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("variables", sa.Text),
        sa.UniqueConstraint("campaign_id", "phone", name="contacts_by_phone"),
    )
    op.create_index(
        "contacts_waiting",
        "contacts",
        ["campaign_id", "not_before", "id"],
        sqlite_where=sa.text("waiting = 1"),
        postgresql_where=sa.text("waiting = 1"),
    )
    op.create_table(
        "numbers",
        sa.Column("phone", _KEY, primary_key=True),
        sa.Column("last_ended_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("campaign_id", _KEY, sa.ForeignKey("campaigns.id")),
        sa.Column("contact_id", sa.BigInteger),
        sa.Column("phone", _KEY, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("script_id", sa.Text, nullable=False),
        sa.Column("script_version", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("disposition", sa.Text),
        sa.Column("positive", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("agent_audio_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("gate", sa.Text),
        sa.Column("captured", sa.Text),
        sa.Column("transcript", sa.Text),
    )
    op.create_index("calls_by_campaign", "calls", ["campaign_id", "id"])
    op.create_index("calls_by_phone", "calls", ["phone", "id"])
    op.create_index("calls_by_start", "calls", ["started_at"])
    op.create_index(
        "calls_open",
        "calls",
        ["status"],
        sqlite_where=sa.text("status = 'in_progress'"),
        postgresql_where=sa.text("status = 'in_progress'"),
    )
    op.create_table(
        "tries",
        sa.Column("call_id", _KEY, sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("caller_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("boot", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("ringing_at", sa.BigInteger),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("cause", sa.Integer),
        sa.Column("sip_code", sa.Integer),
        sqlite_with_rowid=False,
    )


def _scripts_and_keys() -> None:
    op.create_table(
        "scripts",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("languages", sa.Text, nullable=False),
        sa.Column("variables", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
    )
