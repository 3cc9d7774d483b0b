"""A script tried out by keyboard: the same conversation as on the phone, in texts and typed lines.

Its time is the script's own: lines take as long as speaking them would, waits as long as they are. It places no
call and needs no daemon.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    Report,
    Say,
    SilenceElapsed,
    Spoken,
    TransferFailed,
)
from dialerd.agent.proofreading import proofread_words
from dialerd.agent.standing import Phase, State
from dialerd.core.clock import Instant, Millis, from_datetime, parse_iso, to_iso
from dialerd.core.errors import RequestError
from dialerd.core.wallclock import is_zone

PACE = 70
"""Milliseconds that a character takes to be spoken, in a line that no key interrupts."""
HANG_UP, TAKEN, FAILED = ":hangup", ":taken", ":failed"
"""What may be typed beside keys and words."""
_KEYS = re.compile(r"[0-9*#]+")
_NOT_SAID = re.compile(r"[^a-z' ]+")


class NotHeld(Exception):
    """The script, or what it was given, is wrong; `faults` as the API tells them."""

    def __init__(self, error: RequestError) -> None:
        super().__init__(error.detail)
        self.faults = [{"loc": fault.loc, "msg": fault.msg} for fault in error.faults]


@dataclass(frozen=True, slots=True)
class Told:
    """Something to show: `what` is `agent`, `captured`, `label` or `person`."""

    what: str
    text: str


@dataclass
class Trial:
    """A conversation, begun. `hear` after each step tells what happened."""

    source: str
    language: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    recorded: bool = False
    until: Instant | None = None
    """Callbacks after it are refused, as they are beyond a campaign's end."""

    def __post_init__(self) -> None:
        """Raises `NotHeld`."""
        self._at = 0
        self._told: list[Told] = []
        self._wait = Millis(0)
        self._line = 0
        self._shown: dict[str, Any] = {}
        self._label: str | None = None
        try:
            script = proofread_words(self.source)
            given = {"phone": "+10000000000", **self.variables}
            clock = Clock(Instant(time.time_ns() // 1_000_000), self.zone)
            language = self.language or script.languages[0]
            state, actions = dialogue.start(script, language, given, clock, recorded=self.recorded)
        except RequestError as error:
            raise NotHeld(error) from error
        self._state: State = state
        self._perform(actions)

    @staticmethod
    def knows_zone(name: str) -> bool:
        """Whether there is such a time zone."""
        return is_zone(name)

    @staticmethod
    def instant(text: str) -> Instant:
        """A time with its offset. Raises `ValueError`."""
        return from_datetime(parse_iso(text))

    @property
    def over(self) -> bool:
        """Whether the conversation has ended."""
        return self._state.phase is Phase.DONE

    @property
    def patience(self) -> float:
        """Seconds until nobody's answer counts as such."""
        return self._wait / 1_000

    @property
    def transferring(self) -> bool:
        """Whether a person is being called."""
        return self._state.phase is Phase.TRANSFERRING

    @property
    def choices(self) -> list[str]:
        """What can be answered now: keys with their labels, and words."""
        state = self._state
        keys = [
            f"{key} ({choice.label})" if choice.label else key for key, choice in state.now_in.choices.items()
        ]
        if state.confirming is not None or state.now_in.typed:
            keys = []
        return [*keys, *(f'"{phrase}"' for phrase in self.words)]

    @property
    def words(self) -> tuple[str, ...]:
        """What can be said now, where words are heard."""
        return self._state.phrases if self._state.language.split("-")[0] == "en" else ()

    def hear(self) -> Iterator[Told]:
        """What has happened since, with all lines heard to their end."""
        while True:
            told, self._told = self._told, []
            yield from told
            if self._state.phase is Phase.CHECKING:
                self._nothing()
            elif self._state.phase in (Phase.SPEAKING, Phase.CLOSING):
                self._at += self._line
                self._take(LinePlayed(self._state.number, Millis(self._at)))
            else:
                return

    def answer(self, line: str) -> None:
        """What was typed: keys, words, a command, or nothing."""
        line = line.strip()
        if line == HANG_UP or (line == TAKEN and self.transferring):
            self._take(CalleeLeft(Millis(self._at)))
        elif not line or line == FAILED:
            self._nothing()
        elif _KEYS.fullmatch(line):
            for key in line:
                self._at += 250
                self._take(KeyPressed(key, Millis(self._at)))
        else:
            self._at += PACE * len(line)
            phrase = " ".join(_NOT_SAID.sub(" ", line.lower()).split())
            self._take(Spoken(phrase if phrase in self.words else None, Millis(self._at)))

    def leave(self) -> None:
        """Hang up."""
        self._take(CalleeLeft(Millis(self._at)))

    @property
    def outcome(self) -> dict[str, Any]:
        """What a call would have reported."""
        report = self._state.report
        return {
            "language": self._state.language,
            "disposition": report.disposition,
            "positive": report.positive,
            "captured": dict(report.captured),
            "callback_at": None if report.callback_at is None else to_iso(report.callback_at),
            "transcript": [dict(turn) for turn in report.transcript],
        }

    def _nothing(self) -> None:
        if self.transferring:
            self._take(TransferFailed("no_answer", Millis(self._at)))
            return
        self._at += self._wait
        self._take(SilenceElapsed(self._state.number, Millis(self._at)))

    def _take(self, event: Event) -> None:
        before = self._state.callback_at
        self._state, actions = dialogue.step(self._state, event)
        self._perform(actions)
        asked = self._state.callback_at
        if asked not in (None, before) and self.until is not None and asked > self.until:
            self._take(CallbackUnmet(asked, None, self._latest, Millis(self._at)))

    @property
    def _latest(self) -> Instant | None:
        """The last time at which it could still be called."""
        now = self._state.clock.answered + self._at
        return self.until if self.until is not None and self.until > now else None

    def _perform(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Say():
                    text = " ".join(sentence.text for sentence in action.sentences)
                    self._told.append(Told("agent", text))
                    self._line = PACE * len(text)
                case Listen():
                    self._wait = action.duration
                case Report():
                    self._note(action)
                case Escalate():
                    target = action.target or "the default target"
                    self._told.append(Told("person", f"{target} ({action.trigger}): {action.summary}"))

    def _note(self, action: Report) -> None:
        report = action.report
        for name, value in report.captured.items():
            if self._shown.get(name) != value:
                self._shown[name] = value
                self._told.append(Told("captured", f"{name} = {value}"))
        if report.disposition is not None and report.disposition != self._label:
            self._label = report.disposition
            self._told.append(Told("label", report.disposition))
