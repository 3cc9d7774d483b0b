"""What sharing needs: contacts that wait by kind, the caller id each was called with, a campaign's shares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two columns, and an index over each kind instead of one."""
    op.add_column("campaigns", sa.Column("shares", sa.Text))
    op.add_column("contacts", sa.Column("caller_id", sa.Text))
    op.drop_index("contacts_waiting", "contacts")
    for kind, state in ((2, "retry_waiting"), (3, "callback_waiting")):
        op.execute(f"UPDATE contacts SET waiting = {kind} WHERE waiting = 1 AND state = '{state}'")
    for kind, name in ((1, "contacts_fresh"), (2, "contacts_retries"), (3, "contacts_callbacks")):
        waits = sa.text(f"waiting = {kind}")
        op.create_index(
            name, "contacts", ["campaign_id", "not_before", "id"], sqlite_where=waits, postgresql_where=waits
        )
