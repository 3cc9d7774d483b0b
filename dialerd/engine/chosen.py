"""Who talks on a call, as a request has chosen it: an agent, a script, a language, and those who may stand in."""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.core.engine import EMBEDDED, StandIn
from dialerd.core.errors import Fault
from dialerd.core.identity import NO_SCRIPT, ScriptId
from dialerd.engine.doubts import Spoken
from dialerd.engine.scripts import message_faults, spoken
from dialerd.ports import Script, VoiceAgent


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who talks, as a request has chosen it; None: it has not, or there is no such thing."""

    script: Script | None = None
    language: str | None = None
    agent: VoiceAgent | None = None
    fallbacks: tuple[tuple[VoiceAgent, Script | None], ...] = ()
    """Who takes a call that this agent cannot take, in order."""
    needs_script: bool = True
    """Whether its engine speaks scripts."""

    @property
    def is_complete(self) -> bool:
        """Whether it can hold a conversation."""
        return self.script is not None or not self.needs_script

    @property
    def script_id(self) -> ScriptId:
        """`NO_SCRIPT` where there is none."""
        return NO_SCRIPT if self.script is None else self.script.id

    @property
    def script_version(self) -> int:
        """0 where there is none."""
        return 0 if self.script is None else self.script.version

    @property
    def spoken_language(self) -> str:
        """The language in its script's own spelling."""
        wanted = self.language or ""
        return (spoken(self.script, wanted) or "") if self.script is not None else wanted

    def message_faults(self, answering_machine: str) -> list[Fault]:
        """What keeps a message from being left on answering machines, if one is to be."""
        return message_faults(answering_machine, self.script, self.spoken_language, self.engine)

    @property
    def engine(self) -> str:
        """Who holds the conversation."""
        return EMBEDDED if self.agent is None else self.agent.engine

    @property
    def stand_ins(self) -> tuple[StandIn, ...]:
        """The fallbacks as a campaign keeps them."""
        return tuple(
            StandIn(
                agent.id,
                agent.engine,
                NO_SCRIPT if script is None else script.id,
                0 if script is None else script.version,
                (self.language or "") if script is None else spoken(script, self.language or "") or "",
                agent.voice,
            )
            for agent, script in self.fallbacks
        )

    @property
    def agent_id(self) -> str | None:
        """None: an embedded agent for the script."""
        return None if self.agent is None else self.agent.id

    @property
    def voice(self) -> str | None:
        """None: as the script says."""
        return None if self.agent is None else self.agent.voice

    @property
    def transfer_to(self) -> str | None:
        """Where its calls are transferred to if nothing else is said."""
        return None if self.agent is None else self.agent.transfer_to

    @property
    def said(self) -> tuple[Spoken, ...]:
        """The scripts that are spoken, those of its fallbacks included."""
        spoken_by = [
            (self.engine, self.script),
            *((agent.engine, script) for agent, script in self.fallbacks),
        ]
        return tuple(
            Spoken(script, spoken(script, self.language or "") or "")
            for engine, script in spoken_by
            if engine == EMBEDDED and script is not None
        )

    @property
    def record(self) -> bool:
        """Whether its calls are recorded if nothing else is said."""
        return self.agent is not None and bool(self.agent.record)
