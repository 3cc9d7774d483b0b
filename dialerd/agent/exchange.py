"""What a conversation is told, and what it wants done: the events and actions of `dialerd.agent.dialogue`.

`at` is milliseconds since the callee answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.core.clock import Instant, Millis
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferTrigger

# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The callee pressed a key."""

    digit: str
    at: Millis


@dataclass(frozen=True, slots=True)
class Spoken:
    """The callee said something. `phrase` None: it was none of the phrases that were listened for."""

    phrase: str | None
    at: Millis


@dataclass(frozen=True, slots=True)
class LinePlayed:
    """The line that `Say` numbered `number` was heard to its end."""

    number: int
    at: Millis


@dataclass(frozen=True, slots=True)
class SilenceElapsed:
    """The wait that `Listen` numbered `number` is over."""

    number: int
    at: Millis


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """Nobody took the call over, `reason` says why; the agent has it still."""

    reason: str
    at: Millis


@dataclass(frozen=True, slots=True)
class CallbackUnmet:
    """The callee cannot be called back at the instant `asked`. `following`: when it could be next, `latest`: at the
    latest; both None: not at all."""

    asked: Instant
    following: Instant | None
    latest: Instant | None
    at: Millis


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was being said was silenced, and whoever is there now has not heard it."""

    at: Millis


@dataclass(frozen=True, slots=True)
class CalleeLeft:
    """The callee hung up, or somebody else has the call."""

    at: Millis


Event = (
    KeyPressed | Spoken | LinePlayed | SilenceElapsed | TransferFailed | CallbackUnmet | Resumed | CalleeLeft
)

# --- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a line. `personal`: it holds a contact's values, and is kept nowhere. `audio`: its recording."""

    text: str
    personal: bool
    audio: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Speak the sentences; tell with `LinePlayed` when the last was heard."""

    number: int
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop speaking at once: the line's end will not be told."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait; tell with `SilenceElapsed` when `duration` has passed. A newer `Say` or `Listen` replaces it."""

    number: int
    duration: Millis


@dataclass(frozen=True, slots=True)
class Report:
    """The callee has decided, or told something: keep this whatever happens next."""

    report: AgentReport


@dataclass(frozen=True, slots=True)
class Escalate:
    """Have a person take over; `TransferFailed` says that nobody does. `target` None: the usual one."""

    target: str | None
    warm: bool | None
    trigger: TransferTrigger
    summary: str
    timeout: Millis | None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The conversation is over; the last word."""

    report: AgentReport


Action = Say | Hush | Listen | Report | Escalate | HangUp
