"""What may be said of a call from outside: which labels there are, and what each means.

Some everybody knows; a script and an agent may declare labels of their own. What only the dialer can know, nobody
else may say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.clock import Instant, from_datetime, to_iso
from dialerd.core.disposition import CALLBACK_REQUESTED, CONNECTED
from dialerd.core.errors import Fault
from dialerd.core.labels import KNOWN, NOT_THE_AGENTS, in_script, of_agent, of_script
from dialerd.core.messages import LabelsDeclared
from dialerd.core.model import Declared, Label
from dialerd.core.retry import POSITIVE
from dialerd.engine.fields import Moment, Text
from dialerd.engine.runtime import Engine
from dialerd.ports import Page, Script, Store, VoiceAgent

MOST_CAPTURED = 100
LONGEST_CAPTURED = 2_000
_AT_A_TIME = 100
_GREATEST = 2**53
"""Beyond it JSON does not carry whole numbers faithfully."""
_TAG = re.compile(r"[a-z_]{1,64}")
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class LabelFields(BaseModel):
    """What a voice agent says of its call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    disposition: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description=f"{', '.join(KNOWN)}, or a label that the call's script or agent declares"
    )
    callback_at: Moment | None = Field(
        None, description="when the callee wants to be called again; with callback_requested only"
    )
    captured: dict[str, Any] = Field(
        {}, description="values that were learned: text, numbers, true or false; added to those known"
    )


def tag_fault(tag: str) -> str:
    """Why `tag` can be no label of an agent's own; empty: it can."""
    if not _TAG.fullmatch(tag):
        return "is not a label: 1 to 64 lower-case letters and '_'"
    return "is set by the dialer itself" if tag in NOT_THE_AGENTS else ""


def declared(script: Script | None, agents: Iterable[VoiceAgent | None]) -> dict[str, Declared]:
    """Every label that may be given to a call, and what it means; what the last agent declares comes first."""
    found = {label: Declared(label in POSITIVE) for label in KNOWN}
    found |= in_script(script.body) if script is not None else {}
    for agent in agents:
        found |= agent.dispositions if agent is not None else {}
    return found


class Declarations:
    """Keeps the engine told of what agents and scripts declare, so that no call has to ask the store."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    async def restore(self) -> None:
        """All that is stored and may be needed: every agent, and the scripts of live campaigns and calls."""
        offset, total = 0, 1
        while offset < total:
            agents, total = await self._store.agents(Page(_AT_A_TIME, offset))
            for agent in agents:
                self.agent(agent)
            offset += _AT_A_TIME
        for ident, version in self._engine.memory.scripts():
            script = await self._store.script(ident, version)
            if script is not None:
                self.script(script)

    def agent(self, agent: VoiceAgent) -> None:
        """An agent as it is from now on."""
        self._engine.post(LabelsDeclared(of_agent(agent.id), dict(agent.dispositions)))

    def gone(self, agent: str) -> None:
        """An agent that there is no more."""
        self._engine.post(LabelsDeclared(of_agent(agent), {}))

    def script(self, script: Script) -> None:
        """A script that calls may be placed with."""
        labels = in_script(script.body)
        if labels:
            self._engine.post(LabelsDeclared(of_script(script.id, script.version), labels))


def read_label(
    fields: LabelFields, allowed: Mapping[str, Declared], now: Instant
) -> tuple[Label, list[Fault]]:
    """The label that was asked for, and every fault of it."""
    faults = _captured_faults(fields.captured)
    name = fields.disposition or CONNECTED
    if fields.disposition is None:
        faults.append(Fault("disposition", "required"))
    elif name not in allowed:
        own = "is set by the dialer itself" if name in NOT_THE_AGENTS else "cannot be given to this call"
        faults.append(Fault("disposition", f"{own}; there are: {', '.join(allowed)}"))
    at = None if fields.callback_at is None else from_datetime(fields.callback_at)
    if at is not None and name != CALLBACK_REQUESTED:
        faults.append(Fault("callback_at", f"belongs to the disposition {CALLBACK_REQUESTED}"))
    elif at is not None and at <= now:
        faults.append(Fault("callback_at", f"must be in the future: it is {to_iso(now)} now"))
    about = allowed.get(name, Declared())
    return Label(name, about.positive, about.terminal, at, fields.captured), faults


def _captured_faults(captured: Mapping[str, Any]) -> list[Fault]:
    if len(captured) > MOST_CAPTURED:
        return [Fault("captured", f"has {len(captured)} values; at most {MOST_CAPTURED}")]
    faults = []
    for name, value in captured.items():
        if not 0 < len(name) <= 64 or _UNFIT.search(name):
            faults.append(
                Fault("captured", "has a name that is empty, longer than 64 characters or unprintable")
            )
        elif not _is_kept(value):
            limit = f"text of at most {LONGEST_CAPTURED:,} characters, a number, true or false"
            faults.append(Fault(f"captured.{name}", f"must be {limit}"))
    return faults


def _is_kept(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_CAPTURED
    if isinstance(value, int):
        return abs(value) <= _GREATEST
    return value is None or (isinstance(value, float) and math.isfinite(value))
