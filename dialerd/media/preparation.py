"""The scripts that a media worker is told to have ready: learned at once, rendered one after the other.

It says what came of each to who asked, and knows nothing of calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from dialerd.core.errors import DialerError, RequestError
from dialerd.media import wire
from dialerd.media.conversation import Agent
from dialerd.media.readiness import Readiness

_log = structlog.get_logger("dialerd.media")


class Preparation:
    """`prepare` takes an order and `say`s the answer when there is one; `drop` orders, and `cancel` at the end."""

    def __init__(self, agent: Agent, readiness: Readiness, say: Callable[[wire.Prepared], None]) -> None:
        self._agent = agent
        self._readiness = readiness
        self._say = say
        self._one_at_a_time = asyncio.Lock()
        self._renderings: set[asyncio.Task[None]] = set()

    def prepare(self, order: wire.Prepare) -> None:
        """Learn a script, so that a call which is attached next finds it; the rendering takes its time."""
        try:
            self._agent.learn(order.script_id, order.version, order.body)
        except DialerError as error:
            self._say(wire.Prepared(order.request, str(error)))
            return
        task = asyncio.get_running_loop().create_task(self._render(order))
        self._renderings.add(task)
        task.add_done_callback(self._renderings.discard)

    def drop(self) -> None:
        """Who has asked is gone: the next one asks anew, and counts its requests from the start."""
        for task in self._renderings:
            task.cancel()

    async def cancel(self) -> None:
        """Render no more."""
        self.drop()
        await asyncio.gather(*self._renderings, return_exceptions=True)

    async def _render(self, order: wire.Prepare) -> None:
        fault, refused = None, False
        await self._readiness.tried.wait()
        try:
            # One after the other: the calls' own sentences come between.
            async with self._one_at_a_time:
                await self._agent.prepare(order.script_id, order.version, order.language, order.voice)
        except RequestError as error:
            fault, refused = "; ".join(each.msg for each in error.faults) or error.detail, True
        except DialerError as error:
            fault = self._readiness.agent_fault or str(error)
        except Exception as error:  # noqa: BLE001 - one script must not end the worker
            _log.error("media.agent_broken", script=order.script_id, exc_info=error)
            fault = f"{type(error).__name__}: {error}"
        self._say(wire.Prepared(order.request, fault, refused))
