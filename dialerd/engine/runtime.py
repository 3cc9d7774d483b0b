"""The engine: one task, one mailbox, one writer. Every change of a call or a campaign is a turn of it.

A turn takes what has happened, decides (`dialerd.core.step`), commits, adopts, and only then acts and answers.
It awaits nothing but its commit. What fails in the store is thrown away whole and dialing stops until the
store is back; a commit that got no answer is waited for; what fails in one event costs that event alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import structlog

from dialerd.core.clock import MICROS_PER_MILLI, Instant
from dialerd.core.commands import (
    AddWebhook,
    Answer,
    ChangeWebhook,
    Command,
    Done,
    Halting,
    Panic,
    RemoveWebhook,
)
from dialerd.core.compliance import Compliance
from dialerd.core.effects import (
    Announce,
    Effect,
    HangUp,
    WakeAt,
    WakeAtWall,
)
from dialerd.core.errors import InDoubtError, InvariantError, PortError
from dialerd.core.handover import person_of
from dialerd.core.identity import CampaignId, ChannelId, InstanceId, call_of
from dialerd.core.journal import Author, Entry, RequestDone
from dialerd.core.messages import (
    Event,
    Tick,
)
from dialerd.core.model import Campaign, TryState
from dialerd.core.policy import Policy
from dialerd.core.step import step
from dialerd.core.trunk import Trunk
from dialerd.core.usage import HOUR, HOURS
from dialerd.core.world import World
from dialerd.engine import recovery
from dialerd.engine.author import author
from dialerd.engine.barrier import Barrier
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.failpoint import Failpoint
from dialerd.engine.memory import Memory
from dialerd.engine.outage import Outage
from dialerd.engine.outbox import Outbox
from dialerd.engine.status import Carried
from dialerd.engine.taken import Asked, Doubt, Taken
from dialerd.ports import Clock, Media, Store, Telephony

MAX_EVENTS = 256
OVERLOAD = 2_000
SLOW_COMMIT = 100 * MICROS_PER_MILLI
COMMAND_DEADLINE = 15.0
WALL_CHECK = 5.0
"""Seconds after which a wall-clock wake-up is looked at again, since the wall clock may be stepped."""

_HUNG_UP = (
    "every call is being hung up and none is placed; that cannot be written down until the store is back"
)
_OF_WEBHOOKS = (AddWebhook, ChangeWebhook, RemoveWebhook)
_log = structlog.get_logger("dialerd.engine")


class Engine:
    """The one owner of the world."""

    def __init__(
        self,
        instance: InstanceId,
        policy: Policy,
        trunks: Iterable[Trunk],
        store: Store,
        clock: Clock,
        listener: Callable[[Announce], None],
        compliance: Compliance | None = None,
        failpoint: Failpoint | None = None,
    ) -> None:
        configured = tuple(trunks)
        self._world = World.empty(instance, policy, configured, compliance)
        self._store = store
        self._clock = clock
        self._listener = listener
        self._failpoint = failpoint
        self._events: deque[Event] = deque()
        self._asked: deque[Asked] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._barrier = Barrier()
        self._dispatcher: Dispatcher | None = None
        self._idle = asyncio.Event()
        self._outage = Outage()
        self._doubt: Doubt | None = None
        self._last_commit = 0
        self.outbox = Outbox(configured)
        self.memory = Memory(self._world, store, clock, self._outage)
        """What is known, as committed."""

    # --- what others may do ----------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Tell the engine what happened. Never blocks; from the loop's thread only."""
        if self._failpoint is not None:
            self._failpoint.heard(event)
        self._barrier.saw(event)
        self._events.append(event)
        self._wake.set()

    async def command(self, command: Command, done: RequestDone | None = None) -> Carried:
        """Carry out a command: it is committed when this returns, with the request `done` that asked for it.

        A pause or stop returns when every originate already sent has shown itself. Raises `PortError` if the
        store is out or the engine does not answer in time, `InvariantError` if the request was carried out before.
        """
        if isinstance(command, Panic) and self._outage.fault is not None:
            # The store may take seconds to fail once more.
            self._hang_up_all(author())
        asked = Asked(command, asyncio.get_running_loop().create_future(), author(), done)
        self._asked.append(asked)
        self._wake.set()
        try:
            async with asyncio.timeout(COMMAND_DEADLINE):
                answer, wait = await asked.answer
        except TimeoutError:
            raise PortError(
                "the engine did not answer in 15 s; see the daemon's log", retryable=True
            ) from None
        except asyncio.CancelledError:
            if asked.answer.done() and not asked.answer.cancelled() and asked.answer.exception() is None:
                self._barrier.forget(asked.answer.result()[1])
            raise
        return Carried(answer, await self._barrier.wait_shown(wait) if wait is not None else 0)

    # --- life ------------------------------------------------------------------------------------

    async def restore(self) -> Sequence[Campaign]:
        """Take up what the store holds. Returns the live campaigns."""
        now = self._clock.now().wall
        since = Instant(now - self._world.policy.min_gap)
        trunks = [line.trunk for line in self._world.lines.committed.values()]
        counted = any(len(trunk.caller_ids) > 1 or trunk.caller_id_cap is not None for trunk in trunks)
        state = await self._store.open_state(since, Instant(now - HOURS * HOUR) if counted else None)
        recovery.restore(self._world, state, self._clock.now())
        self.outbox.begin_behind(state.last_delivery)
        _log.info("engine.restored", campaigns=len(state.campaigns), open_calls=len(state.calls))
        return state.campaigns

    async def run(self, telephony: Telephony, media: Media) -> None:
        """Take turns until cancelled."""
        self._dispatcher = Dispatcher(
            self._world, self._store, telephony, media, self._clock, self.post, self._listener, self._broke
        )
        self._dispatcher.begin()
        self._events.append(Tick())
        self._wake.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._turn()
                if self._asked or (self._events and not self._resting()):
                    self._wake.set()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._refuse_queued(PortError("the daemon is shutting down", retryable=True))
            await self._dispatcher.close()

    async def drain(self) -> None:
        """Place no new calls; return when the last live one has closed, or at once if none can be closed any more."""
        self.memory.draining = True
        if not self._world.calls.committed or self._outage.broken is not None:
            return
        self._idle.clear()
        await self._idle.wait()

    # --- turns -----------------------------------------------------------------------------------

    async def _turn(self) -> None:
        if self._outage.broken is not None:
            self._refuse(self._heard(), self._outage.broken)
            return
        if self._doubt is not None and not await self._settle(self._doubt):
            return
        asked = self._heard()
        count = 0 if self._resting() else min(MAX_EVENTS, len(self._events))
        if not count and not asked:
            if self._resting():
                # The timer may have fired a moment too early; it is set to the milliseconds that are left.
                self._set_timer((), planned=False)
            return
        events = [self._events.popleft() for _ in range(count)]
        try:
            await self._take(events, asked)
        except InvariantError as error:
            _log.error("engine.turn_failed", detail=str(error), events=len(events), commands=len(asked))
            await self._one_by_one(events, asked)
        except PortError as error:
            if self._doubt is None:
                self._store_failed(error, events, asked)
            else:
                self._store_failed(error, (), ())
        self._end_drain()

    def _heard(self) -> list[Asked]:
        # A command whose caller has given up must not be carried out after all.
        asked = [item for item in self._asked if not item.answer.done()]
        self._asked.clear()
        return asked

    def _end_drain(self) -> None:
        if self.memory.draining and not self._world.calls.committed:
            self._idle.set()

    def _resting(self) -> bool:
        return self._outage.resting(self._clock.now().mono)

    async def _take(self, events: Sequence[Event], asked: Sequence[Asked], *, replay: bool = False) -> None:
        now = self._clock.now()
        planning = (
            not self.memory.draining
            and not replay
            and len(self._events) < OVERLOAD
            and self._last_commit < SLOW_COMMIT
            and not self._resting()
        )
        self._last_commit = 0
        owed = self._outage.owed
        commands = [*(command for command, _ in owed), *(item.command for item in asked)]
        try:
            turn, answers = step(self._world, events, commands, now, planning=planning)
            told = [(command, answer, by) for (command, by), answer in zip(owed, answers, strict=False)]
            taken = Taken(events, asked, turn, answers[len(owed) :], planning, told)
            entries = [*taken.entries, *self.outbox.entries(self._world, turn.facts, now)]
            if entries:
                await self._commit(taken, entries)
            elif self._outage.fault is not None:
                await self._store.probe()
                self._outage.recovered()
        except (PortError, InvariantError):
            if self._doubt is None:
                self._world.discard()
            raise
        except Exception as error:
            # A bug in a decision must cost its own event, not the daemon: the batch is replayed singly.
            self._world.discard()
            _log.exception("engine.step_raised")
            raise InvariantError(f"{type(error).__name__}: {error}") from error
        self._carry_out(taken)

    def _carry_out(self, taken: Taken) -> None:
        """The turn is stored: make it true, answer, act."""
        self._world.adopt()
        for item, answer in zip(taken.asked, taken.answers, strict=True):
            self._answer(item, answer)
        if self._dispatcher is not None:
            self._dispatcher.carry_out(taken.turn.effects, self._halted)
        self._set_timer(taken.turn.effects, planned=taken.planned)
        if taken.turn.facts or any(isinstance(item.command, _OF_WEBHOOKS) for item in taken.asked):
            self.outbox.stored(taken.turn.facts)

    def _answer(self, item: Asked, answer: Answer) -> None:
        if item.answer.done():
            return
        wait = None
        if isinstance(answer, Done) and isinstance(item.command, Halting):
            # Events of the same turn, taken after the command, may have shown some of them.
            open_still = (channel for channel in answer.await_shown if self._unshown(channel))
            wait = self._barrier.expect(open_still, self._events)
        item.answer.set_result((answer, wait))

    def _unshown(self, channel: ChannelId) -> bool:
        call = self._world.calls.committed.get(call_of(channel))
        return call is not None and call.current.channel == channel and call.current.state is TryState.OPEN

    async def _commit(self, taken: Taken, entries: Sequence[Entry]) -> None:
        if self._failpoint is not None:
            self._failpoint.committing(entries)
        commit = asyncio.ensure_future(self._store.commit(entries))
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            try:
                await commit
            except (PortError, InvariantError):
                self._world.discard()
            else:
                self._world.adopt()
            raise
        except InDoubtError as error:
            self._doubt = Doubt(error.transaction, taken)
            if taken.panicker is not None:
                self._hang_up_all(taken.panicker)
            raise
        if self._failpoint is not None:
            self._failpoint.committed(entries)
        self._last_commit = self._clock.now().mono - taken.turn.now.mono
        self._outage.recovered()

    def _halted(self, campaign: CampaignId | None) -> bool:
        """Whether a pause, stop or panic that concerns the campaign is waiting for the next turn."""
        return any(
            isinstance(item.command, Halting) and getattr(item.command, "campaign", campaign) == campaign
            for item in self._asked
        )

    def _set_timer(self, effects: Sequence[Effect], *, planned: bool) -> None:
        now = self._clock.now()
        waits: list[float] = []
        if self._outage.fault is not None:
            waits.append((self._outage.retry_at - now.mono) / 1e6)
        elif not planned and not self.memory.draining:
            # Nothing was planned in this turn, whatever was due: plan in the next.
            waits.append(0.0)
        for effect in effects:
            if isinstance(effect, WakeAt):
                waits.append((effect.at - now.mono) / 1e6)
            elif isinstance(effect, WakeAtWall):
                waits.append(min(WALL_CHECK, (effect.at - now.wall) / 1e3))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waits:
            delay = max(0.0005, min(waits))
            self._timer = asyncio.get_running_loop().call_later(delay, self.post, Tick())

    # --- faults ----------------------------------------------------------------------------------

    async def _one_by_one(self, events: Sequence[Event], asked: Sequence[Asked]) -> None:
        """Replay a failed batch so that the event at fault fails alone."""
        for index, item in enumerate(asked):
            try:
                await self._take((), (item,), replay=True)
            except InvariantError as error:
                _fail(item, error)
            except PortError as error:
                if self._doubt is not None:
                    self._asked.extendleft(reversed(asked[index + 1 :]))
                    self._store_failed(error, events, ())
                    return
                _fail(item, error)
        # Whatever becomes of the replays, the next turn comes and plans.
        self.post(Tick())
        for index, event in enumerate(events):
            try:
                await self._take((event,), (), replay=True)
            except InvariantError as error:
                _log.error("engine.event_failed", event_kind=type(event).__name__, detail=str(error))
            except PortError as error:
                # An event in doubt is not over; one that was not stored comes again.
                self._store_failed(error, events[index + (self._doubt is not None) :], ())
                return

    async def _settle(self, doubt: Doubt) -> bool:
        """Learn what became of the turn in doubt, and go on from there; False: that is not known yet."""
        if self._resting() and not self._asked:
            self._set_timer((), planned=False)
            return False
        try:
            stored = await self._store.settle(doubt.transaction)
        except PortError as error:
            self._store_failed(error, (), self._heard())
            return False
        _log.info("store.settled", stored=stored)
        self._doubt = None
        if stored:
            self._carry_out(doubt.taken)
        else:
            self._world.discard()
            self._events.extendleft(reversed(doubt.taken.events))
            self._asked.extendleft(reversed(doubt.taken.asked))
        return True

    def _store_failed(self, error: PortError, events: Sequence[Event], asked: Sequence[Asked]) -> None:
        """Stop dialing; keep the events for when the store is back, refuse the commands."""
        self._outage.failed(error, self._clock.now().mono)
        if self._outage.broken is not None:
            self._idle.set()
        self._events.extendleft(reversed(events))
        self._refuse(asked, error)
        self._set_timer((), planned=False)

    def _broke(self, error: PortError) -> None:
        self._outage.broke(error)
        self._idle.set()

    def _refuse(self, asked: Sequence[Asked], error: PortError) -> None:
        """The store is out: nothing is carried out but a panic, which hangs up at once and is written later."""
        for item in asked:
            if isinstance(item.command, Panic):
                self._hang_up_all(item.by)
                _fail(item, PortError(f"{_HUNG_UP}: {error}", retryable=error.retryable))
            else:
                _fail(item, error)

    def _hang_up_all(self, by: Author) -> None:
        self._outage.owe_panic(by)
        calls = self._world.calls.committed.values()
        channels = [call.current.channel for call in calls]
        channels += [person for call in calls if (person := person_of(call)) is not None]
        if self._dispatcher is not None:
            self._dispatcher.carry_out([HangUp(channel) for channel in channels], self._halted)

    def _refuse_queued(self, error: PortError) -> None:
        while self._asked:
            _fail(self._asked.popleft(), error)


def _fail(item: Asked, error: InvariantError | PortError) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)
