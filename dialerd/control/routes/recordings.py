"""Recordings of calls: heard, whole or in parts, and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from dialerd.control import answers, ranges, shapes
from dialerd.control.context import Controlled
from dialerd.control.problems import ProblemResponse

router = APIRouter(prefix="/v1/calls", tags=["calls"])

CHUNK = 64 * 1024

_AUDIO: answers.Responses = {
    200: {"description": "the audio", "content": {"audio/wav": {"schema": shapes.FILE}}},
    206: {"description": "the part that `Range` asks for", "content": {"audio/wav": {"schema": shapes.FILE}}},
    304: {"description": "the same as `If-None-Match` has"},
}


@router.head("/{call_id}/recording", response_class=Response, include_in_schema=False)
@router.get("/{call_id}/recording", response_class=Response, responses=_AUDIO)
async def play_recording(call_id: str, request: Request, control: Controlled) -> Response:
    """The audio of a call, WAV, the callee on the left and the agent on the right; a `Range` of it if asked for.

    It is there once the call is over (`recording_url` of the call), and ends where a person took over.
    """
    found = await control.service.recordings.find(call_id)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": found.tag,
        "Cache-Control": "private",
        "Content-Disposition": f'inline; filename="{call_id}.wav"',
    }
    if not {found.tag, "*"}.isdisjoint(_tags(request.headers.get("if-none-match"))):
        return Response(status_code=304, headers=headers)
    header = request.headers.get("range")
    if request.method == "HEAD":
        headers["Content-Length"] = str(found.size)
        return Response(headers=headers, media_type="audio/wav")
    if request.headers.get("if-range") not in (None, found.tag):
        header = None
    try:
        span = ranges.asked(header, found.size)
    except ranges.Unsatisfiable:
        return ProblemResponse(
            416,
            "unsatisfiable-range",
            "Range not satisfiable",
            f"the recording has {found.size} bytes",
            headers={"Content-Range": f"bytes */{found.size}"},
        )
    status, start, end = (200, 0, found.size) if span is None else (206, span.start, span.end)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
    return StreamingResponse(_bytes(found.path, start, end), status, headers, "audio/wav")


@router.delete("/{call_id}/recording", status_code=204, response_class=Response)
async def delete_recording(call_id: str, control: Controlled) -> Response:
    """Delete the audio of a call; what is written of the call stays.

    That of a call which is being recorded goes when the call is over: until then it is not kept back, and it is never
    to be had.
    """
    await control.service.recordings.delete(call_id)
    return Response(status_code=204)


def _tags(header: str | None) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]


async def _bytes(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """Read in a thread: a disk may be slow."""
    file = await asyncio.to_thread(_open, path, start)
    try:
        while start < end:
            part = await asyncio.to_thread(file.read, min(CHUNK, end - start))
            if not part:
                raise OSError(f"{path} has become shorter")
            start += len(part)
            yield part
    finally:
        await asyncio.to_thread(file.close)


def _open(path: Path, start: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(start)
    return file
