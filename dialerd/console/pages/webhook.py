"""One webhook: what it is told, what became of telling it, and what is sent again."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, settings, webhook_text, wording
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.frame import PATIENCE, SETTINGS, Frame, with_status
from dialerd.console.listing import Column, Listing
from dialerd.console.order import confirm
from dialerd.console.pages.webhooks import counted

_COLUMNS = (
    Column("at", "Queued (UTC)"),
    Column("event", "Event", "link"),
    Column("state", "State", "tag"),
    Column("attempts", "Attempts", "number"),
    Column("next", "Next try (UTC)"),
    Column("answer", "Last answer", "wrap"),
    Column("again", "", "action"),
)
_FILTER = {"": "Every state", **webhook_text.STATES}
_FACTS = ("Id", "Description", "Told of", "Deliveries", "Made")


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/webhooks/{webhook_id}", response_timeout=PATIENCE)
    async def webhook(request: Request, webhook_id: str) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SETTINGS, "Webhook")
        if settings.begin(frame, settings.WEBHOOKS):
            await frame.show(Webhook(frame, webhook_id).read, with_status)


class Webhook:
    """What the page shows."""

    def __init__(self, frame: Frame, ident: str) -> None:
        self._frame = frame
        self._ident = ident
        self._dead = 0
        self._state = ""
        with frame.content, box("").style("display: contents") as self._body:
            self._heading()
            self._why = blocks.note("", "warn")
            with card(), ui.element("dl").classes("facts"):
                self._facts = {fact: (Words("dt", fact), Words("dd")) for fact in _FACTS}
            with card("Deliveries"):
                Words(
                    "div",
                    "What it does not take is sent again, each time after a longer wait. A dead one was given up, and "
                    "is kept for you to send again.",
                    "soft",
                )
                states = ui.select(_FILTER, value="", label="State", on_change=self._filter)
                states.props("outlined dense").style("max-width: 220px").bind_value(self, "_state")
                self._list = Listing(
                    _COLUMNS,
                    self._fetch,
                    self._row,
                    "There is no such delivery.",
                    frame.attempt,
                    self._send_again,
                )
        self._body.set_visibility(False)

    async def read(self) -> None:
        """Read the webhook and its deliveries. Raises `Refused`, `Away`."""
        hook = await self._frame.api.get(path("webhooks", self._ident))
        counts = await counted(self._frame.api, self._ident)
        await self._list.read()
        self._show(hook, counts)
        self._body.set_visibility(True)

    def _heading(self) -> None:
        with box("line"):
            self._name = Words("h1", "Webhook")
            self._tag = Words("span", "", "tag").props("data-state")
        with box("line") as orders:
            self._test = button("Send a test", self._send_test)
            self._enable = button("Enable", self._ask_enable, kind="positive")
            self._disable = button("Disable", self._ask_disable)
            self._revive = button("Send all dead ones again", self._ask_revive)
            button("Delete", self._ask_delete, kind="negative")
        orders.set_visibility(self._frame.login.writes)

    def _show(self, hook: dict[str, Any], counts: dict[str, int]) -> None:
        state, tone = webhook_text.state(hook)
        self._dead = counts["dead"]
        self._name.set_text(hook["url"])
        self._tag.set_text(state)
        self._tag.classes(replace=f"tag {tone}")
        self._enable.set_visibility(not hook["enabled"])
        self._disable.set_visibility(hook["enabled"])
        self._revive.set_visibility(bool(self._dead) and hook["enabled"])
        self._why.set_text(webhook_text.why_disabled(hook))
        self._why.set_visibility(not hook["enabled"])
        told = {
            "Id": hook["webhook_id"],
            "Description": hook["description"],
            "Told of": webhook_text.events(hook),
            "Deliveries": webhook_text.going(**counts),
            "Made": wording.moment(hook["created_at"]),
        }
        for fact, elements in self._facts.items():
            for element in elements:
                element.set_visibility(bool(told[fact]))
            elements[1].set_text(told[fact])

    # --- the deliveries --------------------------------------------------------------------------

    async def _fetch(self, limit: int, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._frame.api.get(
            path("webhooks", self._ident, "deliveries"), limit=limit, offset=offset, state=self._state or None
        )
        return found

    def _row(self, delivery: dict[str, Any]) -> dict[str, Any]:
        return webhook_text.delivery(delivery, may=self._frame.login.writes)

    async def _filter(self) -> None:
        await self._frame.attempt(self._list.restart())

    async def _send_again(self, delivery: dict[str, Any]) -> None:
        await self._redeliver({"delivery_id": delivery["delivery_id"]})

    async def _ask_revive(self) -> None:
        said = f"{wording.count(self._dead, 'delivery', 'deliveries')} that were given up, under the ids they had."
        if await confirm("Send all dead ones again?", said, "Send them again") is not None:
            await self._redeliver({})

    async def _redeliver(self, body: dict[str, str]) -> None:
        answer = await self._order(self._frame.api.post(path("webhooks", self._ident, "redeliver"), body))
        if answer is not None:
            blocks.done(
                f"{wording.count(answer['redelivered'], 'delivery is', 'deliveries are')} sent again."
            )

    # --- the webhook -----------------------------------------------------------------------------

    async def _send_test(self) -> None:
        answer = await self._order(self._frame.api.post(path("webhooks", self._ident, "test")))
        if answer is not None:
            ui.notify(
                webhook_text.tested(answer),
                type="positive" if answer["delivered"] else "warning",
                timeout=8000,
            )

    async def _ask_enable(self) -> None:
        said = "What waits is sent at once, in its order, and whatever happens from now on."
        if await confirm("Enable this webhook?", said, "Enable", kind="positive") is not None:
            await self._change(enabled=True)

    async def _ask_disable(self) -> None:
        said = "Nothing is sent to it, and what happens meanwhile is not kept for it. What waits already is kept."
        if await confirm("Disable this webhook?", said, "Disable") is not None:
            await self._change(enabled=False)

    async def _change(self, *, enabled: bool) -> None:
        await self._order(self._frame.api.patch(path("webhooks", self._ident), {"enabled": enabled}))

    async def _ask_delete(self) -> None:
        said = (
            "The receiver is told nothing any more: what waits is not sent, and its deliveries are forgotten."
        )
        if await confirm("Delete this webhook?", said, "Delete", kind="negative") is None:
            return
        if await self._frame.carried_out(self._frame.api.delete(path("webhooks", self._ident))):
            ui.navigate.to("/webhooks")

    async def _order(self, asked: Awaitable[Any]) -> Any:
        answer = await self._frame.attempt(asked)
        self._frame.stale()
        return answer
