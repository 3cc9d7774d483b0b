"""Events as they happen, as server-sent events (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from dialerd.control.context import Control, Controlled
from dialerd.core.clock import to_iso
from dialerd.core.errors import RequestError
from dialerd.engine.feed import Happening

router = APIRouter(tags=["events"])

HEARTBEAT = 15.0
"""Seconds after which a silent stream shows that it lives: proxies cut what says nothing."""
PROGRESS = 1.0
"""Seconds between two tellings of a campaign's figures."""
MOST_STREAMS = 64

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events until the client leaves; `id` is what `Last-Event-ID` resumes behind",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="resume behind this event")]


@router.get("/v1/events", response_class=StreamingResponse, responses=_STREAM)
async def events(control: Controlled, last_event_id: LastEventId = None) -> StreamingResponse:
    """Everything that happens: state changes, call progress, and each changed campaign's figures once a second."""
    return _streamed(control, None, last_event_id)


@router.get("/v1/campaigns/{campaign_id}/events", response_class=StreamingResponse, responses=_STREAM)
async def campaign_events(
    campaign_id: str, control: Controlled, last_event_id: LastEventId = None
) -> StreamingResponse:
    """What happens in one campaign."""
    await control.service.campaigns.show(campaign_id)
    return _streamed(control, campaign_id, last_event_id)


def _streamed(control: Control, campaign: str | None, after: str | None) -> StreamingResponse:
    if control.service.feed.listeners >= MOST_STREAMS:
        detail = f"{MOST_STREAMS} event streams are open: close one"
        raise RequestError(429, "too-many-streams", "Too many streams", detail, retry_after=5)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(control, campaign, after), media_type="text/event-stream", headers=headers
    )


async def _stream(control: Control, campaign: str | None, after: str | None) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    changed: set[str] = set()
    told_at = tick_at = loop.time()
    with control.service.feed.listen(campaign, after) as listener:
        yield b": listening\n\n"
        while True:
            try:
                happening = await listener.next(max(0.0, tick_at + PROGRESS - loop.time()))
            except StopAsyncIteration:
                return
            now = loop.time()
            if happening is not None:
                told_at = now
                if happening.campaign is not None:
                    changed.add(happening.campaign)
                yield _written(happening)
            if now - tick_at < PROGRESS:
                continue
            # However fast events come: figures once a second.
            tick_at = now
            for figures in filter(None, map(control.service.campaigns.progress, sorted(changed))):
                told_at = now
                yield _written(figures)
            changed.clear()
            if now - told_at >= HEARTBEAT:
                told_at = now
                yield b": alive\n\n"


def _written(happening: Happening) -> bytes:
    body = {"type": happening.kind, "timestamp": to_iso(happening.at), "data": happening.data}
    ident = f"id: {happening.id}\n" if happening.id is not None else ""
    return f"{ident}event: {happening.kind}\ndata: {orjson.dumps(body).decode()}\n\n".encode()
