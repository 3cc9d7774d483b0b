"""What an engine of conversations is to a media worker, as protocols.

The embedded agent implements them; whoever composes a worker names it. Audio is mu-law at 8 kHz in whole frames, but
of a `Voiced` conversation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol, runtime_checkable

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferWish
from dialerd.media.formats import Format
from dialerd.media.playout import Cue


class Conversation(Protocol):
    """What an agent is to one call: told what happens, it answers by directing the stage.

    `at` is milliseconds since the call was attached. Nothing of it may wait.
    """

    @property
    def hears(self) -> bool:
        """Whether it wants the callee's audio."""
        ...

    def start(self, stage: Stage) -> None:
        """The callee can hear: begin."""
        ...

    def key_pressed(self, digit: str, at: Millis) -> None:
        """The callee pressed a key."""
        ...

    def heard(self, audio: bytes, at: Millis) -> None:
        """20 ms of the callee's audio; only where it `hears`."""
        ...

    def played(self, number: int, at: Millis) -> None:
        """What `Stage.play`, or a cue in it, numbered so was heard to its end."""
        ...

    def silence(self, number: int, at: Millis) -> None:
        """What `Stage.listen` numbered so has passed."""
        ...

    def transfer_failed(self, reason: str, at: Millis) -> None:
        """Nobody was connected (`dialerd.core.transfer.TransferFailure`): go on with the callee.

        It comes also where somebody else than this conversation had asked for the transfer. One that succeeds is told
        by `close`.
        """
        ...

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None:
        """The callee cannot be called back at the instant `asked`, which it has reported."""
        ...

    def message(self) -> AsyncGenerator[bytes] | None:
        """What is left on an answering machine; None: it has nothing for one."""
        ...

    def close(self, at: Millis) -> AgentReport:
        """The call is over, whoever ended it: the last word."""
        ...


class Stage(Protocol):
    """What a conversation can do to its call."""

    def play(self, number: int, audio: AsyncGenerator[bytes | Cue]) -> None:
        """Send `audio`, whole frames; `played(number)` follows when its last frame was heard.

        A cue in it is told as played in its place, or when what is before it is dropped.
        """
        ...

    def stop(self) -> None:
        """Fall silent at once; what was playing will not be told as played."""
        ...

    def listen(self, number: int, duration: Millis) -> None:
        """`silence(number)` follows after `duration`, unless something is played or awaited meanwhile."""
        ...

    def report(self, report: AgentReport) -> None:
        """Tell what is known so far."""
        ...

    def escalate(self, wish: TransferWish) -> None:
        """Have the callee connected with a person; `transfer_failed` follows if that cannot be.

        Meanwhile the callee hears ringing wherever the conversation says nothing.
        """
        ...

    def spoken(self, *, understood: bool) -> bool:
        """The callee has said something, `understood` or not. False: it is not to be answered, nobody would hear it."""
        ...

    def finish(self, report: AgentReport) -> None:
        """The conversation is over."""
        ...

    def fail(self, detail: str) -> None:
        """The conversation cannot go on: somebody else may, if nothing of it was heard yet."""
        ...


@runtime_checkable
class RemoteConversation(Conversation, Protocol):
    """One that somebody else holds, who has to be reached first."""

    async def connect(self) -> None:
        """Return once it is taken. Raises `PortError` if it is not, in time.

        `start` follows when the callee can hear; what the other side says before is kept.
        """
        ...


@runtime_checkable
class DirectConversation(Conversation, Protocol):
    """One whose audio does not pass through the worker."""

    @property
    def leg(self) -> Any:
        """A `dialerd.media.session.Leg` of its own, which connects callee and engine."""
        ...


@runtime_checkable
class Voiced(Protocol):
    """A conversation whose audio is not mu-law."""

    @property
    def form(self) -> Format:
        """Of what it hears and says, as long as it lasts."""
        ...


@runtime_checkable
class Redirectable(Protocol):
    """A conversation that can be told to go on otherwise."""

    def redirect(self, instructions: Mapping[str, Any]) -> None:
        """Leave off, and do this instead (`AttachAgent.instructions`)."""
        ...


@runtime_checkable
class Pausing(Protocol):
    """A conversation that may have the callee wait before it begins."""

    @property
    def meant_silence(self) -> float:
        """Seconds for which it has had, and has now, the callee wait: they do not count as nobody being there."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A conversation that can go on after it was silenced."""

    @property
    def knows_words(self) -> bool:
        """Whether it tells the stage of what it understands, so that it wants the audio though it is silenced."""
        ...

    def resume(self, at: Millis) -> None:
        """Nobody has heard what was said since: go on from there, with a person."""
        ...


class Agent(Protocol):
    """An engine of conversations."""

    async def start(self) -> None:
        """Get ready. Raises `PortError` with the remedy; may be called again."""
        ...

    def learn(self, script_id: str, version: int, body: Mapping[str, Any]) -> None:
        """Hold a script version; calls may name it from now on. Raises `InvariantError` for no script."""
        ...

    async def prepare(self, script_id: str, version: int, language: str, voice: str | None = None) -> None:
        """Make ready what calls with this script will say; `voice` None: in the script's own.

        Raises `RequestError` or `PortError`.
        """
        ...

    def foresee(self, order: AttachAgent) -> None:
        """The call's phone rings: make ready what is heard first, if that can be. `converse` or `forgo` follows."""
        ...

    def forgo(self, call: str) -> None:
        """Nothing that was made ready for the call is needed; nothing was: nothing happens."""
        ...

    def converse(self, order: AttachAgent) -> Conversation:
        """The conversation of a call. Raises `RequestError` or `PortError` where it cannot be held."""
        ...

    async def close(self) -> None:
        """Let go of what `start` took."""
        ...
