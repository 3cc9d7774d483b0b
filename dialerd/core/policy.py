"""Rules of dialing that hold for the whole installation, and the order that nothing is dialed at all."""

from __future__ import annotations

from enum import StrEnum

from dialerd.core.clock import Millis
from dialerd.core.record import record
from dialerd.core.transfer import TransferRules


@record
class Policy:
    """Installation-wide rules of dialing."""

    min_gap: Millis
    """Minimum time between the end of one call to a number and the start of the next, over all campaigns."""
    refund_spacing: tuple[Millis, ...]
    """Waits before the first, second, third … try after a refund; their count is the limit of refunds."""
    max_unanswered_originates: int = 16
    """Originates per Asterisk whose reply is outstanding; more would queue in the socket, their gate verdict stale."""
    max_call: Millis = Millis(600_000)
    backstop: Millis = Millis(10_000)
    """Wait beyond ring timeout before the engine asks Asterisk about a silent try."""
    settle: Millis = Millis(1_500)
    """Wait after a reconnect before the absence of a try is believed."""
    clock_settle: Millis = Millis(60_000)
    """How long the wall clock must agree with the monotonic one, after a step, before anything is dialed again."""
    caps: tuple[tuple[Millis, int], ...] = ()
    """Frequency caps: within any such time so many counted calls to one number at most, over all campaigns."""
    abandoned_share: float = 0.03
    """Live answers in which nobody was heard within two seconds, of all: beyond it a campaign is braked."""
    abandoned_least: int = 100
    """Live answers of a campaign from which that is judged."""
    audit: Millis = Millis(5_000)
    """How often calls are compared with the channels that Asterisk has, while there are any."""
    transfers: TransferRules = TransferRules()


class Halt(StrEnum):
    """Why the whole daemon places no calls, by somebody's order. Durable; only a resume lifts it."""

    PAUSE = "pause"
    PANIC = "panic"
