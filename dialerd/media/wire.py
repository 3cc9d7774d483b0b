"""What a daemon and its media workers say to each other: one JSON object a line over a Unix socket.

Shapes and their checking, nothing else. Either side closes the connection at the first line it does not
understand: both come from one installation, so such a line means that one of them is another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.effects import AttachAgent, PrepareMedia
from dialerd.core.engine import EMBEDDED, EngineState, StandIn
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId
from dialerd.core.model import MU_LAW, AgentReport, AnsweredBy, OnMachine, Recording
from dialerd.core.transfer import TransferWish
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.engine_settings import EngineSettings

VERSION = 7
"""Of this protocol. A daemon ends a worker of another version."""
MAX_LINE = 4 * 1024 * 1024


def outcomes_of(socket: Path) -> Path:
    """Where a worker that listens at `socket` writes what no daemon has taken."""
    return socket.with_suffix(".outcomes")


class Garbled(ValueError):
    """A line that is no message."""


# --- to the worker -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make ready what calls with this script say in `language`; `Prepared` answers."""

    request: int
    script_id: str
    version: int
    language: str
    body: Mapping[str, Any]
    voice: str | None = None
    """None: as the script says."""
    kind: Literal["prepare"] = "prepare"


@dataclass(frozen=True, slots=True)
class Expect:
    """The call's phone rings: have ready what does not need the answer. `Attach` or `Forgo` follows."""

    call: str
    channel: str
    engine: str = EMBEDDED
    codec: str = MU_LAW
    answer: Attach | None = None
    """What would follow."""
    kind: Literal["expect"] = "expect"

    @classmethod
    def of(cls, order: PrepareMedia) -> Expect:
        """What the core has ordered."""
        answer = Attach.of(order.answer, 0.0) if order.answer is not None else None
        return cls(order.call, order.channel, order.engine, order.codec, answer)


@dataclass(frozen=True, slots=True)
class Forgo:
    """The call was not answered: let go of what was had ready."""

    call: str
    kind: Literal["forgo"] = "forgo"


