"""What dialerd has recorded: its store, read beside it or after it, and never written."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.postgres import aside, execute

SERVER_DEADLINE = 30.0
"""Seconds for which a database may not answer."""


@dataclass(frozen=True)
class TryRow:
    """An originate as recorded; instants in seconds since the epoch."""

    channel: str
    trunk: str
    state: str
    opened_at: float
    ringing_at: float | None
    answered_at: float | None
    ended_at: float | None
    sip_code: int | None

    @property
    def sent(self) -> bool:
        """Whether dialerd believes that its INVITE may have left."""
        return self.state != "not_sent"


@dataclass(frozen=True)
class RecordingRow:
    """A recording as recorded."""

    path: str
    size: int
    length: float
    """Seconds."""


@dataclass(frozen=True)
class CallRow:
    """An attempt as recorded."""

    id: str
    status: str
    disposition: str | None
    reason: str | None
    counted: bool
    ended_at: float | None
    tries: tuple[TryRow, ...]
    transfer: Mapping[str, Any] | None = None
    """Its last transfer."""
    recording: RecordingRow | None = None

    @property
    def refunded(self) -> bool:
        """It did not count, and used up one of the contact's refunds."""
        return not self.counted and self.reason is not None

    @property
    def answered(self) -> bool:
        """Whether dialerd believes that the callee took the call."""
        return any(attempt.answered_at is not None for attempt in self.tries)


@dataclass(frozen=True)
class ContactRow:
    """A contact as recorded, and its attempts in order."""

    phone: str
    state: str
    attempts: int
    refunds: int
    turns: int
    disposition: str | None
    reason: str | None
    calls: tuple[CallRow, ...]

    @property
    def failovers(self) -> int:
        """Tries beyond the first of an attempt."""
        return sum(len(call.tries) - 1 for call in self.calls)


@dataclass(frozen=True)
class Ledger:
    """A daemon's store: an SQLite file, or the address of a PostgreSQL database."""

    store: Path | str

    def contacts(self, campaign: str) -> dict[str, ContactRow]:
        """The contacts of a campaign by number, with everything that was tried."""
        calls = self._calls(campaign)
        rows = self._rows(
            "SELECT phone, state, attempts, refunds, turns, disposition, reason FROM contacts"
            " WHERE campaign_id = ?",
            campaign,
        )
        return {row[0]: ContactRow(*(*row, tuple(calls.get(row[0], ())))) for row in rows}

    def miscounted(self, campaign: str) -> dict[str, tuple[int, int]]:
        """The campaign's counters that differ from a recount of its contacts: as kept, and as counted."""
        counted = Counter({"total": 0, "called": 0})
        for contact in self.contacts(campaign).values():
            counted.update(("total", "state:" + contact.state))
            counted["called"] += contact.attempts > 0
        kept: Counter[str] = Counter()
        for key, value, moves in self._rows(
            "SELECT key, value, NULL FROM counters WHERE campaign_id = ?"
            " UNION ALL SELECT NULL, NULL, CAST(moves AS TEXT) FROM counter_moves",
            campaign,
        ):
            kept.update(json.loads(moves).get(campaign, {}) if key is None else {key: value})
        kept = Counter({key: kept[key] for key in kept if key in counted or key.startswith("state:")})
        return {
            key: (kept.get(key, 0), counted[key])
            for key in kept.keys() | counted.keys()
            if kept.get(key, 0) != counted[key]
        }

    def recordings(self) -> frozenset[str]:
        """The path of every recording."""
        return frozenset(
            path for [path] in self._rows("SELECT recording FROM calls WHERE recording IS NOT NULL")
        )

    def status(self, campaign: str) -> str:
        """The campaign's state."""
        [[status]] = self._rows("SELECT status FROM campaigns WHERE id = ?", campaign)
        return str(status)

    def deliveries(self) -> dict[str, str]:
        """What was to be delivered to webhooks: the text of each message id."""
        return {
            f"msg_{number:012x}": body for number, body in self._rows("SELECT number, body FROM deliveries")
        }

    def open_attempts(self) -> int:
        """How many attempts have no final record."""
        [[count]] = self._rows("SELECT count(*) FROM calls WHERE status = 'in_progress'")
        return int(count)

    def beside(self, calling: str, waiting: str) -> tuple[str, str]:
        """At one instant: the status of a campaign's only call, and the state of another one's only contact."""
        [[call, contact]] = self._rows(
            "SELECT calls.status, contacts.state FROM calls, contacts"
            " WHERE calls.campaign_id = ? AND contacts.campaign_id = ?",
            calling,
            waiting,
        )
        return call, contact

    def tries_since(self, at: float) -> int:
        """How many tries were opened at or after an instant."""
        [[count]] = self._rows("SELECT count(*) FROM tries WHERE opened_at >= ?", round(at * 1000))
        return int(count)

    def opened(self) -> list[float]:
        """When each try was opened, in order."""
        return [row[0] / 1000 for row in self._rows("SELECT opened_at FROM tries ORDER BY opened_at")]

    def _calls(self, campaign: str) -> Mapping[str, Sequence[CallRow]]:
        tries: dict[str, list[TryRow]] = defaultdict(list)
        for call, channel, trunk, state, *instants, code in self._rows(
            "SELECT call_id, channel, trunk, state, opened_at, ringing_at, answered_at, tries.ended_at, sip_code"
            " FROM tries JOIN calls ON calls.id = call_id WHERE campaign_id = ? ORDER BY call_id, number",
            campaign,
        ):
            opened, ringing, answered, ended = map(_seconds, instants)
            tries[call].append(TryRow(channel, trunk, state, opened or 0.0, ringing, answered, ended, code))
        found: dict[str, list[CallRow]] = defaultdict(list)
        for phone, ident, status, disposition, reason, counted, ended, transfer, *recording in self._rows(
            "SELECT phone, id, status, disposition, reason, counted, ended_at, transfer, recording,"
            " recording_bytes, recording_ms FROM calls WHERE campaign_id = ? ORDER BY id",
            campaign,
        ):
            found[phone].append(
                CallRow(
                    ident,
                    status,
                    disposition,
                    reason,
                    bool(counted),
                    _seconds(ended),
                    tuple(tries[ident]),
                    None if transfer is None else json.loads(transfer),
                    _recording(*recording),
                )
            )
        return found

    def _rows(self, query: str, *values: Any) -> list[Any]:
        if isinstance(self.store, str):
            return _asked(self.store, query, values)
        with closing(sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query, values).fetchall()


def _asked(url: str, query: str, values: Sequence[Any]) -> list[Any]:
    """Rows from a server that may be down for a while."""
    numbers = itertools.count(1)
    numbered = re.sub(r"\?", lambda _: f"${next(numbers)}", query)
    deadline = time.monotonic() + SERVER_DEADLINE
    while True:
        try:
            return aside(asyncio.wait_for(execute(url, numbered, values=values), 5))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000


def _recording(path: str | None, size: int | None, millis: int | None) -> RecordingRow | None:
    return None if path is None else RecordingRow(path, size or 0, (millis or 0) / 1000)
