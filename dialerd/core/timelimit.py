"""How long an answered call may last: counted from its answer, and put off while a person's phone rings for it.

Asterisk has limits of its own on every channel, somewhat longer, for a daemon that is not there to end a call.
"""

from __future__ import annotations

from dialerd.core.clock import MICROS_PER_MILLI, Millis, Mono, Now, mono_after
from dialerd.core.model import Call, TryState
from dialerd.core.policy import Policy
from dialerd.core.record import replace

PARTING = Millis(30_000)
"""What a call is left with at least, once, when nobody has come for a transfer: for its agent's last words."""
_LEAST = Millis(1_000)


def begun(policy: Policy, now: Now) -> Mono:
    """The end of a call that is answered now."""
    return mono_after(now.mono, policy.max_call)


def with_person(policy: Policy, now: Now) -> Mono:
    """The end of a call whose callee is connected with a person now: a transfer has a limit of its own."""
    return mono_after(now.mono, policy.transfers.most)


def again(policy: Policy, call: Call, now: Now) -> Mono | None:
    """The end of a call that was going on before a restart; None: it was not answered."""
    if call.answered_at is None:
        return None
    since, most = call.answered_at, policy.max_call
    transfer = call.transfer
    if transfer is not None and transfer.connected and transfer.answered_at is not None:
        since, most = transfer.answered_at, policy.transfers.most
    return mono_after(now.mono, Millis(most - (now.wall - since)))


def back_with_agent(call: Call, now: Now) -> Call:
    """A call for which nobody has come: it has what is left of its time."""
    if call.limit is None or call.parting or left(call, now) >= PARTING:
        return call
    return replace(call, limit=mono_after(now.mono, PARTING), parting=True)


def left(call: Call, now: Now) -> Millis:
    """How long a call may still last."""
    if call.limit is None:
        return _LEAST
    return Millis(max(_LEAST, (call.limit - now.mono) // MICROS_PER_MILLI))


def is_over(call: Call, now: Now) -> bool:
    """Whether a running call has lasted for as long as it may."""
    transfer = call.transfer
    if call.limit is None or call.limit > now.mono or call.hangup is not None:
        return False
    if call.current.state is not TryState.ANSWERED or (transfer is not None and transfer.pending):
        return False
    return not call.agent_done or (transfer is not None and transfer.connected)
