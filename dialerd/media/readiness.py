"""Whether a media worker can hold calls: its agent, its address, Asterisk, and whether its loop keeps up.

It tries again until all is well, and looks again when Asterisk has failed calls. What is told to whom is its owner's
business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dialerd.core.errors import PortError
from dialerd.media.ari import MediaAri
from dialerd.media.conversation import Agent
from dialerd.media.lag import Lag, watch
from dialerd.media.probe import prove
from dialerd.media.reception import Reception

_log = structlog.get_logger("dialerd.media")


class Readiness:
    """`fault` says what keeps the worker from holding calls, and how to mend it; `changed` is told when it has changed.

    `retry` and `longest_retry` are seconds between attempts, `latest` is by how many the loop may be late.
    """

    def __init__(
        self,
        agent: Agent,
        ari: MediaAri,
        reception: Reception,
        changed: Callable[[], None],
        *,
        retry: float,
        longest_retry: float,
        latest: float,
    ) -> None:
        self._agent = agent
        self._ari = ari
        self._reception = reception
        self._changed = changed
        self._retry, self._longest_retry = retry, longest_retry
        self._latest = latest
        self._lag = Lag(latest)
        self._fault = "it has not tried yet"
        self._late = ""
        self.agent_fault = ""
        """What is wrong with the agent alone."""
        self.tried = asyncio.Event()
        """Set once Asterisk was swept and all has been tried to get ready."""

    @property
    def is_late(self) -> bool:
        """Whether all that is wrong is that its loop does not keep up."""
        return bool(self._late) and not self._fault

    def take_lag(self) -> float:
        """Seconds by which the loop was late at most since this was last asked."""
        return self._lag.take_most()

    @property
    def fault(self) -> str:
        """Empty: nothing is wrong."""
        return self._fault or self._late

    async def keep(self) -> None:
        """Get ready, and again when that is lost, until cancelled."""
        watching = asyncio.ensure_future(watch(self._lag, self._on_lag))
        try:
            await self._sweep()
            await self._keep()
        finally:
            watching.cancel()

    async def _keep(self) -> None:
        failures = 0
        while True:
            fault = await self._look()
            failures = failures + 1 if fault else 0
            self.tried.set()
            self._set(fault)
            if not fault:
                self._set(await self._ari.health.wait_ill())
            wait = self._retry * 2.0 ** min(max(failures - 1, 0), 10)
            await asyncio.sleep(min(wait, self._longest_retry))

    async def _look(self) -> str:
        self.agent_fault = await fault_of(self._agent.start())
        deaf = await fault_of(self._reception.open())
        unfit = "" if deaf else await fault_of(prove(self._ari, self._reception))
        if not deaf and not unfit:
            self._ari.health.recovered()
        return "; ".join(fault for fault in (self.agent_fault, deaf, unfit) if fault)

    async def _sweep(self) -> None:
        """Remove what a worker that died has left in Asterisk, before anything of ours is there."""
        try:
            swept = await self._ari.sweep()
        except PortError as error:
            _log.info("media.not_swept", detail=str(error))
        else:
            if swept:
                _log.info("media.swept", count=swept)

    def _on_lag(self) -> None:
        self._late = ""
        if self._lag.too_late:
            self._late = (
                f"its event loop is {self._lag.mean:.2f} s late, more than {self._latest:g} s: it is overloaded and "
                "gets no new calls until this is over; see media.workers and media.max_sessions"
            )
        self._changed()

    def _set(self, fault: str) -> None:
        self._fault = fault
        self._changed()


async def fault_of(work: Awaitable[None]) -> str:
    """What went wrong; empty: nothing."""
    try:
        await work
    except PortError as error:
        return str(error)
    return ""
