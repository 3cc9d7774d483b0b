"""Voice agents: who talks on a call, stored under a name that campaigns and calls may use instead of a script.

A campaign keeps what it was created with: an agent that is changed later changes nothing of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.engine import DIRECT, EMBEDDED
from dialerd.core.errors import Fault, InvariantError, conflict, invalid, not_found
from dialerd.core.identity import ScriptId
from dialerd.core.journal import RequestDone
from dialerd.core.labels import KNOWN
from dialerd.core.model import Declared
from dialerd.engine.chosen import Chosen
from dialerd.engine.deeds import deed
from dialerd.engine.doubts import Doubts
from dialerd.engine.fields import ChosenId, Language, Text, read_model
from dialerd.engine.labels import Declarations, tag_fault
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import Scripts, spoken
from dialerd.engine.settings import ServiceSettings, VoiceEngine
from dialerd.engine.transfers import target_faults
from dialerd.engine.unheard import unheard_faults
from dialerd.engine.views import agent_view, page_view
from dialerd.ports import Clock, Page, Script, Store, VoiceAgent

MOST_DECLARED = 100
_LONGEST_CHAIN = 10


class DeclaredFields(BaseModel):
    """What a label of an agent's own means."""

    model_config = ConfigDict(extra="forbid", strict=True)

    positive: bool = Field(False, description="it counts as a conversion")
    terminal: bool = Field(True, description="false: the contact is called again while it has attempts left")


