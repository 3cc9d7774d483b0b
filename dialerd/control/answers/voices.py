"""Scripts, voice agents and what can be spoken, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from dialerd.control.answers import Moment, Warnings


class Understood(BaseModel):
    """A script as it was read."""

    script_id: Annotated[str | None, Field(description="as its text says")]
    name: str
    languages: list[str]
    variables: Annotated[
        dict[str, dict[str, Any]], Field(description="by name, each with its default if any")
    ]
    body: dict[str, Any]


class Script(BaseModel):
    """A version of a script."""

    script_id: str
    name: str
    version: int
    languages: list[str]
    variables: Annotated[
        dict[str, dict[str, Any]], Field(description="by name, each with its default if any")
    ]
    body: dict[str, Any]
    source: Annotated[str, Field(description="the text it was read from")]
    created_at: Moment


class Declared(BaseModel):
    """What a label of an agent's own means."""

    positive: bool
    terminal: bool


class Agent(BaseModel):
    """A voice agent."""

    agent_id: str
    agent_name: str
    language: str | None
    voice: str | None
    script_id: str | None
    engine: str
    fallback: str | None
    dispositions: dict[str, Declared]
    transfer_target: str | None
    recording: bool | None
    created_at: Moment


class StoredAgent(Agent):
    """A voice agent that was made or changed."""

    warnings: Warnings


class Spoken(BaseModel):
    """A language that a voice here speaks."""

    language: str
    name: str
    engines: list[str]
    voices: list[str]


class Engine(BaseModel):
    """An engine of voice agents."""

    engine: str
    kind: str
    healthy: Annotated[bool, Field(description="it can hold calls")]
    state: str
    sessions_in_use: Annotated[int, Field(description="calls it holds or is about to be given")]
    sessions_limit: Annotated[int, Field(description="at this moment")]
    max_sessions: Annotated[int | None, Field(description="as configured; null: the media workers' limit")]
    voices: list[str]
    needs_script: bool
