"""Persons over all campaigns: what is stored under a number, and its erasure."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dialerd.control import answers
from dialerd.control.answers.persons import Erased, Person
from dialerd.control.context import Controlled
from dialerd.control.routes.contacts import number_in_path

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])


@router.get("/{phone}", responses=answers.of(Person, "what is stored"))
async def show_person(phone: str, control: Controlled) -> JSONResponse:
    """What is stored under a number: its do-not-call entry, its calls, and its place in each campaign, newest first."""
    return JSONResponse(await control.service.contacts.show(number_in_path(phone)))


@router.delete(
    "/{phone}",
    status_code=204,
    response_class=Response,
    responses=answers.of(Erased, "the rest follows", 202),
)
async def erase_person(phone: str, control: Controlled) -> Response:
    """Erase what is stored under a number. Its do-not-call entry stays; figures of campaigns stay as they are.

    409 during a live call. Contacts that wait are cancelled, and the number is not called until nothing is left of it.
    202: not all of it is gone yet, the rest follows by itself.
    """
    number = number_in_path(phone)
    if await control.service.contacts.erase(number):
        return Response(status_code=204)
    return JSONResponse({"phone": number, "being_erased": True}, 202)
