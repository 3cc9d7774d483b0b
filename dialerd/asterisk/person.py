"""A person's phone, called for a callee: the request that makes it ring, and what brings the two together.

The requests are pure; `Joining` carries them out over HTTP, off the dialing socket: a bridge takes Asterisk a while,
and dialing must not wait for it. It decides nothing about calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from dialerd.asterisk.ari import AriError, AriHttp
from dialerd.asterisk.events import BRIDGE_SUFFIX, PERSON, TRANSFER_SUFFIX
from dialerd.asterisk.originate import MARGIN
from dialerd.core.clock import SECOND, Millis
from dialerd.core.effects import CallPerson, JoinPerson, LimitCall, ReturnCallee
from dialerd.core.identity import E164, ChannelId, InstanceId
from dialerd.core.messages import (
    Event,
)
from dialerd.core.person import (
    PersonJoined,
    PersonNotJoined,
)
from dialerd.core.transfer import Target, TargetKind

QUEUE_CONTEXT = "dialerd-queue"
"""The dialplan's part (asterisk/dialerd-extensions.conf) that puts a callee into a queue."""
LONGEST_VALUE = 512
MOST_VALUES = 20
LONGEST_HEADER = 512
"""Characters of a SIP header's value, percent-encoded."""
MOST_HEADERS = 1_500
"""Characters of all of them: an INVITE travels over UDP, and phones refuse what comes in many pieces."""
ANNOUNCEMENT_DEADLINE = 20.0
"""Seconds for a sound that a person hears before the callee."""

_NAME = re.compile(r"[^A-Z0-9_]+")
_PLAIN = frozenset(" .:-_@/()!?'%+*#=")
"""Beside letters, marks and digits what a channel variable may hold: nothing that a dialplan takes apart."""
_IN_HEADER = "".join(sorted(_PLAIN - {"%"}))


def dial_string(target: Target) -> str:
    """What Asterisk is to dial. `/n`: the channel must stay, it is what we know the person by."""
    match target.kind:
        case TargetKind.ENDPOINT:
            return f"PJSIP/{target.name}"
        case TargetKind.QUEUE:
            return f"Local/{target.name}@{QUEUE_CONTEXT}/n"
        case TargetKind.EXTENSION:
            return f"Local/{target.name}@{target.context}/n"


def body(order: CallPerson, instance: InstanceId) -> bytes:
    """The JSON body of `POST /channels/<id>`. Ring time and absolute life are both bounded in Asterisk."""
    if not isinstance(order.caller_id, E164):
        raise TypeError("the caller id is not an E.164 number")
    ring = _seconds(order.ring_timeout)
    variables = {"TIMEOUT(absolute)": str(ring + _seconds(order.most)), **told(order)}
    if order.target.kind is TargetKind.ENDPOINT:
        variables |= {f"PJSIP_HEADER(add,{name})": value for name, value in headers(order).items()}
    return orjson.dumps(
        {
            "endpoint": dial_string(order.target),
            "app": instance,
            "appArgs": PERSON,
            "callerId": order.caller_id,
            "timeout": ring,
            "formats": "ulaw",
            "variables": variables,
        }
    )


def told(order: CallPerson) -> dict[str, str]:
    """The channel variables that the person's side gets, inherited by what its dialplan calls."""
    told = {
        "__DIALERD_CALL": str(order.call),
        "__DIALERD_REASON": plain(order.reason),
        "__DIALERD_SUMMARY": plain(order.summary),
        "__DIALERD_TIMEOUT": str(_seconds(order.ring_timeout)),
    }
    return told | {f"__DIALERD_VAR_{key}": value for key, value in _captured(order)}


def headers(order: CallPerson) -> dict[str, str]:
    """The SIP headers that a phone gets: the same, as far as there is room. One that would be empty is left out."""
    told = {"X-Dialerd-Call": str(order.call)}
    room = MOST_HEADERS
    values = [("Reason", plain(order.reason)), ("Summary", plain(order.summary))]
    values += [(f"Var-{key.replace('_', '-').title()}", value) for key, value in _captured(order)]
    for name, value in values:
        header, encoded = f"X-Dialerd-{name}", in_header(value)
        needed = len(header) + len(encoded) + len(": \r\n")
        if encoded and needed <= room:
            told[header] = encoded
            room -= needed
    return told


def in_header(text: str) -> str:
    """A plain text as a SIP header may hold it: ASCII, all else percent-encoded as UTF-8 (RFC 3986 §2.1)."""
    encoded = ""
    for char in text:
        more = quote(char, safe=_IN_HEADER)
        if len(encoded) + len(more) > LONGEST_HEADER:
            break
        encoded += more
    return encoded


def _captured(order: CallPerson) -> Iterator[tuple[str, str]]:
    """Names and values of what the agent has taken down."""
    for name, value in list(order.captured.items())[:MOST_VALUES]:
        key = _NAME.sub("_", str(name).upper())[:40].strip("_")
        if key:
            yield key, plain(str(value))


