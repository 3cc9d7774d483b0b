"""Voice agents: who talks on a call, under a name that campaigns and calls may use."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from dialerd.control import answers, bodies, shapes
from dialerd.control.answers import Page
from dialerd.control.answers.voices import Agent, StoredAgent
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged
from dialerd.control.repeats import IdempotencyKey
from dialerd.engine.agents import AgentFields, NewAgentFields

router = APIRouter(prefix="/v1/agents", tags=["agents"])


@router.get("", responses=answers.of(Page[Agent], "agents"))
async def list_agents(control: Controlled, page: Paged) -> JSONResponse:
    """Agents, newest first."""
    return JSONResponse(await control.service.agents.page(page))


@router.post(
    "",
    status_code=201,
    responses=answers.made(StoredAgent, "the agent"),
    openapi_extra=shapes.json_body(shapes.schema_of(NewAgentFields, "agent_name")),
)
async def create_agent(request: Request, control: Controlled, key: IdempotencyKey = None) -> Response:
    """Store a voice agent: an engine, and what it says in which language and voice."""
    agents = control.service.agents
    async with control.repeats.claim(request, key) as claim:
        fields = await bodies.read_object(request)
        return await claim.answered(
            lambda done: _stored(agents.add(fields, done)), lambda done: _stored(agents.again(done.made))
        )


async def _stored(agent: Awaitable[dict[str, Any]]) -> Response:
    shown = await agent
    return JSONResponse(shown, 201, {"Location": f"/v1/agents/{shown['agent_id']}"})


@router.get("/{agent_id}", responses=answers.of(Agent, "the agent"))
async def show_agent(agent_id: str, control: Controlled) -> JSONResponse:
    """One agent."""
    return JSONResponse(await control.service.agents.show(agent_id))


@router.patch(
    "/{agent_id}",
    responses=answers.of(StoredAgent, "the agent as it is now"),
    openapi_extra=shapes.json_body(shapes.schema_of(AgentFields)),
)
async def edit_agent(agent_id: str, request: Request, control: Controlled) -> JSONResponse:
    """Change fields of an agent; null takes one back to its default.

    Campaigns that exist keep what they were created with.
    """
    return JSONResponse(await control.service.agents.edit(agent_id, await bodies.read_object(request)))


@router.delete("/{agent_id}", status_code=204, response_class=Response)
async def delete_agent(agent_id: str, control: Controlled) -> Response:
    """Delete an agent; 409 while a live campaign, a call or another agent uses it."""
    await control.service.agents.delete(agent_id)
    return Response(status_code=204)
