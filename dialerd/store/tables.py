"""The tables of the store, for every database it runs on. Schema only: it holds no query, and a default only where a
column came to a table that may have rows.

Instants are BIGINT milliseconds since 1970 UTC, durations BIGINT milliseconds, JSON is text. Every index costs a
write on the path of a call: one that no query needs does not belong here. What is here must equal what the
migrations make (a test compares them).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from dialerd.core.contact import ContactKind

IMPORT_OPEN = "open"
IMPORT_SEALED = "sealed"
IMPORT_DROPPED = "dropped"
"""States of an import. Only the contacts of a sealed one exist for readers."""

HALT = "halt"
DNC_VERSION = "dnc_version"
TRUNK = "trunk:"
"""Keys of `state`; a trunk's is followed by its name."""
NOTHING = "null"
"""The value of a key of `state` that is about to be deleted."""
WRITER = "writer"
"""Key of `state`: who writes to a PostgreSQL store, and its last transaction."""

WAITING = {
    ContactKind.FRESH: "contacts_fresh",
    ContactKind.RETRY: "contacts_retries",
    ContactKind.CALLBACK: "contacts_callbacks",
}
"""The index over each kind of waiting contacts."""

# SQLite makes a column its row id, and so spares an index, only if its type is exactly INTEGER.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")
# What is ordered, joined or asked for as a range, by the order of its bytes whatever the database's locale.
_KEY = Text().with_variant(Text(collation="C"), "postgresql")
# JSON objects; of the two kinds of PostgreSQL the one that is parsed once.
MOVES = Text().with_variant(JSONB, "postgresql")

