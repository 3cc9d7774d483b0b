"""A callee in a scripted conversation, without a clock: a line is heard to its end, then something is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.agent import dialogue
from dialerd.agent.answer import Clock
from dialerd.agent.exchange import (
    Action,
    CallbackUnmet,
    CalleeLeft,
    Escalate,
    Event,
    KeyPressed,
    LinePlayed,
    Listen,
    Say,
    SilenceElapsed,
    Spoken,
    TransferFailed,
)
from dialerd.agent.script import ScriptDocument
from dialerd.agent.standing import Phase
from dialerd.core.clock import Instant, Millis
from dialerd.core.model import AgentReport

MORNING = Clock(Instant(1_767_582_000_000), "Asia/Kolkata")
"""8:30 on Monday, 5 January 2026, in India."""


class Talk:
    """A conversation; each method is what the callee does, and returns the conversation."""

    def __init__(
        self,
        script: ScriptDocument,
        language: str = "en-IN",
        variables: Mapping[str, Any] | None = None,
        clock: Clock = MORNING,
        most: Millis | None = None,
    ) -> None:
        self.at = 0
        self.actions: list[Action] = []
        known = variables or {"phone": "+919876543210"}
        self.state, opening = dialogue.start(script, language, known, clock, most=most)
        self.actions.extend(opening)

    def take(self, event: Event) -> Talk:
        """Let an event happen."""
        self.state, actions = dialogue.step(self.state, event)
        self.actions.extend(actions)
        return self

    def hear(self) -> Talk:
        """Hear out whatever is said until an answer is awaited, or the end has come."""
        for _ in range(50):
            if self.state.phase is Phase.CHECKING:
                self.wait_for_check()
                continue
            if self.state.phase not in (Phase.SPEAKING, Phase.CLOSING):
                break
            self._pass(3_000)
            self.take(LinePlayed(self.state.number, self._now))
        return self

    def interrupt(self, keys: str) -> Talk:
        """Press keys at once, whatever is being said."""
        for key in keys:
            self._pass(300)
            self.take(KeyPressed(key, self._now))
        return self

    def press(self, keys: str) -> Talk:
        """Hear the line out, then press keys."""
        return self.hear().interrupt(keys)

    def say(self, phrase: str | None) -> Talk:
        """Hear the line out, then say something."""
        self.hear()
        self._pass(700)
        return self.take(Spoken(phrase, self._now))

    def break_in(self, phrase: str) -> Talk:
        """Say something at once, whatever is being said."""
        self._pass(700)
        return self.take(Spoken(phrase, self._now))

    def wait(self) -> Talk:
        """Hear the line out, then do nothing."""
        self.hear()
        waits = [action for action in self.actions if isinstance(action, Listen)]
        self._pass(waits[-1].duration)
        return self.take(SilenceElapsed(self.state.number, self._now))

    def refuse(self, reason: str = "no_answer") -> Talk:
        """Nobody takes the call over."""
        self.hear()
        return self.take(TransferFailed(reason, self._now))

    def wait_for_check(self) -> Talk:
        """Let the moment pass in which a time for a callback may be refused."""
        assert self.state.phase is Phase.CHECKING
        self._pass(300)
        return self.take(SilenceElapsed(self.state.number, self._now))

    def refuse_callback(
        self, following: Instant | None = None, latest: Instant | None = None, of: Instant | None = None
    ) -> Talk:
        """Nobody can call when the callee asked for it, or at the instant `of`."""
        self._pass(20)
        asked = of or self.report.callback_at
        assert asked is not None
        return self.take(CallbackUnmet(asked, following, latest, self._now))

    def leave(self) -> Talk:
        """Hang up."""
        return self.take(CalleeLeft(self._now))

    @property
    def report(self) -> AgentReport:
        """What is known of the conversation."""
        return self.state.report

    @property
    def said(self) -> str:
        """The latest line."""
        says = [action for action in self.actions if isinstance(action, Say)]
        return " ".join(sentence.text for sentence in says[-1].sentences)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state.phase is Phase.DONE

    @property
    def wish(self) -> Escalate:
        """The latest wish for a person."""
        return [action for action in self.actions if isinstance(action, Escalate)][-1]

    @property
    def turns(self) -> list[str]:
        """The transcript in short: `A: text`, `C: digits or words`."""
        return [
            f"{'A' if turn['speaker'] == 'agent' else 'C'}: {turn.get('text', turn.get('digits'))}"
            for turn in self.report.transcript
        ]

    @property
    def _now(self) -> Millis:
        return Millis(self.at)

    def _pass(self, millis: int) -> None:
        self.at += millis
