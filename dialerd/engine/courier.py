"""Delivers what the outbox holds: reads what waits, sends it in its order, and keeps what became of it.

It wakes when a turn has queued something, when an attempt is over and when the next one is due; it polls nothing. What
became of an attempt is written a few at a time, below dialing; what a crash forgets of that is delivered again. It
decides nothing about calls, and no call waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from dialerd.core.backlog import NOW, Backlog
from dialerd.core.clock import MICROS_PER_MILLI, Instant, Millis, Mono, mono_after
from dialerd.core.commands import ChangeWebhook
from dialerd.core.delivery import (
    GONE,
    LONGEST_WAIT,
    MOST_PATIENCE,
    Delivery,
    DeliveryNumber,
    DeliveryState,
    Patience,
    Reply,
    judge,
    message_id,
)
from dialerd.core.errors import DialerError, PortError
from dialerd.core.record import replace
from dialerd.core.webhook import Webhook, WebhookId
from dialerd.engine.runtime import Engine
from dialerd.ports import Clock, Kept, Message, Store, Webhooks

SIDE_BY_SIDE = 32
"""Deliveries to one webhook that may be under way at once."""
WINDOW = 1_000
"""Deliveries of one webhook that are held in memory."""
BATCH = 200
"""Deliveries read at a time."""
GATHER = 0.02
"""Seconds in which what is queued is read together."""
NOTE_EVERY = 0.25
"""Seconds between two writings of what became of attempts."""
STORE_RETRY = 2.0
TIDY_EVERY = 3_600.0
TIDY_AFTER = 5_000
"""Seconds, or deliveries that are over, after which what is not to be kept is forgotten."""
GRACE = 2.0
"""Seconds that attempts under way have when the daemon goes down."""
LONGEST_DUE = Millis(max(LONGEST_WAIT, MOST_PATIENCE) * 2)
"""However far the wall clock was stepped, a delivery does not wait longer."""

_log = structlog.get_logger("dialerd.webhooks")


@dataclass(slots=True)
class Figures:
    """What the courier has to show for itself, since the start."""

    delivered: int = 0
    failed: int = 0
    """Attempts that were not taken."""


class Courier:
    """All webhooks of this installation."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        webhooks: Webhooks,
        clock: Clock,
        patience: Patience,
        keep: Mapping[DeliveryState, tuple[Millis, int]],
        jitter: Callable[[], float],
    ) -> None:
        """`keep`: for each state how long, and how many of each webhook, are kept; `jitter`: draws 0 to 1."""
        self._engine = engine
        self._store = store
        self._webhooks = webhooks
        self._clock = clock
        self._patience = patience
        self._keep = keep
        self._jitter = jitter
        self.figures = Figures()
        self._wake = engine.outbox.filled
        self._lanes: dict[WebhookId, _Lane] = {}
        self._outcomes: dict[DeliveryNumber, Delivery] = {}
        """What is not written yet, by delivery: the store still says that it waits."""
        self._settled = asyncio.Event()
        self._books = asyncio.Lock()
        """Held from a look into the store until memory agrees with what was seen."""
        self._untidy = asyncio.Event()
        self._over_since_tidy = 0
        self._told: str | None = None
        """What was last said of the store."""
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = False

    async def run(self) -> None:
        """Deliver until cancelled; then let what is under way come to its end, and write it down."""
        parts = [asyncio.ensure_future(part) for part in (self._deliver(), self._write(), self._tidy())]
        try:
            await asyncio.gather(*parts)
        finally:
            self._closing = True
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            if self._sending:
                await asyncio.wait(self._sending, timeout=GRACE)
            for task in list(self._sending):
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            # The store may be out: then these are delivered again.
            with suppress(PortError):
                await self._note()

    # --- what others may do ----------------------------------------------------------------------

    async def again(self, webhook: WebhookId, number: DeliveryNumber) -> Delivery | None:
        """Send one delivery again, whatever became of it, as if it had never been tried; None: there is none.

        One that is under way stays so. Raises `PortError`.
        """
        await self._note()
        async with self._books:
            found = await self._store.delivery(webhook, number)
            if found is None or self._is_flying(webhook, number):
                return found
            now = self._clock.now().wall
            fresh = replace(found, state=DeliveryState.WAITING, attempts=0, due_at=now, finished_at=None)
            await self._store.note_deliveries([fresh])
            lane = self._lanes.get(webhook)
            if lane is not None and not lane.backlog.is_flying(number):
                lane.backlog.done(number)
        self._look_anew(webhook)
        return fresh

    async def again_dead(self, webhook: WebhookId) -> int:
        """Send all dead deliveries of a webhook again; how many. Raises `PortError`."""
        await self._note()
        async with self._books:
            revived = await self._store.revive_dead(webhook, self._clock.now().wall)
        self._look_anew(webhook)
        return revived

    def _is_flying(self, webhook: WebhookId, number: DeliveryNumber) -> bool:
        lane = self._lanes.get(webhook)
        return lane is not None and lane.backlog.is_flying(number)

    def _look_anew(self, webhook: WebhookId) -> None:
        lane = self._lanes.get(webhook)
        if lane is not None:
            lane.behind = DeliveryNumber(0)
            lane.more = True
        self._wake.set()

    # --- sending ---------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._refill()
            except PortError as error:
                await self._rest(error)
                self._wake.set()
            self._launch()
            await self._wait()

    async def _wait(self) -> None:
        sendable = (lane for webhook, lane in self._lanes.items() if self._enabled(webhook) is not None)
        dues = [due for lane in sendable if (due := lane.backlog.next_due()) is not None]
        patience = None
        if dues:
            patience = max(0.0, (min(dues) - self._clock.now().mono) / (1_000 * MICROS_PER_MILLI))
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()
                await asyncio.sleep(GATHER)

    async def _refill(self) -> None:
        queued = self._engine.outbox.queued
        hooks = self._engine.memory.webhooks
        for gone in self._lanes.keys() - hooks.keys():
            del self._lanes[gone]
            self._webhooks.forget(gone)
            self._untidy.set()
        # Webhooks may come and go while the store is asked.
        for webhook, hook in list(hooks.items()):
            lane = self._lanes.get(webhook)
            if lane is None:
                lane = self._lanes[webhook] = _Lane(Backlog(SIDE_BY_SIDE))
            if queued.pop(webhook, 0):
                lane.more = True
            if hook.disabled is None:
                await self._fill(webhook, lane)

    async def _fill(self, webhook: WebhookId, lane: _Lane) -> None:
        while lane.more and len(lane.backlog) < WINDOW:
            async with self._books:
                rows = await self._store.waiting_deliveries(webhook, lane.behind, BATCH)
                now = self._clock.now()
                for row in rows:
                    if row.number not in self._outcomes:
                        lane.backlog.add(row, _due(row, now.wall, now.mono))
            lane.behind = rows[-1].number if rows else lane.behind
            lane.more = len(rows) == BATCH

    def _launch(self) -> None:
        now = self._clock.now().mono
        for webhook, lane in self._lanes.items():
            hook = self._enabled(webhook)
            while not self._closing and hook is not None:
                delivery = lane.backlog.take(now)
                if delivery is None:
                    break
                task = asyncio.get_running_loop().create_task(self._send(hook, lane, delivery))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            if lane.more and len(lane.backlog) < WINDOW // 2:
                self._wake.set()

    def _enabled(self, webhook: WebhookId) -> Webhook | None:
        """The webhook, if it is there and anything is to be sent to it."""
        hook = self._engine.memory.webhooks.get(webhook)
        return hook if hook is not None and hook.disabled is None else None

    async def _send(self, hook: Webhook, lane: _Lane, delivery: Delivery) -> None:
        reply = await self._attempt(hook, delivery)
        now = self._clock.now()
        after = judge(delivery, reply, self._patience, now.wall, self._jitter())
        self._outcomes[after.number] = after
        self._settled.set()
        if after.state is DeliveryState.WAITING:
            lane.backlog.again(after, mono_after(now.mono, Millis(after.due_at - now.wall)))
        else:
            lane.backlog.done(after.number)
            self._count_over()
        self._note_figures(hook, after)
        if reply.accepted:
            lane.failing_since = None
            lane.backlog.hurry()
        elif (why := self._hopeless(lane, reply, now.mono)) is not None:
            await self._disable(hook, why)
        self._launch()
        self._wake.set()

    async def _attempt(self, hook: Webhook, delivery: Delivery) -> Reply:
        message = Message(message_id(delivery.number), hook.id, hook.url, hook.secret, delivery.body)
        try:
            return await self._webhooks.send(message)
        except Exception as error:  # noqa: BLE001 - a bug must cost its own attempt alone
            _log.exception("webhook.attempt_raised", webhook=hook.id)
            return Reply(None, f"could not be sent: {type(error).__name__}; see the daemon's log")

    def _note_figures(self, hook: Webhook, after: Delivery) -> None:
        if after.state is DeliveryState.DELIVERED:
            self.figures.delivered += 1
            return
        self.figures.failed += 1
        if after.state is DeliveryState.DEAD:
            ident, kind = message_id(after.number), after.event
            _log.warning(
                "webhook.delivery_dead", webhook=hook.id, delivery=ident, told=kind, detail=after.detail
            )

    def _count_over(self) -> None:
        self._over_since_tidy += 1
        if self._over_since_tidy >= TIDY_AFTER:
            self._untidy.set()

    def _hopeless(self, lane: _Lane, reply: Reply, now: Mono) -> str | None:
        """Why a webhook is to be told nothing any more, after an attempt that failed; None: it is tried again."""
        if reply.status == GONE:
            return "its receiver answered 410 Gone: it does not want to be told any more"
        if lane.failing_since is None:
            lane.failing_since = now
        hours = self._patience.give_up / 3_600_000
        if now < mono_after(lane.failing_since, self._patience.give_up):
            return None
        # Whoever enables it gives it as much time again.
        lane.failing_since = None
        return (
            f"its receiver has taken nothing for {hours:g} hours; what waits is kept: mend it, then enable it"
        )

    async def _disable(self, hook: Webhook, why: str) -> None:
        if self._enabled(hook.id) is None:
            return
        _log.warning("webhook.disabled", webhook=hook.id, detail=why)
        try:
            await self._engine.command(ChangeWebhook(hook.id, {"disabled": why}))
        except DialerError as error:
            # The next delivery is answered like this one.
            _log.warning("webhook.not_disabled", webhook=hook.id, detail=str(error))

    # --- keeping ---------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            await self._settled.wait()
            await asyncio.sleep(NOTE_EVERY)
            self._settled.clear()
            try:
                await self._note()
            except PortError as error:
                await self._rest(error)
                self._settled.set()

    async def _note(self) -> None:
        """Write what became of deliveries; what cannot be written is kept. Raises `PortError`."""
        async with self._books:
            found = dict(self._outcomes)
            await self._store.note_deliveries(list(found.values()))
            for number, row in found.items():
                if self._outcomes.get(number) is row:
                    del self._outcomes[number]
        self._told = None

    async def _tidy(self) -> None:
        while True:
            self._untidy.clear()
            self._over_since_tidy = 0
            try:
                await self._drop()
            except PortError as error:
                await self._rest(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(TIDY_EVERY):
                    await self._untidy.wait()

    async def _rest(self, error: PortError) -> None:
        """The store is out: say so once, and leave it alone for a while."""
        if str(error) != self._told:
            self._told = str(error)
            _log.warning("webhook.store_out", detail=self._told)
        await asyncio.sleep(STORE_RETRY)

    async def _drop(self) -> None:
        now = self._clock.now().wall
        kept = {state: Kept(Instant(now - age), most) for state, (age, most) in self._keep.items()}
        for webhook in list(self._engine.memory.webhooks):
            await self._store.drop_deliveries(webhook, kept)
        await self._store.drop_orphans()


@dataclass(slots=True)
class _Lane:
    """One webhook: what of its deliveries is in memory, and how far the store was read."""

    backlog: Backlog
    behind: DeliveryNumber = DeliveryNumber(0)
    more: bool = True
    """Whether the store may hold more that waits behind that."""
    failing_since: Mono | None = None
    """The first attempt that failed since one was taken."""


def _due(row: Delivery, now: Instant, mono: Mono) -> Mono:
    wait = min(LONGEST_DUE, row.due_at - now)
    return mono_after(mono, Millis(wait)) if wait > 0 else NOW
