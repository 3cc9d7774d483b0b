"""Waiting for what an adapter reports, always with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dialerd.core.messages import Event

E = TypeVar("E")


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, kind: type[E], count: int = 1, seconds: float = 20.0) -> E:
        """The `count`-th event of a kind, once it is there."""
        await until(lambda: len(self.of(kind)) >= count, seconds)
        return self.of(kind)[count - 1]
