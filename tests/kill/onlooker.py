"""What the PBX saw: which channels there were, and who was in one bridge with whom.

An ARI client of its own, told of everything, beside whatever the daemon is told. It changes nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

RETRY = 0.05
Span = tuple[float, float]
"""From when to when, in seconds since the epoch."""


@dataclass
class Line:
    """A channel."""

    name: str
    began: float
    up: float | None = None
    """When it was answered."""
    gone: float | None = None


@dataclass
class Stay:
    """A channel's time in a bridge."""

    channel: str
    bridge: str
    since: float
    until: float | None = None


@dataclass
class Seen:
    """Everything until now."""

    now: float
    lines: dict[str, Line] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)

    def together(self, one: str, other: str) -> list[Span]:
        """When two channels were in one bridge."""
        return [
            span
            for mine in self._of(one)
            for theirs in self._of(other)
            if mine.bridge == theirs.bridge and (span := self._overlap(mine, theirs)) is not None
        ]

    def alone(self, name: str) -> list[Span]:
        """When an answered channel was in no bridge with anybody else."""
        line = self.lines[name]
        if line.up is None:
            return []
        others = (
            span
            for mine in self._of(name)
            for theirs in self._in.get(mine.bridge, ())
            if theirs.channel != name and (span := self._overlap(mine, theirs)) is not None
        )
        return without((line.up, line.gone if line.gone is not None else self.now), others)

    def _overlap(self, one: Stay, other: Stay) -> Span | None:
        begin = max(one.since, other.since)
        end = min(self.now if stay.until is None else stay.until for stay in (one, other))
        return (begin, end) if begin < end else None

    def _of(self, channel: str) -> Sequence[Stay]:
        return self._by.get(channel, ())

    def index(self) -> Seen:
        """Have it ready to be asked; returns itself."""
        self._by: dict[str, list[Stay]] = defaultdict(list)
        self._in: dict[str, list[Stay]] = defaultdict(list)
        for stay in self.stays:
            self._by[stay.channel].append(stay)
            self._in[stay.bridge].append(stay)
        return self


def without(whole: Span, parts: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    at, end = whole
    left = []
    for begin, until in sorted(parts):
        if begin > at:
            left.append((at, min(begin, end)))
        at = max(at, until)
        if at >= end:
            return left
    return [*left, (at, end)]


class Onlooker:
    """Looks on while `watching`; what it saw is kept."""

    def __init__(self, ari: Mapping[str, Any]) -> None:
        self._url = f"{ari['url']}/ari"
        login = aiohttp.encode_basic_auth(str(ari["user"]), str(ari["password"]))
        self._headers = {"Authorization": login}
        self._lines: dict[str, Line] = {}
        self._stays: list[Stay] = []
        self._lock = threading.Lock()
        self._connected = threading.Event()
        self._heard = 0.0
        """When the last event was told."""

    def seen(self) -> Seen:
        """A copy of what was seen so far."""
        with self._lock:
            lines = {name: Line(**vars(line)) for name, line in self._lines.items()}
            return Seen(time.time(), lines, [Stay(**vars(stay)) for stay in self._stays]).index()

    @contextmanager
    def watching(self) -> Iterator[Onlooker]:
        """Look on from before the block begins until it ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._watch(),), name="onlooker")
        thread.start()
        try:
            assert self._connected.wait(20), "the PBX takes no onlooker"
            yield self
        finally:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
            thread.join()
            loop.close()

    async def _watch(self) -> None:
        with suppress(asyncio.CancelledError):
            async with aiohttp.ClientSession(headers=self._headers) as http:
                while True:
                    with suppress(aiohttp.ClientError, OSError):
                        await self._listen(http)
                    await asyncio.sleep(RETRY)

    async def _listen(self, http: aiohttp.ClientSession) -> None:
        asked = {"app": "onlooker", "subscribeAll": "true"}
        async with http.ws_connect(f"{self._url}/events", params=asked) as events:
            async with http.get(f"{self._url}/channels") as reply:
                reply.raise_for_status()
                live = {entry["id"] for entry in await reply.json()}
            with self._lock:
                self._forget(set(self._lines) - live)
            self._connected.set()
            async for message in events:
                event = message.json()
                with self._lock:
                    self._take(event)

    def _forget(self, gone: set[str]) -> None:
        """Channels whose Asterisk has died: when it was last heard of."""
        for name in gone:
            if self._lines[name].gone is None:
                self._lines[name].gone = self._heard
        for stay in self._stays:
            if stay.channel in gone and stay.until is None:
                stay.until = self._heard

    def _take(self, event: Mapping[str, Any]) -> None:
        if "timestamp" not in event or "channel" not in event:
            return
        at = self._heard = datetime.fromisoformat(event["timestamp"]).timestamp()
        channel = event["channel"]
        name = channel["id"]
        line = self._lines.setdefault(name, Line(name, at))
        if channel["state"] == "Up" and line.up is None:
            line.up = at
        match event["type"]:
            case "ChannelDestroyed":
                line.gone = at
                self._leave(name, None, at)
            case "ChannelEnteredBridge":
                self._stays.append(Stay(name, event["bridge"]["id"], at))
            case "ChannelLeftBridge":
                self._leave(name, event["bridge"]["id"], at)

    def _leave(self, channel: str, bridge: str | None, at: float) -> None:
        for stay in reversed(self._stays):
            if stay.channel == channel and stay.until is None and bridge in (None, stay.bridge):
                stay.until = at
