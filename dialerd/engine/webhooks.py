"""Webhooks for people: who is told of what, what became of it, and what is sent again."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dialerd.core.clock import to_iso
from dialerd.core.commands import AddWebhook, ChangeWebhook, Command, Refused, RemoveWebhook
from dialerd.core.delivery import DeliveryState, number_of
from dialerd.core.errors import Fault, conflict, invalid, not_found
from dialerd.core.journal import RequestDone
from dialerd.core.record import replace
from dialerd.core.webhook import ALL, EventKind, Webhook, WebhookId
from dialerd.engine.courier import Courier, Figures
from dialerd.engine.fields import Text, read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.views import delivery_view, page_view, webhook_view
from dialerd.ports import Clock, Message, Page, Store, Webhooks

SECRET_BYTES = 32
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
BY_ORDER = "by order: nothing is sent until somebody enables it"
_KINDS = [ALL, *(kind.value for kind in EventKind)]


def _event(value: str) -> str:
    if value not in _KINDS:
        raise ValueError(f"{value[:60]!r} is no event; there are {', '.join(_KINDS)}")
    return value


def _secret(value: str) -> str:
    try:
        key = base64.b64decode(value.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not value.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(f"must be {_PREFIX} and base64 of 24 to 64 bytes, as Standard Webhooks has it")
    return value


Event = Annotated[str, AfterValidator(_event)]
Events = Annotated[list[Event], Field(min_length=1, max_length=len(_KINDS))]


class WebhookFields(BaseModel):
    """A webhook as somebody asks for it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(max_length=2_048)] | None = Field(
        None, description="https and public, or listed in webhooks.allow"
    )
    events: Events | None = Field(None, description='kinds of events, or "*" for all')
    description: Annotated[Text, Field(max_length=255)] | None = None
    secret: Annotated[str, AfterValidator(_secret)] | None = Field(
        None, description="whsec_ and base64 of 24 to 64 bytes; default: a new one is made"
    )


class WebhookChanges(WebhookFields):
    """What may be changed of a webhook; null for the secret: a new one is made."""

    enabled: bool | None = Field(
        None, description="false: nothing is queued or sent any more; what waits is kept"
    )


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """How the deliveries stand."""

    waiting: int
    dead: int
    figures: Figures


