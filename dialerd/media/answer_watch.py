"""What is done about who has answered: the verdict is told, a machine is hung up on or given its message.

The agent greets at once, whoever is there; this listens beside it. It never makes a person wait, and takes back what it
has begun when a person shows: by a key at any time, by what is said, or by listening, until the machine is hung up on,
has sounded its tone or is given its message. Milliseconds since the answer come from outside; it plays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.media.cadence import FRAME_MS, Cadence, Heard

CERTAIN = 1_500
"""Milliseconds for which a verdict must stand before a machine is hung up on."""
LATEST = 6_000
"""Milliseconds after which it is hung up on though what it says might be a person's."""
ENDED = 2_000
"""Of silence, after which a greeting without a tone has ended."""
UNDECIDED = 12_000
"""Of what was heard, after which nothing is made of who has answered where nothing would follow from it."""
SETTLED = 8_000
"""Of what was heard, after which a person remains one: a tone that comes later is no machine's."""
AGAIN = 4_000
"""Of what was heard after somebody was taken for a person, in which a tone is a machine's still."""
LEEWAY = 200
"""By which audio may be late. What comes later was not sent: carriers send nothing where nothing is said."""
PATIENCE = 30_000
"""Longer than this, after the answer, no machine's tone is waited for."""


@dataclass(frozen=True, slots=True)
class Judged:
    """It was heard who is there."""

    answer: AnsweredBy
    why: str


@dataclass(frozen=True, slots=True)
class Hush:
    """The agent falls silent: the machine is about to record."""


@dataclass(frozen=True, slots=True)
class Speak:
    """The message is spoken now."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """A person is there after all: the agent goes on."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Nothing more is said to this machine."""

    message_left: bool = False


Act = Judged | Hush | Speak | GoOn | HangUp


class AnswerWatch:
    """One call's. Each of its methods answers what is to be done."""

    def __init__(self, on_machine: OnMachine, cadence: Cadence | None = None) -> None:
        self._on_machine = on_machine
        self._cadence = cadence or Cadence()
        self._machine_since: int | None = None
        self._speaking = False
        self._over = on_machine is OnMachine.IGNORE
        """Nothing is listened for any more."""
        self._ended = False
        self._settled = UNDECIDED
        self._heard_to: int | None = None
        """Since the answer, up to where it has been heard; None: nothing yet."""

    @property
    def listens(self) -> bool:
        """Whether it wants the callee's audio still."""
        return not self._over

    @property
    def waits(self) -> bool:
        """Whether `tick` is to be called from time to time, also where no audio comes."""
        begun = self._machine_since is not None or self._heard_to is not None
        return not self._over and begun

    def hear(self, frame: bytes, at: int) -> tuple[Act, ...]:
        """20 ms of the callee's audio."""
        acts = self._catch_up(at)
        if self._over:
            return acts
        heard = self._cadence.hear(frame)
        expected = at if self._heard_to is None else self._heard_to + FRAME_MS
        self._heard_to = min(expected, at + LEEWAY)
        acts += self._reopened(heard, at) if heard is not None else ()
        return acts + self._pass(at)

    def _catch_up(self, at: int) -> tuple[Act, ...]:
        """Time in which no audio came was silence."""
        if self._over or self._heard_to is None:
            return ()
        missing = at - self._heard_to - FRAME_MS
        if missing <= LEEWAY:
            return ()
        self._heard_to += missing
        heard = self._cadence.miss(missing)
        return self._reopened(heard, at) if heard is not None else ()

    def pressed(self, at: int) -> tuple[Act, ...]:
        """The callee pressed a key."""
        if self._ended or self._on_machine is OnMachine.IGNORE:
            return ()
        heard = self._cadence.pressed()
        return self._take(heard, at) if heard is not None else ()

    def understood(self, at: int) -> tuple[Act, ...]:
        """The callee has said something that was listened for."""
        heard = None if self._over else self._cadence.understood()
        return self._reopened(heard, at) if heard is not None else ()

    def judged(self, answer: AnsweredBy, why: str, at: int) -> tuple[Act, ...]:
        """Somebody else has listened too, and thinks so.

        A machine counts where nothing was heard here, a person as long as a machine is not certain: human first.
        """
        if self._over or not self._is_open_to(answer, at):
            return ()
        self._cadence.answer = answer
        return self._reopened(Heard(answer, why), at)

    def _is_open_to(self, answer: AnsweredBy, at: int) -> bool:
        if self._cadence.answer is None:
            return answer is AnsweredBy.HUMAN or not self._cadence.has_spoken
        doubted = answer is AnsweredBy.HUMAN and not self._cadence.final
        return doubted and self._machine_since is not None and at - self._machine_since < CERTAIN

    def tick(self, at: int) -> tuple[Act, ...]:
        """Time has passed."""
        return self._catch_up(at) + self._pass(at)

    def _pass(self, at: int) -> tuple[Act, ...]:
        if self._over or self._speaking:
            return ()
        if self._machine_since is None:
            settled = self._cadence.answer is not None or self._on_machine is OnMachine.CONTINUE
            self._over = at > PATIENCE or (settled and self._cadence.at > self._settled)
            return ()
        if self._on_machine is OnMachine.HANG_UP and self._is_certain(at - self._machine_since):
            return self._end()
        if self._on_machine is OnMachine.MESSAGE:
            if self._cadence.quiet >= ENDED:
                return self._speak()
            if at > PATIENCE:
                return self._end()
        return ()

    def _is_certain(self, stood: int) -> bool:
        """Whether a verdict that has stood for so long may end the call."""
        wavers = self._cadence.wavers and self._cadence.quiet < ENDED
        return stood >= LATEST or (stood >= CERTAIN and not wavers)

    def spoken(self) -> tuple[Act, ...]:
        """The message was played to its end."""
        return self._end(message_left=True) if self._speaking and not self._ended else ()

    def _reopened(self, heard: Heard, at: int) -> tuple[Act, ...]:
        """Something was heard. Who is a person by it may have ended a greeting: a tone is waited for."""
        if heard.answer is AnsweredBy.HUMAN:
            self._settled = max(SETTLED, self._cadence.at + AGAIN)
        return self._take(heard, at)

    def _take(self, heard: Heard, at: int) -> tuple[Act, ...]:
        told: tuple[Act, ...] = ()
        if heard.answer is AnsweredBy.MACHINE:
            if self._machine_since is None:
                self._machine_since = at
                told = (Judged(heard.answer, heard.why),)
                if self._on_machine is OnMachine.MESSAGE:
                    told += (Hush(),)
            return told + (self._beeped() if heard.beep else ())
        was_machine, self._machine_since = self._machine_since is not None, None
        told = (Judged(heard.answer, heard.why),)
        if was_machine and self._on_machine is OnMachine.MESSAGE:
            self._speaking = False
            told += (GoOn(),)
        return told

    def _beeped(self) -> tuple[Act, ...]:
        """It records from here on."""
        if self._on_machine is OnMachine.HANG_UP:
            return self._end()
        return self._speak() if self._on_machine is OnMachine.MESSAGE and not self._speaking else ()

    def _speak(self) -> tuple[Act, ...]:
        self._speaking = self._cadence.final = True
        return (Speak(),)

    def _end(self, *, message_left: bool = False) -> tuple[Act, ...]:
        self._over = self._ended = True
        return (HangUp(message_left),)
