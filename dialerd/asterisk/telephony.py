"""The Telephony port on a real Asterisk: its connection from boot to loss, and the orders that go over it.

It reports what happened and decides nothing: it never dials again, and it hangs up no call by itself. While
it is not connected nothing is sent, because Asterisk would ring a callee for an application that is not there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog

from dialerd.asterisk import originate, person
from dialerd.asterisk.ami import AmiAccess, AmiTiming, AmiWatch
from dialerd.asterisk.ari import AriAccess, AriError, AriHttp, AriTiming, NoReply, Reply, Trouble, error_of
from dialerd.asterisk.ari_socket import AriSocket
from dialerd.asterisk.cdr import CallRecords
from dialerd.asterisk.events import (
    BRIDGE_SUFFIX,
    EVENT_TYPES,
    MEDIA_SUFFIX,
    TRANSFER_SUFFIX,
    ApplicationTaken,
    ChannelNames,
    Parsed,
    SoundEnded,
    Stranger,
    parse,
)
from dialerd.asterisk.host import Host, host_of, live_of, media_of, persons_of
from dialerd.asterisk.outage import Backoff, Outage
from dialerd.asterisk.person import Joining
from dialerd.asterisk.strangers import Doorkeeper
from dialerd.core.effects import CallPerson, JoinPerson, LimitCall, Originate, ReturnCallee
from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId, InstanceId
from dialerd.core.messages import (
    CallRecord,
    HostDown,
    HostUp,
    LiveChannel,
    OriginateRefused,
)
from dialerd.core.person import (
    PersonRefused,
)
from dialerd.ports import Sink, Snapshot

_log = structlog.get_logger("dialerd.asterisk")

_FILTER = orjson.dumps({"allowed": [{"type": kind} for kind in EVENT_TYPES]})
_NORMAL_CLEARING = "16"


@dataclass(frozen=True, slots=True)
class Timing:
    """All waits of the telephony side."""

    ari: AriTiming = AriTiming()
    ami: AmiTiming = AmiTiming()
    backoff: Backoff = Backoff()
    unfit_wait: float = 30.0
    """Seconds before an Asterisk that will not do (too old), or that serves another client, is looked at again."""


class AsteriskTelephony:
    """One Asterisk. `run` holds its connections; orders are taken at any time and answered through `sink`.

    `endpoints` are the trunks' PJSIP endpoints, `registrations` those with their carriers: how they are is reported
    if there is an AMI to ask.
    """

    def __init__(
        self,
        instance: InstanceId,
        ari: AriAccess,
        sink: Sink,
        *,
        ami: AmiAccess | None = None,
        endpoints: Sequence[str] = (),
        registrations: Sequence[str] = (),
        cdr_path: Path | None = None,
        cdr_causes: bool = False,
        timing: Timing = Timing(),
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()
        self._instance = instance
        self._names = ChannelNames(instance)
        self._sink = sink
        self._timing = timing
        self._http = AriHttp(ari, timing.ari)
        self._joining = Joining(self._http, sink)
        self._door = Doorkeeper(self._http, self._names)
        self._records = CallRecords(cdr_path) if cdr_path is not None else None
        self._cdr_causes = cdr_causes and cdr_path is not None
        self._outage = Outage(_log, "ari.unavailable", "ari.recovered", timing.backoff, rng)
        self._booted = asyncio.Event()
        self._ami = (
            AmiWatch(
                ami,
                endpoints,
                sink,
                registrations=registrations,
                timing=timing.ami,
                backoff=timing.backoff,
                rng=rng,
                on_booted=self._booted.set,
            )
            if ami is not None
            else None
        )
        self._socket: AriSocket | None = None
        self._host: Host | None = None
        self._connected_at: float | None = None
        self._told_down = False
        self._deletions: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether orders can be sent: the socket is open and HostUp was posted."""
        return self._socket is not None

    @property
    def detail(self) -> str:
        """What is wrong and how to mend it, ARI's trouble before AMI's; empty: nothing."""
        if not self.connected:
            return self._outage.detail
        return self._ami.detail if self._ami is not None else ""

    @property
    def version(self) -> str | None:
        """Asterisk's version, as it was at the last connect."""
        return self._host.version if self._host is not None else None

    async def run(self) -> None:
        """Connect, and connect again after each loss, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold())
            if self._ami is not None:
                tasks.create_task(self._ami.run())

    async def close(self) -> None:
        """Drop what is left. `run` must have been cancelled before."""
        for task in self._deletions:
            task.cancel()
        await asyncio.gather(*self._deletions, return_exceptions=True)
        await self._http.close()

    # --- orders ------------------------------------------------------------------------------------

    def originate(self, order: Originate) -> None:
        """See `dialerd.ports.Telephony`."""
        fault = (
            "the channel id is not ours"
            if self._names.dialed(order.channel) is None
            else originate.fault(order)
        )
        if fault is not None:
            self._sink(OriginateRefused(order.channel, fault, ours=True))
        elif self._socket is None:
            self._sink(OriginateRefused(order.channel, f"Asterisk is not connected: {self._outage.detail}"))
        else:
            self._socket.request(
                "POST",
                f"channels/{order.channel}",
                partial(self._originated, order.channel),
                body=originate.body(order, self._instance, keep_cause=self._cdr_causes),
            )

    def hang_up(self, channel: ChannelId) -> None:
        """See `dialerd.ports.Telephony`. Over the socket; if that fails, once more over HTTP."""
        if self._socket is None:
            self._hang_up_by_http(channel)
        else:
            self._socket.request(
                "DELETE",
                f"channels/{channel}",
                partial(self._hung_up, channel),
                query={"reason_code": _NORMAL_CLEARING},
            )

    def call_person(self, order: CallPerson) -> None:
        """See `dialerd.ports.Telephony`."""
        if self._names.person(order.channel) is None:
            self._sink(PersonRefused(order.channel, "the channel id is not ours"))
        elif self._socket is None:
            self._sink(PersonRefused(order.channel, f"Asterisk is not connected: {self._outage.detail}"))
        else:
            self._socket.request(
                "POST",
                f"channels/{order.channel}",
                partial(self._person_called, order.channel),
                body=person.body(order, self._instance),
            )

    def join_person(self, order: JoinPerson) -> None:
        """See `dialerd.ports.Telephony`."""
        self._spawn(self._joining.join(order))

    def return_callee(self, order: ReturnCallee) -> None:
        """See `dialerd.ports.Telephony`."""
        self._spawn(self._joining.take_back(order))

    def limit_call(self, order: LimitCall) -> None:
        """See `dialerd.ports.Telephony`."""
        self._spawn(self._joining.limit(order))

    def ring_callee(self, channel: ChannelId) -> None:
        """See `dialerd.ports.Telephony`."""
        self._spawn(self._joining.ring(channel))

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """See `dialerd.ports.Telephony`."""
        live, _, _ = await self._channels()
        return live

    async def snapshot(self) -> Snapshot:
        """See `dialerd.ports.Telephony`."""
        live, persons, listed = await self._channels()
        bridges = await self._http.get("bridges")
        media = media_of(listed, bridges.body, self._names)
        calls, people = (frozenset(found.channel for found in each) for each in (live, persons))
        return Snapshot(calls, media, people)

    async def _channels(self) -> tuple[tuple[LiveChannel, ...], tuple[LiveChannel, ...], Any]:
        """Our dialed channels, persons' channels, and all as Asterisk lists them. Raises PortError."""
        reply = await self._http.get("channels")
        live = live_of(reply.body, self._names) if reply.status == 200 else None
        if live is None:
            raise error_of(reply.status, self._http.access)
        return live, persons_of(reply.body, self._names), reply.body

    def release_media(self, channel: ChannelId) -> None:
        """See `dialerd.ports.Telephony`."""
        self._spawn(self._delete(f"channels/{channel}{MEDIA_SUFFIX}"))
        for suffix in (BRIDGE_SUFFIX, TRANSFER_SUFFIX):
            self._spawn(self._delete(f"bridges/{channel}{suffix}"))

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        """See `dialerd.ports.Telephony`."""
        if self._records is None:
            raise PortError("there are no call records to read: set asterisk.cdr_path", retryable=False)
        return await self._records.read(channels)

    def _person_called(self, channel: ChannelId, result: Reply | NoReply) -> None:
        """A 409 is our own earlier request; where no reply came it may ring: what Asterisk shows decides."""
        if result is NoReply.UNSENT:
            self._sink(PersonRefused(channel, "the connection to Asterisk's ARI broke before it was sent"))
        elif isinstance(result, Reply) and result.status not in (200, 409):
            self._sink(PersonRefused(channel, f"{result.status} {result.message or ''}".rstrip()))

    def _originated(self, channel: ChannelId, result: Reply | NoReply) -> None:
        verdict = originate.verdict(channel, result)
        if verdict is not None:
            self._sink(verdict)
        elif self._socket is not None:
            self._socket.request("GET", f"channels/{channel}", partial(self._confirmed, channel))
        else:
            self._confirmed(channel, NoReply.UNSENT)

    def _confirmed(self, channel: ChannelId, result: Reply | NoReply) -> None:
        self._sink(originate.confirmed(channel, result))

    def _hung_up(self, channel: ChannelId, result: Reply | NoReply) -> None:
        if isinstance(result, NoReply):
            self._hang_up_by_http(channel)
        elif result.status != 404 and result.status >= 300:
            _log.warning("ari.hangup_failed", channel=channel, status=result.status, detail=result.message)

    def _hang_up_by_http(self, channel: ChannelId) -> None:
        self._spawn(self._delete(f"channels/{channel}", reason_code=_NORMAL_CLEARING))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    async def _delete(self, path: str, **query: str) -> None:
        try:
            reply = await self._http.delete(path, **query)
        except AriError as error:
            # An Asterisk that is gone has no channels; one that comes back is reconciled.
            level = "debug" if error.trouble is Trouble.UNREACHABLE else "warning"
            getattr(_log, level)("ari.delete_failed", path=path, detail=str(error))
            return
        if reply.status != 404 and reply.status >= 300:
            _log.warning("ari.delete_failed", path=path, status=reply.status, detail=reply.message)

    # --- the connection ----------------------------------------------------------------------------

    async def _hold(self) -> None:
        while True:
            try:
                await self._session()
            except AriError as error:
                await self._pause(self._lost(error))

    def _lost(self, error: AriError) -> float:
        """Tell of the loss, once; returns the seconds to wait."""
        now = asyncio.get_running_loop().time()
        lasted = now - self._connected_at if self._connected_at is not None else 0.0
        self._connected_at = None
        detail = str(error)
        wait = self._outage.failed(error.trouble, detail, lasted=lasted)
        if not self._told_down:
            self._told_down = True
            self._sink(HostDown(detail))
        # Two clients of one name would take the application from each other without end.
        return self._timing.unfit_wait if error.trouble in (Trouble.TOO_OLD, Trouble.REPLACED) else wait

    async def _pause(self, seconds: float) -> None:
        """Wait; the manager interface's word that Asterisk has booted cuts it short."""
        self._booted.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._booted.wait()
        except TimeoutError:
            pass

    async def _session(self) -> None:
        """One connection, from the first request to its loss, which is raised as AriError."""
        await self._ask_host()
        early: list[Mapping[str, Any]] = []
        deliver: Callable[[Mapping[str, Any]], None] = early.append

        def on_event(event: Mapping[str, Any]) -> None:
            deliver(event)

        socket = await AriSocket.connect(self._http, self._instance, on_event)
        carrying = asyncio.get_running_loop().create_task(socket.run())
        try:
            up = await self._reconcile(carrying)
            self._go_live(socket, up)
            for event in early:
                self._take(event)
            deliver = self._take
            await carrying
        finally:
            self._socket = None
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)

    async def _reconcile(self, carrying: asyncio.Task[None]) -> HostUp:
        """With the socket open, and so registered: choose its events, then ask which boot this is and what lives."""
        access = self._http.access
        reply = await self._http.put(f"applications/{self._instance}/eventFilter", _FILTER)
        if carrying.done():
            await carrying
        if reply.status != 200:
            raise error_of(reply.status, access)
        self._host = host = await self._ask_host()
        live, persons, listed = await self._channels()
        await self._door.look_around(listed)
        if carrying.done():
            await carrying
        return HostUp(host.boot, host.version, live, persons)

    async def _ask_host(self) -> Host:
        access = self._http.access
        reply = await self._http.get("asterisk/info", only="system,status")
        host = host_of(reply.body) if reply.status == 200 else None
        if host is None:
            raise error_of(reply.status, access)
        if host.too_old:
            raise AriError(
                Trouble.TOO_OLD,
                f"Asterisk at {access.url} is version {host.version}: dialerd needs 22.8, 23.2 or later",
            )
        return host

    def _go_live(self, socket: AriSocket, up: HostUp) -> None:
        self._socket = socket
        self._told_down = False
        self._connected_at = asyncio.get_running_loop().time()
        self._outage.recovered(version=up.version, boot=up.boot, live_channels=len(up.live))
        self._sink(up)

    def _take(self, event: Mapping[str, Any]) -> None:
        parsed: Parsed | None = parse(event, self._names)
        if parsed is None:
            return
        if isinstance(parsed, SoundEnded):
            return self._joining.sound_ended(parsed.playback)
        if isinstance(parsed, Stranger):
            return self._spawn(self._door.turn_away(parsed))
        if isinstance(parsed, ApplicationTaken):
            raise AriError(
                Trouble.REPLACED,
                f"another program has taken the ARI application {self._instance!r} on {self._http.access.url}: "
                "give each dialerd on one Asterisk an instance name of its own",
            )
        else:
            self._sink(parsed)