class Hooks:
    """The webhooks of this installation."""

    def __init__(
        self, engine: Engine, store: Store, clock: Clock, courier: Courier, webhooks: Webhooks
    ) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._courier = courier
        self._webhooks = webhooks

    # --- look ------------------------------------------------------------------------------------

    def page(self, page: Page) -> dict[str, Any]:
        """A page of webhooks, newest first."""
        hooks = sorted(
            self._engine.memory.webhooks.values(), key=lambda hook: (hook.created_at, hook.id), reverse=True
        )
        shown = [webhook_view(hook) for hook in hooks[page.offset : page.offset + page.limit]]
        return page_view(shown, len(hooks), page)

    def show(self, ident: str) -> dict[str, Any]:
        """One webhook. Raises `RequestError` 404."""
        return webhook_view(self._find(ident))

    async def deliveries(self, ident: str, state: DeliveryState | None, page: Page) -> dict[str, Any]:
        """A page of what a webhook was and is to be told, newest first. Raises `RequestError` 404."""
        found, total = await self._store.deliveries(self._find(ident).id, page, state)
        return page_view([delivery_view(row) for row in found], total, page)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._engine.memory.webhooks)

    @property
    def disabled(self) -> int:
        """How many of them are told nothing."""
        return sum(hook.disabled is not None for hook in self._engine.memory.webhooks.values())

    async def standing(self) -> OutboxStatus:
        """How the deliveries stand. Raises `PortError`."""
        counts = await self._store.delivery_counts()
        waiting, dead = (
            sum(count for (_, found), count in counts.items() if found is state)
            for state in (DeliveryState.WAITING, DeliveryState.DEAD)
        )
        return OutboxStatus(waiting, dead, self._courier.figures)

    # --- change ----------------------------------------------------------------------------------

    async def add(self, given: Mapping[str, Any], done: RequestDone | None = None) -> dict[str, Any]:
        """Tell somebody of events from now on; `secret` is shown in this answer only. `done`: the request for it.

        Raises `RequestError` 422 with every fault, 409 if there are too many.
        """
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = read_model(WebhookFields, given)
        faults += [Fault(key, "required") for key in ("url", "events") if key not in given]
        faults += await self._objections(fields.url)
        if faults:
            raise invalid(faults)
        hook = Webhook(
            id=WebhookId(f"whk_{secrets.token_hex(6)}"),
            url=fields.url or "",
            events=_once(fields.events or ()),
            secret=fields.secret or _new_secret(),
            created_at=self._clock.now().wall,
            description=fields.description or "",
        )
        await self._carry_out(AddWebhook(hook), None if done is None else replace(done, made=hook.id))
        return self.shown_first(hook.id)

    def shown_first(self, ident: str) -> dict[str, Any]:
        """A webhook as whoever makes it sees it: with its secret. Raises `RequestError` 404."""
        hook = self._find(ident)
        return {**webhook_view(hook), "secret": hook.secret}

    async def change(self, ident: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is named; a new secret is shown in this answer only. Raises `RequestError` 404, 422."""
        hook = self._find(ident)
        fields, faults = read_model(WebhookChanges, given)
        empty = [key for key in ("url", "events", "enabled") if key in given and given[key] is None]
        faults += [Fault(key, "must not be null") for key in empty]
        faults += await self._objections(fields.url)
        if faults:
            raise invalid(faults)
        changes: dict[str, Any] = {}
        if fields.url is not None:
            changes["url"] = fields.url
        if fields.events is not None:
            changes["events"] = _once(fields.events)
        if "description" in given:
            changes["description"] = fields.description or ""
        if fields.enabled is not None:
            changes["disabled"] = None if fields.enabled else (hook.disabled or BY_ORDER)
        shown = {}
        if "secret" in given:
            changes["secret"] = shown["secret"] = fields.secret or _new_secret()
        await self._carry_out(ChangeWebhook(hook.id, changes))
        return {**self.show(ident), **shown}

    async def remove(self, ident: str) -> None:
        """Tell somebody nothing any more; what waits is not sent. Raises `RequestError` 404."""
        await self._carry_out(RemoveWebhook(self._find(ident).id))

    async def redeliver(self, ident: str, delivery: str | None) -> dict[str, Any]:
        """Send one delivery again, whatever became of it; None: all dead ones.

        Raises `RequestError`: 404, 409 if the webhook is disabled.
        """
        hook = self._find(ident)
        if hook.disabled is not None:
            raise conflict(f"the webhook is disabled ({hook.disabled}): enable it first", state="disabled")
        if delivery is None:
            return {"redelivered": await self._courier.again_dead(hook.id)}
        number = number_of(delivery)
        if number is None or await self._courier.again(hook.id, number) is None:
            raise not_found("delivery", delivery[:60])
        return {"redelivered": 1}

    async def test(self, ident: str) -> dict[str, Any]:
        """Send a signed `webhook.test` now, and tell what the receiver said. Raises `RequestError` 404."""
        hook = self._find(ident)
        now = self._clock.now().wall
        body = {"type": "webhook.test", "timestamp": to_iso(now), "data": {"webhook_id": hook.id}}
        message = Message(
            f"msg_{secrets.token_hex(6)}", hook.id, hook.url, hook.secret, orjson.dumps(body).decode()
        )
        reply = await self._webhooks.send(message)
        return {
            "webhook_id": hook.id,
            "delivery_id": message.id,
            "delivered": reply.accepted,
            "status_code": reply.status,
            "detail": None if reply.accepted else reply.detail,
        }

    # --- finding ---------------------------------------------------------------------------------

    def _find(self, ident: str) -> Webhook:
        hook = self._engine.memory.webhooks.get(WebhookId(ident))
        if hook is None:
            raise not_found("webhook", ident)
        return hook

    async def _objections(self, url: str | None) -> list[Fault]:
        objection = await self._webhooks.objection(url) if url is not None else None
        return [Fault("url", objection)] if objection is not None else []

    async def _carry_out(self, command: Command, done: RequestDone | None = None) -> None:
        answer = (await self._engine.command(command, done)).answer
        if isinstance(answer, Refused):
            if answer.unknown:
                raise not_found("webhook", str(getattr(command, "webhook", "")))
            raise conflict(answer.detail, state=answer.state)


def _once(events: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(events))


def _new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
