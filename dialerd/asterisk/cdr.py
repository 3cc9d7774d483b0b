"""Asterisk's call records: the SQLite file that cdr_sqlite3_custom writes, read as evidence after an outage.

Read-only, and briefly: Asterisk loses a record that it cannot write in time because a reader holds the file.
The columns are those of asterisk/dialerd-cdr.sql.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dialerd.core.clock import SECOND, Instant, Millis
from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId, callee_of
from dialerd.core.messages import CallRecord

DEADLINE = 5.0
_CHUNK = 200
"""Ids in one query: the file is free for Asterisk between queries."""
_LOCK_WAIT = 1.0
"""Seconds to wait for Asterisk to finish writing."""
_PROGRESS_STEPS = 10_000
"""SQLite instructions between looks at the deadline: some milliseconds."""

_CAUSE = re.compile(r"(?P<cause>\d{1,3})(?: SIP (?P<sip>[3-6]\d\d)\b)?")
"""`21 SIP 603 Decline`; a provisional code there only says how far the call had come."""
_PERSON = re.compile(r"-h\d+\Z")
_ANSWERED = "ANSWERED"
_MEDIA = "WebSocket/"
"""What names of media legs' channels begin with: whoever else a callee was in one bridge with is a person."""


class CallRecords:
    """The call records in the file at `path`; `deadline` in seconds bounds one look-up."""

    def __init__(self, path: Path, deadline: float = DEADLINE) -> None:
        self._path = path
        self._deadline = deadline

    async def read(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        """One record for each of `channels` that has any. Raises PortError where the file cannot be read."""
        if not channels:
            return ()
        until = time.monotonic() + self._deadline
        try:
            rows = await asyncio.to_thread(self._rows, sorted(channels), until)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return merge(rows)

    def _rows(self, channels: Sequence[ChannelId], until: float) -> list[Sequence[Any]]:
        """Runs in a thread, which ends by itself at `until` (monotonic)."""
        rows: list[Sequence[Any]] = []
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=min(_LOCK_WAIT, self._deadline))) as database:
            database.set_progress_handler(lambda: time.monotonic() > until, _PROGRESS_STEPS)
            for start in range(0, len(channels), _CHUNK):
                chunk = channels[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                rows += database.execute(
                    'SELECT uniqueid, answer, "end", billsec, disposition, cause, linkedid, dstchannel FROM cdr'
                    f" WHERE uniqueid IN ({marks})",
                    chunk,
                ).fetchall()
        return rows

    def _unreadable(self, error: sqlite3.Error) -> PortError:
        text = str(error)
        if "interrupted" in text:
            why = f"took over {self._deadline:g} s: create the index of asterisk/dialerd-cdr.sql"
        elif "locked" in text or "busy" in text:
            why = "is locked: another program than Asterisk holds it open for writing"
        elif "no such" in text:
            why = f"has another layout ({text}): include asterisk/dialerd-cdr-sqlite3.conf in cdr_sqlite3_custom.conf"
        else:
            why = (
                f"cannot be read ({text}): is cdr_sqlite3_custom loaded, does asterisk.cdr_path name its file, "
                "and may the daemon's user read the file and its folder?"
            )
        return PortError(f"Asterisk's call records: {self._path} {why}", retryable=True)


def merge(rows: Iterable[Sequence[Any]]) -> tuple[CallRecord, ...]:
    """Rows as records, one a channel: a call that went through several bridges left several rows.

    It was answered if one of them was; it ended with the last of them, which also tells the cause.
    """
    found: dict[ChannelId, CallRecord] = {}
    for row in rows:
        record = _record(row)
        if record is not None:
            earlier = found.get(record.channel)
            found[record.channel] = record if earlier is None else _join(earlier, record)
    return tuple(found.values())


def _record(row: Sequence[Any]) -> CallRecord | None:
    channel, answer, end, billsec, disposition, cause, linked, partner = row
    if not isinstance(channel, str):
        return None
    answered_at, ended_at = _millis(answer), _millis(end)
    answered = disposition == _ANSWERED
    if not answered:
        talk = 0
    elif answered_at and ended_at:
        talk = max(0, ended_at - answered_at)
    else:
        talk = _millis(billsec) or 0
    code = _CAUSE.match(str(cause or ""))
    return CallRecord(
        channel=ChannelId(channel),
        answered=answered,
        disposition=str(disposition),
        ended_at=Instant(ended_at) if ended_at else None,
        talk=Millis(talk),
        cause=int(code["cause"]) if code and int(code["cause"]) else None,
        sip_code=int(code["sip"]) if code and code["sip"] else None,
        was_together=_was_together(ChannelId(channel), str(linked or ""), str(partner or "")),
    )


def _was_together(channel: ChannelId, linked: str, partner: str) -> bool:
    """Whether it was in one bridge with its callee, or with its person.

    In a bridge the older of two channels is a record's first party and names the other one; the younger takes over
    its linked id.
    """
    if _PERSON.search(channel):
        return linked == callee_of(channel)
    return bool(partner) and not partner.startswith(_MEDIA)


def _join(first: CallRecord, second: CallRecord) -> CallRecord:
    earlier, later = sorted((first, second), key=lambda record: record.ended_at or 0)
    answered = earlier.answered or later.answered
    return CallRecord(
        channel=later.channel,
        answered=answered,
        disposition=_ANSWERED if answered else later.disposition,
        ended_at=later.ended_at,
        talk=Millis(earlier.talk + later.talk),
        cause=later.cause or earlier.cause,
        sip_code=later.sip_code or earlier.sip_code,
        was_together=earlier.was_together or later.was_together,
    )


def _millis(seconds: object) -> int | None:
    """Seconds, as a number or as text, in whole milliseconds; None for what is not a time, 0 included."""
    try:
        return round(float(str(seconds)) * SECOND) or None
    except (ValueError, OverflowError):
        return None
