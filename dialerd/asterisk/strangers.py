"""Channels that a dialplan has sent into our application: turned away at once, since nobody here would talk to them.

dialerd dials out. A caller that a dialplan's `Stasis()` hands to it would wait in silence for as long as it has
patience. Channels that stand for ones of ours, after a transfer by a phone, are no strangers; nor is whoever is in a
bridge, nor what another ARI client has put there itself, to listen in for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import structlog

from dialerd.asterisk.ari import AriError, AriHttp
from dialerd.asterisk.events import ChannelNames, Stranger, stranger

REJECTED = "21"
"""The cause with which they are hung up: call rejected (Q.850)."""
_WHY = (
    "a channel that dialerd did not make was sent into its Stasis application; dialerd dials out and takes no calls: "
    "have the dialplan send it elsewhere"
)

_log = structlog.get_logger("dialerd.asterisk")


class Doorkeeper:
    """Turns strangers away, over HTTP."""

    def __init__(self, http: AriHttp, names: ChannelNames) -> None:
        self._http = http
        self._names = names

    async def turn_away(self, who: Stranger) -> None:
        """Hang one up; one that is gone is no error."""
        _log.warning("ari.stranger_hung_up", channel=who.channel, context=who.context, detail=_WHY)
        path = f"channels/{quote(who.channel, safe='')}"
        try:
            reply = await self._http.delete(path, reason_code=REJECTED)
        except AriError as error:
            # It is found again at the next connect.
            _log.warning("ari.delete_failed", path=path, detail=str(error))
            return
        if reply.status != 404 and reply.status >= 300:
            _log.warning("ari.delete_failed", path=path, status=reply.status, detail=reply.message)

    async def look_around(self, channels: Any) -> None:
        """Turn away who came while we were not connected; `channels` is the reply to `GET /channels`."""
        found = tuple(strangers_of(channels, self._names))
        if not found:
            return
        bridged = _bridged((await self._http.get("bridges")).body)
        for each in found:
            if each.channel not in bridged:
                await self.turn_away(each)


def strangers_of(channels: Any, names: ChannelNames) -> Iterator[Stranger]:
    """The channels that a dialplan has sent into our application, of the reply to `GET /channels`."""
    for channel in _dicts(channels):
        found = stranger(channel, names)
        if found and str(channel["dialplan"].get("app_data")).partition(",")[0] == names.instance:
            yield found


def _bridged(bridges: Any) -> set[str]:
    """Every channel that is in a bridge, of the reply to `GET /bridges`."""
    found: set[str] = set()
    for bridge in _dicts(bridges):
        members = bridge.get("channels")
        found.update(map(str, members if isinstance(members, list) else ()))
    return found


def _dicts(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
