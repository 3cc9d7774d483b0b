"""A new campaign in seven steps: the API checks each before the next, and nothing is stored before the launch."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from dialerd.console import blocks, draft, repertoire
from dialerd.console.api import path
from dialerd.console.blocks import Words, box, button
from dialerd.console.context import Console
from dialerd.console.draft import Draft
from dialerd.console.frame import CAMPAIGNS, PATIENCE, Frame
from dialerd.console.pages.new_contacts import ContactStep
from dialerd.console.pages.new_retry import RetryStep
from dialerd.console.pages.new_review import Review
from dialerd.console.pages.new_schedule import ScheduleStep
from dialerd.console.pages.new_voice import VoiceStep
from dialerd.console.problem import Away, Fault, Refused

EARLIER = 100
"""Earlier campaigns whose settings can be taken over."""
_ZONE = "Intl.DateTimeFormat().resolvedOptions().timeZone"


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/campaigns/new", response_timeout=PATIENCE)
    async def new_campaign(request: Request, agent: str | None = None) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, CAMPAIGNS, "New campaign")
        if not login.writes:
            with frame.content:
                Words("h1", "New campaign")
                blocks.note("Your API key may only read. Log in with a key of the scope write.", "warn")
            return
        await Wizard(frame, agent).open()


class Wizard:
    """The seven steps and what they have gathered; `agent`: one that is chosen to begin with."""

    def __init__(self, frame: Frame, agent: str | None) -> None:
        self._frame = frame
        self._ident = f"console-{uuid.uuid4()}"
        self._draft = Draft(agent_id=agent)
        self._now = datetime.now(UTC)
        self._earlier: dict[str, str] = {}
        self._copied: str | None = ""
        self._errors: dict[str, ui.element] = {}
        self._loaded = False
        self._launching = False

    async def open(self) -> None:
        """Show the first step."""
        with self._frame.content:
            Words("h1", "New campaign")
            with box("line") as waiting:
                ui.spinner()
                Words("span", "Reading agents, scripts and campaigns")
            self._place = box("").style("display: contents")
        self._waiting = waiting
        await self._frame.show(self._load)

    async def _load(self) -> None:
        """What can be chosen: read once, when the daemon answers. Raises `Refused`, `Away`."""
        if self._loaded:
            return
        known = await repertoire.read(self._frame.api)
        earlier = await self._frame.api.everything("/v1/campaigns", EARLIER)
        self._loaded = True
        self._waiting.set_visibility(False)
        self._earlier = {one["campaign_id"]: f"{one['name']} ({one['created_at'][:10]})" for one in earlier}
        self._known = known
        self._build()

    def _build(self, at: str = draft.OPEN) -> None:
        self._place.clear()
        with (
            self._place,
            ui.stepper(value=at)
            .props("flat animated=false header-nav=false")
            .classes("w-full") as self._stepper,
        ):
            self._stepper.props("vertical keep-alive")
            for number, (name, title) in enumerate(draft.STEPS.items(), 1):
                with ui.step(name, title).props(f"prefix={number}"):
                    self._errors[name] = box("")
                    getattr(self, f"_{name}_step")()

    # --- the steps -------------------------------------------------------------------------------

    def _open_step(self) -> None:
        Words(
            "div",
            "Begin with an empty form, or with the settings of an earlier campaign. Nothing is "
            "stored or dialed before the last step.",
        )
        choices = {"": "An empty form", **self._earlier}
        ui.select(choices, value="", label="Begin with", with_input=True).props("outlined").classes(
            "w-full"
        ).bind_value(self, "_copied")
        self._buttons(draft.OPEN)

    def _name_step(self) -> None:
        Words(
            "div",
            "A name that says use case, language and date, such as “Q4 Cross-Sell — Personal "
            "Loans — hi-IN — Jan 2027”. It is shown everywhere, and never said to anybody.",
        )
        ui.input("Campaign name").props("outlined maxlength=255 counter").classes("w-full").bind_value(
            self._draft, "name"
        ).on("keydown.enter", lambda: self._next(draft.NAME))
        self._buttons(draft.NAME)

    def _voice_step(self) -> None:
        VoiceStep(self._draft, self._known)
        self._buttons(draft.VOICE)

    def _schedule_step(self) -> None:
        self._schedule = ScheduleStep(self._draft)
        self._buttons(draft.SCHEDULE)

    def _contacts_step(self) -> None:
        self._contacts = ContactStep(self._draft, self._frame.whole_numbers)
        self._buttons(draft.CONTACTS)

    def _retry_step(self) -> None:
        RetryStep(self._draft)
        self._buttons(draft.RETRY)

    def _launch_step(self) -> None:
        self._review = Review(self._draft, self._known, self._frame)
        with box("line"):
            self._launch = button("Launch campaign", self._launch_now, kind="positive")
            button("Back", lambda: self._stepper.set_value(draft.RETRY))
            button("Check again", self._check_review)

    def _buttons(self, step: str) -> None:
        names = list(draft.STEPS)
        at = names.index(step)
        with box("line"):
            button("Next", lambda: self._next(step), kind="primary")
            if at:
                button("Back", lambda: self._stepper.set_value(names[at - 1]))

    # --- from one to the next --------------------------------------------------------------------

    async def _next(self, step: str) -> None:
        """Check a step; go on if nothing is wrong with it."""
        if step == draft.OPEN:
            await self._begin()
            return
        if step == draft.CONTACTS:
            await self._check_contacts()
            return
        faults = await self._faults(step)
        if faults is None:
            return
        self._tell(step, faults)
        if not faults:
            await self._go_on(step)

    async def _go_on(self, step: str) -> None:
        names = list(draft.STEPS)
        following = names[names.index(step) + 1]
        self._stepper.set_value(following)
        if following == draft.LAUNCH:
            await self._check_review()

    async def _begin(self) -> None:
        if self._copied:
            shown = await self._frame.attempt(self._frame.api.get(path("campaigns", self._copied)))
            if shown is None:
                return
            copied = draft.of_campaign(shown)
            copied.start, copied.end = self._draft.start, self._draft.end
            self._draft = copied
        if not self._draft.timezone:
            self._draft.timezone = await _browser_zone()
        _set_times(self._draft)
        self._build(draft.NAME)

    async def _faults(self, step: str) -> Sequence[Fault] | None:
        """What is wrong with the fields of a step; None: it could not be asked."""
        try:
            await self._frame.api.post_list(
                "/v1/campaigns/validate", self._draft.fields(self._now), self._draft.csv
            )
        except Refused as refused:
            if refused.status == 422:
                return draft.faults_of(step, refused.faults)
            self._problem(step, refused)
            return None
        except Away as away:
            self._problem(step, away)
            return None
        return ()

    async def _check_contacts(self) -> None:
        """Count the rows; faulty ones are left out only if the user says so."""
        self._errors[draft.CONTACTS].clear()
        if not await self._contacts.take():
            return
        asked = self._draft.fields(self._now, skip=True)
        try:
            report = await self._frame.api.post_list("/v1/campaigns/validate", asked, self._draft.csv)
        except Refused as refused:
            found = draft.faults_of(draft.CONTACTS, refused.faults)
            if found:
                self._tell(draft.CONTACTS, found)
            else:
                self._problem(draft.CONTACTS, refused)
            return
        except Away as away:
            self._problem(draft.CONTACTS, away)
            return
        if self._contacts.show(report):
            await self._go_on(draft.CONTACTS)

    async def _check_review(self) -> None:
        """Everything once more, and how long it will take."""
        self._errors[draft.LAUNCH].clear()
        self._now = datetime.now(UTC)
        self._launch.set_enabled(False)
        ready = await self._review.check(self._now)
        self._launch.set_enabled(ready)

    async def _launch_now(self) -> None:
        """Create the campaign: under one name, so that it is created once however often it is asked for."""
        if self._launching:
            return
        self._launching = True
        self._launch.set_enabled(False)
        try:
            made = await self._frame.api.post_list(
                "/v1/campaigns",
                self._draft.fields(self._now),
                self._draft.csv,
                once=self._draft.once(self._ident, self._now),
            )
            if self._draft.started_by_hand:
                await self._frame.api.post(path("campaigns", made["campaign_id"], "start"), {"now": True})
        except (Refused, Away) as problem:
            self._problem(draft.LAUNCH, problem)
            self._launching = False
            self._launch.set_enabled(True)
            return
        ui.navigate.to(f"/campaigns/{made['campaign_id']}")

    def _tell(self, step: str, faults: Sequence[Fault]) -> None:
        place = self._errors[step]
        place.clear()
        if faults:
            problem = Refused(422, {"detail": "Please correct this first:"})
            with place:
                blocks.faults(problem, left=[draft.near(fault) for fault in faults])

    def _problem(self, step: str, problem: Refused | Away) -> None:
        place = self._errors[step]
        place.clear()
        with place:
            blocks.faults(problem)


def _set_times(chosen: Draft) -> None:
    """A window to begin with: until the evening of tomorrow."""
    if not chosen.start:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        chosen.start = f"{tomorrow:%Y-%m-%d}T09:00"
    if not chosen.end:
        chosen.end = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}T18:00"


async def _browser_zone() -> str:
    """The time zone of the user's machine, as far as it tells."""
    try:
        told: Any = await ui.run_javascript(_ZONE, timeout=2.0)
    except TimeoutError:
        told = None
    return told if isinstance(told, str) and told else "UTC"
