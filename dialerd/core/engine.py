"""What the rules know of engines: the programs that hold conversations, each with so many sessions.

Shapes only. How an engine is spoken with is the media workers' business; which calls may be placed for one is decided
in `dialerd.core.sessions`.
"""

from __future__ import annotations

from dialerd.core.record import record

EMBEDDED = "embedded"
"""The engine that is always there: it speaks scripts."""
TWILIO = "twilio-stream"
"""The kind of engines that hold calls as they hold Twilio's: what a call is to do can be told them anew."""
DIRECT = "asterisk"
"""The kind of engines to which Asterisk itself leads."""


@record
class EngineState:
    """What an engine can hold now."""

    sessions: int
    """Calls at a time."""
    detail: str = ""
    """What is wrong, and how to mend it: why it holds none, or what became of the calls that it failed last."""


@record
class StandIn:
    """An agent that takes a call which the one before it could not take, as it was when the call was planned."""

    agent_id: str
    engine: str
    script_id: str
    """Empty: its engine needs none."""
    script_version: int
    language: str
    """In its script's own spelling."""
    voice: str | None = None


@record
class Takeover:
    """Who took a call instead of its own agent, and why."""

    agent_id: str
    engine: str
    detail: str
