"""An agent for tests: what it says is the number of frames, what it does is what the test tells it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError, RequestError
from dialerd.core.identity import E164, CallId, ChannelId
from dialerd.core.model import AgentReport, OnMachine
from dialerd.core.transfer import TransferWish
from dialerd.media.conversation import Stage
from tests.media.fake_asterisk import channel_of

FRAME = b"\x10" * 160
UNMET = b"\x20" * 160
"""What it says of a callback that cannot be."""
DNC = AgentReport("dnc", False, {}, ({"speaker": "callee", "time": 1.0, "digits": "9"},))


def call_id(number: int = 1) -> CallId:
    """An id as the engine makes them."""
    return CallId(f"cal_{number:012x}")


def order(number: int = 1, **changes: Any) -> AttachAgent:
    """An answered call."""
    fields: dict[str, Any] = {
        "call": call_id(number),
        "channel": ChannelId(channel_of(call_id(number))),
        "script_id": "offer",
        "script_version": 1,
        "language": "en-IN",
        "phone": E164("+15550100100"),
        "name": None,
        "variables": {},
        "on_machine": OnMachine.IGNORE,
    }
    return AttachAgent(**{**fields, **changes})


async def frames(count: int) -> AsyncGenerator[bytes]:
    """So many frames, in one clip."""
    yield FRAME * count


async def _once(audio: bytes) -> AsyncGenerator[bytes]:
    yield audio


@dataclass
class FakeTalk:
    """Says `opening` frames; key 9 is a label and the end, 5 a bug, 7 asks for a person, others say ten frames more."""

    opening: int = 10
    hears: bool = False
    audio: Callable[[int], AsyncGenerator[bytes]] = frames
    stage: Stage | None = None
    told: list[tuple[Any, ...]] = field(default_factory=list)
    known: AgentReport = AgentReport()
    has_message: bool = False

    def start(self, stage: Stage) -> None:
        self.stage = stage
        stage.play(1, self.audio(self.opening))

    def key_pressed(self, digit: str, at: Millis) -> None:
        self.told.append(("key", digit))
        assert self.stage is not None
        if digit == "7":
            return self.stage.escalate(TransferWish("support", reason="key 7"))
        if digit == "5":
            raise ZeroDivisionError("a bug")
        self.stage.stop()
        if digit == "9":
            self.known = DNC
            self.stage.report(self.known)
        self.stage.play(9 if digit == "9" else 2, self.audio(10))

    def heard(self, audio: bytes, at: Millis) -> None:
        self.told.append(("heard", audio))

    def played(self, number: int, at: Millis) -> None:
        self.told.append(("played", number))
        assert self.stage is not None
        if number == 9:
            self.stage.finish(self.known)
        else:
            self.stage.listen(number + 100, Millis(100_000))

    def silence(self, number: int, at: Millis) -> None:
        self.told.append(("silence", number))

    def transfer_failed(self, reason: str, at: Millis) -> None:
        self.told.append(("transfer_failed", reason))
        assert self.stage is not None
        self.stage.play(7, self.audio(10))

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None:
        self.told.append(("callback_unmet", asked, unmet))
        assert self.stage is not None
        self.stage.play(8, _once(UNMET))

    knows_words: ClassVar[bool] = True

    def resume(self, at: Millis) -> None:
        self.told.append(("resume",))
        assert self.stage is not None
        self.stage.play(3, self.audio(10))

    def message(self) -> AsyncGenerator[bytes] | None:
        return self.audio(20) if self.has_message else None

    def close(self, at: Millis) -> AgentReport:
        self.told.append(("close",))
        return self.known


@dataclass
class FakeAgent:
    """Gives each call a `FakeTalk`."""

    fault: str | None = None
    """Why it cannot get ready."""
    broken: Exception | None = None
    """What `converse` raises."""
    make: Callable[[], FakeTalk] = FakeTalk
    talks: dict[str, FakeTalk] = field(default_factory=dict)
    learned: list[tuple[str, int]] = field(default_factory=list)
    prepared: list[tuple[str, int, str]] = field(default_factory=list)
    closed: bool = False
    foreseen: list[AttachAgent] = field(default_factory=list)
    forgone: list[str] = field(default_factory=list)
    blind: Exception | None = None
    """What `foresee` raises."""

    async def start(self) -> None:
        if self.fault is not None:
            raise PortError(self.fault, retryable=True)

    def learn(self, script_id: str, version: int, body: Mapping[str, Any]) -> None:
        self.learned.append((script_id, version))

    async def prepare(self, script_id: str, version: int, language: str, voice: str | None = None) -> None:
        if language == "tlh":
            raise RequestError(422, "invalid-field", "Invalid request", "nobody speaks Klingon here")
        if script_id == "unlucky":
            raise PortError("the voice is hoarse", retryable=True)
        self.prepared.append((script_id, version, language))

    def foresee(self, order: AttachAgent) -> None:
        self.foreseen.append(order)
        if self.blind is not None:
            raise self.blind

    def forgo(self, call: str) -> None:
        self.forgone.append(call)

    def converse(self, order: AttachAgent) -> FakeTalk:
        if self.broken is not None:
            raise self.broken
        self.talks[order.call] = self.make()
        return self.talks[order.call]

    async def close(self) -> None:
        self.closed = True
