"""Transfers: where a callee may be connected with a person, what is asked for, and how far it has come.

A target reaches a dial string, so only a checked one exists (`Target`). Shapes and their reading only; what becomes of
a call is in `dialerd.core.handover`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from dialerd.core.clock import Instant, Millis
from dialerd.core.record import record, replace

PATIENCE = Millis(25_000)
"""How long a person's phone rings, unless something else is said."""
LEAST_PATIENCE = Millis(1_000)
MOST_PATIENCE = Millis(120_000)
LONGEST_REASON = 120
LONGEST_SUMMARY = 1_000


class TransferTrigger(StrEnum):
    """Why a transfer is asked for, the weightiest first: of two for one transfer the weightier one is recorded."""

    REQUEST = "request"
    """Somebody asked for it in so many words: the callee, the agent, or the API."""
    KEYWORD = "keyword"
    KEY = "key"
    MAX_DURATION = "max_duration"
    CONDITION = "condition"

    @property
    def rank(self) -> int:
        """0 is the weightiest."""
        return list(TransferTrigger).index(self)


class TransferFailure(StrEnum):
    """Why nobody was connected."""

    NO_TARGET = "no_target"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"


@record
class TransferWish:
    """What is asked for. `target` None: the default of the campaign, the agent or the installation."""

    target: str | None
    warm: bool | None = None
    """The agent talks on until the person is there; cold: it is silent from the start. None: as is configured."""
    reason: str = ""
    summary: str = ""
    timeout: Millis | None = None
    """How long the person's phone rings. None: as is configured, or `PATIENCE`."""
    trigger: TransferTrigger = TransferTrigger.REQUEST


class TargetKind(StrEnum):
    """What can be a target."""

    ENDPOINT = "endpoint"
    """A PJSIP endpoint."""
    QUEUE = "queue"
    """A queue of app_queue."""
    EXTENSION = "extension"
    """A dialplan extension; what it does is the dialplan's business."""


@record
class Target:
    """A checked target: nothing in it can be taken for a separator of a dial string."""

    kind: TargetKind
    name: str
    context: str = ""
    """Of an extension."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" + (f"@{self.context}" if self.context else "")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_EXTENSION = re.compile(r"([A-Za-z0-9*#+][A-Za-z0-9*#+_.-]{0,63})@([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")


def parse_target(text: str) -> Target:
    """A target from `endpoint:NAME` (or `PJSIP/NAME`), `queue:NAME`, `extension:EXT@CONTEXT`.

    Raises `ValueError`, in words for whoever wrote it.
    """
    kind, separator, rest = text.partition(":")
    if text.startswith("PJSIP/"):
        kind, separator, rest = "endpoint", ":", text.removeprefix("PJSIP/")
    if separator and kind in ("endpoint", "queue"):
        if _NAME.fullmatch(rest):
            return Target(TargetKind(kind), rest)
        raise ValueError(
            f"the name of the {kind} may have letters, digits, '.', '_' and '-', at most 64 of them"
        )
    if separator and kind == "extension":
        found = _EXTENSION.fullmatch(rest)
        if found is not None:
            return Target(TargetKind.EXTENSION, found[1], found[2])
        raise ValueError("an extension is EXT@CONTEXT, of letters, digits, '*', '#', '+', '.', '_' and '-'")
    raise ValueError("a target is endpoint:NAME, queue:NAME or extension:EXT@CONTEXT")


@record
class TransferPlan:
    """A configured target under a name of its own."""

    target: Target
    warm: bool | None = None
    patience: Millis | None = None
    """What a wish says comes before both; None: cold, `PATIENCE`."""
    fallback: str | None = None
    """The plan that is tried when nobody answers under this one."""
    announcement: str | None = None
    """What the person hears before the callee: a sound of Asterisk's."""


@record
class TransferRules:
    """What this installation says of transfers."""

    plans: Mapping[str, TransferPlan] = field(default_factory=dict)
    default: str | None = None
    most: Millis = Millis(3_600_000)
    """How long callee and person may talk."""
    forbidden: frozenset[str] = frozenset()
    """Endpoints that lead into the phone network: nobody is transferred there by naming one."""


def resolve(rules: TransferRules, asked: str | None, default: str | None) -> tuple[str, TransferPlan] | None:
    """The name and plan of a target; None: there is none, or none that may be used.

    Extensions, which can lead anywhere, and endpoints into the phone network are only reached by configured names.
    """
    name = asked or default or rules.default
    if name is None:
        return None
    plan = rules.plans.get(name)
    if plan is not None:
        return name, plan
    try:
        target = parse_target(name)
    except ValueError:
        return None
    if target.kind is TargetKind.EXTENSION or target.name in rules.forbidden:
        return None
    return str(target), TransferPlan(target)


class TransferState(StrEnum):
    """How far a transfer has come."""

    RINGING = "ringing"
    """The person's phone is being called."""
    JOINING = "joining"
    """The person has answered, and is being connected."""
    CONNECTED = "connected"
    ENDED = "ended"


ANSWERED = "answered"
CANCELLED = "cancelled"
"""Outcomes beside `TransferFailure`: a person answered; the call ended before anybody did."""


@record
class Transfer:
    """One transfer of a call; a call has one at a time, and keeps the last."""

    target: str
    """As it is told: a configured name, or the target itself."""
    where: Target | None
    """None: there was no such target."""
    asked_at: Instant
    warm: bool = False
    reason: str = ""
    summary: str = ""
    trigger: TransferTrigger = TransferTrigger.REQUEST
    timeout: Millis = PATIENCE
    leg: int = 1
    """Counts the persons' phones that were called for this call: part of the channel id."""
    tried: tuple[str, ...] = ()
    """The plans that were tried for it, this one included."""
    announcement: str | None = None
    ask: int = 0
    """The last wish of the call's agent that was taken note of."""
    state: TransferState = TransferState.RINGING
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: str | None = None
    """`answered`, `cancelled` or a `TransferFailure`; None while that is open."""

    @property
    def pending(self) -> bool:
        """Whether nobody is connected yet, and somebody may be."""
        return self.state in (TransferState.RINGING, TransferState.JOINING)

    @property
    def connected(self) -> bool:
        """Whether callee and person are talking, as far as is known."""
        return self.state is TransferState.CONNECTED

    @property
    def answered(self) -> bool:
        """Whether a person was connected."""
        return self.outcome == ANSWERED


def weightier(transfer: Transfer, wish: TransferWish, ask: int) -> Transfer:
    """A transfer that is asked for once more while it is under way: its recorded trigger is the weightier one."""
    transfer = replace(transfer, ask=max(ask, transfer.ask))
    if TransferTrigger(wish.trigger).rank < TransferTrigger(transfer.trigger).rank:
        return replace(transfer, trigger=wish.trigger, reason=wish.reason or transfer.reason)
    return transfer
