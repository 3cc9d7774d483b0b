"""The bar on every page: whether calls are placed at all, and the orders that concern the whole daemon."""

from __future__ import annotations

from typing import Any

from dialerd.console import blocks, wording
from dialerd.console.blocks import Words, box, button
from dialerd.console.login import Login
from dialerd.console.order import confirm, ringing_choice
from dialerd.console.problem import Away, Refused


class StatusBar:
    """Dialing, paused, panic, or away."""

    def __init__(self, login: Login) -> None:
        self._login = login
        with box("status"), box("bar").props('role=region aria-label="Status of dialerd"'):
            self._state = Words("span", "…", "tag quiet").props("aria-live=polite data-status")
            self._said = Words("span", "", "said")
            self._pause = button("Pause all dialing", self._ask_pause)
            self._resume = button("Resume dialing", self._ask_resume, kind="positive")
            self._panic = button(
                "PANIC: hang up everything", self._ask_panic, kind="negative", classes="panic"
            )
        self.show()

    def show(self) -> None:
        """Show the status as it was read last."""
        feed = self._login.feed
        text, tone, said = summary(feed.status, feed.away)
        self._state.set_text(text)
        self._state.classes(replace=f"tag {tone}")
        self._said.set_text(said)
        halted = bool(feed.status and feed.status["halt"])
        self._pause.set_visibility(self._login.writes and not halted)
        self._resume.set_visibility(self._login.writes and halted)
        self._panic.set_visibility(self._login.panics)

    async def _ask_pause(self) -> None:
        given = await confirm(
            "Pause all dialing?",
            "No campaign places new calls until you resume, over restarts too. Answered calls go on to their end.",
            "Pause all dialing",
            choices=[ringing_choice()],
        )
        if given is not None:
            await self._order("pause", given, "Dialing is paused.")

    async def _ask_resume(self) -> None:
        said = "Every campaign that is running and inside its window begins to place calls again at once."
        if await confirm("Resume dialing?", said, "Resume dialing", kind="positive") is not None:
            await self._order("resume", {}, "Dialing goes on.")

    async def _ask_panic(self) -> None:
        live = self._login.feed.status["live_calls"] if self._login.feed.status else 0
        said = (
            f"{wording.count(live, 'live call')} of dialerd, whoever is being spoken to, will be hung up at once. "
            "Nothing is dialed until somebody resumes. Other calls on your Asterisk are not touched."
        )
        if await confirm("Hang up everything?", said, "Hang up every call now", kind="negative") is not None:
            await self._order("panic", {}, "Every call was hung up. Nothing is dialed.")

    async def _order(self, name: str, body: dict[str, Any], done: str) -> None:
        try:
            answer = await self._login.api.post(f"/v1/{name}", body)
        except (Refused, Away) as problem:
            blocks.tell(problem)
            return
        self._login.feed.status = {**(self._login.feed.status or {}), **answer}
        self.show()
        blocks.done(in_flight(answer, done))


def in_flight(answer: dict[str, Any], done: str) -> str:
    """What was done; calls that had left before the order are named."""
    late = answer.get("in_flight", 0)
    if not late:
        return done
    return f"{done} {wording.count(late, 'call')} sent before that may still ring."


def summary(status: dict[str, Any] | None, away: str | None) -> tuple[str, str, str]:
    """The state, its tone, and what is to be said of it."""
    if away is not None:
        return "Away", "bad", "dialerd does not answer; it is looked for every second"
    if status is None:
        return "…", "quiet", ""
    live = wording.count(status["live_calls"], "live call")
    if status["halt"] == "panic":
        return "Panic", "bad", f"Every call was hung up and nothing is dialed until you resume · {live}"
    if status["halt"]:
        return "Paused", "warn", f"No new calls are placed until you resume · {live}"
    if status["dialing"]:
        running = status["campaigns"].get("running") or 0
        return "Dialing", "good", f"{live} · {wording.count(running, 'campaign')} running"
    problems = "; ".join(str(problem) for problem in status["problems"])
    return "Cannot dial", "bad", problems or "dialerd does not say why"