@dataclass(frozen=True, slots=True)
class Attach:
    """Give the answered call its agent. `waited` is how many seconds ago it answered."""

    call: str
    channel: str
    script_id: str
    script_version: int
    language: str
    phone: str
    name: str | None
    variables: Mapping[str, Any]
    waited: float = 0.0
    voice: str | None = None
    zone: str | None = None
    engine: str = EMBEDDED
    agent_id: str | None = None
    campaign_id: str | None = None
    caller_id: str | None = None
    external_id: str | None = None
    stand_ins: tuple[StandIn, ...] = ()
    instructions: Mapping[str, Any] = field(default_factory=dict)
    on_machine: OnMachine = OnMachine.CONTINUE
    record: bool = False
    codec: str = MU_LAW
    labels: Mapping[str, bool] = field(default_factory=dict)
    most: Millis | None = None
    kind: Literal["attach"] = "attach"

    @classmethod
    def of(cls, order: AttachAgent, waited: float) -> Attach:
        """What the core has ordered."""
        return cls(**{one.name: getattr(order, one.name) for one in fields(order)}, waited=waited)

    def order(self) -> AttachAgent:
        """As the core says it. Raises `ValueError` for a number that is none."""
        return AttachAgent(
            call=CallId(self.call),
            channel=ChannelId(self.channel),
            script_id=self.script_id,
            script_version=self.script_version,
            language=self.language,
            phone=E164(self.phone),
            name=self.name,
            variables=self.variables,
            voice=self.voice,
            zone=self.zone,
            engine=self.engine,
            agent_id=self.agent_id,
            campaign_id=None if self.campaign_id is None else CampaignId(self.campaign_id),
            caller_id=self.caller_id,
            external_id=self.external_id,
            stand_ins=self.stand_ins,
            instructions=self.instructions,
            on_machine=self.on_machine,
            record=self.record,
            codec=self.codec,
            labels=self.labels,
            most=self.most,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What the worker may hold, and how long audio may be missing in calls that it is given from now on."""

    sessions: int
    """Of its calls those beyond go on."""
    one_way: float = AudioLimits().one_way
    silence: float = AudioLimits().silence
    kind: Literal["limits"] = "limits"

    @property
    def audio(self) -> AudioLimits:
        """As a call's audio is watched with."""
        return AudioLimits(self.one_way, self.silence)


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines that there are; those of an earlier message are gone, but for the calls they hold.

    `allow`: where the addresses that single calls bring may lead beside the public internet.
    """

    engines: tuple[EngineSettings, ...]
    allow: tuple[str, ...] = ()
    kind: Literal["engines"] = "engines"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Somebody wants the call's conversation to go on otherwise: see `dialerd.media.conversation.Redirectable`."""

    call: str
    instructions: Mapping[str, Any]
    kind: Literal["redirect"] = "redirect"


@dataclass(frozen=True, slots=True)
class Detach:
    """The call is over: release its media, say the last word."""

    call: str
    kind: Literal["detach"] = "detach"


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """Nobody was connected with the call's callee: its agent goes on."""

    call: str
    reason: str
    kind: Literal["transfer_failed"] = "transfer_failed"


@dataclass(frozen=True, slots=True)
class CallbackUnmet:
    """The call's callee cannot be called back at the instant `asked`."""

    call: str
    asked: Instant
    unmet: Unmet
    kind: Literal["callback_unmet"] = "callback_unmet"


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody else than its agent has asked for a transfer of the call; `warm`: the agent may go on talking."""

    call: str
    warm: bool
    kind: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The outcome with this number has arrived."""

    number: int
    kind: Literal["acknowledge"] = "acknowledge"


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? `Pong` answers."""

    kind: Literal["ping"] = "ping"


@dataclass(frozen=True, slots=True)
class Leave:
    """The daemon goes. An idle worker ends; one with calls waits for the next daemon, or hangs them up now."""

    hang_up: bool
    kind: Literal["leave"] = "leave"


ToWorker = (
    Prepare
    | Limits
    | Engines
    | Expect
    | Forgo
    | Attach
    | Redirect
    | Detach
    | TransferFailed
    | CallbackUnmet
    | Hold
    | Acknowledge
    | Ping
    | Leave
)

# --- to the daemon -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of a connection: who is here, and the calls it holds or has outcomes of."""

    version: int
    calls: tuple[str, ...]
    engines: Mapping[str, str] = field(default_factory=dict)
    """The engine of each call that is still held."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Calls for which something is ready, and the engine of each."""
    kind: Literal["hello"] = "hello"


@dataclass(frozen=True, slots=True)
class Ready:
    """How many calls it can hold at all; with 0, `detail` says why and how to mend it."""

    sessions: int
    detail: str = ""
    engines: Mapping[str, EngineState] = field(default_factory=dict)
    """The same of every engine beside the embedded one."""
    late: bool = False
    """All that is wrong is that its event loop does not keep up."""
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Answer to `Prepare`. `fault` None: ready; `refused`: the request was wrong, and trying again is useless."""

    request: int
    fault: str | None = None
    refused: bool = False
    kind: Literal["prepared"] = "prepared"


@dataclass(frozen=True, slots=True)
class Heard:
    """The first audio of the call's agent has left."""

    call: str
    kind: Literal["heard"] = "heard"


@dataclass(frozen=True, slots=True)
class StoodIn:
    """Another agent than its own has taken the call."""

    call: str
    agent_id: str
    engine: str
    detail: str
    number: int = 0
    kind: Literal["stood_in"] = "stood_in"


@dataclass(frozen=True, slots=True)
class Judged:
    """It was heard who has answered."""

    call: str
    answered_by: AnsweredBy
    detail: str
    number: int = 0
    kind: Literal["judged"] = "judged"


@dataclass(frozen=True, slots=True)
class MessageLeft:
    """The callee's answering machine has the whole message."""

    call: str
    number: int = 0
    kind: Literal["message_left"] = "message_left"


@dataclass(frozen=True, slots=True)
class Reported:
    """What the call's agent knows so far."""

    call: str
    report: AgentReport
    number: int = 0
    kind: Literal["reported"] = "reported"


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The call's agent wants the callee connected with a person."""

    call: str
    wish: TransferWish
    ask: int
    """Counts the wishes of the call's agent."""
    number: int = 0
    kind: Literal["transfer_asked"] = "transfer_asked"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recording of a call is whole."""

    call: str
    recording: Recording
    number: int = 0
    kind: Literal["recorded"] = "recorded"


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A call that was to be recorded is not."""

    call: str
    detail: str
    number: int = 0
    kind: Literal["unrecorded"] = "unrecorded"


@dataclass(frozen=True, slots=True)
class Ended:
    """The call's conversation is over: its last word, and the reason if it went wrong."""

    call: str
    report: AgentReport
    failed: Reason | None = None
    detail: str = ""
    number: int = 0
    unheard: bool | None = None
    """Whether our side has ended it before the callee heard anybody; None: it is not known."""
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Forgone:
    """The call's phone has rung for so long that its end must have been missed: nothing is ready for it any more."""

    call: str
    kind: Literal["forgone"] = "forgone"


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to `Ping`."""

    lag: float = 0.0
    """Seconds by which the worker's event loop was late at most since the last one."""
    kind: Literal["pong"] = "pong"


ToDaemon = (
    Hello
    | Ready
    | Prepared
    | Heard
    | StoodIn
    | Judged
    | MessageLeft
    | Reported
    | TransferAsked
    | Recorded
    | Unrecorded
    | Ended
    | Forgone
    | Pong
)

_to_worker: TypeAdapter[ToWorker] = TypeAdapter(Annotated[ToWorker, Field(discriminator="kind")])
_to_daemon: TypeAdapter[ToDaemon] = TypeAdapter(Annotated[ToDaemon, Field(discriminator="kind")])


def encode(message: ToWorker | ToDaemon) -> bytes:
    """The line that says it."""
    adapter: TypeAdapter[Any] = _to_worker if isinstance(message, ToWorker) else _to_daemon
    return adapter.dump_json(message) + b"\n"


def read_for_worker(line: bytes) -> ToWorker:
    """A line from the daemon. Raises `Garbled`."""
    try:
        return _to_worker.validate_json(line)
    except ValidationError as error:
        raise Garbled(_short(error)) from error


def read_for_daemon(line: bytes) -> ToDaemon:
    """A line from a worker. Raises `Garbled`."""
    try:
        return _to_daemon.validate_json(line)
    except ValidationError as error:
        raise Garbled(_short(error)) from error


def _short(error: ValidationError) -> str:
    """Where it is wrong, without what stands there: that may be a number or a name."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}"
