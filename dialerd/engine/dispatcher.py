"""Carries out what a committed turn wants done: hang-ups, agents, originates, look-ups.

Nothing here decides, but for one look back: the gate is asked once more before an originate leaves, since
time has passed and a pause may have arrived while the turn was being committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from dialerd.core import gate
from dialerd.core.effects import (
    Announce,
    AttachAgent,
    CallPerson,
    CountChannels,
    DetachAgent,
    Effect,
    FindNumbers,
    ForgoMedia,
    HangUp,
    HoldForTransfer,
    JoinPerson,
    LimitCall,
    LoadReady,
    Originate,
    PrepareMedia,
    ReleaseMedia,
    ReturnCallee,
    RingCallee,
    SeekEvidence,
    SeekReady,
    ShowCall,
    TellCallbackUnmet,
    TellTransferFailed,
)
from dialerd.core.errors import PortError
from dialerd.core.identity import CampaignId
from dialerd.core.messages import (
    CallShown,
    ChannelsCounted,
    DncLoaded,
    DncUnreadable,
    LoadFailed,
    NumbersFound,
    OriginateWithheld,
    ReadyLoaded,
    ReadySought,
)
from dialerd.core.world import World
from dialerd.engine import evidence
from dialerd.engine.call_views import call_view
from dialerd.ports import Clock, Media, Sink, Store, Telephony

READ_DEADLINE = 10.0
DNC_RETRY = 1.0
LOADS_AT_ONCE = 4
"""Campaigns whose queues are read at the same time: after a start all of them want to, and other reads must not
wait behind a thousand."""


class Dispatcher:
    """Effects in, port calls out; what comes of them is posted as events."""

    def __init__(
        self,
        world: World,
        store: Store,
        telephony: Telephony,
        media: Media,
        clock: Clock,
        sink: Sink,
        listener: Callable[[Announce], None],
        on_damage: Callable[[PortError], None],
    ) -> None:
        """`on_damage` is told when a look-up finds that the store is damaged."""
        self._world = world
        self._store = store
        self._telephony = telephony
        self._media = media
        self._clock = clock
        self._sink = sink
        self._listener = listener
        self._on_damage = on_damage
        self._tasks: set[asyncio.Task[None]] = set()
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)
        self._carriers: dict[type, Callable[[Any], object]] = {
            HangUp: lambda effect: telephony.hang_up(effect.channel),
            ReleaseMedia: lambda effect: telephony.release_media(effect.channel),
            PrepareMedia: media.expect,
            ForgoMedia: lambda effect: media.forgo(effect.call),
            AttachAgent: media.attach,
            CallPerson: telephony.call_person,
            JoinPerson: telephony.join_person,
            ReturnCallee: telephony.return_callee,
            LimitCall: telephony.limit_call,
            RingCallee: lambda effect: telephony.ring_callee(effect.channel),
            DetachAgent: lambda effect: media.detach(effect.call),
            HoldForTransfer: lambda effect: media.hold(effect.call, warm=effect.warm),
            TellTransferFailed: lambda effect: media.transfer_failed(effect.call, effect.reason),
            TellCallbackUnmet: lambda effect: media.callback_unmet(effect.call, effect.asked, effect.unmet),
            ShowCall: lambda effect: self._spawn(self._show(effect)),
            LoadReady: lambda effect: self._spawn(self._load(effect)),
            SeekReady: lambda effect: self._spawn(self._seek_ready(effect)),
            SeekEvidence: lambda effect: self._spawn(evidence.seek(effect, telephony, sink, listener)),
            FindNumbers: lambda effect: self._spawn(self._find_numbers(effect)),
            CountChannels: lambda effect: self._spawn(self._count(effect)),
            Announce: listener,
        }

    def carry_out(self, effects: Iterable[Effect], halted: Callable[[CampaignId | None], bool]) -> None:
        """Carry out a turn's effects in order. `halted`: whether a campaign's pause or stop has arrived."""
        for effect in effects:
            if isinstance(effect, Originate):
                self._originate(effect, halted)
            elif (carry := self._carriers.get(type(effect))) is not None:
                carry(effect)

    def begin(self) -> None:
        """What has to be read before anything may be dialed."""
        self._spawn(self._load_dnc())

    async def close(self) -> None:
        """Cancel the look-ups that are still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _originate(self, order: Originate, halted: Callable[[CampaignId | None], bool]) -> None:
        rule = "halt" if halted(order.campaign) else None
        rule = rule or gate.recheck(self._world, order, self._clock.now().wall)
        if rule is not None:
            self._sink(OriginateWithheld(order.channel, rule))
        else:
            self._telephony.originate(order)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show(self, order: ShowCall) -> None:
        try:
            async with asyncio.timeout(READ_DEADLINE):
                row = await self._store.call(order.call)
        except (PortError, TimeoutError) as error:
            self._unread(error)
            detail = str(error) or "the store did not answer in 10 s"
            self._listener(Announce("webhook.untold", {"call": order.call, "detail": detail}))
            return
        if row is not None:
            self._sink(CallShown(order.call, order.kind, call_view(row)))

    async def _load(self, order: LoadReady) -> None:
        try:
            async with self._loads, asyncio.timeout(READ_DEADLINE):
                batch = await self._store.ready(
                    order.campaign, self._clock.now().wall, order.held, order.limits, order.recent_since
                )
        except (PortError, TimeoutError) as error:
            self._unread(error)
            self._sink(LoadFailed(order.campaign, str(error) or "the store did not answer in 10 s"))
            return
        self._sink(ReadyLoaded(order.campaign, batch.contacts, order.held, batch.exhausted, batch.next_due))

    async def _seek_ready(self, order: SeekReady) -> None:
        try:
            async with self._loads, asyncio.timeout(READ_DEADLINE):
                found = await self._store.ready_under(
                    order.campaign,
                    self._clock.now().wall,
                    order.held,
                    order.prefixes,
                    order.behind,
                    order.limit,
                    order.recent_since,
                )
        except (PortError, TimeoutError) as error:
            self._unread(error)
            self._sink(LoadFailed(order.campaign, str(error) or "the store did not answer in 10 s"))
            return
        dry = len(found) < order.limit
        self._sink(ReadySought(order.campaign, order.trunk, tuple(found), order.held, dry))

    async def _find_numbers(self, order: FindNumbers) -> None:
        try:
            async with asyncio.timeout(READ_DEADLINE):
                found = await self._store.waiting_under(order.pattern, order.limit)
        except (PortError, TimeoutError) as error:
            self._unread(error)
            # The numbers are listed: the planner takes out what could not be found now.
            found = ()
        more = len(found) >= order.limit
        self._sink(NumbersFound(order.pattern, tuple(found), more))

    async def _load_dnc(self) -> None:
        """Read the do-not-call list, again and again until it can be read."""
        while True:
            try:
                dnc = await self._store.dnc()
            except PortError as error:
                self._unread(error)
                self._sink(DncUnreadable(f"the do-not-call list cannot be read: {error}"))
                await asyncio.sleep(DNC_RETRY)
            else:
                self._sink(DncLoaded(dnc.version, dnc.patterns))
                return

    def _unread(self, error: PortError | TimeoutError) -> None:
        if isinstance(error, PortError) and not error.retryable:
            self._on_damage(error)

    async def _count(self, order: CountChannels) -> None:
        try:
            snapshot = await self._telephony.snapshot()
        except PortError:
            # The next audit asks again; a connection that is lost is reconciled.
            return
        self._sink(
            ChannelsCounted(order.boot, snapshot.live, snapshot.media, self._media.held(), snapshot.persons)
        )
