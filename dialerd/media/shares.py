"""What each of several media workers may hold, so that all together never hold more than one would alone.

Pure. The workers know nothing of each other: what is not given to one of them, it does not take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dialerd.core.engine import EngineState
from dialerd.media.engine_settings import EngineSettings


def share(whole: int, workers: int, worker: int, first: int = 0) -> int:
    """Of `whole` what worker number `worker` of `workers` has; what is left over goes one each, from `first` on.

    Workers count from 0. The shares of all of them are `whole`.
    """
    return whole // workers + ((worker - first) % workers < whole % workers)


def engines_of(engines: Sequence[EngineSettings], workers: int, worker: int) -> tuple[EngineSettings, ...]:
    """The engines that a worker has, with its share of their sessions.

    Each engine begins with another worker, so that several small ones do not all end up with the first.
    """
    given = (
        replace(engine, max_sessions=share(engine.max_sessions, workers, worker, place % workers))
        for place, engine in enumerate(engines)
    )
    return tuple(engine for engine in given if engine.max_sessions > 0)


def together(states: Iterable[Mapping[str, EngineState]]) -> dict[str, EngineState]:
    """What several workers' engines can hold, and what is wrong with them at any."""
    found: dict[str, EngineState] = {}
    for told in states:
        for name, state in told.items():
            before = found.get(name, EngineState(0))
            found[name] = EngineState(before.sessions + state.sessions, before.detail or state.detail)
    return found
