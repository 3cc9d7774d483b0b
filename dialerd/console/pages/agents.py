"""The list of voice agents, each with how its engine is now, and the engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from dialerd.console import engines, listing, repertoire, wording
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.frame import AGENTS, PATIENCE, Frame, with_status
from dialerd.console.listing import Column

NEW = "/new-agent"
"""Beside `/agents`, below which every word may be the id of one."""
MOST = 500
_COLUMNS = (
    Column("name", "Agent", "link"),
    Column("ident", "Id", "wrap"),
    Column("engine", "Engine", "wrap"),
    Column("state", "Engine now", "tag"),
    Column("language", "Language"),
    Column("script", "Script", "wrap"),
    Column("fallback", "Fallback", "wrap"),
)
_ENGINES = (
    Column("engine", "Engine"),
    Column("kind", "Kind"),
    Column("state", "Now", "tag"),
    Column("script", "Speaks a script"),
    Column("trouble", "What is wrong", "wrap"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/agents", response_timeout=PATIENCE)
    async def agents(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, AGENTS, "Agents")
        await frame.show(Agents(frame).read, with_status)


class Agents:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        with frame.content:
            with box("line"):
                Words("h1", "Agents")
                box("push")
                if frame.login.writes:
                    button("New agent", lambda: ui.navigate.to(NEW), kind="primary")
            Words(
                "div",
                "Who talks on a call: an engine with its language, voice, script and fallback, under a name. "
                "A campaign keeps what it was created with.",
                "soft",
            )
            with card():
                self._table = listing.plain(_COLUMNS, [])
                with box("soft") as self._none:
                    Words("div", "There is no agent here yet.", "strong")
                    Words(
                        "div",
                        "A campaign whose script dialerd speaks itself needs none. Make one for a bot of your own, "
                        "or to keep a voice, a fallback and dispositions for several campaigns.",
                    )
            with card("Engines"):
                Words(
                    "div",
                    "The programs that hold the conversations. Bots of your own are configured in the settings file: "
                    "see “Bring your own voice agent” in the README.",
                    "soft",
                )
                self._engines = listing.plain(_ENGINES, []).props("dense").classes("roomy")
        self._table.set_visibility(False)
        self._none.set_visibility(False)

    async def read(self) -> None:
        """Read the agents and the engines. Raises `Refused`, `Away`."""
        found = await self._frame.api.everything("/v1/agents", MOST)
        known = await repertoire.read_engines(self._frame.api)
        listing.fill(self._table, [row(agent, known.get(agent["engine"])) for agent in found])
        listing.fill(self._engines, [_engine_row(engine) for engine in known.values()])
        self._table.set_visibility(bool(found))
        self._none.set_visibility(not found)


def row(agent: Mapping[str, Any], engine: Mapping[str, Any] | None) -> dict[str, Any]:
    """An agent's line."""
    said, tone = engines.state(engine)
    return {
        "name": agent["agent_name"],
        "href": f"/agents/{quote(agent['agent_id'])}",
        "ident": agent["agent_id"],
        "engine": engines.called(agent["engine"], engine),
        "state": said,
        "tone": tone,
        "language": agent["language"] or wording.NOTHING,
        "script": agent["script_id"] or wording.NOTHING,
        "fallback": agent["fallback"] or wording.NOTHING,
    }


def _engine_row(engine: Mapping[str, Any]) -> dict[str, Any]:
    said, tone = engines.state(engine)
    return {
        "engine": engine["engine"],
        "kind": engine["kind"],
        "state": said,
        "tone": tone,
        "script": "yes" if engine["needs_script"] else "no",
        "trouble": engines.trouble(engine) or wording.NOTHING,
    }
