"""What this installation can speak, and the engines of its voice agents."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from dialerd.control import answers
from dialerd.control.answers import Page
from dialerd.control.answers.voices import Engine, Spoken
from dialerd.control.context import Controlled
from dialerd.control.queries import Paged

router = APIRouter(prefix="/v1", tags=["agents"])


@router.get("/languages", responses=answers.of(Page[Spoken], "languages"))
async def list_languages(control: Controlled, page: Paged) -> JSONResponse:
    """Languages that a voice here speaks.

    A voice is used for the regions of its language too: what is said in hi-IN is spoken by hi.
    """
    return JSONResponse(await control.service.voices.languages(page))


@router.get("/engines", responses=answers.of(Page[Engine], "engines"))
async def list_engines(control: Controlled, page: Paged) -> JSONResponse:
    """Engines of voice agents: whether each can hold calls, how many it holds, and how many it can hold."""
    return JSONResponse(control.service.voices.engines(page))