class AgentFields(BaseModel):
    """A voice agent, new or changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agent_name: Annotated[Text, Field(max_length=255)] | None = None
    language: Language | None = Field(None, description="BCP-47; what a request says comes first")
    voice: Literal["female", "male"] | None = Field(None, description="default: as the script says")
    script_id: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="what a request says comes first"
    )
    engine: Annotated[Text, Field(max_length=64)] = Field("embedded", description="one of GET /v1/engines")
    fallback: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="agent_id of the agent that takes its calls when its engine cannot"
    )
    dispositions: dict[str, DeclaredFields] = Field(
        {}, description="labels of its own, beside interested, paid, dnc …; lower-case letters and _"
    )
    transfer_target: Annotated[Text, Field(max_length=140)] | None = Field(
        None, description="where its calls are transferred to; what a request says comes first"
    )
    recording: bool | None = Field(
        None, description="whether its calls are recorded; what a request says comes first"
    )


class NewAgentFields(AgentFields):
    """A new one, which may choose its id."""

    agent_id: ChosenId | None = None


class Agents:
    """The voice agents of this installation."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Clock,
        settings: ServiceSettings,
        scripts: Scripts,
        doubts: Doubts,
    ) -> None:
        self._doubts = doubts
        self._engine = engine
        self._store = store
        self._clock = clock
        self._settings = settings
        self._scripts = scripts
        self.labels = Declarations(engine, store)

    async def page(self, page: Page) -> dict[str, Any]:
        """A page of agents, newest first."""
        found, total = await self._store.agents(page)
        return page_view([agent_view(agent) for agent in found], total, page)

    async def show(self, ident: str) -> dict[str, Any]:
        """One agent. Raises `RequestError` 404."""
        return agent_view(await self._find(ident))

    async def again(self, ident: str) -> dict[str, Any]:
        """An agent that was made before, as if it were made now. Raises `RequestError` 404, `PortError`."""
        return await self._told(await self._find(ident))

    async def add(self, given: Mapping[str, Any], done: RequestDone | None = None) -> dict[str, Any]:
        """Store a new agent. Raises `RequestError`: 422 with every fault, 409 if the id is taken."""
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = read_model(NewAgentFields, given)
        if "agent_name" not in given:
            faults.append(Fault("agent_name", "required"))
        ident = fields.agent_id or f"agt_{secrets.token_hex(6)}"
        made = _of(fields, VoiceAgent(ident, "", None, None, None, "", None, {}, self._clock.now().wall))
        faults += await self._faults(made)
        if faults:
            raise invalid(faults)
        shown = await self._told(made)
        taken = conflict(f"there is an agent {ident!r} already; choose another agent_id", state="exists")
        if await self._store.agent(ident) is not None:
            raise taken
        try:
            noted = None if done is None else replace(done, made=ident)
            await self._store.add_agent(
                made, noted, deed(self._clock, "agent.created", ident, name=made.name)
            )
        except InvariantError:
            if await self._store.agent(ident) is None:
                raise
            raise taken from None
        self.labels.agent(made)
        return shown

    async def edit(self, ident: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of an agent; null takes one back to its default. Raises `RequestError` 404, 422."""
        before = await self._find(ident)
        fields, faults = read_model(AgentFields, {k: v for k, v in given.items() if v is not None})
        if "agent_id" in given:
            faults.append(Fault("agent_id", "cannot be changed"))
        if given.get("agent_name", "") is None:
            faults.append(Fault("agent_name", "required"))
        changed = _of(fields, before, given)
        faults += await self._faults(changed)
        if faults:
            raise invalid(_once(faults))
        shown = await self._told(changed)
        told = deed(self._clock, "agent.edited", ident, changed=dict(given))
        if not await self._store.save_agent(changed, told):
            raise not_found("agent", ident)
        self.labels.agent(changed)
        return shown

    async def _told(self, agent: VoiceAgent) -> dict[str, Any]:
        """An agent as whoever makes or changes it is shown it: with what speaks against it."""
        return {**agent_view(agent), "warnings": await self._doubts.of_agent(agent)}

    async def delete(self, ident: str) -> None:
        """Delete an agent. Raises `RequestError` 404, 409 while a live campaign, a call or an agent uses it."""
        await self._find(ident)
        users = [
            *self._engine.memory.users(agent=ident),
            *(other for other in await self._store.agents_naming(agent=ident) if other != ident),
        ]
        if users:
            raise conflict(
                f"the agent {ident} is used by {', '.join(users[:5])}", state="used", used_by=users
            )
        if not await self._store.delete_agent(ident, deed(self._clock, "agent.deleted", ident)):
            raise not_found("agent", ident)
        self.labels.gone(ident)

    async def chosen(
        self, agent_id: str | None, script_id: str | None, language: str | None
    ) -> tuple[Chosen, list[Fault]]:
        """Who talks, of what a request names, and what is wrong with it; the language may be the agent's."""
        agent, faults = None, []
        if agent_id is not None:
            agent = await self._store.agent(agent_id)
            if agent is None:
                faults.append(Fault("agent_id", f"there is no agent {agent_id!r}"))
        if agent is not None:
            language = language or agent.language
            script_id = script_id or agent.script_id
        script, wrong = await self._scripts.chosen(script_id, language)
        faults += wrong
        if agent is None:
            return Chosen(script, language), faults
        engine = self._engine_of(agent)
        needs_script = engine is None or engine.needs_script
        faults += await self._unfit(agent, engine, script_id, language)
        fallbacks, wrong = await self._fallbacks(agent, script, language)
        return Chosen(script, language, agent, fallbacks, needs_script), faults + wrong

    def _engine_of(self, agent: VoiceAgent) -> VoiceEngine | None:
        return next((one for one in self._settings.engines if one.name == agent.engine), None)

    async def _unfit(
        self, agent: VoiceAgent, engine: VoiceEngine | None, script_id: str | None, language: str | None
    ) -> list[Fault]:
        """Why an agent cannot hold such a conversation."""
        if engine is None:
            msg = f"the agent {agent.id} needs the engine {agent.engine!r}, which the settings do not have"
            return [Fault("agent_id", msg)]
        if engine.needs_script:
            missing = Fault("script_id", f"required: the agent {agent.id} names none")
            return [missing] if script_id is None else []
        spoken_here = await engine.languages()
        wanted = (language or "").lower()
        if not language or not spoken_here or wanted in {tag.lower() for tag in spoken_here}:
            return []
        msg = f"the engine {engine.name} does not speak {language}; it speaks: {', '.join(spoken_here)}"
        return [Fault("language", msg)]

    async def _fallbacks(
        self, agent: VoiceAgent, script: Script | None, language: str | None
    ) -> tuple[tuple[tuple[VoiceAgent, Script | None], ...], list[Fault]]:
        """Those who may take an agent's calls, each with its script: its own, else the one of the call."""
        found: list[tuple[VoiceAgent, Script | None]] = []
        name, faults = agent.fallback, list[Fault]()
        while name is not None and len(found) < _LONGEST_CHAIN:
            other = await self._store.agent(name)
            if other is None:
                break
            own = script
            if other.script_id is not None:
                own, wrong = await self._scripts.chosen(other.script_id, language)
                faults += _as_fallback(other, wrong)
            named = None if own is None else own.id
            engine = self._engine_of(other)
            if engine is not None and engine.kind == DIRECT:
                late = Fault(
                    "engine", f"{engine.name} takes calls at the answer alone, never another's later"
                )
                faults += _as_fallback(other, [late])
            faults += _as_fallback(other, await self._unfit(other, engine, named, language))
            found.append((other, own))
            name = other.fallback
        return tuple(found), faults

    async def prepare(self, chosen: Chosen) -> None:
        """Have the prompts ready that the agent, and its fallbacks, say to everybody; what labels mean is known then.

        Raises `PortError`, `RequestError` (no voice speaks it).
        """
        for each in (chosen.script, *(script for _, script in chosen.fallbacks)):
            if each is not None:
                self.labels.script(each)
        if chosen.script is not None and chosen.needs_script:
            await self._scripts.prepare(chosen.script, chosen.spoken_language, chosen.voice)
        for agent, script in chosen.fallbacks:
            if script is not None and agent.engine == EMBEDDED:
                language = spoken(script, chosen.language or "") or ""
                await self._scripts.prepare(script, language, agent.voice)

    async def _find(self, ident: str) -> VoiceAgent:
        agent = await self._store.agent(ident)
        if agent is None:
            raise not_found("agent", ident)
        return agent

    async def _faults(self, agent: VoiceAgent) -> list[Fault]:
        engines = [engine.name for engine in self._settings.engines]
        faults = _declared_faults(agent.dispositions)
        if agent.engine not in engines:
            faults.append(
                Fault("engine", f"there is no engine {agent.engine!r}; there are: {', '.join(engines)}")
            )
        _, wrong = await self._scripts.chosen(agent.script_id, agent.language)
        faults += wrong + unheard_faults(agent.engine, self._settings, record=bool(agent.record))
        engine = self._engine_of(agent)
        if engine is not None and not engine.needs_script:
            faults += await self._unfit(agent, engine, agent.script_id, agent.language)
        if agent.transfer_to is not None:
            rules = self._settings.transfers
            faults += [Fault("transfer_target", msg) for msg in target_faults(agent.transfer_to, rules)]
        if agent.fallback is not None:
            faults += await self._fallback_faults(agent)
        return faults

    async def _fallback_faults(self, agent: VoiceAgent) -> list[Fault]:
        """A fallback must exist and lead somewhere else."""
        seen, name = [agent.id], agent.fallback
        while name is not None:
            if name in seen or len(seen) > _LONGEST_CHAIN:
                return [Fault("fallback", f"leads in a circle: {' → '.join((*seen, name))}")]
            seen.append(name)
            found = await self._store.agent(name)
            if found is None:
                return [Fault("fallback", f"there is no agent {name!r}")]
            name = found.fallback
        return []


def _as_fallback(agent: VoiceAgent, faults: Sequence[Fault]) -> list[Fault]:
    return [Fault("agent_id", f"its fallback {agent.id}: {fault.loc}: {fault.msg}") for fault in faults]


def _of(fields: AgentFields, before: VoiceAgent, touched: Mapping[str, Any] | None = None) -> VoiceAgent:
    """An agent with new fields: all of them, or those that are `touched`."""
    values: dict[str, Any] = {
        "name": fields.agent_name or before.name,
        "language": fields.language,
        "voice": fields.voice,
        "script_id": None if fields.script_id is None else ScriptId(fields.script_id),
        "engine": fields.engine,
        "fallback": fields.fallback,
        "dispositions": {
            label: Declared(about.positive, about.terminal) for label, about in fields.dispositions.items()
        },
        "transfer_to": fields.transfer_target,
        "record": fields.recording,
    }
    renamed = {"transfer_to": "transfer_target", "record": "recording"}
    if touched is not None:
        values = {
            key: value for key, value in values.items() if key == "name" or renamed.get(key, key) in touched
        }
    return replace(before, **values)


def _declared_faults(declared: Mapping[str, Declared]) -> list[Fault]:
    faults = []
    if len(declared) > MOST_DECLARED:
        faults.append(Fault("dispositions", f"are {len(declared)}; at most {MOST_DECLARED}"))
    for label in declared:
        if label in KNOWN:
            faults.append(Fault(f"dispositions.{label}", "is known to everybody; declare labels of its own"))
        elif msg := tag_fault(label):
            faults.append(Fault(f"dispositions.{label[:60]}", msg))
    return faults


def _once(faults: Sequence[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))
