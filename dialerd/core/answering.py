"""Who has answered, a person or a machine, and what that makes of the call.

The media worker hears it and acts on it at once; here it is kept, and an answering machine counts as nobody reached
unless somebody has labelled the call all the same. The verdict may change as long as the call lasts.
"""

from __future__ import annotations

from dialerd.core.disposition import CONNECTED
from dialerd.core.journal import CallJudged
from dialerd.core.messages import AnswerJudged, MessageLeft
from dialerd.core.model import AnsweredBy, Call, OnMachine
from dialerd.core.record import replace
from dialerd.core.turn import Turn


def on_judged(turn: Turn, event: AnswerJudged) -> None:
    """The worker has heard who is there."""
    call = turn.world.calls.get(event.call)
    if call is None or call.answered_by is event.answered_by:
        return
    _keep(turn, replace(call, answered_by=event.answered_by))
    turn.announce(
        "call.answered_by",
        {
            "call": call.id,
            "campaign": call.campaign_id,
            "answered_by": event.answered_by,
            "detail": event.detail,
        },
    )


def on_message_left(turn: Turn, event: MessageLeft) -> None:
    """The message is on the machine: no other one is left in this campaign."""
    call = turn.world.calls.get(event.call)
    if call is not None and not call.message_left:
        _keep(turn, replace(call, message_left=True))


def on_machine(turn: Turn, call: Call) -> OnMachine:
    """What the worker is to do with a machine: no contact of a campaign gets a second message."""
    campaign = turn.world.campaigns.get(call.campaign_id) if call.campaign_id is not None else None
    wanted = campaign.on_machine if campaign is not None else call.on_machine
    had_one = call.contact is not None and call.contact.message_left
    return OnMachine.HANG_UP if wanted is OnMachine.MESSAGE and had_one else wanted


def reached_machine(call: Call) -> bool:
    """Whether an answered call reached nobody but a machine. A label, or a transfer, says that somebody was there."""
    labelled = call.label is not None or (call.report.disposition or CONNECTED) != CONNECTED
    handed_over = call.transfer is not None and call.transfer.answered
    return call.answered_by is AnsweredBy.MACHINE and not labelled and not handed_over


def _keep(turn: Turn, call: Call) -> None:
    turn.world.calls.put(call.id, call)
    turn.record(CallJudged(call))