def plain(text: str) -> str:
    """A text as a channel variable may hold it: one line, without what a dialplan would take for its own."""
    kept = "".join(char if _is_plain(char) else " " for char in text)
    return " ".join(kept.split())[:LONGEST_VALUE]


def _is_plain(char: str) -> bool:
    return char in _PLAIN or unicodedata.category(char)[0] in "LMN"


def _seconds(duration: Millis) -> int:
    return max(1, -(-duration // SECOND))


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    path: str
    body: dict[str, Any]


@dataclass(slots=True)
class _Turn:
    """Who acts on a callee now, and how many wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    takers: int = 0


class Joining:
    """Brings persons and callees together, and says what came of it.

    What is asked for one callee is done in the order it was asked: requests of two orders would cross otherwise, and
    the callee would end where the earlier one left it.
    """

    def __init__(self, http: AriHttp, sink: Callable[[Event], None]) -> None:
        self._http = http
        self._sink = sink
        self._sounds: dict[str, asyncio.Event] = {}
        self._turns: dict[ChannelId, _Turn] = {}
        self._joined: set[ChannelId] = set()
        """Persons who are being connected."""

    async def join(self, order: JoinPerson) -> None:
        """Let the person hear what is announced, then bridge it with the callee; `PersonJoined` or `-NotJoined`.

        Asked again meanwhile, as after a reconnect: it is done once.
        """
        if order.person in self._joined:
            return
        self._joined.add(order.person)
        try:
            async with self._turn_of(order.channel):
                await self._join(order)
        finally:
            self._joined.discard(order.person)

    async def take_back(self, order: ReturnCallee) -> None:
        """Put a callee back into its agent's bridge; what Asterisk says to that changes nothing."""
        bridge = f"bridges/{order.channel}{BRIDGE_SUFFIX}/addChannel"
        async with self._turn_of(order.channel):
            with contextlib.suppress(AriError):
                await self._http.post(bridge, orjson.dumps({"channel": [order.channel]}))

    async def limit(self, order: LimitCall) -> None:
        """Set how long a callee's channel may last; one that is gone needs none."""
        async with self._turn_of(order.channel):
            with contextlib.suppress(AriError):
                await self._http.post(f"channels/{order.channel}/variable", orjson.dumps(_limit(order.most)))

    @contextlib.asynccontextmanager
    async def _turn_of(self, channel: ChannelId) -> AsyncIterator[None]:
        turn = self._turns.setdefault(channel, _Turn())
        turn.takers += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[channel]

    async def _join(self, order: JoinPerson) -> None:
        try:
            if order.announcement is not None:
                await self._announce(order.person, order.announcement)
            for step in _steps(order):
                reply = await self._http.post(step.path, orjson.dumps(step.body))
                if reply.status >= 300:
                    detail = f"Asterisk refused to {step.what}: {reply.status} {reply.message or ''}".rstrip()
                    return await self._undo(order, detail)
        except AriError as error:
            await self._undo(order, str(error))
        else:
            self._sink(PersonJoined(order.person))

    async def _undo(self, order: JoinPerson, detail: str) -> None:
        """The bridge may have been made, and nobody else would remove it."""
        self._sink(PersonNotJoined(order.person, detail))
        with contextlib.suppress(AriError):
            await self._http.delete(f"bridges/{order.channel}{TRANSFER_SUFFIX}")

    async def ring(self, channel: ChannelId) -> None:
        """Let a callee hear ringing; what Asterisk says to that changes nothing."""
        try:
            await self._http.post(f"channels/{channel}/ring", b"{}")
        except AriError:
            return

    def sound_ended(self, playback: str) -> None:
        """A sound has been heard, or broken off."""
        ended = self._sounds.get(playback)
        if ended is not None:
            ended.set()

    async def _announce(self, person: ChannelId, sound: str) -> None:
        """A sound that cannot be played must not keep the two apart."""
        playback = f"{person}-a"
        ended = self._sounds[playback] = asyncio.Event()
        try:
            reply = await self._http.post(
                f"channels/{person}/play/{playback}", orjson.dumps({"media": f"sound:{sound}"})
            )
            if reply.status < 300:
                async with asyncio.timeout(ANNOUNCEMENT_DEADLINE):
                    await ended.wait()
        except TimeoutError:
            return
        finally:
            del self._sounds[playback]


def _limit(most: Millis) -> dict[str, str]:
    """How long a channel may last from now on, where the daemon does not end it before."""
    return {"variable": "TIMEOUT(absolute)", "value": str(_seconds(Millis(most + MARGIN)))}


def _steps(order: JoinPerson) -> tuple[_Step, ...]:
    bridge = f"bridges/{order.channel}{TRANSFER_SUFFIX}"
    variable = f"channels/{order.channel}/variable"
    return (
        _Step("set how long a transferred call may last", variable, _limit(order.most)),
        _Step("make a bridge", bridge, {"type": "mixing"}),
        _Step(
            "bridge a callee and a person", f"{bridge}/addChannel", {"channel": [order.channel, order.person]}
        ),
    )