metadata = MetaData()

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("script_id", Text, nullable=False),
    Column("script_version", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("agent_id", Text),
    Column("start_at", BigInteger),
    Column("end_at", BigInteger),
    Column("timezone", Text),
    Column("max_attempts", Integer, nullable=False),
    Column("retry_interval", BigInteger, nullable=False),
    Column("ring_timeout", BigInteger, nullable=False),
    Column("max_concurrent_calls", Integer),
    Column("calls_per_second", Double),
    Column("weight", Double, nullable=False),
    Column("trunks", Text, nullable=False),
    Column("caller_id", Text),
    Column("keep_open", Boolean, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("closing", Boolean, nullable=False),
    Column("hours", Text),
    Column("holidays", Text),
    Column("closed", Text),
    Column("retry_rules", Text),
    Column("max_callbacks", Integer, nullable=False, server_default=text("1")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("shares", Text),
    Column("voice", Text),
    # NULL: the embedded one.
    Column("engine", Text),
    Column("stand_ins", Text),
    Column("transfer_to", Text),
    Column("record", Boolean, nullable=False, server_default=false()),
    # NULL: the default.
    Column("on_machine", Text),
)

counters = Table(
    "counters",
    metadata,
    Column("campaign_id", _KEY, ForeignKey("campaigns.id"), primary_key=True),
    Column("key", _KEY, primary_key=True),
    # Without what is in `counter_moves`.
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

counter_moves = Table(
    "counter_moves",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    # By campaign and by key, what is added to `counters`.
    Column("moves", MOVES, nullable=False),
    # An id that was folded must not come back: a fold goes by the last one.
    sqlite_autoincrement=True,
)

imports = Table(
    "imports",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    # No foreign key: the contacts of a new campaign are stored before the campaign is.
    Column("campaign_id", _KEY, nullable=False),
    Column("state", Text, nullable=False),
    Column("contacts", BigInteger, nullable=False),
    Index("imports_by_campaign", "campaign_id"),
    # An id that was dropped must not come back: a late row of the old import would join the new one.
    sqlite_autoincrement=True,
)

rejects = Table(
    "rejects",
    metadata,
    Column("import_id", BigInteger, primary_key=True),
    Column("line", Integer, primary_key=True),
    # What the row gave as its number, shortened, and that text's digits without leading zeros.
    Column("phone", Text),
    Column("digits", _KEY),
    Column("reason", Text, nullable=False),
    # The row's values by column, as they were given; NULL where none could be read.
    Column("row", Text),
    Index("rejects_by_digits", "digits"),
    sqlite_with_rowid=False,
)

deletions = Table(
    "deletions",
    metadata,
    # From here on nothing of this campaign is shown; its rows are deleted bit by bit, this one last.
    Column("campaign_id", _KEY, ForeignKey("campaigns.id"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

erasures = Table(
    "erasures",
    metadata,
    # Deleted when nothing is left that tells of this number.
    Column("phone", _KEY, primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("campaign_id", _KEY, nullable=False),
    Column("import_id", BigInteger, nullable=False),
    Column("phone", _KEY, nullable=False),
    Column("state", Text, nullable=False),
    # The number of its `ContactKind`; 0: it does not wait.
    Column("waiting", SmallInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("refunds", Integer, nullable=False),
    Column("disposition", Text),
    Column("reason", Text),
    Column("positive", Boolean, nullable=False),
    Column("connected_attempt", Integer),
    Column("name", Text),
    Column("timezone", Text),
    Column("external_id", Text),
    Column("variables", Text),
    Column("retries", Text),
    Column("callbacks", Integer, nullable=False, server_default=text("0")),
    Column("callback_unmet", BigInteger),
    Column("caller_id", Text),
    Column("escalated", Boolean, nullable=False, server_default=false()),
    Column("message_left", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("campaign_id", "phone", name="contacts_by_phone"),
    # Only waiting contacts are in them, each kind in dialing order: the ready query never sorts, and a contact that
    # has left the waiting states costs no index write any more. One index over the kinds would be searched by range.
    *(
        Index(
            name,
            "campaign_id",
            "not_before",
            "id",
            sqlite_where=text(f"waiting = {kind.value}"),
            postgresql_where=text(f"waiting = {kind.value}"),
        )
        for kind, name in WAITING.items()
    ),
)

calls = Table(
    "calls",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("campaign_id", _KEY, ForeignKey("campaigns.id")),
    # No foreign key: deleting a contact would look through all calls.
    Column("contact_id", BigInteger),
    Column("phone", _KEY, nullable=False),
    Column("language", Text, nullable=False),
    Column("script_id", Text, nullable=False),
    Column("script_version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("disposition", Text),
    Column("positive", Boolean, nullable=False),
    Column("reason", Text),
    Column("counted", Boolean, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("agent_audio_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("duration_ms", BigInteger, nullable=False),
    # Wide columns last: a scan that does not need them does not read them.
    Column("gate", Text),
    Column("captured", Text),
    Column("transcript", Text),
    Column("name", Text),
    Column("variables", Text),
    Column("callback", Boolean, nullable=False, server_default=false()),
    Column("callback_at", BigInteger),
    # Why we asked Asterisk to end the call (`Call.hangup`).
    Column("cut", Text),
    Column("agent_id", Text),
    Column("voice", Text),
    # What somebody else than its agent has said of it (`Call.label`), JSON.
    Column("label", Text),
    # NULL: the embedded one.
    Column("engine", Text),
    Column("stand_ins", Text),
    Column("instructions", Text),
    Column("takeover", Text),
    Column("transfer_to", Text),
    # Its last transfer, JSON.
    Column("transfer", Text),
    Column("record", Boolean, nullable=False, server_default=false()),
    # Path, size and length of its recording, once that is whole and until it is deleted.
    Column("recording", Text),
    Column("recording_bytes", BigInteger),
    Column("recording_ms", BigInteger),
    Column("on_machine", Text),
    Column("answered_by", Text),
    Column("message_left", Boolean, nullable=False, server_default=false()),
    Index("calls_by_campaign", "campaign_id", "id"),
    Index("calls_by_phone", "phone", "id"),
    Index("calls_by_start", "started_at"),
    Index(
        "calls_open",
        "status",
        sqlite_where=text("status = 'in_progress'"),
        postgresql_where=text("status = 'in_progress'"),
    ),
    Index(
        "calls_recorded",
        "started_at",
        "recording_bytes",
        sqlite_where=text("recording IS NOT NULL"),
        postgresql_where=text("recording IS NOT NULL"),
    ),
)

doomed_files = Table(
    "doomed_files",
    metadata,
    # A recording that nobody is to hear any more: its row goes when its file has.
    Column("path", _KEY, primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

tries = Table(
    "tries",
    metadata,
    Column("call_id", _KEY, ForeignKey("calls.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("caller_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("ringing_at", BigInteger),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("cause", Integer),
    Column("sip_code", Integer),
    sqlite_with_rowid=False,
)

numbers = Table(
    "numbers",
    metadata,
    Column("phone", _KEY, primary_key=True),
    Column("last_ended_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

dnc = Table(
    "dnc",
    metadata,
    Column("pattern", _KEY, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Index("dnc_by_creation", "created_at", "pattern"),
    sqlite_with_rowid=False,
)

state = Table(
    "state",
    metadata,
    Column("key", _KEY, primary_key=True),
    # JSON.
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

scripts = Table(
    "scripts",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("languages", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # A version that is gone is still there for what was begun with it, and its number is not given again.
    Column("deleted_at", BigInteger),
)

agents = Table(
    "agents",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("language", Text),
    Column("voice", Text),
    Column("script_id", _KEY),
    Column("engine", Text, nullable=False),
    Column("fallback", _KEY),
    # JSON.
    Column("dispositions", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("transfer_to", Text),
    # NULL: as the request says.
    Column("record", Boolean),
)

requests = Table(
    "requests",
    metadata,
    # Keyed digests: neither who asked nor what is kept in the clear.
    Column("ident", _KEY, primary_key=True),
    Column("asked", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("made", Text, nullable=False),
    Column("note", Text, nullable=False),
    # The answer, once it was given; its body is deflated.
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("requests_by_age", "at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", _KEY, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    # What signs cannot be kept as a digest.
    Column("secret", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("disabled", Text),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", _ROW_ID, primary_key=True, autoincrement=False),
    # No foreign key: those of a webhook that is removed are deleted afterwards, a few at a time.
    Column("webhook_id", _KEY, nullable=False),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", _KEY, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("status", Integer),
    Column("detail", Text),
    Column("body", Text, nullable=False),
    Index("deliveries_by_webhook", "webhook_id", "number"),
    Index("deliveries_by_state", "state", "webhook_id", "number"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("name", Text),
    Column("origin", Text),
    Column("action", Text, nullable=False),
    Column("object", Text),
    # JSON.
    Column("details", Text),
    Index("audit_by_time", "at"),
    # An entry that was deleted for its age must not be followed by another one under its id.
    sqlite_autoincrement=True,
)
