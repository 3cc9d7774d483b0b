"""How long the daemon's side of the media workers waits for what."""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.media.supervisor import SupervisorTiming


@dataclass(frozen=True, slots=True)
class PoolTiming:
    """Waits in seconds."""

    pulse: float = 4.0
    """For a sign of life."""
    first_audio: float = 2.0
    """From an answer to the agent's first audio."""
    prepare: float = 30.0
    """For a script's prompts."""
    backoff: float = 0.2
    longest_backoff: float = 5.0
    steady: float = 10.0
    """A worker that lasted so long was a good one: the next is started at once."""
    grace: float = 10.0
    """For which a worker without a daemon keeps its calls."""
    supervisor: SupervisorTiming = SupervisorTiming()


USUAL = PoolTiming()
