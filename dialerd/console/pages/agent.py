"""One voice agent: its fields, stored and changed, how its engine is now, and its end."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from dialerd.console import agent_form, blocks, engines, repertoire, wording
from dialerd.console.agent_form import AgentForm
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button, card
from dialerd.console.context import Console
from dialerd.console.frame import AGENTS, PATIENCE, Frame, with_status
from dialerd.console.order import confirm
from dialerd.console.pages.agent_fields import AgentFields
from dialerd.console.pages.agents import NEW
from dialerd.console.problem import Away, Fault, Refused
from dialerd.console.repertoire import Repertoire


def register(console: Console) -> None:
    """Serve the pages of a new agent and of one that there is."""

    @ui.page(NEW, response_timeout=PATIENCE)
    async def new_agent(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, AGENTS, "New agent")
        if not login.writes:
            with frame.content:
                Words("h1", "New agent")
                blocks.note("Your API key may only read. Log in with a key of the scope write.", "warn")
            return
        await frame.show(Agent(frame, None).read, with_status)

    @ui.page("/agents/{agent_id}", response_timeout=PATIENCE)
    async def agent(request: Request, agent_id: str) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, AGENTS, "Agent")
        await frame.show(Agent(frame, agent_id).read, with_status)


class Agent:
    """What the page shows; `ident` None: an agent that is being made."""

    def __init__(self, frame: Frame, ident: str | None) -> None:
        self._frame = frame
        self._ident = ident
        self._form_name = f"console-{uuid.uuid4()}"
        self._shown: Mapping[str, Any] | None = None
        self._known: Repertoire | None = None
        self._fields: AgentFields | None = None
        self._storing = False
        with frame.content:
            self._body = box("").style("display: contents")

    async def read(self) -> None:
        """Read the agent once: what is being typed stays. Its engine is read again. Raises `Refused`, `Away`."""
        if self._known is not None:
            now = await repertoire.read_engines(self._frame.api)
            if self._fields is not None:
                self._fields.show_engines(now)
            return
        shown = None
        if self._ident is not None:
            shown = await self._frame.api.get(path("agents", self._ident))
        self._known = await repertoire.read(self._frame.api)
        self._build(shown)

    # --- the page --------------------------------------------------------------------------------

    def _build(self, shown: Mapping[str, Any] | None) -> None:
        assert self._known is not None
        self._shown = shown
        self._form = AgentForm() if shown is None else agent_form.of_agent(shown)
        self._body.clear()
        with self._body:
            self._heading(shown)
            if not self._frame.login.writes:
                assert shown is not None
                with card():
                    blocks.facts(agent_facts(shown, self._known))
                return
            with card():
                self._fields = AgentFields(self._form, self._known, self._ident)
                self._result = box("").props("aria-live=polite")
                with box("line"):
                    self._store = button(
                        "Store this agent" if shown is None else "Store the changes",
                        self._store_now,
                        kind="primary",
                    )
                    button("Back to the agents", lambda: ui.navigate.to("/agents"))

    def _heading(self, shown: Mapping[str, Any] | None) -> None:
        with box("line"):
            if shown is None:
                Words("h1", "New agent")
                return
            Words("h1", shown["agent_name"])
            Words("span", shown["agent_id"], "tag quiet")
            box("push")
            if self._frame.login.writes:
                at = f"/campaigns/new?agent={quote(shown['agent_id'])}"
                button("New campaign with it", lambda: ui.navigate.to(at))
                button("Delete", self._ask_delete, kind="negative")
        Words(
            "div",
            f"Made {wording.moment(shown['created_at'])}. Campaigns keep what they were created with.",
            "soft",
        )
        self._users = box("").style("display: contents")

    # --- storing it ------------------------------------------------------------------------------

    async def _store_now(self) -> None:
        if self._storing:
            return
        self._storing = True
        self._store.set_enabled(False)
        try:
            await self._ask_api()
        except (Refused, Away) as problem:
            self._wrong(problem)
        finally:
            self._storing = False
            self._store.set_enabled(True)

    async def _ask_api(self) -> None:
        """Raises `Refused`, `Away`."""
        assert self._fields is not None
        self._fields.unmark()
        self._result.clear()
        if repeated := self._form.repeated():
            self._mark(repeated)
        elif self._ident is None:
            made = await self._frame.api.post(
                "/v1/agents", self._form.new(), once=self._form.once(self._form_name)
            )
            self._ident = str(made["agent_id"])
            ui.navigate.history.replace(f"/agents/{quote(self._ident)}")
            self._stored(made, f"“{made['agent_name']}” is stored: campaigns may use it from now on.")
        elif self._shown is not None and (changed := self._form.changes(self._shown)):
            made = await self._frame.api.patch(path("agents", self._ident), changed)
            self._stored(
                made, "The changes are stored; campaigns that exist keep what they were created with."
            )
        else:
            with self._result:
                blocks.note("Nothing was changed.")

    def _stored(self, made: Mapping[str, Any], said: str) -> None:
        self._build(made)
        with self._body:
            ui.page_title(f"{made['agent_name']} · dialerd")
        with self._result:
            blocks.note(said, "good")
            for warning in made["warnings"]:
                blocks.note(warning, "warn")

    def _wrong(self, problem: Refused | Away) -> None:
        found = agent_form.faults(problem) if isinstance(problem, Refused) else ()
        if found:
            self._mark(found)
            return
        with self._result:
            blocks.faults(problem)

    def _mark(self, found: Sequence[Fault]) -> None:
        """Nothing was stored: each fault stands at its field, what has none here."""
        assert self._fields is not None
        elsewhere = self._fields.mark(found)
        said = "Nothing was stored: please correct the fields that are marked."
        problem = Refused(422, {"detail": "Nothing was stored:" if len(elsewhere) == len(found) else said})
        with self._result:
            blocks.faults(problem, left=elsewhere)

    # --- its end ---------------------------------------------------------------------------------

    async def _ask_delete(self) -> None:
        assert self._ident is not None
        said = "No new campaign can use it. While a campaign, a call or another agent uses it, it cannot be deleted."
        if await confirm("Delete this agent?", said, "Delete", kind="negative") is None:
            return
        self._users.clear()
        try:
            await self._frame.api.delete(path("agents", self._ident))
        except Refused as refused:
            self._not_deleted(refused)
        except Away as away:
            blocks.tell(away)
        else:
            ui.navigate.to("/agents")

    def _not_deleted(self, refused: Refused) -> None:
        used_by = agent_form.users(refused)
        with self._users:
            if not used_by:
                blocks.faults(refused)
                return
            with box("note warn").props("role=alert"):
                Words("div", "It is in use and was not deleted. It is used by:", "strong")
                with ui.element("ul"):
                    for user, page in used_by:
                        with ui.element("li"):
                            ui.link(user, page)


def agent_facts(agent: Mapping[str, Any], known: Repertoire) -> list[tuple[str, str]]:
    """An agent in words, for who may only look."""
    engine = known.engines.get(agent["engine"])
    needed = known.needs_script(agent["engine"])
    labels = [agent_form.told(label, about) for label, about in agent[agent_form.LABELS].items()]
    recorded = {True: "yes", False: "no"}.get(agent["recording"], "as each campaign says")
    return [
        ("Engine", engines.called(agent["engine"], engine)),
        ("Engine now", "; ".join(filter(None, (engines.state(engine)[0], engines.trouble(engine))))),
        (
            "Script",
            agent["script_id"] or ("as each campaign says" if needed else "none: its engine needs none"),
        ),
        ("Language", agent["language"] or "as each campaign says"),
        ("Voice", agent["voice"] or ("as the script says" if needed else wording.NOTHING)),
        ("Fallback", agent["fallback"] or wording.NOTHING),
        ("Transfers to", agent["transfer_target"] or "as configured"),
        ("Recorded", recorded),
        ("Dispositions", ", ".join(labels) or "none of its own"),
    ]
