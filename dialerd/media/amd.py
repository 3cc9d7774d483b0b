"""Asterisk's own answering machine detection, beside a call: it hears the callee on a snoop channel and says so once.

The call itself is untouched. `AMD()` runs in the dialplan (`dialerd-amd`, which users include); its verdict is read
from the variables of the snoop channel, a few times at most. What cannot be had is no verdict, never a fault of a call.
"""

from __future__ import annotations

import asyncio
import contextlib

from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.core.model import AnsweredBy
from dialerd.media.ari import MediaAri

LOOK = 0.5
"""Seconds between two looks; AMD says something within five."""
PATIENCE = 8.0
_IN_OUR_HANDS = (0.01, 0.03, 0.1, 0.3)
"""Seconds to wait until a snoop channel that was made can be sent on."""
_SILENCE = "INITIALSILENCE"


async def judge(ari: MediaAri, channel: ChannelId) -> tuple[AnsweredBy, str] | None:
    """Who has answered `channel`, in Asterisk's opinion, and why; None: it has none, or cannot be asked.

    Silence is none: people wait for the caller.
    """
    try:
        await ari.make_snoop(channel)
        try:
            return _meaning(await _verdict(ari, channel))
        finally:
            with contextlib.suppress(PortError):
                await ari.drop_snoop(channel)
    except PortError:
        return None


async def _verdict(ari: MediaAri, channel: ChannelId) -> tuple[str, str] | None:
    for wait in _IN_OUR_HANDS:
        await asyncio.sleep(wait)
        if await ari.send_to_amd(channel):
            break
    else:
        return None
    for _ in range(round(PATIENCE / LOOK)):
        await asyncio.sleep(LOOK)
        status = await ari.variable_of_snoop(channel, "AMDSTATUS")
        if status is not None:
            return status, await ari.variable_of_snoop(channel, "AMDCAUSE") or ""
    return None


def _meaning(verdict: tuple[str, str] | None) -> tuple[AnsweredBy, str] | None:
    status, cause = verdict or ("", "")
    why = f"Asterisk's AMD: {status} ({cause})"
    if status == "HUMAN":
        return AnsweredBy.HUMAN, why
    if status == "MACHINE" and not cause.startswith(_SILENCE):
        return AnsweredBy.MACHINE, why
    return None
