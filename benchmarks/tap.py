"""The daemon with a tap in it: notes when attempts are committed, originates handed over and answered, calls ended.

Nothing of the daemon is changed: its store and its telephony are the real ones, with a clock reading before and after
what the engine asks of them. `BENCH_TAP` names the file that the notes go to when the daemon ends; `read` takes them
up. All readings are of the system-wide monotonic clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialerd import __main__, daemon
from dialerd.asterisk.telephony import AsteriskTelephony
from dialerd.core.effects import Originate
from dialerd.core.journal import Entry, TryOpened
from dialerd.core.messages import Event, OriginateAccepted, TryEnded
from dialerd.ports import Sink
from dialerd.store.writing import Writing

VARIABLE = "BENCH_TAP"
COMMAND = (sys.executable, "-m", "benchmarks.tap")


@dataclass
class Notes:
    """Readings in seconds."""

    commits: list[tuple[float, float, list[str]]] = field(default_factory=list)
    """Begin and end of each commit, and the channels whose tries it opened."""
    originates: list[tuple[float, str]] = field(default_factory=list)
    """When each originate was handed to telephony."""
    replies: list[tuple[float, str]] = field(default_factory=list)
    """When Asterisk's reply to it was read."""
    ends: list[tuple[float, str]] = field(default_factory=list)
    """When the end of a channel was read: its slot is free."""

    def paths(self) -> Iterator[tuple[float, float, float, float]]:
        """Of each originate that was answered: commit begun, committed, handed over, reply read."""
        opened = {channel: (begun, done) for begun, done, channels in self.commits for channel in channels}
        replied = {channel: at for at, channel in self.replies}
        for handed, channel in self.originates:
            if channel in opened and channel in replied:
                yield (*opened[channel], handed, replied[channel])


_notes = Notes()


_plain_commit = Writing.commit


async def _commit(store: Writing, entries: Sequence[Entry]) -> None:
    begun = time.monotonic()
    await _plain_commit(store, entries)
    opened = [str(entry.attempt.channel) for entry in entries if isinstance(entry, TryOpened)]
    _notes.commits.append((begun, time.monotonic(), opened))


class _Telephony(AsteriskTelephony):
    def __init__(self, instance: Any, access: Any, sink: Sink, **others: Any) -> None:
        def heard(event: Event) -> None:
            if isinstance(event, OriginateAccepted):
                _notes.replies.append((time.monotonic(), str(event.channel)))
            elif isinstance(event, TryEnded):
                _notes.ends.append((time.monotonic(), str(event.channel)))
            sink(event)

        super().__init__(instance, access, heard, **others)

    def originate(self, order: Originate) -> None:
        _notes.originates.append((time.monotonic(), str(order.channel)))
        super().originate(order)


def read(path: Path) -> Notes:
    """The notes of a daemon that has ended."""
    return Notes(**json.loads(path.read_text()))


def main() -> int:
    """Run the daemon, tapped."""
    target = Path(os.environ[VARIABLE])
    setattr(Writing, "commit", _commit)  # noqa: B010 - the type checker knows no other way
    vars(daemon).update(AsteriskTelephony=_Telephony)
    try:
        return __main__.main([])
    finally:
        target.write_text(json.dumps(vars(_notes)))


if __name__ == "__main__":
    sys.exit(main())
